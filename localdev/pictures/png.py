"""PNGs made small: the browser writes true colour with alpha and compresses in haste; a picture of a card is a few
colours. https://www.w3.org/TR/png-3/"""

import struct
import zlib
from collections import Counter

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_COLOURS = 256


def small(picture: bytes) -> bytes:
    """The same picture with a palette. When it has more than 256 colours, near ones become the most frequent of them.

    Raises ValueError for what is not an 8-bit RGB or RGBA picture without interlacing: a screenshot is."""
    width, height, channels, raw = _read(picture)
    if channels == 4:
        raw = _without_alpha(raw)
    colours = [raw[at : at + 3] for at in range(0, len(raw), 3)]
    index = _palette(Counter(colours))
    palette = sorted(set(index.values()))
    place = {colour: number for number, colour in enumerate(palette)}
    table = {colour: place[index[colour]] for colour in index}
    pixels = bytes(table[colour] for colour in colours)
    rows = b"".join(b"\0" + pixels[at : at + width] for at in range(0, len(pixels), width))
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", head), (b"PLTE", b"".join(palette)), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return SIGNATURE + b"".join(_chunk(kind, data) for kind, data in parts)


def size(picture: bytes) -> tuple[int, int]:
    """Width and height. Raises ValueError."""
    if not picture.startswith(SIGNATURE):
        raise ValueError("no PNG")
    return int.from_bytes(picture[16:20]), int.from_bytes(picture[20:24])


def _palette(count: Counter[bytes]) -> dict[bytes, bytes]:
    """Each colour -> the one that stands for it: itself, or the most frequent one of its cell of the colour cube."""
    for bits in range(8, 0, -1):
        shift = 8 - bits
        best: dict[tuple[int, ...], bytes] = {}
        for colour, _ in count.most_common():
            best.setdefault(tuple(part >> shift for part in colour), colour)
        if len(best) <= MAX_COLOURS:
            return {colour: best[tuple(part >> shift for part in colour)] for colour in count}
    raise AssertionError("eight cells are never too many")


def _read(picture: bytes) -> tuple[int, int, int, bytes]:
    """Width, height, channels, and the pixels without filters."""
    width, height = size(picture)
    depth, kind, _, _, interlaced = picture[24:29]
    channels = {2: 3, 6: 4}.get(kind)
    if depth != 8 or channels is None or interlaced:
        raise ValueError("only 8-bit RGB and RGBA without interlacing")
    packed, at = b"", len(SIGNATURE)
    while at < len(picture):
        length = int.from_bytes(picture[at : at + 4])
        if picture[at + 4 : at + 8] == b"IDAT":
            packed += picture[at + 8 : at + 8 + length]
        at += 12 + length
    return width, height, channels, _unfiltered(zlib.decompress(packed), width * channels, channels)


def _unfiltered(data: bytes, stride: int, step: int) -> bytes:
    before, rows = bytearray(stride), []
    for start in range(0, len(data), stride + 1):
        kind, row = data[start], bytearray(data[start + 1 : start + 1 + stride])
        for at in range(stride if kind else 0):
            left = row[at - step] if at >= step else 0
            corner = before[at - step] if at >= step else 0
            row[at] = (row[at] + _guess(kind, left, before[at], corner)) & 255
        rows.append(bytes(row))
        before = row
    return b"".join(rows)


def _guess(kind: int, left: int, above: int, corner: int) -> int:
    match kind:
        case 1:
            return left
        case 2:
            return above
        case 3:
            return (left + above) // 2
        case _:
            guess = left + above - corner
            return min((left, above, corner), key=lambda one: abs(guess - one))


def _without_alpha(raw: bytes) -> bytes:
    """A screenshot is opaque."""
    kept = bytearray(len(raw) // 4 * 3)
    for channel in range(3):
        kept[channel::3] = raw[channel::4]
    return bytes(kept)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
