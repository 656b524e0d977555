"""HTTP: the pages behind the buttons of chat messages."""

from typing import TYPE_CHECKING

import azure.functions as func

from functions import blueprints
from shared.api import routes
from shared.api.http import Call, Edge, Reply, endpoint

if TYPE_CHECKING:
    from shared.api.action_press import Press


def blueprint(edge: Edge, do: "Press | None" = None) -> func.Blueprint:
    """`do`: what a press does; only tests replace it."""
    bp = blueprints.new()

    @endpoint(bp, edge, routes.ACTION_SHOW)
    async def action_show(call: Call) -> Reply:
        from shared.api.action_press import show

        return await show(edge.app(), call.path_part("token"))

    @endpoint(bp, edge, routes.ACTION_PRESS)
    async def action_press(call: Call) -> Reply:
        from shared.api.action_press import press
        from shared.chat import actions

        return await press(edge.app(), call.path_part("token"), request_id=call.request_id, do=do or actions.press)

    return bp
