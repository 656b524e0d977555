"""Goal S4 for chats and web hooks: a whole story with trouble in it, and no secret where it does not belong.

Real rows and messages (Azurite), real sinks, cards and pages; Slack, Teams and the receivers are played. What is looked
through: every byte at rest, every line of the log before it is masked, every answer and every message sent.
"""

import base64
import json
import logging
import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from urllib.parse import quote

import pytest

from shared.adapters.notify.console import ConsoleSink
from shared.adapters.notify.slack import SlackSink
from shared.adapters.notify.teams import TeamsSink
from shared.adapters.notify.webhooks import WebhookSink
from shared.adapters.storage.cache import TableCache
from shared.adapters.storage.chat import TableChatStore
from shared.adapters.storage.client import StorageClients
from shared.adapters.storage.hub_table import TableHubStore
from shared.adapters.storage.index import TableHubIndex
from shared.adapters.storage.outbox import TableOutbox
from shared.adapters.storage.secrets import SealedSecretStore
from shared.adapters.storage.sinks import TableSinkStore
from shared.adapters.storage.tokens import TableTokenStore
from shared.chat.action_links import PATH
from shared.errors import RetryableError
from shared.hubs.model import Hub
from shared.hubs.ports import Answered
from shared.hubs.states import HubState
from shared.log import LOGGER
from tests.component.api.chat import ADA, PUBLIC, SLACK_SECRET, TEAMS_TOKENS, Chat, a_button
from tests.component.api.client import ADMIN_TOKEN, Answer, Api
from tests.contract.storage.worlds import connect
from tests.support.fake_chat import Posted

BOT_TOKEN = "xoxb-canary-of-the-bot-0001"
WORKFLOW = "https://prod-1.westeurope.logic.azure.com/workflows/canaryflow?sig=canary-of-the-flow"
RESPONSE_URL = "https://hooks.slack.com/commands/T1DC2JH3J/1/CanaryOfTheResponseUrl"
HOOK = "https://hooks.example.org/canary-of-the-path?sig=canary-of-the-query"
HOOK_SECRET = "whsec_" + base64.b64encode(b"canary-of-the-web-hook-secret!!!").decode()
TABLES = ("chat", "sinks", "hubs", "tokens", "cache")


@dataclass
class Story:
    """`secrets`: name to value, as they come to be. `answers`: of the app, by what was asked."""

    chat: Chat
    storage: StorageClients
    secrets: dict[str, str] = field(default_factory=dict)
    answers: list[tuple[str, Answer]] = field(default_factory=list)
    broken: bool = False

    async def keep(self, asked: str, answer: Answer) -> Answer:
        self.answers.append((asked, answer))
        return answer

    async def hub(self) -> Hub:
        [hub] = await self.chat.world.app.hubs.list("jaydoe")
        return hub

    async def until(self, state: HubState) -> Hub:
        for _ in range(200):
            hub = await self.hub()
            if hub.state is state:
                return hub
            await self.chat.world.run(limit_s=30)
        raise AssertionError(f"never {state}: {hub.state}")

    def answered(self, sent: Posted) -> Answered:
        if self.broken:
            raise RetryableError("Unreachable", "hooks.example.org cannot be reached: ClientOSError.")
        if sent.url.startswith("https://slack.com/api/"):
            return Answered(200, b'{"ok":true,"channel":"C024BE91L","ts":"1531420618.000200"}')
        return Answered(202 if sent.url == WORKFLOW else 200, b"ok")


