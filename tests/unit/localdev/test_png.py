"""Pictures made small stay the same pictures."""

import struct
import zlib

import pytest

from localdev.pictures.png import SIGNATURE, _read, size, small

WIDTH = 16
FILTERS = (0, 1, 2, 3, 4)


def predicted(kind: int, left: int, above: int, corner: int) -> int:
    """By the words of the specification, section 9."""
    if kind == 4:
        p = left + above - corner
        distances = [abs(p - left), abs(p - above), abs(p - corner)]
        return (left, above, corner)[distances.index(min(distances))]
    return {0: 0, 1: left, 2: above, 3: (left + above) // 2}[kind]


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def written(rows: list[bytes], channels: int) -> bytes:
    """A true-colour PNG whose rows use one filter after the other."""
    packed, above = b"", bytes(len(rows[0]))
    for number, row in enumerate(rows):
        kind = FILTERS[number % len(FILTERS)]
        packed += bytes([kind])
        for at, value in enumerate(row):
            left = row[at - channels] if at >= channels else 0
            corner = above[at - channels] if at >= channels else 0
            packed += bytes([(value - predicted(kind, left, above[at], corner)) & 255])
        above = row
    head = struct.pack(">IIBBBBB", WIDTH, len(rows), 8, {3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(packed)), (b"IEND", b""))
    body = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    return SIGNATURE + b"".join(body)


def shown(picture: bytes) -> list[bytes]:
    """The colours of a palette PNG without filters, pixel by pixel."""
    chunks, at = {}, len(SIGNATURE)
    while at < len(picture):
        length = int.from_bytes(picture[at : at + 4])
        name, data = picture[at + 4 : at + 8], picture[at + 8 : at + 8 + length]
        assert zlib.crc32(name + data) == int.from_bytes(picture[at + 8 + length : at + 12 + length])
        chunks[name] = data
        at += 12 + length
    assert list(chunks) == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    palette, rows = chunks[b"PLTE"], zlib.decompress(chunks[b"IDAT"])
    pixels = [value for at in range(0, len(rows), WIDTH + 1) for value in rows[at + 1 : at + 1 + WIDTH]]
    return [palette[3 * one : 3 * one + 3] for one in pixels]


@pytest.mark.parametrize("channels", [3, 4])
def test_a_picture_of_few_colours_stays_as_it_is_under_every_filter(channels: int):
    colours = [bytes((40 * n % 256, 200 - 13 * n, 7 * n)) for n in range(11)]
    rows = [[colours[(3 * x + 5 * y) % 11] for x in range(WIDTH)] for y in range(12)]
    picture = written([b"".join(one + b"\xff" * (channels - 3) for one in row) for row in rows], channels)
    assert size(small(picture)) == size(picture) == (WIDTH, 12)
    assert shown(small(picture)) == [colour for row in rows for colour in row]


def test_many_colours_become_near_ones_and_the_most_frequent_stays_exact():
    white = b"\xff\xff\xff"
    rows = [[white if x < 9 else bytes((x * 9, y * 3, (x * y) % 256)) for x in range(WIDTH)] for y in range(80)]
    before = [colour for row in rows for colour in row]
    after = shown(small(written([b"".join(row) for row in rows], 3)))
    assert len(set(before)) > 256 >= len(set(after))
    assert all(new == white for old, new in zip(before, after, strict=True) if old == white)
    assert max(abs(a - b) for old, new in zip(before, after, strict=True) for a, b in zip(old, new, strict=True)) < 64


def test_what_is_no_screenshot_is_refused():
    with pytest.raises(ValueError, match="no PNG"):
        small(b"GIF89a" + bytes(40))
    palette_picture = small(written([bytes(3 * WIDTH)], 3))
    with pytest.raises(ValueError, match="8-bit"):
        _read(palette_picture)
