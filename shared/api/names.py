"""What names and other short texts of a request may look like. Pure; each function returns a sentence or None.

Every grammar is closed: what it does not list is refused, because the text ends up in Azure names, cloud-init,
`apt-get` and `pip` argument lists on a machine where it is used by root.
"""

import ipaddress
import re
from datetime import UTC, datetime
from urllib.parse import urlsplit

from shared.hubs.model import HUB_NAME

HUB_ID = re.compile(r"[a-z][a-z0-9-]{0,29}-[a-z2-7]{6}")
OPERATION_ID = re.compile(r"[a-z][a-z0-9-]{0,29}-[a-z2-7]{6}\.[1-9][0-9]{0,8}")
TOKEN_ID = re.compile(r"[a-z0-9]{1,32}")
SINK_ID = re.compile(r"[a-z2-7]{12}")
NOTICE_ID = re.compile(r"[a-z][a-z0-9-]{0,29}-[a-z2-7]{6}\.[0-9]{1,10}")
OWNER = re.compile(r"[a-z0-9](?:[a-z0-9._@+-]{0,62}[a-z0-9])?")
ADMIN_USER = re.compile(r"[a-z][a-z0-9_-]{0,16}")
PERSON = re.compile(r"[a-z0-9](?:[a-z0-9._@-]{0,62}[a-z0-9])?")

_AZURE = (
    "1 123 a actuser adm admin admin1 admin2 administrator aspnet backup console david guest john owner root server "
    "sql support support_388945a0 sys test test1 test2 test3 user user1 user2 user3 user4 user5 video"
)
_UBUNTU = (
    "_apt audio bin cdrom crontab daemon dhcpcd dialout dip disk dnsmasq fax floppy fwupd-refresh games gnats input "
    "irc kmem kvm landscape list lp lxd mail man messagebus netdev news nobody nogroup operator plugdev polkitd "
    "pollinate proxy rdma render sasl sgx shadow src ssh sshd staff sudo sync syslog systemd-coredump "
    "systemd-journal systemd-network systemd-resolve systemd-timesync tape tcpdump tss tty ubuntu usbmux users utmp "
    "uucp uuidd voice whoopsie www-data"
)

AZURE_RESERVED = frozenset(_AZURE.split())
"""https://learn.microsoft.com/azure/virtual-machines/linux/faq: "What are the username requirements"."""

OS_RESERVED = frozenset(_UBUNTU.split())
"""Accounts and groups of Ubuntu 22.04 and 24.04 server images: adduser refuses a name that a group has."""

OUR_PREFIXES = ("hublet", "jupyter", "systemd")
"""`hublet` is the control plane's own account, `jupyter-...` are TLJH's accounts for people."""

TLJH_ADMIN_FALLBACK = "hubadmin"


def hub_name(text: str) -> str | None:
    if not HUB_NAME.fullmatch(text):
        return (
            "A hub name has 1 to 30 lower-case letters, digits and hyphens, begins with a letter and does not end "
            "with a hyphen."
        )
    return None


SLACK_CHANNEL = re.compile(r"[CG][A-Z0-9]{2,30}")
"""Slack's id of a channel (`C...`, an older private one `G...`). It posts to people (`U...`, `W...`, `D...`) and to
names as well (https://docs.slack.dev/reference/methods/chat.postMessage#channels): whoever may make a hub must not make
the bot write to people one by one, and a name is another channel's when that one is renamed."""

TEAMS_WEBHOOK = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
"""What a Workflows webhook is called in the settings."""


def slack_channel(text: str) -> str | None:
    if not SLACK_CHANNEL.fullmatch(text):
        return "Write the id of a Slack channel, as in C0123456789: it stands at the end of the channel's details."
    return None


def teams_webhook(text: str) -> str | None:
    if not TEAMS_WEBHOOK.fullmatch(text):
        return "Write the name of a Teams webhook of this service: lower-case letters, digits and hyphens."
    return None


def is_reserved_admin(text: str) -> bool:
    return text in AZURE_RESERVED or text in OS_RESERVED or text.startswith(OUR_PREFIXES)


def admin_user(text: str) -> str | None:
    """The grammar only; `is_reserved_admin` is asked apart, as it is another mistake."""
    if not ADMIN_USER.fullmatch(text):
        return "An admin name has 1 to 17 lower-case letters, digits, `_` and `-`, and begins with a letter."
    return None


def default_admin_user(owner: str) -> str:
    """The owner's own name where it can be one (the tutorial's habit), else `hubadmin`."""
    local = re.sub(r"[^a-z0-9_-]+", "-", owner.lower().split("@")[0]).strip("-_")[:17].strip("-_")
    return local if ADMIN_USER.fullmatch(local) and not is_reserved_admin(local) else TLJH_ADMIN_FALLBACK


def person(text: str) -> str | None:
    """A user of a hub. TLJH lower-cases names at login, refuses commas, spaces and slashes, fails on colons, and its
    `tljh-config` reads an all-digit name as a number and refuses it."""
    if not PERSON.fullmatch(text) or text.isdecimal():
        return (
            "A user name has 1 to 64 lower-case letters, digits, `.`, `_`, `-` and `@`, begins and ends with a letter "
            "or digit, and is not a number."
        )
    if text.startswith("hublet"):
        return "User names that begin with `hublet` belong to the service."
    return None


