"""Every five minutes: compare with Azure."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import azure.functions as func

from functions import blueprints
from shared import log

if TYPE_CHECKING:
    from shared.app import App

SCHEDULE = "30 */5 * * * *"
"""NCRONTAB: second, minute, hour, day, month, day of week; UTC. Not at the full minute, which is the tick's."""


def blueprint(app: "Callable[[], App]") -> func.Blueprint:
    bp = blueprints.new()

    @bp.function_name("sweep_timer")
    @bp.timer_trigger(arg_name="timer", schedule=SCHEDULE, run_on_startup=False, use_monitor=True)
    async def sweep_timer(timer: func.TimerRequest) -> None:
        from shared.hubs.sweep import sweep

        if timer.past_due:
            log.warning("sweep_past_due")
        await sweep(app())

    return bp
