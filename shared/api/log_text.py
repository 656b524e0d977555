"""A piece of an installer's log as text that is safe to show. The bytes come from a machine that others may control."""

import re
from dataclasses import dataclass

MAX_BYTES = 256 * 1024
"""One answer; `Next-Offset` leads to the rest."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class LogText:
    text: str
    next_offset: int


def log_text(data: bytes, offset: int) -> LogText:
    """UTF-8 text for `data` that begins at byte `offset`; a character cut in two at the end waits for the next piece.

    Terminal codes and text-direction marks become visible escapes, so a log cannot drive the reader's terminal.
    """
    whole = data[: len(data) - _cut(data)]
    if not whole:
        whole = data  # nothing but a broken character: show it rather than stand still
    text = _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", whole.decode("utf-8", "replace").replace("\r\n", "\n"))
    return LogText(text, offset + len(whole))


def _cut(data: bytes) -> int:
    """How many bytes at the end begin a character whose rest is missing (0 to 3)."""
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte & 0b1100_0000 == 0b1000_0000:
            continue
        needed = 2 if byte >> 5 == 0b110 else 3 if byte >> 4 == 0b1110 else 4 if byte >> 3 == 0b11110 else 1
        return back if needed > back else 0
    return 0
