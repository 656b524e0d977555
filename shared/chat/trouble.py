"""What went wrong, to who asked in a chat and to who runs the service."""

from shared import log
from shared.chat import error_cards
from shared.chat.card import Card
from shared.errors import FatalError, HubletError, RowTooNew


def told(error: HubletError) -> Card:
    """The card. What nobody in a chat can do anything about is said in detail to the log alone, as the API does."""
    if isinstance(error, RowTooNew):
        log.error("row_too_new", detail=error.message)
    elif isinstance(error, FatalError):
        log.error("fatal_error", code=error.code, detail=error.message)
    return error_cards.error_card(error)
