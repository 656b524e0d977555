"""Logs: one JSON object a line, a constant event name with values as fields, secrets masked before anything is written.

    with log.bound(hub_id=hub.id):
        log.info("step_waiting", step="vm", retry_after_s=15)

Levels: error = somebody must act or something may leak; warning = a hub or a caller has a problem that is handled;
info = what happened. The masking works on the finished text of every value, whoever logged it (the SDKs too), so a
secret that slipped into an error message still does not reach the log.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TextIO

LOGGER = "hublet"

MASK = "***"
MAX_TEXT = 4000
"""Characters of one value. A hostile or broken other side must not fill the log."""

_MAX_DEPTH = 6

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # Private keys in PEM: to the end line, or to the end of the text when it was cut off.
    (
        re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|\Z)", re.S),
        MASK,
    ),
    # The same key's body without its armour: base64 of the magic `openssh-key-v1`.
    (re.compile(r"b3BlbnNzaC1rZXktdj[A-Za-z0-9+/=\s]*"), MASK),
    (re.compile(r"PuTTY-User-Key-File.*", re.S), MASK),
    (re.compile(r"\bhlt_[A-Za-z0-9]{1,64}_[A-Za-z0-9_-]+"), "hlt_" + MASK),
    (re.compile(r"\bwhsec_[A-Za-z0-9+/_-]{8,}={0,2}"), "whsec_" + MASK),
    (
        re.compile(r"(?i)\b(bearer|basic|token|sharedkey(?:lite)?)(\s+)(?!\*\*\*)[A-Za-z0-9._~+/:=-]{8,}"),
        r"\1\2" + MASK,
    ),
    (re.compile(r"\$2[abxy]?\$\d{1,2}\$[./A-Za-z0-9]*"), MASK),  # bcrypt
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?"), MASK),  # JSON Web Token
    (re.compile(r"(?i)\b(AccountKey|SharedAccessSignature)=[^;\s\"']+"), r"\1=" + MASK),
    (re.compile(r"(?<=://)[^/@\s]{1,200}(?=@)"), MASK),  # user and password in a URL
    # Slack's tokens, its addresses to which their holder may post, our links that press a button for their holder.
    (re.compile(r"\b(xox[a-z]|xapp)-[A-Za-z0-9-]{8,}"), r"\1-" + MASK),
    (re.compile(r"(?i)\b(hooks\.slack\.com/)[^\s\"'<>]+"), r"\1" + MASK),
    (re.compile(r"(/chat/actions/)[A-Za-z0-9._-]{16,}"), r"\1" + MASK),
    (re.compile(r"(?i)([?&](?:sig|key|code|token|access_token|password)=)[^&\s\"']+"), r"\1" + MASK),
)

_SECRET_NAME = re.compile(
    r"(?i)(?:^|_|-)(?:password|passwd|secret|secrets|token|authorization|cookie|private_?key|api_?key|pem|seal_?keys?)$"
)

_bound: ContextVar[Mapping[str, object]] = ContextVar("hublet_log_fields", default=MappingProxyType({}))


# ------------------------------------------------------------------ writing


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Adds fields to every line logged inside, also by what is called and awaited; nests; always undone."""
    token = _bound.set({**_bound.get(), **fields})
    try:
        yield
    finally:
        _bound.reset(token)


def info(event: str, **fields: object) -> None:
    _write(logging.INFO, event, fields)


def warning(event: str, **fields: object) -> None:
    _write(logging.WARNING, event, fields)


def error(event: str, **fields: object) -> None:
    """Also shows where the exception that is being handled came from, when there is one."""
    _write(logging.ERROR, event, fields, with_exception=sys.exc_info()[1] is not None)


def _write(level: int, event: str, fields: Mapping[str, object], *, with_exception: bool = False) -> None:
    logger = logging.getLogger(LOGGER)
    if logger.isEnabledFor(level):
        extra = {"hublet_fields": {**_bound.get(), **fields}}
        logger.log(level, event, extra=extra, exc_info=with_exception, stacklevel=3)


# ------------------------------------------------------------------ masking


def redact(text: str, literals: Sequence[str] = ()) -> str:
    """The text without secrets: known values first, then everything that looks like one. Twice changes nothing."""
    for literal in literals:
        text = text.replace(literal, MASK)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def is_secret_name(name: str) -> bool:
    """Whether a field of this name (snake_case or camelCase) holds a secret whatever its value looks like."""
    return _SECRET_NAME.search(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)) is not None


class RedactingFormatter(logging.Formatter):
    """One line of ASCII JSON a record: time, level, event, fields. Control characters arrive escaped, never raw.

    `literals`: secret values that are known and have no shape of their own (the admin token of the settings).
    """

    def __init__(self, literals: Sequence[str] = ()) -> None:
        super().__init__()
        self._literals = tuple(literal for literal in literals if len(literal) >= 8)

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "event": self._text(_message(record)),
        }
        if record.name != LOGGER:
            line["logger"] = self._text(record.name)
        fields = getattr(record, "hublet_fields", None)
        for name, value in (fields or {}).items():
            key = self._text(str(name))
            line[f"field_{key}" if key in line else key] = MASK if is_secret_name(key) else self._plain(value, 0)
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = self._text("".join(traceback.format_exception(record.exc_info[1])))
        # json escapes C0 and, with ASCII output, C1 and the Unicode line separators; DEL is the one left over.
        return json.dumps(line, ensure_ascii=True, separators=(",", ":")).replace("\x7f", "\\u007f")

    def _plain(self, value: object, depth: int) -> object:
        if value is None or isinstance(value, bool | int | float):
            return (
                value if not isinstance(value, float) or (value == value and abs(value) != float("inf")) else str(value)
            )
        if isinstance(value, datetime):
            return value.isoformat()
        if depth < _MAX_DEPTH and isinstance(value, Mapping):
            pairs = {self._text(str(key)): inner for key, inner in value.items()}
            return {k: MASK if is_secret_name(k) else self._plain(v, depth + 1) for k, v in pairs.items()}
        if depth < _MAX_DEPTH and isinstance(value, list | tuple | set | frozenset):
            return [self._plain(inner, depth + 1) for inner in value]
        return self._text(str(value))

    def _text(self, text: str) -> str:
        masked = redact(text, self._literals)
        return masked if len(masked) <= MAX_TEXT else masked[:MAX_TEXT] + f"... ({len(masked)} characters)"


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # somebody else's format string does not fit its arguments
        return str(record.msg)


# ------------------------------------------------------------------ set up


def install(*, literals: Sequence[str] = (), stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Puts the formatter on every handler of the root logger; makes one when there is none. Twice = once.

    The Functions worker installs its own handler before it imports the app; ours is for runs without one.
    SDK loggers are held at warning: at info they print each request's headers.
    """
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.StreamHandler(stream or sys.stderr))
    formatter = RedactingFormatter(literals)
    for handler in root.handlers:
        handler.setFormatter(formatter)
    logging.getLogger(LOGGER).setLevel(level)
    for noisy in ("azure", "asyncssh", "aiohttp", "urllib3", "msal"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
