"""Every setting of the app, typed, read once. Nothing below this module reads the environment.

`docs/settings.md` and `local.settings.sample.json` list every one; a test keeps them complete.
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

DEFAULT_SIZES = (
    "Standard_B2s,Standard_B2ms,Standard_D2s_v3,Standard_D4s_v3,Standard_D8s_v3,"
    "Standard_D2s_v5,Standard_D4s_v5,Standard_D8s_v5,Standard_D2as_v5,Standard_D4as_v5,Standard_E2s_v3,Standard_E2s_v5"
)
TLJH_VERSION = "2.0.0"
TLJH_BOOTSTRAP_URL = (
    "https://raw.githubusercontent.com/jupyterhub/the-littlest-jupyterhub/"
    "a47a171850afc22d46f3b5b5bb0d09f2fae0937f/bootstrap/bootstrap.py"
)
"""bootstrap.py of tag 2.0.0, by commit: a tag can move, a commit cannot."""
TLJH_BOOTSTRAP_SHA256 = "f97d6db8cb0707c188baf988169bc2bd34e6091c5f1761016d7c4efee9563fa9"


class SettingsError(Exception):
    """One or more settings are missing or wrong; `problems` names every one of them."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class SealKey:
    """One AES-256 key with the id that sealed values name it by."""

    id: str
    key: bytes = field(repr=False)


def _text(value: str) -> str:
    return value


def _integer(value: str) -> int:
    return int(value)


def _number(value: str) -> float:
    number = float(value)
    if not number > 0:
        raise ValueError("must be greater than 0")
    return number


def _positive(value: str) -> int:
    number = int(value)
    if number < 1:
        raise ValueError("must be 1 or more")
    return number


def _amount(value: str) -> float:
    number = float(value)
    if not number >= 0:
        raise ValueError("must be 0 or more")
    return number