@pytest.fixture
async def story(azurite: str) -> AsyncIterator[Story]:
    chat = Chat(HUBLET_SLACK_BOT_TOKEN=BOT_TOKEN, HUBLET_TEAMS_WEBHOOKS=f"course={WORKFLOW}")
    storage = connect(azurite)
    app, settings = chat.world.app, chat.world.app.settings
    hubs, conversations = TableHubStore(storage), TableChatStore(storage, app.clock, settings.seal_keys)
    sink_store = TableSinkStore(storage, app.clock, settings.seal_keys)
    chat.world.app = replace(
        app,
        hubs=hubs,
        chat=conversations,
        sink_store=sink_store,
        index=TableHubIndex(storage),
        secrets=SealedSecretStore(storage, settings.seal_keys),
        outbox=TableOutbox(storage),
        tokens=TableTokenStore(storage, app.clock),
        cache=TableCache(storage, app.clock),
        sinks=(
            ConsoleSink(),
            WebhookSink(sink_store, app.outbound, app.clock),
            SlackSink(hubs=hubs, chat=conversations, outbound=app.outbound, clock=app.clock, settings=settings),
            TeamsSink(hubs=hubs, chat=conversations, outbound=app.outbound, clock=app.clock, settings=settings),
        ),
    )
    chat.api = Api(chat.world)
    made = Story(chat, storage)
    chat.world.outbound.answer = made.answered
    yield made
    await storage.close()


async def tell(story: Story) -> None:
    """From an account nobody knows to a hub that is gone, with a day on which nobody takes a message."""
    chat, secrets = story.chat, story.secrets
    secrets |= {
        "admin token": ADMIN_TOKEN,
        "Slack's signing secret": SLACK_SECRET,
        "bot token": BOT_TOKEN,
        "Workflows address": WORKFLOW.partition("workflows/")[2],
        "response URL": RESPONSE_URL.rpartition("/")[2],
        "web hook's path": "canary-of-the-path",
        "web hook's query": "canary-of-the-query",
        "web hook's secret": HOOK_SECRET.removeprefix("whsec_"),
        **{f"Teams token {number}": token for number, token in enumerate(TEAMS_TOKENS)},
    }
    issued = await chat.api.post("/api/tokens", {"owner": "jaydoe", "role": "user"}, owner="admin")
    token = issued.json["token"]
    secrets["API token"] = token.rpartition("_")[2]

    shown = await story.keep("link", await chat.say("status", response_url=RESPONSE_URL))
    [code] = re.findall(r"(?<![A-Z0-9])[0-9A-HJKMNP-TV-Z]{10}(?![A-Z0-9])", shown.body.decode().replace('\\"', '"'))
    secrets["link code"] = code
    linked = await chat.api.post("/api/chat/links", {"code": code}, token=token)
    assert linked.status == 201, linked.body
    ada = {"platform": "teams", "team": ADA.team, "user": ADA.user, "owner": "jaydoe"}
    assert (await chat.api.post("/api/chat/links", ada, owner="admin")).status == 201

    hook = {"url": HOOK, "secret": HOOK_SECRET, "events": ["ready", "stopped", "started", "deleted", "progress"]}
    made = await chat.api.post("/api/sinks", hook, token=token)
    at = f"/api/sinks/{made.json['id']}"

    await story.keep("create", await chat.say("create bio101 idle=60", response_url=RESPONSE_URL))
    hub = await story.until(HubState.READY)
    await chat.press(a_button("login", hub.id), response_url=RESPONSE_URL)
    [url] = [url for sent in chat.world.outbound.posted for url in action_links(sent.body) if "ephemeral" in str(sent)]
    secrets["login link"] = url.rpartition("/")[2]
    await story.keep("look", await chat.api.get(url.removeprefix(PUBLIC), owner=None))
    page = await story.keep("login page", await chat.api.post(url.removeprefix(PUBLIC), owner=None))
    kept = await chat.world.app.secrets.get("jaydoe", hub.id)
    assert kept is not None
    secrets["admin password"] = str(kept.admin_password)
    assert str(kept.admin_password) in page.body.decode()

    teams = await story.keep("teams", await chat.teams(chat.activity("<at>Hublet</at> status bio101")))
    links = [*action_links(teams.body)]
    assert links
    secrets |= {f"link in Teams {number}": link.rpartition("/")[2] for number, link in enumerate(links)}

    story.broken = True
    await story.keep("stop", await chat.say("stop bio101", response_url=RESPONSE_URL))
    await story.until(HubState.STOPPED)
    await chat.press(a_button("start", hub.id), response_url=RESPONSE_URL)
    for _ in range(16):
        chat.world.clock.advance(timedelta(hours=6).total_seconds())
        await chat.world.run(limit_s=90)
    story.broken = False
    rotated = await chat.api.post(f"{at}/rotate", token=token)
    secrets["web hook's next secret"] = rotated.json["secret"].removeprefix("whsec_")
    for path in ("", "/failed"):
        await story.keep("web hook" + path, await chat.api.get(at + path, token=token))
    failed = await chat.api.get(f"{at}/failed", token=token)
    assert failed.json["value"]
    await story.keep("redeliver", await chat.api.post(f"{at}/redeliver", token=token))
    await chat.teams(chat.activity("<at>Hublet</at> start bio101"))
    await story.until(HubState.READY)
    await chat.world.run(limit_s=120)
    await story.keep("delete", await chat.say("delete bio101", response_url=RESPONSE_URL))
    for path in ("", "/bio101", "/bio101/events"):
        await story.keep("hubs" + path, await chat.api.get("/api/hubs" + path, token=token))
    await story.keep("links", await chat.api.get("/api/chat/links", token=token))
    await story.keep("readyz", await chat.api.get("/api/readyz", owner=None))


