"""What the pictures of docs/chat.md show: hubs in their moments, through the app's own cards and renderers.

Nothing here is typed by hand but the hubs: when a card changes, its picture does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from shared.api.action_page import ask
from shared.chat.card import Button, Card, Verb
from shared.hubs.agenda import Rules
from shared.hubs.meter import Billing, Meter
from shared.hubs.model import PROVISION, Hub, Notice, Schedule, StepName, StepRecord
from shared.hubs.states import Goal, HubState
from tests.support.builders import a_hub, a_notice, a_ready_hub, a_stopped_hub, some_settings
from tests.support.clock import MONDAY_MORNING

NOW = MONDAY_MORNING + timedelta(minutes=30)
WARNED_AT = MONDAY_MORNING.replace(hour=18, minute=30)
SCHEDULE = Schedule(time_zone="UTC", stop="19:00", start="08:30", days=("mon", "tue", "wed", "thu", "fri"))
RULES = Rules.of(some_settings())
URL = "https://physics-ab2cd3.eastus.cloudapp.azure.com/"


@dataclass(frozen=True, slots=True)
class Picture:
    """`name`: of the file in docs/pictures. `kind`: `slack` or `teams` (`content` is the message as it is sent), or
    `html` (`content["html"]` is the page). `at`: when it was posted."""

    name: str
    kind: str
    content: Mapping[str, Any]
    at: datetime = NOW


ALTS: Mapping[str, str] = {
    "slack-create": "A message in Slack that follows a hub being made: its stages, with the present one marked",
    "slack-ready": "The same message when the hub is ready: its address, its next stop, and buttons",
    "slack-warning": "A warning in Slack half an hour before a stop, with buttons to snooze, keep it on, stop now",
    "slack-list": "The answer to /hub list in Slack: each hub with its state and its next stop",
    "teams-ready": "A card in Teams for a hub that is ready",
    "teams-warning": "A warning in Teams half an hour before a stop; its buttons open action pages",
    "action-page": "The page that a button in Teams opens: what will be done, and one button to do it",
}
"""By picture; the documents use the same words."""


def pictures() -> list[Picture]:
    """All of them, in the order of ALTS. Pure."""
    from shared.chat import adaptive, blocks, cards, notice_cards

    warning = _card(notice_cards.notice_card(stopping_soon(), ready(), RULES, WARNED_AT))
    made: dict[str, tuple[str, Mapping[str, Any], datetime]] = {
        "slack-create": ("slack", blocks.message(cards.hub_card(being_made(), RULES, NOW)), NOW),
        "slack-ready": ("slack", blocks.message(cards.hub_card(ready(), RULES, NOW)), NOW),
        "slack-warning": ("slack", blocks.message(warning), WARNED_AT),
        "slack-list": ("slack", blocks.message(cards.list_card(hubs(), RULES, NOW)), NOW),
        "teams-ready": ("teams", adaptive.message(cards.hub_card(ready(), RULES, NOW), page_of), NOW),
        "teams-warning": ("teams", adaptive.message(warning, page_of), WARNED_AT),
        "action-page": ("html", {"html": action_page()}, WARNED_AT),
    }
    return [Picture(name, *made[name]) for name in ALTS]


def _card(card: Card | None) -> Card:
    if card is None:
        raise ValueError("the warning has no card of its own")
    return card


def page_of(button: Button) -> str | None:
    """Where a button's action page would be. What cannot be undone or is a secret has none: a channel reads it."""
    if button.verb in (None, Verb.DELETE, Verb.LOGIN):
        return button.url or None
    return f"https://hublet.example.org/api/chat/actions/{button.verb}"


def action_page() -> str:
    """The HTML of the page on which somebody confirms that a hub stays on."""
    return str(ask(Verb.KEEP, "physics", WARNED_AT + timedelta(minutes=30), ZoneInfo("UTC")).decode())


def being_made() -> Hub:
    """Two minutes into the installer."""
    done = PROVISION[: PROVISION.index(StepName.INSTALL)]
    steps = {
        step: StepRecord(name=step, started_at=MONDAY_MORNING, finished_at=MONDAY_MORNING, tries=1) for step in done
    }
    steps[StepName.INSTALL] = StepRecord(name=StepName.INSTALL, started_at=NOW - timedelta(minutes=2), tries=1)
    return a_hub(
        state=HubState.INSTALLING,
        steps=steps,
        attempts=a_ready_hub().attempts,
        price=a_ready_hub().price,
        updated_at=NOW,
        created_at=NOW - timedelta(minutes=5),
    )


def ready() -> Hub:
    hub = a_ready_hub()
    running = Meter(billing=Billing.RUNNING, since=hub.state_since)
    return replace(hub, url=URL, meter=running, spec=replace(hub.spec, schedule=SCHEDULE))


def hubs() -> Sequence[Hub]:
    return [
        ready(),
        replace(being_made(), name="chemistry", id="chemistry-k3x9qa"),
        a_stopped_hub(name="history"),
        a_ready_hub(name="statistics", state=HubState.STOPPING, goal=Goal.STOPPED),
    ]


def stopping_soon() -> Notice:
    """Of `ready()`, half an hour before its stop."""
    stop = WARNED_AT + timedelta(minutes=30)
    return a_notice(
        at=WARNED_AT,
        message="The hub stops in 30 minutes, by its schedule.",
        data={"deadline": stop.isoformat(), "why": "schedule"},
    )
