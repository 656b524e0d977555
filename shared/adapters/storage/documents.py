"""JSON documents in rows: a string property holds 32,768 UTF-16 units, so a longer text is split over several.
https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
"""

import json
import re
from collections.abc import Mapping
from typing import Any

MAX_UNITS = 30_000
DOCUMENT = "doc"

_LONE_SURROGATES = re.compile("[\ud800-\udfff]")


def to_text(value: object) -> str:
    """Compact JSON. A lone surrogate (half a character, which JSON can carry and UTF-8 cannot) becomes U+FFFD.

    Raises ValueError for NaN and infinities, TypeError for what JSON does not know.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return _LONE_SURROGATES.sub("\ufffd", text)


def split(text: str, name: str = DOCUMENT) -> dict[str, str]:
    """Properties `<name>0`, `<name>1`, ... of at most MAX_UNITS UTF-16 units; no character is cut in two."""
    parts: dict[str, str] = {}
    start = 0
    while start < len(text) or not parts:
        end = min(len(text), start + MAX_UNITS)
        # Characters outside the basic plane count twice: give back half of what is too much until it fits.
        while (excess := _units(text[start:end]) - MAX_UNITS) > 0:
            end -= (excess + 1) // 2
        parts[f"{name}{len(parts)}"] = text[start:end]
        start = end
    return parts


def join(values: Mapping[str, Any], name: str = DOCUMENT) -> str | None:
    """The text that `split` made; None when there is none."""
    parts: list[str] = []
    while isinstance(part := values.get(f"{name}{len(parts)}"), str):
        parts.append(part)
    return "".join(parts) if parts else None


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2