def action_links(body: bytes) -> Iterable[str]:
    return dict.fromkeys(re.findall(rf"{re.escape(PUBLIC)}/api/{PATH}/[A-Za-z0-9._-]+", body.decode()))


def spellings(secret: str) -> set[str]:
    """As it is, in base64 (wherever it begins), in hex and for a URL."""
    raw = secret.encode()
    found = {secret, raw.hex(), raw.hex().upper(), quote(secret, safe=""), json.dumps(secret)[1:-1]}
    for shift in range(3):  # base64 of what surrounds it depends on its place: the middle does not
        found |= {
            encode(b"\0" * shift + raw).decode().rstrip("=")[4:-4]
            for encode in (base64.b64encode, base64.urlsafe_b64encode)
            if len(raw) > 12
        }
    return found


def leaks(secrets: dict[str, str], texts: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Where, and which."""
    looked_for = {name: spellings(value) for name, value in secrets.items()}
    return {(where, name) for where, text in texts for name, ways in looked_for.items() if any(w in text for w in ways)}


async def at_rest(story: Story) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for table in TABLES:
        async for row in story.storage.table_client(table).list_entities():
            rows.append((f"table {table}", repr({**row, "": ""})))
    queues = story.chat.world.storage
    return [*rows, ("queue", repr([*queues.queue.waiting, *queues.notices.waiting]))]


@pytest.fixture
async def told(story: Story, caplog: pytest.LogCaptureFixture) -> AsyncIterator[list[tuple[str, str]]]:
    """The story, and its log before anything in it is masked."""
    with caplog.at_level(logging.DEBUG, logger=LOGGER):
        await tell(story)
    yield [("log", repr(vars(record))) for record in caplog.records]


async def test_no_secret_is_where_it_does_not_belong(story: Story, told: list[tuple[str, str]]) -> None:
    rows = await at_rest(story)
    assert {where for where, _ in rows} >= {"table chat", "table sinks", "table hubs"}
    assert leaks({"no secret": "bio101"}, [*rows, *told]) >= {("table hubs", "no secret"), ("log", "no secret")}
    assert leaks(story.secrets, [*rows, *told]) == set()
    assert not re.search(rf"{PATH}/[A-Za-z0-9_-]{{9,}}|/commands/T1DC2JH3J", repr(told))

    in_teams = [name for name in story.secrets if name.startswith("link in Teams")]
    answers = [(asked, answer.body.decode() + repr(answer.headers)) for asked, answer in story.answers]
    assert leaks(story.secrets, answers) == {
        ("link", "link code"),
        ("login page", "admin password"),
        ("web hook", "web hook's path"),  # to its owner
        ("web hook", "web hook's query"),
        *(("teams", name) for name in in_teams),
    }

    sent = [
        (one.url.split("/")[2], one.body.decode() + repr(dict(one.headers))) for one in story.chat.world.outbound.posted
    ]
    assert {host for host, _ in sent} == {"slack.com", "hooks.slack.com", "hooks.example.org", WORKFLOW.split("/")[2]}
    assert leaks(story.secrets, sent) == {("slack.com", "bot token"), ("hooks.slack.com", "login link")}
    assert [host for host, text in sent if f"/{PATH}/" in text and host == "hooks.example.org"] == []