# ------------------------------------------------------------------ packages

_APT = re.compile(r"[a-z0-9][a-z0-9+.-]{0,126}[a-z0-9+](?:=[A-Za-z0-9][A-Za-z0-9.+:~-]{0,126})?")
"""Debian policy 5.6.1 and 5.6.12. A trailing `-` would make apt-get remove the package, so it is refused."""

_PIP = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?"
    r"(?:\[[A-Za-z0-9][A-Za-z0-9._-]*(?:,[A-Za-z0-9][A-Za-z0-9._-]*)*\])?"
    r"(?:(?:~=|===?|!=|<=?|>=?)[A-Za-z0-9.*+!_-]{1,64}(?:,(?:~=|===?|!=|<=?|>=?)[A-Za-z0-9.*+!_-]{1,64})*)?"
)
"""A name, extras and version specifiers of PEP 508; no URLs, markers, options, paths or spaces."""

_ARCHIVES = (".whl", ".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".egg")
"""pip takes a name that ends so for a file in the present directory."""


def apt_package(text: str) -> str | None:
    if _APT.fullmatch(text):
        return None
    return "Write a Debian package name, with `=version` if wanted."


def pip_package(text: str) -> str | None:
    if len(text) <= 256 and _PIP.fullmatch(text) and not text.lower().endswith(_ARCHIVES):
        return None
    return "Write a PyPI name with extras and version (`pandas[excel]>=2,<3`): no spaces, URLs, paths or options."


# ------------------------------------------------------------------ network

_HOST = re.compile(r"(?=.{4,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])")
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}")

WIDEST_PREFIX = 8
"""Port 22 is never open to the world: two halves of it are as bad as the whole, so /8 is the widest network."""


def domain(text: str) -> str | None:
    if _HOST.fullmatch(text) and not text.endswith((".local", ".localhost", ".internal", ".invalid")):
        return None
    return "Write a public domain name in lower case, such as hub.example.org."


def email(text: str) -> str | None:
    return None if len(text) <= 254 and _EMAIL.fullmatch(text) else "Write an e-mail address."


def requirements_url(text: str) -> str | None:
    """https, a public host name, nothing that two URL readers could read differently. It is fetched on the VM only."""
    if len(text) > 2048 or not text.isascii() or not text.isprintable() or set(text) & set(' \\"<>^`{|}'):
        return "Write a URL of at most 2048 printable ASCII characters, without spaces or quotes."
    if not text.startswith("https://"):
        return "The URL must begin with https://."
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return "This is not a URL."
    if "@" in parts.netloc:
        return "The URL must not hold a user name or password."
    if not _HOST.fullmatch(parts.hostname or "") or (port is not None and port == 0):
        return "The URL needs a public host name, not an address."
    if parts.fragment:
        return "The URL must not have a fragment."
    return None


def network(text: str) -> tuple[str, str]:
    """`("", the network in its normal form)`, or the mistake's code and a sentence."""
    if "%" in text or len(text) > 64:
        return "InvalidCidr", "Write IPv4 networks in CIDR form, such as 203.0.113.0/24."
    if text in ("*", "0.0.0.0/0", "::/0") or text.lower() in ("internet", "any"):
        return "CidrTooWide", "Port 22 is never opened to the whole world: name your own network."
    try:
        found = ipaddress.ip_network(text, strict=True)
    except ValueError:
        return "InvalidCidr", "Write IPv4 networks in CIDR form, such as 203.0.113.0/24, without host bits."
    if found.version != 4:
        return "InvalidCidr", "A hub has an IPv4 address only, so only IPv4 networks can reach it."
    if found.prefixlen < WIDEST_PREFIX:
        return "CidrTooWide", f"The widest network that port 22 is opened to is a /{WIDEST_PREFIX}."
    return "", str(found)


# ------------------------------------------------------------------ time

_CLOCK_TIME = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d", re.ASCII)
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)


def clock_time(text: str) -> str | None:
    return None if _CLOCK_TIME.fullmatch(text) else "Write a time of day as HH:MM, from 00:00 to 23:59."


def timestamp(text: str) -> datetime | None:
    """RFC 3339 with an offset -> UTC, or None."""
    if not _TIMESTAMP.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


# ------------------------------------------------------------------ tags

_TAG_KEY_REFUSED = frozenset("<>%&\\?/")
_TAG_PREFIXES = ("hublet", "microsoft", "azure", "windows", "hidden-")
MAX_TAGS = 40
"""Azure takes 50 on a resource; ours need room (https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources)."""


def tag_key(text: str) -> str | None:
    if not 0 < len(text) <= 512 or not text.isprintable() or set(text) & _TAG_KEY_REFUSED:
        return "A tag's name has 1 to 512 printable characters without < > % & \\ ? /."
    if text.lower().startswith(_TAG_PREFIXES):
        return "This name belongs to Azure or to the service."
    return None


def tag_value(text: str) -> str | None:
    return (
        None if len(text) <= 256 and (text.isprintable() or not text) else "A tag's value has at most 256 characters."
    )
