"""Queue `hub-work`: a message is one short visit of a worker to one hub, or a batch of due rows to be driven."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import azure.functions as func

from functions import blueprints
from shared import log

if TYPE_CHECKING:
    from shared.app import App
    from shared.hubs.message_text import TooNew
    from shared.hubs.messages import DueBatch
    from shared.hubs.model import Message

QUEUE = "hub-work"
CONNECTION = "AzureWebJobsStorage"


def blueprint(app: "Callable[[], App]") -> func.Blueprint:
    bp = blueprints.new()

    @bp.function_name("work_queue")
    @bp.queue_trigger(arg_name="msg", queue_name=QUEUE, connection=CONNECTION)
    async def work_queue(msg: func.QueueMessage) -> None:
        from shared.hubs import deferred
        from shared.hubs.lifecycle import advance
        from shared.hubs.message_text import TooNew
        from shared.hubs.messages import DueBatch
        from shared.hubs.ticks import drive
        from shared.hubs.unreadable import park
        from shared.steps import STEPS

        message = readable(msg)
        if message is None:
            await park(app(), msg.get_body())
            return
        if isinstance(message, TooNew):
            await deferred.put_back(app(), app().queue, message, msg.expiration_time)
            return
        if isinstance(message, DueBatch):
            with log.bound(message_id=msg.id):
                await drive(app(), message.rows)
            return
        with log.bound(hub_id=message.hub_id, message_id=msg.id, pass_number=message.pass_number):
            await advance(app(), STEPS, message)

    return bp


def readable(msg: func.QueueMessage) -> "Message | DueBatch | TooNew | None":
    """The message, or None after saying so in the log: an unreadable one is acknowledged, or it would come back. One
    that a newer release put is put back by the caller."""
    from shared.hubs.message_text import TooNew
    from shared.hubs.messages import MessageTooNew, UnreadableMessage, decode

    body = msg.get_body()
    try:
        return decode(body.decode("utf-8"))
    except UnicodeDecodeError:
        why = "not UTF-8"
    except MessageTooNew:
        return TooNew(body.decode("utf-8"))
    except UnreadableMessage as error:
        why = str(error)
    log.warning("message_unreadable", why=why, message_id=msg.id, size=len(body))
    return None
