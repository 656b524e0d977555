"""Every hour: make anew what may be lost, remove what is old."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import azure.functions as func

from functions import blueprints
from shared import log

if TYPE_CHECKING:
    from shared.app import App

SCHEDULE = "15 7 * * * *"
"""NCRONTAB: second, minute, hour, day, month, day of week; UTC. Not at the full minute, which is the tick's."""


def blueprint(app: "Callable[[], App]") -> func.Blueprint:
    bp = blueprints.new()

    @bp.function_name("audit_timer")
    @bp.timer_trigger(arg_name="timer", schedule=SCHEDULE, run_on_startup=False, use_monitor=True)
    async def audit_timer(timer: func.TimerRequest) -> None:
        from shared.hubs.audit import audit

        if timer.past_due:
            log.warning("audit_past_due")
        await audit(app())

    return bp
