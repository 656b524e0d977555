"""Input that is not well-formed is refused before anything is done with it."""

import re
from typing import Any

from shared.onvm.agent.errors import AgentError

RE_USER = re.compile(r"[a-z][a-z0-9_.@-]{0,63}")
RE_ADMIN = re.compile(r"[a-z][a-z0-9_-]{0,25}")
RE_HASH = re.compile(r"\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}")
RE_URL = re.compile(r"https://[\x21-\x7e]{1,2000}")
RE_VERSION = re.compile(r"[0-9][0-9A-Za-z.+-]{0,30}")
RE_SHA256 = re.compile(r"[0-9a-f]{64}")
RE_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
RE_APT = re.compile(r"[a-z0-9][a-z0-9+.-]{1,99}")
RE_PIP = re.compile(r"[A-Za-z0-9][\x21-\x7e]{0,299}")
RE_SERVICE = re.compile(r"hublet(-[a-z]{1,20})?")
RE_TOKEN = re.compile(r"[A-Za-z0-9._~-]{16,200}")
RE_SCOPE = re.compile(r"[a-z:]{1,60}(![a-z=._-]{1,60})?")
RE_DOMAIN = re.compile(r"[a-z0-9][a-z0-9.-]{1,252}")
RE_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,190}")
RE_MEMORY = re.compile(r"[0-9]{1,6}(\.[0-9]{1,3})?[KMGT]")
RE_ED25519 = re.compile(r"ssh-ed25519 AAAA[A-Za-z0-9+/]{40,100}={0,2}( [A-Za-z0-9@._-]{1,64})?")


def text(source: dict[str, Any], name: str, pattern: "re.Pattern[str]") -> str:
    """A string member that matches the whole pattern, else BadInput."""
    value = source.get(name)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise AgentError("BadInput", f"{name} is missing or not well-formed.")
    return value


def texts(source: dict[str, Any], name: str, pattern: "re.Pattern[str]") -> list[str]:
    """A list of such strings; absent or null is an empty list."""
    values = source.get(name) or []
    if not isinstance(values, list) or len(values) > 500:
        raise AgentError("BadInput", f"{name} is not a list, or too long.")
    return [text({name: value}, name, pattern) for value in values]


def number(source: dict[str, Any], name: str, low: float, high: float, default: float | None = None) -> float:
    value = source.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise AgentError("BadInput", f"{name} is not a number from {low:g} to {high:g}.")
    return value
