"""Teams: cards in a channel, through the webhook of a Workflow ("When a Teams webhook request is received").

The flow takes a message and answers 202
(https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook). It gives no
id back, so a message cannot be changed later: what only shows progress is not told here. Its address is a secret.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import datetime

from shared import log
from shared.adapters.notify import subject
from shared.chat import action_links, adaptive, cards, notice_cards
from shared.chat.action_links import ActionLink
from shared.chat.card import Button, Card, Verb
from shared.clock import Clock
from shared.errors import HubletError, RetryableError
from shared.hubs.agenda import Rules
from shared.hubs.model import Hub, Notice
from shared.hubs.notice_kinds import PROGRESS, kind_of
from shared.hubs.ports import Answered, ChatStore, HubStore, Outbound
from shared.settings import Settings

_HEADERS = {"Content-Type": "application/json; charset=utf-8"}
_BUSY = 429

_NEVER_IN_A_CHANNEL = (Verb.LOGIN, Verb.DELETE)
"""A link's holder may press it, and a whole channel reads these."""


class TeamsSink:
    """`Sink` on the configured Workflows; a target is the name of one (`HUBLET_TEAMS_WEBHOOKS`)."""

    name = "teams"

    def __init__(
        self,
        *,
        hubs: HubStore,
        chat: ChatStore,
        outbound: Outbound,
        clock: Clock,
        settings: Settings,
        hub_card: Callable[[Hub, Rules, datetime], Card] = cards.hub_card,
        notice_card: Callable[[Notice, Hub | None, Rules, datetime], Card | None] = notice_cards.notice_card,
    ) -> None:
        self._hubs, self._chat, self._outbound, self._clock = hubs, chat, outbound, clock
        self._settings = settings
        self._urls = dict(settings.teams_webhooks)
        self._rules = Rules.of(settings)
        self._hub_card, self._notice_card = hub_card, notice_card
        self._refusing: set[str] = set()

    async def targets(self, notice: Notice) -> Sequence[str]:
        """The webhook that the hub names; else the first one, when the hub was steered from Teams last."""
        if not self._urls or kind_of(notice.type) == PROGRESS:
            return ()
        hub = await subject.present(self._hubs, notice) or await subject.buried(self._hubs, notice)
        if hub is None:
            return ()
        named = hub.spec.notify.teams_webhook
        if named is not None and named in self._urls:
            return (named,)
        thread = await self._chat.thread(hub.thread) if hub.thread is not None else None
        if thread is not None and thread.platform == "teams":
            return (next(iter(self._urls)),)
        return ()

    async def deliver(self, notice: Notice, target: str) -> None:
        """Posts the card. Twice posts it twice, with the same links: all of them together are good for one press.

        Raises RetryableError `WorkflowBusy` and `WorkflowRefused` (a flow that is off, gone, or takes no card: somebody
        must mend it, meanwhile it is tried again), and what `Outbound` raises.
        """
        url = self._urls.get(target)
        if url is None:
            log.info("teams_webhook_gone", target=target, notice_id=notice.id)  # taken out of the settings since
            return
        card = await self._card(notice)
        if card is None:
            return
        body = adaptive.message(card, lambda button: self._link(notice, button))
        answered = await self._outbound.post(url, json.dumps(body, ensure_ascii=False).encode(), _HEADERS)
        self._judge(answered, target)

    async def gave_up(self, notice: Notice, target: str, error: HubletError) -> None:
        log.error("teams_gave_up", target=target, notice_id=notice.id, hub_id=notice.hub_id, code=error.code)

    async def _card(self, notice: Notice) -> Card | None:
        """None = what the notice says is out of date."""
        now = self._clock.now()
        deadline = notice_cards.deadline_of(notice)
        if deadline is not None and deadline <= now:
            return None
        hub = await subject.present(self._hubs, notice)
        if kind_of(notice.type) == "ready":
            return self._hub_card(hub, self._rules, now) if hub is not None else None
        return self._notice_card(notice, hub, self._rules, now)

    def _link(self, notice: Notice, button: Button) -> str | None:
        """An action page for the hub's owner. None where a link must not be: the button is left out then."""
        if button.verb is None or button.verb in _NEVER_IN_A_CHANNEL or not self._settings.links_to:
            return None
        now = self._clock.now()
        ends = notice_cards.moment_of(button.deadline) or now + action_links.LIFE
        if ends <= now:
            return None
        # The same at every delivery of this notice: it may be posted twice, and must be good for one press only.
        nonce = hashlib.sha256(f"teams/{notice.owner}/{notice.id}/{button.verb}/{button.hub_id}".encode()).hexdigest()
        link = ActionLink(
            verb=button.verb,
            hub_id=button.hub_id,
            owner=notice.owner,
            deadline=button.deadline,
            expires_at=min(ends, now + action_links.LONGEST),
            nonce=nonce[:32],
        )
        return action_links.url(self._settings.links_to, action_links.sign(self._settings.seal_keys, link))

    def _judge(self, answered: Answered, target: str) -> None:
        if 200 <= answered.status < 300:
            self._refusing.discard(target)
            return
        if answered.status == _BUSY or answered.status >= 500:
            message = f"The Teams webhook '{target}' answered {answered.status}."
            raise RetryableError("WorkflowBusy", message, retry_after_s=answered.retry_after_s)
        message = f"The Teams webhook '{target}' refuses messages: it answered {answered.status}."
        fix = "Look at the flow's runs in Teams (Workflows): it may be off or without an owner, or its address is new."
        if target not in self._refusing:
            self._refusing.add(target)
            log.error("teams_webhook_refuses", target=target, status=answered.status, fix=fix)
        raise RetryableError("WorkflowRefused", message, fix=fix, retry_after_s=answered.retry_after_s)
