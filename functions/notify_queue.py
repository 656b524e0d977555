"""Queue `hub-notify`: each message is one notice to be told. Its text is in the outbox.

Nothing listens to `hub-notify-poison` yet: a notice whose delivery failed five times stays in the outbox, and the
hourly audit puts a new message for it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import azure.functions as func

from functions import blueprints
from functions.work_queue import CONNECTION
from shared import log

if TYPE_CHECKING:
    from shared.app import App
    from shared.hubs.message_text import TooNew
    from shared.hubs.ports import NoticeRef

QUEUE = "hub-notify"


def blueprint(app: "Callable[[], App]") -> func.Blueprint:
    bp = blueprints.new()

    @bp.function_name("notify_queue")
    @bp.queue_trigger(arg_name="msg", queue_name=QUEUE, connection=CONNECTION)
    async def notify_queue(msg: func.QueueMessage) -> None:
        from shared.hubs import deferred
        from shared.hubs.message_text import TooNew
        from shared.hubs.notify import deliver

        ref = _readable(msg)
        if ref is None:
            return
        if isinstance(ref, TooNew):
            await deferred.put_back(app(), app().notices, ref, msg.expiration_time)
            return
        with log.bound(hub_id=ref.hub_id, message_id=msg.id, seq=ref.seq):
            await deliver(app(), ref)

    return bp


def _readable(msg: func.QueueMessage) -> "NoticeRef | TooNew | None":
    """None after saying so in the log: an unreadable message is acknowledged, or it would come back. One that a newer
    release put is put back by the caller."""
    from shared.hubs.message_text import MessageTooNew, TooNew, UnreadableMessage
    from shared.hubs.notice_messages import decode

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
