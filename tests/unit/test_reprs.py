"""What an object shows of itself in an error or a debugger holds no secret."""

import pytest

from shared.api.chat_link_request import ParsedLink
from shared.api.chat_press import Clicked
from shared.api.http import Reply
from shared.hubs.handout import HandedOut
from shared.hubs.ports import ChatUser, Thread
from shared.hubs.sinks import Wanted
from shared.settings import Settings
from tests.support.builders import a_hub, a_sink, some_settings
from tests.support.clock import MONDAY_MORNING

CANARY = "canary-4711-canary-4711-canary-4711"
URL = f"https://hooks.example.org/{CANARY}"
SECRET_SETTINGS = {
    "AzureWebJobsStorage": f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={CANARY}",
    "HUBLET_ADMIN_TOKEN": CANARY,
    "HUBLET_SLACK_SIGNING_SECRET": CANARY,
    "HUBLET_SLACK_BOT_TOKEN": f"xoxb-{CANARY}",
    "HUBLET_TEAMS_WEBHOOKS": f"course={URL}",
}


@pytest.mark.parametrize("name", SECRET_SETTINGS)
def test_settings_show_no_secret(name: str):
    settings = some_settings(**{name: SECRET_SETTINGS[name]})
    assert CANARY in repr([getattr(settings, field) for field in Settings.__dataclass_fields__])
    assert CANARY not in repr(settings)


def test_a_teams_token_is_shown_by_no_settings():
    assert "Y2FuYXJ5" not in repr(some_settings(HUBLET_TEAMS_SECURITY_TOKENS="Y2FuYXJ5" * 5 + "Y2E="))


@pytest.mark.parametrize(
    "holder",
    [
        a_sink(url=URL, secret=CANARY, previous_secret=CANARY),
        Wanted(url=URL, secret=CANARY),
        HandedOut(value=CANARY, hub=a_hub(), user="jay"),
        ParsedLink(code=CANARY),
        Clicked(user=ChatUser("slack", "T1", "U1"), actions=(), url=URL),
        Thread(
            id="t", platform="slack", team="T1", channel="C1", user="U1", created_at=MONDAY_MORNING, response_url=URL
        ),
        Reply(200, CANARY.encode()),
    ],
    ids=lambda holder: type(holder).__name__,
)
def test_what_holds_a_secret_does_not_show_it(holder: object):
    assert type(holder).__name__ in repr(holder)
    assert CANARY not in repr(holder)
