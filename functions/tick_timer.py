"""Each minute: queue what is due."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import azure.functions as func

from functions import blueprints
from shared import log

if TYPE_CHECKING:
    from shared.app import App

EVERY_MINUTE = "0 * * * * *"
"""NCRONTAB: second, minute, hour, day, month, day of week; UTC."""


def blueprint(app: "Callable[[], App]") -> func.Blueprint:
    bp = blueprints.new()

    @bp.function_name("tick_timer")
    @bp.timer_trigger(arg_name="timer", schedule=EVERY_MINUTE, run_on_startup=False, use_monitor=True)
    async def tick_timer(timer: func.TimerRequest) -> None:
        from shared.hubs.ticks import tick

        if timer.past_due:
            log.warning("tick_past_due")
        await tick(app())

    return bp
