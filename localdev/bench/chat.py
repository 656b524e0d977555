"""From a signed slash command to its answer, fifty at once, against fifty requests that need nothing.

Real: the local Functions host with the whole app, over HTTP; Azurite; signatures; a link and an owner for each of the
fifty people. Rounds of one kind of command and rounds of the floor take turns. Everything shares this machine: host,
Azurite and the fifty who ask.
"""

import asyncio
import hashlib
import hmac
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from localdev import azurite, setup
from localdev.bench.api import settings_for
from localdev.bench.report import Report, quantile
from localdev.processes import Children
from localdev.stack import Secrets, start_host

if TYPE_CHECKING:
    import aiohttp

AT_ONCE = 50
P99_S = 1.0
"""The goal. Slack itself gives up after 3 s."""

TEAM, CHANNEL = "T0BENCH", "C0BENCH"
SECRET = "5ec7e7" * 5 + "ab"  # of this bench's own host
NOBODY = "https://127.0.0.1:9"
"""No Azure: what the accepted hubs need of it fails at once, and they wait. Nothing leaves this machine."""

NOT_HTTP = ("work_queue", "poison_queue", "notify_queue", "tick_timer", "sweep_timer", "audit_timer")
"""Flex Consumption runs the HTTP functions on instances of their own, and each queue or timer on others
(https://learn.microsoft.com/azure/azure-functions/flex-consumption-plan#per-function-scaling): so does this bench."""

GENTLY = 5
"""People are linked and get their first hub a few at a time."""

COMMANDS = ("list", "status", "create")
_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """`ms` from the first byte sent to the last one read. `right`: status 200 and the words that were asked for.
    `said`: the beginning of an answer that is not right."""

    ms: float
    right: bool
    said: str = ""


@dataclass
class Kind:
    """All answers to one kind of request."""

    name: str
    answers: list[Answer] = field(default_factory=list)

    @property
    def ms(self) -> list[float]:
        return [one.ms for one in self.answers]

    @property
    def wrong(self) -> int:
        return sum(not one.right for one in self.answers)

    @property
    def spread(self) -> str:
        figures = (*(quantile(self.ms, share) for share in (0.5, 0.95, 0.99)), max(self.ms))
        return " / ".join(f"{ms:.0f}" for ms in figures)


def measure(folder: Path, rounds: int) -> Report:
    """Raises ChildFailed."""
    node = setup.ensure_node_parts()
    made = Secrets.make()
    with Children(folder / "chat", grace_s=5) as children:
        storage = azurite.start(children, node.node, work_dir=folder / "chat" / "azurite").connection_string
        settings = host_settings(storage, made)
        _, api = start_host(children, folder / "chat", settings, port=0)
        kinds = asyncio.run(_ask(api, made.admin_token, rounds))
    return report_of(kinds, rounds)


def host_settings(storage: str, made: Secrets) -> dict[str, str]:
    return {
        **settings_for(storage),
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "HUBLET_ADMIN_TOKEN": made.admin_token,
        "HUBLET_SEAL_KEYS": made.seal_keys,
        "HUBLET_ARM_ENDPOINT": NOBODY,
        "HUBLET_PRICES_ENDPOINT": NOBODY,
        "IDENTITY_ENDPOINT": "http://127.0.0.1:9/msi/token",
        "IDENTITY_HEADER": "bench",
        "HUBLET_SLACK_SIGNING_SECRET": SECRET,
        "HUBLET_MAX_HUBS_PER_OWNER": "1000",
        **{f"AzureWebJobs.{name}.Disabled": "1" for name in NOT_HTTP},
    }


