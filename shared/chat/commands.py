"""Commands as they are typed in a chat: read, done, answered with a card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from shared.chat import cards, command_cards, confirm, error_cards, links, steering, trouble
from shared.chat.card import Button, Card, Tone, Verb
from shared.chat.grammar import Command, Misread, Order, parse
from shared.chat.typed import shown
from shared.errors import HubletError, RetryableError
from shared.hubs import commands, schedule, steer, words
from shared.hubs.agenda import Rules
from shared.hubs.gate_state import AzurePaused
from shared.hubs.model import HUB_NAME, Hub, Principal
from shared.hubs.ports import ChatUser, Thread
from shared.hubs.states import Goal, HubState

if TYPE_CHECKING:
    from shared.api.prices import PriceMemo
    from shared.app import App
    from shared.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One command. `text`: what stands after `/hub`, or after the mention. `key`: the same at every delivery of this
    command (hex SHA-256). `thread`: the conversation as it is to be stored if the command steers a hub.
    `principal` None = the chat user is linked to nobody. `confirm_by`: `button` (a card may hold a delete button) or
    `text` (`delete NAME confirm CODE`). `alone`: nobody else reads the answer."""

    user: ChatUser
    principal: Principal | None
    text: str
    key: str
    request_id: str
    thread: Thread
    confirm_by: str = "button"
    alone: bool = True


async def run(app: "App", prices: "PriceMemo", asked: Asked) -> Card:
    """Does what was asked, or says in the card why not. Raises RetryableError when storage does not answer."""
    return _as_typed(await _answer(app, prices, asked), asked.user.platform)