def _list(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _cidrs(value: str) -> tuple[str, ...]:
    parts = _list(value)
    for part in parts:
        network = ipaddress.ip_network(part)
        if network.prefixlen == 0:
            raise ValueError(f"{part} is the whole world: port 22 is never opened to it")
    return parts


def _seal_keys(value: str) -> tuple[SealKey, ...]:
    keys = []
    for number, part in enumerate(_list(value), start=1):
        key_id, _, encoded = part.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            # by its number: who put the key first would be shown the key
            raise ValueError(f"key {number} is not `<id>:<base64 of 32 bytes>`") from error
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", key_id) or len(key) != 32:
            raise ValueError("each key is `<id>:<base64 of 32 bytes>`, newest first")
        keys.append(SealKey(key_id, key))
    if not keys:
        raise ValueError("at least one key is needed")
    return tuple(keys)


def _tokens(value: str) -> tuple[str, ...]:
    """Base64, as Teams shows them; no value in the error."""
    parts = _list(value)
    for number, part in enumerate(parts, start=1):
        try:
            raw = base64.b64decode(part, validate=True)
        except binascii.Error:
            raise ValueError(f"token {number} is not base64: copy it as Teams shows it") from None
        if len(raw) < 16:
            raise ValueError(f"token {number} is too short")
    return parts


def _webhooks(value: str) -> tuple[tuple[str, str], ...]:
    """`name=https://...`, separated by white space: a URL may hold commas. No value in the error."""
    found: dict[str, str] = {}
    for part in value.split():
        name, _, url = part.partition("=")
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", name) or not url.startswith("https://"):
            raise ValueError("each is `<name>=https://...`, separated by spaces; names are a-z, 0-9 and -")
        if name in found:
            raise ValueError(f"'{name}' is there twice")
        found[name] = url
    return tuple(found.items())


def _base_url(value: str) -> str:
    if value and not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?/?", value):
        raise ValueError("must be a scheme and a host, as in https://hublet.example.org")
    return value.rstrip("/")


def _base_path(value: str) -> str:
    if not re.fullmatch(r"https://[A-Za-z0-9.-]+(:\d{1,5})?(/[A-Za-z0-9._-]+)*/?", value):
        raise ValueError("must be an https address, as in https://slack.com/api")
    return value.rstrip("/")


def _zone(value: str) -> str:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(value)
    except (ValueError, OSError, LookupError) as error:
        raise ValueError("must be a time zone's name, as in Europe/Berlin") from error
    return value


def _one_of(*allowed: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return value

    return parse


def _setting(name: str, parse: Callable[[str], Any], default: str | None, about: str, *, secret: bool = False) -> Any:
    """A field read from environment variable `name`. `default` None = required. `secret`: left out of every `repr`."""
    return field(repr=not secret, metadata={"name": name, "parse": parse, "default": default, "about": about})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The app's settings. Units are in the names."""

    storage: str = _setting(
        "AzureWebJobsStorage",
        _text,
        "",
        "Connection string of the storage account (local). In Azure it stays empty and the identity-based "
        "AzureWebJobsStorage__tableServiceUri and __queueServiceUri are used.",
        secret=True,
    )
    table_service_uri: str = _setting("AzureWebJobsStorage__tableServiceUri", _text, "", "Table endpoint in Azure.")
    queue_service_uri: str = _setting("AzureWebJobsStorage__queueServiceUri", _text, "", "Queue endpoint in Azure.")
    client_id: str = _setting("AZURE_CLIENT_ID", _text, "", "Client id of the user-assigned managed identity.")
    admin_token: str = _setting(
        "HUBLET_ADMIN_TOKEN",
        _text,
        "",
        "Bootstraps owner `admin`: at least 32 characters. Empty = no such token.",
        secret=True,
    )
    seal_keys: tuple[SealKey, ...] = _setting(
        "HUBLET_SEAL_KEYS",
        _seal_keys,
        None,
        "AES-256 keys `<id>:<base64>`, comma-separated, newest first. The newest seals, all open: keep an old one as "
        "long as hubs or web hooks from its time are there, whose secrets nothing else opens.",
    )
    credential: str = _setting(
        "HUBLET_CREDENTIAL",
        _one_of("managed-identity", "azure-cli"),
        "managed-identity",
        "Who this app is to Azure Resource Manager. `azure-cli` = who did `az login` (for `func start` on a laptop).",
    )
    subscription_id: str = _setting("HUBLET_SUBSCRIPTION_ID", _text, None, "Azure subscription the hubs live in.")
    arm_endpoint: str = _setting(
        "HUBLET_ARM_ENDPOINT", _text, "https://management.azure.com", "Azure Resource Manager (or the simulated one)."
    )
    prices_endpoint: str = _setting(
        "HUBLET_PRICES_ENDPOINT", _text, "https://prices.azure.com/api/retail/prices", "Retail price list."
    )
    ca_file: str = _setting("HUBLET_CA_FILE", _text, "", "Extra CA (PEM path), for the simulated Azure only.")
    reach_endpoint: str = _setting(
        "HUBLET_REACH_ENDPOINT", _text, "", "Look-up of simulated machines' sockets; empty in Azure."
    )
    egress_cidrs: tuple[str, ...] = _setting(
        "HUBLET_EGRESS_CIDRS",
        _cidrs,
        "",
        "Where this app's outgoing connections come from (a NAT gateway's address). Empty = service tag "
        "AzureCloud.<HUBLET_APP_REGION>, and every hub shows the condition EgressNotPinned.",
    )
    app_region: str = _setting(
        "HUBLET_APP_REGION",
        _text,
        "",
        "Azure region this app runs in, whose addresses may reach port 22 of a new machine while HUBLET_EGRESS_CIDRS "
        "is empty. Empty = the hub's own region.",
    )
    egress_address: str = _setting(
        "HUBLET_EGRESS_ADDRESS", _text, "", "Local address to connect to machines from; empty in Azure."
    )
    region: str = _setting("HUBLET_REGION", _text, "eastus", "Default region.")
    allowed_regions: tuple[str, ...] = _setting(
        "HUBLET_ALLOWED_REGIONS", _list, "eastus,eastus2,westeurope,northeurope,germanywestcentral", "Regions to allow."
    )
    size: str = _setting("HUBLET_SIZE", _text, "Standard_D2s_v3", "Default VM size.")
    allowed_sizes: tuple[str, ...] = _setting("HUBLET_ALLOWED_SIZES", _list, DEFAULT_SIZES, "VM sizes to allow.")
    https_default_mode: str = _setting(
        "HUBLET_HTTPS_DEFAULT_MODE", _one_of("auto", "none"), "auto", "`https.mode` of a request that names none."
    )
    https_email: str = _setting(
        "HUBLET_HTTPS_EMAIL",
        _text,
        "",
        "Contact for certificates when a request names none (TLJH asks for one). "
        "Required while HUBLET_HTTPS_DEFAULT_MODE is auto.",
    )
    tljh_version: str = _setting("HUBLET_TLJH_VERSION", _text, TLJH_VERSION, "TLJH version to install.")
    tljh_bootstrap_url: str = _setting(
        "HUBLET_TLJH_BOOTSTRAP_URL", _text, TLJH_BOOTSTRAP_URL, "Where the VM gets TLJH's bootstrap.py."
    )
    tljh_bootstrap_sha256: str = _setting(
        "HUBLET_TLJH_BOOTSTRAP_SHA256", _text, TLJH_BOOTSTRAP_SHA256, "SHA-256 that file must have."
    )
    install_timeout_s: int = _setting(
        "HUBLET_INSTALL_TIMEOUT_SECONDS", _integer, "1500", "Hard limit for TLJH's installer on the VM, seconds."
    )
    max_hubs_per_owner: int = _setting("HUBLET_MAX_HUBS_PER_OWNER", _integer, "10", "Hubs one owner may have.")
    failed_keep_hours: int = _setting(
        "HUBLET_FAILED_KEEP_HOURS", _integer, "24", "How long a failed hub's evidence is kept before it is deleted."
    )
    min_idle_minutes: int = _setting(
        "HUBLET_MIN_IDLE_MINUTES",
        _positive,
        "15",
        "The least `idleMinutes`: JupyterHub hears of a person's last activity only every 5 minutes.",
    )
    stop_warning_minutes: int = _setting(
        "HUBLET_STOP_WARNING_MINUTES", _positive, "30", "How long before a scheduled stop people are warned."
    )
    idle_warning_minutes: int = _setting(
        "HUBLET_IDLE_WARNING_MINUTES",
        _positive,
        "10",
        "How long before an idle stop people are warned; at most a third of the hub's idleMinutes.",
    )
    max_extend_hours: int = _setting(
        "HUBLET_MAX_EXTEND_HOURS", _positive, "24", "How far `extend` may move the next stop away from now, hours."
    )
    expired_keep_days: int = _setting(
        "HUBLET_EXPIRED_KEEP_DAYS",
        _integer,
        "7",
        "How long a hub is kept, stopped, after its end date before it is deleted.",
    )
    max_lifetime_days: int = _setting(
        "HUBLET_MAX_LIFETIME_DAYS",
        _integer,
        "0",
        "The latest end date, days after the request; what names none gets this one. 0 = hubs may live for ever.",
    )
    monthly_budget: float = _setting(
        "HUBLET_MONTHLY_BUDGET",
        _amount,
        "0",
        "US dollars (retail) that one owner's hubs may cost in a calendar month (UTC): a warning at 80 %, no creates "
        "and starts at 100 %. 0 = no limit.",
    )
    dead_mans_switch: str = _setting(
        "HUBLET_DEAD_MANS_SWITCH",
        _one_of("on", "off"),
        "on",
        "Whether each VM also has Azure's own daily shutdown shortly after its next scheduled stop, for the case that "
        "this app is down then.",
    )
    public_url: str = _setting(
        "HUBLET_PUBLIC_URL",
        _base_url,
        "",
        "Where people reach this app, for links in chat messages: scheme and host. Empty = the host name Azure gave it "
        "(WEBSITE_HOSTNAME).",
    )
    website_hostname: str = _setting("WEBSITE_HOSTNAME", _text, "", "Set by Azure: the app's own host name.")
    time_zone: str = _setting(
        "HUBLET_TIME_ZONE", _zone, "UTC", "The time zone of hours typed in a chat command that names none."
    )
    slack_signing_secret: str = _setting(
        "HUBLET_SLACK_SIGNING_SECRET", _text, "", "Slack app's signing secret. Empty = no Slack.", secret=True
    )
    slack_bot_token: str = _setting(
        "HUBLET_SLACK_BOT_TOKEN",
        _text,
        "",
        "Slack app's bot token (`xoxb-...`): one message that follows a hub, warnings with buttons. Empty = answers to "
        "commands only, and four updates within 30 minutes of a command.",
        secret=True,
    )
    slack_api: str = _setting(
        "HUBLET_SLACK_API", _base_path, "https://slack.com/api", "Slack's Web API (or the pretended one)."
    )
    teams_security_tokens: tuple[str, ...] = _setting(
        "HUBLET_TEAMS_SECURITY_TOKENS",
        _tokens,
        "",
        "Security tokens of Teams outgoing webhooks, comma-separated: one per team. Empty = no commands from Teams.",
        secret=True,
    )
    teams_webhooks: tuple[tuple[str, str], ...] = _setting(
        "HUBLET_TEAMS_WEBHOOKS",
        _webhooks,
        "",
        "Teams Workflows webhooks `<name>=<url>`, separated by spaces. Hubs made from Teams are told of in the first; "
        "`notify.teamsWebhook` names another.",
        secret=True,
    )
    sink_hosts: tuple[str, ...] = _setting(
        "HUBLET_SINK_HOSTS",
        _list,
        "",
        "Hosts (`host` or `host:port`) that may be sent to although their addresses are not public, or at another port "
        "than 443.",
    )
    max_sinks_per_owner: int = _setting("HUBLET_MAX_SINKS_PER_OWNER", _positive, "10", "Web hooks one owner may have.")
    clock_offset_file: str = _setting(
        "HUBLET_CLOCK_OFFSET_FILE", _text, "", "File with seconds to add to the clock (simulated Azure only)."
    )
    redrive_s: float = _setting(
        "HUBLET_REDRIVE_SECONDS",
        _number,
        "30",
        "How long after its time a message that was not worked on is put again by the due table, seconds; the minute "
        "timer makes it up to 60 more.",
    )
    poll_scale: float = _setting(
        "HUBLET_POLL_SCALE", _number, "1", "Divides the app's own poll intervals; above 1 only with a fast simulator."
    )

    @property
    def links_to(self) -> str:
        """Scheme and host of links to this app, without a slash at the end; empty when nobody said it."""
        return self.public_url or (f"https://{self.website_hostname}" if self.website_hostname else "")

    @property
    def secret_texts(self) -> tuple[str, ...]:
        """Values that must stand in no log, whatever they look like."""
        urls = tuple(url for _, url in self.teams_webhooks)
        return (self.admin_token, self.slack_signing_secret, self.slack_bot_token, *self.teams_security_tokens, *urls)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Reads all settings. Raises SettingsError with every problem at once; never shows a value."""
        values: dict[str, Any] = {}
        problems: list[str] = []
        for spec in fields(cls):
            name, default = spec.metadata["name"], spec.metadata["default"]
            raw = environ.get(name)
            if raw is None or raw == "":
                raw = default
            if raw is None:
                problems.append(f"{name} is missing: {spec.metadata['about']}")
                continue
            try:
                values[spec.name] = spec.metadata["parse"](raw)
            except ValueError as error:
                problems.append(f"{name} is wrong: {error}")
        token = values.get("admin_token", "")
        if token and len(token) < 32:
            problems.append("HUBLET_ADMIN_TOKEN is too short: at least 32 characters")
        if values.get("https_default_mode") == "auto" and not values.get("https_email"):
            problems.append(
                "HUBLET_HTTPS_EMAIL is missing: certificates need a contact address "
                "(or set HUBLET_HTTPS_DEFAULT_MODE to none, and hubs speak plain HTTP unless a request says otherwise)"
            )
        if not problems and not values["storage"] and not values["table_service_uri"]:
            problems.append("AzureWebJobsStorage (local) or AzureWebJobsStorage__tableServiceUri (Azure) is missing")
        if problems:
            raise SettingsError(problems)
        return cls(**values)
