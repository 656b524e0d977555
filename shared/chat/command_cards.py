"""Cards about commands: help, mistakes, how to link an account. Pure."""

import json
from collections.abc import Sequence

from shared.chat import cards
from shared.chat.card import Card, Fact, Tone
from shared.chat.grammar import USAGES, Misread, Order
from shared.chat.options import OPTIONS
from shared.hubs.ports import ChatUser

MAX_SAID = 8
"""Mistakes that are told; nobody reads more of them in a chat."""


def help_card(said: str = "", *, try_this: str = "", about: Order | None = None) -> Card:
    """Every command with an example. `said`: what was not understood; `try_this`: what may have been meant instead.
    `about`: one command in detail."""
    if said:
        try_this = cards.line(try_this, 200)
        meant = f"Did you mean {try_this}?" if try_this else "These are the commands:"
        code = (try_this, str(Order.HELP)) if try_this else _examples()
        return Card(
            title=cards.line(said, 200) or "That was not understood.", tone=Tone.WARNING, lines=(meant,), code=code
        )
    if about is not None:
        usage = USAGES[about]
        facts = [Fact(example, what) for example, what in OPTIONS.values()] if about is Order.CREATE else []
        return Card(title=usage.form, lines=(usage.does,), facts=tuple(facts), code=(usage.example,))
    return Card(
        title="What you can send",
        lines=(
            "In Slack after /hub, in Teams after a mention of this app. Everybody sees and steers their own hubs only.",
            *(f"{usage.form.partition(' [size')[0]}: {usage.does}" for usage in USAGES.values()),
        ),
        code=_examples(),
    )


def misread_card(misread: Misread) -> Card:
    return help_card(misread.said, try_this=misread.try_this)


def mistakes_card(order: Order, wrong: Sequence[str]) -> Card:
    """Every mistake of one command, and how it is written."""
    told = [cards.line(one) for one in dict.fromkeys(wrong)]
    more = len(told) - MAX_SAID
    if more > 0:
        told = [*told[:MAX_SAID], f"And {more} more."]
    count = min(len(wrong), len(dict.fromkeys(wrong)))
    title = "One thing is not right" if count == 1 else f"{count} things are not right"
    return Card(
        title=f"{title}. Nothing was done.", tone=Tone.WARNING, lines=tuple(told), code=(USAGES[order].example,)
    )


def _examples() -> tuple[str, ...]:
    return tuple(usage.example for usage in USAGES.values())


def link_card(user: ChatUser, code: str, minutes: int, api: str, *, owner: str = "") -> Card:
    """How to link this chat account to an owner: the one-time code, and the line to send; the account's ids for an
    administrator, who must not send the code: that would link it to the administrator's own hubs. `owner`: to whom it
    is linked now."""
    now = f"is linked to {cards.line(owner, 80)}" if owner else "is not linked to an owner of hubs yet"
    first = "To link it to somebody else, send" if owner else "Send"
    return Card(
        title=f"This chat account {now}",
        lines=(
            f"{first} this with the API token of the hubs' owner, within {minutes} minutes.",
            "The code is for you alone: who sends it decides whose hubs this chat account steers.",
            f"Without a token, ask whoever runs this service to link the {user.platform} user {user.user} of team "
            f"{user.team}.",
        ),
        code=(_link_line(api, json.dumps({"code": code})),),
    )


def _link_line(api: str, body: str) -> str:
    return (
        f"curl -X POST {api or '$HUBLET_URL'}/api/chat/links -H 'Content-Type: application/json' "
        f"-H \"Authorization: Bearer $HUBLET_TOKEN\" -d '{body}'"
    )


def ask_admin_card(user: ChatUser, api: str) -> Card:
    """How an account is linked whose answers a whole channel reads: no code in it, only the account's ids."""
    body = json.dumps({"platform": user.platform, "team": user.team, "user": user.user, "owner": "OWNER"})
    return Card(
        title="This chat account is not linked to an owner of hubs yet",
        lines=(
            "Ask whoever runs this service to send this, with your owner id in place of OWNER.",
            "A code of your own is not shown here: the whole channel would read it.",
        ),
        code=(_link_line(api, body),),
    )


def linked_card(owner: str) -> Card:
    return Card(title=f"This chat account is linked to {cards.line(owner, 80)}", lines=("It steers their hubs.",))