async def how_to_link(app: "App", user: ChatUser, *, alone: bool, owner: str = "") -> Card:
    """With a fresh code when nobody else reads it: whoever sends a code decides whose hubs the account steers. Else an
    administrator links the account by its ids, which are no secret. `owner`: to whom it is linked now."""
    if not alone:
        return command_cards.ask_admin_card(user, app.settings.links_to)
    code, minutes = await links.new_code(app, user), int(links.CODE_LIFE.total_seconds() // 60)
    return command_cards.link_card(user, code, minutes, app.settings.links_to, owner=owner)


async def _answer(app: "App", prices: "PriceMemo", asked: Asked) -> Card:
    command, principal = parse(asked.text), asked.principal
    if isinstance(command, Misread):
        return command_cards.misread_card(command)
    if command.order is Order.HELP:
        return command_cards.help_card(about=command.about)
    if principal is None:
        return await how_to_link(app, asked.user, alone=asked.alone)
    try:
        if command.order is Order.CREATE:
            return await _create(app, prices, asked, principal, command)
        if command.wrong:
            return command_cards.mistakes_card(command.order, command.wrong)
        return await _do(app, asked, principal, command)
    except AzurePaused as paused:
        return error_cards.error_card(paused)
    except RetryableError:
        raise
    except HubletError as error:
        return await _refused(app, principal, command, error)


async def _do(app: "App", asked: Asked, principal: Principal, command: Command) -> Card:
    rules, now = Rules.of(app.settings), app.clock.now()
    match command.order:
        case Order.LINK:
            return command_cards.linked_card(principal.owner)
        case Order.LIST:
            return cards.list_card(await commands.list_hubs(app, principal), rules, now)
        case Order.COST if command.name is None:
            return cards.cost_card(await commands.list_hubs(app, principal), now)
    hub = await _find(app, principal, command.name or "")
    if command.order is Order.COST:
        return cards.cost_card([hub], now)
    if command.order is Order.STATUS:
        return replace(cards.hub_card(hub, rules, now), private=True)
    if command.order is Order.DELETE:
        return await _delete(app, asked, principal, command, hub)
    steered = await steering.ask(app, hub, _verb(command), _order(asked, principal))
    return _told(app, command, steered)


async def _find(app: "App", principal: Principal, name: str) -> Hub:
    """What cannot be a hub's name or id is not looked for. Raises UserError `HubNotFound`, for a foreign hub too."""
    from shared.api.names import HUB_ID

    if not HUB_NAME.fullmatch(name) and not HUB_ID.fullmatch(name):
        raise commands.not_found(shown(name))
    return await commands.find_hub(app, principal, name)


async def _refused(app: "App", principal: Principal, command: Command, error: HubletError) -> Card:
    """The error as a card; for a name that is not there, the nearest of the caller's own."""
    card = trouble.told(error)
    if error.code != "HubNotFound" or not command.name:
        return card
    names = [hub.name for hub in await commands.list_hubs(app, principal)]
    near = get_close_matches(command.name[:40], names, n=1, cutoff=0.6)
    if not near:
        return replace(card, code=("list",))
    return replace(card, lines=(f"Did you mean {near[0]}?", *card.lines), code=(f"{command.order} {near[0]}",))


# ------------------------------------------------------------------ steering


def _order(asked: Asked, principal: Principal) -> steering.Order:
    return steering.Order(
        principal=principal, request_id=asked.request_id, key=asked.key, said=asked.text, thread=asked.thread
    )


def _verb(command: Command) -> steering.Verb:
    match command.order:
        case Order.START:
            return steer.start_hub
        case Order.STOP:
            return steer.stop_hub
        case Order.RESTART:
            return steer.restart_hub
        case Order.RETRY:
            return steer.retry_hub
        case Order.EXTEND:

            async def extend(app: "App", hub: Hub, request: steer.Request) -> steer.Answered:
                return await steer.extend_hub(app, hub, request, command.hours)

            return extend
        case _:
            raise AssertionError(command.order)  # the others steer nothing, or ask first


def _told(app: "App", command: Command, steered: steering.Steered) -> Card:
    """How the hub is now, and whether this command did that."""
    hub, rules, now = steered.hub, Rules.of(app.settings), app.clock.now()
    if command.order is Order.EXTEND:
        return Card(
            title=f"{cards.name_of(hub)}: the next stop was moved",
            tone=Tone.GOOD,
            lines=(cards.next_stop_words(hub, rules, now),),
        )
    card = replace(cards.hub_card(hub, rules, now), private=True)
    if steered.changed:
        return card
    return replace(card, lines=(f"Nothing changed: it is {words.STATES[hub.state].lower()} already.", *card.lines))


async def _delete(app: "App", asked: Asked, principal: Principal, command: Command, hub: Hub) -> Card:
    """Asks first; deletes only with the code that this user was shown for this very hub."""
    keys, now = app.settings.seal_keys, app.clock.now()
    name = cards.name_of(hub)
    if hub.state is HubState.DELETED:
        raise commands.not_found(hub.name)
    if hub.goal is Goal.DELETED:
        return replace(cards.hub_card(hub, Rules.of(app.settings), now), private=True)
    if command.code is not None:
        if not confirm.is_right(keys, asked.user, hub.id, command.code, now):
            return Card(
                title=f"This is not the code for {name}, or not any more. Nothing was deleted.",
                tone=Tone.WARNING,
                lines=("This shows you a new one:",),
                code=(f"delete {name}",),
            )
        return _told(app, command, await steering.ask(app, hub, steer.delete_hub, _order(asked, principal)))
    cost = cards.cost_words(hub, now)
    card = Card(
        title=f"Delete {name}?",
        tone=Tone.WARNING,
        lines=(cards.DELETE_QUESTION, *((f"Its cost: {cost}.",) if cost else ())),
    )
    if asked.confirm_by == "button":
        button = Button(
            label=f"Delete {name}",
            verb=Verb.DELETE,
            hub_id=hub.id,
            style="danger",
            confirm=f"Delete {name}? {cards.DELETE_QUESTION}",
        )
        return replace(card, buttons=(button,))
    code = confirm.code_for(keys, asked.user, hub.id, now)
    said = f"If you are sure, send this within {confirm.LIFE_MINUTES} minutes:"
    return replace(card, lines=(*card.lines, said), code=(f"delete {name} confirm {code}",))


# ------------------------------------------------------------------ create


async def _create(app: "App", prices: "PriceMemo", asked: Asked, principal: Principal, command: Command) -> Card:
    """Checked as the API checks the same document. Raises UserError, RetryableError."""
    from shared.api.hub_request import parse_hub_request
    from shared.api.problems import Problem

    now = app.clock.now()
    document, wrong = document_of(command, app.settings, asked.user.platform)
    parsed = None
    try:
        parsed = parse_hub_request(document, settings=app.settings, owner=principal.owner, now=now)
    except Problem as problem:
        wrong += [error_cards.mistake_words(one) for one in problem.errors] or [problem.detail]
    if wrong or parsed is None:
        return command_cards.mistakes_card(Order.CREATE, wrong)
    thread = await app.chat.create_thread(asked.thread)
    created = await commands.create_hub(
        app,
        principal,
        parsed.spec,
        name=parsed.name,
        idempotency=None,  # a command is seen once; and one that is typed again is another one
        request_id=asked.request_id,
        price=prices.get(parsed.spec, now),
        thread=thread.id,
    )
    hub, chosen = created.hub, ""
    if parsed.choice is not None and parsed.choice.size is not None:
        chosen = f"{parsed.choice.size} is the smallest machine that fits {parsed.spec.people} people."
    rules = Rules.of(app.settings)
    return cards.accepted_card(hub, rules, now, chosen=chosen, followed=_followed(app.settings, asked.user.platform))


def _followed(settings: "Settings", platform: str) -> str:
    """What is told here by itself of a hub that was just made."""
    if platform == "teams":
        return "This channel is told when it is ready." if settings.teams_webhooks else ""
    return "A message here follows it until it is ready." if settings.slack_bot_token else ""


def document_of(command: Command, settings: "Settings", platform: str) -> tuple[dict[str, Any], list[str]]:
    """The body of `POST /api/hubs` that says the same, and what is wrong with the command beyond what the API finds."""
    options, wrong = command.options, list(command.wrong)
    document: dict[str, Any] = {} if command.name is None else {"name": command.name}
    document |= {key: options[key] for key in ("size", "people", "region") if key in options}
    if "idle" in options:
        document["idleMinutes"] = options["idle"]
    zone = _zone(options, settings, wrong)
    plan = {key: options[key] for key in ("start", "stop") if key in options}
    if plan:
        days = options.get("days")
        document["schedule"] = {"timeZone": zone, **plan, **({"days": list(days)} if isinstance(days, tuple) else {})}
    if "until" in options:
        end = _end_of(str(options["until"]), zone)
        if end is None:
            wrong.append("until: this day is too far away.")
        else:
            document["expiresAt"] = end
    if platform == "teams" and settings.teams_webhooks:
        document["notify"] = {"teamsWebhook": settings.teams_webhooks[0][0]}
    return document, wrong


def _zone(options: Mapping[str, str | int | Sequence[str]], settings: "Settings", wrong: list[str]) -> str:
    if "zone" not in options:
        return settings.time_zone
    typed = str(options["zone"])
    found = schedule.zone_like(typed)
    if found is None:
        wrong.append(f"zone: '{shown(typed)}' is no time zone: write it as in zone=Europe/Berlin.")
    return found or settings.time_zone


def _end_of(day: str, zone: str) -> str | None:
    """The end of that day, as the API takes it. None = the calendar ends before."""
    from zoneinfo import ZoneInfo

    from shared.api.progress import rfc3339

    try:
        return rfc3339(schedule.instant(date.fromisoformat(day) + timedelta(days=1), "00:00", ZoneInfo(zone)))
    except (OverflowError, ValueError):
        return None


# ------------------------------------------------------------------ as it is typed there


def _as_typed(card: Card, platform: str) -> Card:
    """In Slack a command begins with `/hub`: lines to send can be copied as they are."""
    if platform != "slack":
        return card
    code = tuple(f"/hub {line}" if line.partition(" ")[0] in set(Order) else line for line in card.code)
    return replace(card, code=code)
