"""Queue `hub-work-poison`: messages whose visit failed again and again. The hub is failed with the cause."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import azure.functions as func

from functions import blueprints
from functions.work_queue import CONNECTION, QUEUE, readable
from shared import log

if TYPE_CHECKING:
    from shared.app import App

CAUSE = "A worker failed on this hub five times in a row."


def blueprint(app: "Callable[[], App]") -> func.Blueprint:
    bp = blueprints.new()

    @bp.function_name("poison_queue")
    @bp.queue_trigger(arg_name="msg", queue_name=f"{QUEUE}-poison", connection=CONNECTION)
    async def poison_queue(msg: func.QueueMessage) -> None:
        from shared.hubs import deferred
        from shared.hubs.lifecycle import poisoned
        from shared.hubs.message_text import TooNew
        from shared.hubs.messages import DueBatch
        from shared.hubs.unreadable import park

        message = readable(msg)
        if message is None:
            await park(app(), msg.get_body())
            return
        if isinstance(message, TooNew):
            # Whose hub it is about only its own release can tell, so that one may try it again.
            await deferred.put_back(app(), app().queue, message, msg.expiration_time)
            return
        if isinstance(message, DueBatch):
            # Nobody's hub is at fault, and each row is in the due table still: it is handed over again.
            log.error("due_batch_poisoned", message_id=msg.id, rows=len(message.rows))
            return
        with log.bound(hub_id=message.hub_id, message_id=msg.id, pass_number=message.pass_number):
            log.error("message_poisoned", generation=message.generation)
            await poisoned(app(), message, CAUSE)

    return bp