async def _ask(api: str, admin_token: str, rounds: int) -> list[Kind]:
    """The floor first, then the commands in the order of COMMANDS."""
    import aiohttp

    floor, kinds = Kind("floor: GET /api/healthz"), [Kind(f"/hub {name}") for name in COMMANDS]
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=_LIMIT_S)) as session:
        for first in range(0, AT_ONCE, GENTLY):
            people = range(first, min(first + GENTLY, AT_ONCE))
            await asyncio.gather(*(_link(session, api, admin_token, person) for person in people))
        for number in range(-1, rounds):  # the first is for imports and connections
            names = [f"h{uuid.uuid4().hex[:8]}" for _ in range(AT_ONCE)]
            for kind, asked in (
                (kinds[0], [("list", "first")] * AT_ONCE),
                (kinds[1], [("status first", "first")] * AT_ONCE),
                (kinds[2], [(f"create {name}", name) for name in names]),
            ):
                idle = await asyncio.gather(*(_timed(lambda: session.get(f"{api}/healthz")) for _ in range(AT_ONCE)))
                busy = await asyncio.gather(*(_command(session, api, person, *one) for person, one in enumerate(asked)))
                if number >= 0:
                    floor.answers += idle
                    kind.answers += busy
    return [floor, *kinds]


async def _link(session: "aiohttp.ClientSession", api: str, admin_token: str, person: int) -> None:
    """Links the person and makes the hub that `status` asks for. Raises AssertionError."""
    body = {"platform": "slack", "team": TEAM, "user": user(person), "owner": f"person{person}@example.com"}
    headers = {"Authorization": f"Bearer {admin_token}"}
    async with session.post(f"{api}/chat/links", json=body, headers=headers) as answer:
        assert answer.status in (200, 201), (answer.status, await answer.text())
    made = await _command(session, api, person, "create first", "first")
    assert made.right, made.said


async def _command(session: "aiohttp.ClientSession", api: str, person: int, text: str, words: str) -> Answer:
    body = form(person, text)
    headers = {"Content-Type": "application/x-www-form-urlencoded", **signed(body, int(time.time()))}
    return await _timed(lambda: session.post(f"{api}/chat/slack/command", data=body, headers=headers), words)


async def _timed(send: Callable[[], AbstractAsyncContextManager["aiohttp.ClientResponse"]], words: str = "") -> Answer:
    began = time.perf_counter()
    async with send() as answer:
        body = await answer.read()
        took = (time.perf_counter() - began) * 1000
        right = answer.status == 200 and words.encode() in body
        return Answer(took, right, "" if right else f"{answer.status} {body[:500].decode(errors='replace')}")


def user(person: int) -> str:
    return f"U0BENCH{person:02}"


def form(person: int, text: str) -> bytes:
    """As Slack sends it, but for `response_url`: nobody would be there.
    https://docs.slack.dev/interactivity/implementing-slash-commands"""
    return urlencode(
        {
            "token": "unused",
            "team_id": TEAM,
            "team_domain": "bench",
            "channel_id": CHANNEL,
            "channel_name": "bench",
            "user_id": user(person),
            "user_name": f"person{person}",
            "command": "/hub",
            "text": text,
            "api_app_id": "A0BENCH",
            "trigger_id": uuid.uuid4().hex,
        }
    ).encode()


def signed(body: bytes, at: int, secret: str = SECRET) -> dict[str, str]:
    """https://docs.slack.dev/authentication/verifying-requests-from-slack"""
    digest = hmac.new(secret.encode(), f"v0:{at}:".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": str(at), "X-Slack-Signature": f"v0={digest}"}


def report_of(kinds: Sequence[Kind], rounds: int) -> Report:
    """`kinds`: the floor first."""
    report = Report(
        f"Chat: {AT_ONCE} commands at once, {rounds} rounds of each (one host process, Azurite in memory; "
        "milliseconds, p50 / p95 / p99 / most)"
    )
    floor = kinds[0]
    for kind in kinds:
        report.add(kind.name, kind.spread)
        if kind is not floor:
            for share in (0.5, 0.99):
                ratio = quantile(kind.ms, share) / quantile(floor.ms, share)
                report.add(f"  ratio of p{share * 100:.0f} to the floor", f"{ratio:.1f}")
            report.at_most("  p99", quantile(kind.ms, 0.99) / 1000, P99_S, " s")
        report.at_most("  answers that do not say what was asked", kind.wrong, 0)
    for kind in kinds:
        for said in sorted({one.said for one in kind.answers if not one.right})[:2]:
            report.note(f"  not what was asked, {kind.name}: {said}")
    report.note("  Modelled: nobody answers for Azure, so hubs that were made wait; Slack's way to us is loopback.")
    report.note("  Host, Azurite and the fifty who ask share this machine's cores.")
    return report
