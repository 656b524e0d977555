"""I9, on Slack: the one message that follows a hub shows the state the hub is in, whatever happened to the notices."""

from collections.abc import Iterator
from datetime import datetime

from shared.chat import blocks, cards
from shared.hubs.agenda import Rules
from shared.hubs.model import Hub
from shared.hubs.ports import Thread
from shared.settings import Settings
from tests.support.fake_slack_server import FakeSlack, SlackMessage
from tests.support.fake_storage import FakeStorage


def judge(storage: FakeStorage, slack: FakeSlack, settings: Settings, now: datetime) -> Iterator[str]:
    """Of every hub that is there and every one that was deleted."""
    hubs = [*storage.hubs.hubs.values(), *(gone.hub for gone in storage.hubs.graves.values())]
    for hub in hubs:
        thread = _thread(storage, hub)
        if thread is None:
            continue
        card = blocks.message(cards.hub_card(hub, Rules.of(settings), now))
        wanted = str(card["blocks"][0]["text"]["text"])
        message = _message(slack, thread)
        if message is None:
            yield f"I9: no message follows {hub.id} in {thread.id} (posted {thread.posted})"
        elif message.title != wanted:
            yield f"I9: the message that follows {hub.id} says {message.title!r} instead of {wanted!r}"


def _thread(storage: FakeStorage, hub: Hub) -> Thread | None:
    """Where the hub is followed; None = nowhere on Slack."""
    if hub.thread is not None and (thread := storage.chat.threads.get(hub.thread)) and thread.platform == "slack":
        return thread
    if not hub.spec.notify.slack_channel:
        return None
    return storage.chat.threads.get(hub.id) or Thread(
        id=hub.id, platform="slack", team="", channel="", user="", created_at=hub.created_at
    )


def _message(slack: FakeSlack, thread: Thread) -> SlackMessage | None:
    channel = slack.channels.get(thread.posted_in or "")
    return channel.messages.get(thread.posted or "") if channel is not None else None
