"""Chat's signatures through a Functions host: what was signed are the bytes as they came, and the host keeps them."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import aiohttp
import pytest

from localdev.paths import ROOT
from localdev.processes import Children
from tests.component.api.chat import FORM, SLACK_SECRET, TEAMS_TOKENS
from tests.support.hosts import RunningHost, start_host

BODIES = [
    b"ssl_check=1&text=a+b%20c",
    b"ssl_check=1&text=%e2%98%83%E2%98%83&x=",
    b"x=&ssl_check=1&y=%00%0D%0A",
    b"ssl_check=1&text=" + b"x" * 32_000,
]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, azurite: str) -> Iterator[RunningHost]:
    folder = tmp_path_factory.mktemp("chat-host")
    settings = {
        "AzureWebJobsStorage": azurite,
        "AzureFunctionsWebHost__hostid": "chat-host",
        "HUBLET_SEAL_KEYS": "k1:" + base64.b64encode(b"k" * 32).decode(),
        "HUBLET_HTTPS_EMAIL": "hubs@example.org",
        "HUBLET_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000001",
        "HUBLET_ARM_ENDPOINT": "https://127.0.0.1:1",
        "HUBLET_PRICES_ENDPOINT": "https://127.0.0.1:1/",
        "HUBLET_SLACK_SIGNING_SECRET": SLACK_SECRET,
        "HUBLET_TEAMS_SECURITY_TOKENS": TEAMS_TOKENS[0],
    }
    with Children(folder, grace_s=5) as children:
        yield start_host(children, folder, "host", settings, app_dir=ROOT)


@pytest.fixture
async def http(host: RunningHost) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(host.url) as session:
        yield session


def signed(body: bytes) -> dict[str, str]:
    stamp = str(int(datetime.now(UTC).timestamp()))
    digest = hmac.new(SLACK_SECRET.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {"Content-Type": FORM, "X-Slack-Request-Timestamp": stamp, "X-SLACK-signature": f"v0={digest}"}


@pytest.mark.parametrize("body", BODIES)
async def test_what_slack_signed_is_known_byte_by_byte(http: aiohttp.ClientSession, body: bytes) -> None:
    async with http.post("/api/chat/slack/command", data=body, headers=signed(body)) as answer:
        assert (answer.status, await answer.read()) == (200, b"")
    other = body.replace(b"=1", b"=2", 1)
    async with http.post("/api/chat/slack/command", data=other, headers=signed(body)) as answer:
        assert (answer.status, (await answer.json(content_type=None))["code"]) == (401, "BadSignature")


async def test_what_teams_signed_is_known_byte_by_byte(http: aiohttp.ClientSession) -> None:
    activity = {"type": "conversationUpdate", "timestamp": datetime.now(UTC).isoformat(), "text": "☃ 🎈 \\u0041"}
    body = json.dumps(activity, ensure_ascii=False, indent=1).encode()
    digest = hmac.new(base64.b64decode(TEAMS_TOKENS[0]), body, hashlib.sha256).digest()
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Authorization": "HMAC " + base64.b64encode(digest).decode(),
    }
    async with http.post("/api/chat/teams", data=body, headers=headers) as answer:
        assert (answer.status, await answer.json()) == (200, {"type": "message", "text": ""})
    async with http.post("/api/chat/teams", data=body + b" ", headers=headers) as answer:
        assert answer.status == 401


async def test_two_signatures_are_none(http: aiohttp.ClientSession) -> None:
    body = BODIES[0]
    headers = [*signed(body).items(), ("x-slack-signature", "v0=" + "0" * 64)]
    async with http.post("/api/chat/slack/command", data=body, headers=headers) as answer:
        assert answer.status == 401
