"""Who a chat user is here: links between chat accounts and owners.

A link is made by whoever proves to be both: they show us a code that only the chat user was told, with the owner's API
token. Names and e-mail addresses can be chosen on a chat platform and prove nothing. Admins may link anybody.
"""

import hashlib
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from shared import log
from shared.errors import UserError
from shared.hubs.model import Principal, Role
from shared.hubs.ports import ChatLink, ChatUser, LinkCode

if TYPE_CHECKING:
    from shared.app import App

CODE_LIFE = timedelta(minutes=15)

PLATFORMS = {"slack": "Slack", "teams": "Teams"}
"""Their names as a hub's history has them."""

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Base32 without I, L, O and U (https://www.crockford.com/base32.html): nothing in it is mistaken for another."""

_CODE_LENGTH = 10
"""50 bits: at a thousand guesses a second, of which our limits allow none, 15 minutes find one code in 10^9."""

_PART = re.compile(r"[A-Za-z0-9-]{1,64}")
_MEANT = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})


def chat_user(platform: str, team: str, user: str) -> ChatUser | None:
    """None = these are no ids. Slack's ids are upper case, Teams' are GUIDs: one spelling of each, so that what an
    admin types is what the platform sends."""
    if platform not in PLATFORMS or not _PART.fullmatch(team) or not _PART.fullmatch(user):
        return None
    if platform == "slack":
        return ChatUser(platform, team.upper(), user.upper())
    return ChatUser(platform, team.lower(), user.lower())


async def principal_of(app: "App", user: ChatUser) -> Principal | None:
    """Role `user` always, whatever the owner may do by the API; `via` says which platform."""
    link = await app.chat.link(user)
    return Principal(link.owner, Role.USER, PLATFORMS.get(user.platform, user.platform)) if link else None


async def new_code(app: "App", user: ChatUser) -> str:
    """A one-time code that proves to `link_by_code` who its holder is on the chat platform."""
    number = int.from_bytes(hashlib.sha256(app.entropy.secret(256).encode()).digest())
    code = "".join(_ALPHABET[(number >> 5 * place) % 32] for place in range(_CODE_LENGTH))
    await app.chat.put_code(_digest(code), LinkCode(user=user, expires_at=app.clock.now() + CODE_LIFE))
    return code


async def link_by_code(app: "App", principal: Principal, code: str) -> ChatLink:
    """Raises UserError `LinkCodeUnknown`. A user who was linked before acts for the new owner from now on.

    A code is spent by the first who sends it, also when storage then fails: another one is quickly made.
    """
    proof = await app.chat.take_code(_digest(_meant(code)), app.clock.now())
    if proof is None:
        raise UserError("LinkCodeUnknown", "This code is not known: it was used, has expired, or was mistyped.")
    return await _link(app, principal, proof.user, principal.owner)


async def link_as_admin(app: "App", principal: Principal, user: ChatUser, owner: str) -> ChatLink:
    """Raises UserError `Forbidden`."""
    if not principal.is_admin:
        raise UserError("Forbidden", "Only admins link others; for your own account send the code you were shown.")
    return await _link(app, principal, user, owner)


async def list_links(app: "App", principal: Principal) -> Sequence[ChatLink]:
    """Own ones; admins see all."""
    return await app.chat.links(None if principal.is_admin else principal.owner)


async def unlink(app: "App", principal: Principal, link_id: str) -> None:
    """Raises UserError `LinkNotFound`, also for somebody else's."""
    for link in await list_links(app, principal):
        if link.user.id == link_id and await app.chat.remove_link(link.user):
            log.info("chat_unlinked", chat_user=link_id, owner=link.owner, by=principal.owner)
            return
    raise UserError("LinkNotFound", "There is no link of that id that you may see.")


async def _link(app: "App", principal: Principal, user: ChatUser, owner: str) -> ChatLink:
    link = ChatLink(user=user, owner=owner, created_at=app.clock.now(), created_by=principal.owner)
    await app.chat.save_link(link)
    log.info("chat_linked", chat_user=user.id, owner=owner, by=principal.owner)
    return link


def _meant(code: str) -> str:
    """As it was shown, however it was typed."""
    return code.upper().translate(_MEANT)


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest()
