"""Who a chat user is here: links between chat accounts and owners."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.hubs.model import Principal
from shared.hubs.ports import ChatLink, ChatUser

if TYPE_CHECKING:
    from shared.app import App

CODE_LIFE = timedelta(minutes=15)


async def principal_of(app: "App", user: ChatUser) -> Principal | None:
    """Role `user` always, whatever the owner may do by the API; `via` says which platform."""
    raise NotImplementedError


async def new_code(app: "App", user: ChatUser) -> str:
    """A one-time code that proves to `link_by_code` who its holder is on the chat platform."""
    raise NotImplementedError


async def link_by_code(app: "App", principal: Principal, code: str) -> ChatLink:
    """Raises UserError `LinkCodeUnknown`."""
    raise NotImplementedError


async def link_as_admin(app: "App", principal: Principal, user: ChatUser, owner: str) -> ChatLink:
    """Raises UserError `Forbidden`."""
    raise NotImplementedError


async def list_links(app: "App", principal: Principal) -> Sequence[ChatLink]:
    """Own ones; admins see all."""
    raise NotImplementedError


async def unlink(app: "App", principal: Principal, link_id: str) -> None:
    """Raises UserError `LinkNotFound`, also for somebody else's."""
    raise NotImplementedError
