"""Reading a form (`application/x-www-form-urlencoded`), as Slack sends it: small, and meaning one thing only."""

import re
from urllib.parse import parse_qsl

from shared.api.problems import Problem

FORM = "application/x-www-form-urlencoded"
MAX_FIELDS = 64

_WHOLE = re.compile(r"(?:[\x21-\x24\x26-\x7e]|%[0-9A-Fa-f]{2})*")
"""ASCII without spaces, and whole escapes: `parse_qsl` would keep half of one as text."""


def read_form(body: bytes, content_type: str | None) -> dict[str, str]:
    """Its fields, empty ones too. Raises Problem `UnsupportedMediaType` or `InvalidForm`: for what is no form in UTF-8,
    and for a name that stands twice, which other readers would read otherwise."""
    if (content_type or FORM).partition(";")[0].strip().lower() != FORM:
        raise Problem("UnsupportedMediaType", f"The body must be sent as `Content-Type: {FORM}`.")
    text = body.decode("latin-1")
    if not _WHOLE.fullmatch(text):
        raise Problem("InvalidForm", "The body is not URL-encoded.")
    try:
        pairs = parse_qsl(
            text, keep_blank_values=True, strict_parsing=bool(text), errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError:  # also: not UTF-8
        raise Problem("InvalidForm", f"The body is not a form in UTF-8 of at most {MAX_FIELDS} fields.") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Problem("InvalidForm", "The same name stands twice in the form.")
    return fields
