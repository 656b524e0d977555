"""Commands as they are typed in a chat: read, done, answered with a card."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.chat.card import Card
from shared.hubs.model import Principal
from shared.hubs.ports import ChatUser, Thread

if TYPE_CHECKING:
    from shared.api.prices import PriceMemo
    from shared.app import App


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One command. `text`: what stands after `/hub`, or after the mention. `key`: the same at every delivery of this
    command (hex SHA-256). `thread`: the conversation as it is to be stored if the command steers a hub.
    `principal` None = the chat user is linked to nobody. `confirm_by`: `button` (a card may hold a delete button) or
    `text` (`delete NAME confirm CODE`)."""

    user: ChatUser
    principal: Principal | None
    text: str
    key: str
    request_id: str
    thread: Thread
    confirm_by: str = "button"


async def run(app: "App", prices: "PriceMemo", asked: Asked) -> Card:
    """Does what was asked, or says in the card why not. Raises RetryableError when storage does not answer."""
    raise NotImplementedError
