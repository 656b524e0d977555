"""HTTP: operations, the thin monitors that a caller polls."""

import azure.functions as func

from functions import blueprints
from shared.api import routes
from shared.api.http import Call, Edge, Reply, endpoint


def blueprint(edge: Edge) -> func.Blueprint:
    bp = blueprints.new()

    @endpoint(bp, edge, routes.OPERATION_GET)
    async def operation_get(call: Call) -> Reply:
        from shared.api import names
        from shared.api.operation_view import operation_view, pause_s
        from shared.api.problems import Problem, retry_after
        from shared.hubs.commands import find_operation

        operation_id = call.path_part("id")
        if not names.OPERATION_ID.fullmatch(operation_id):
            raise Problem("OperationNotFound", "There is no operation of that id that you may see.")
        app = call.app
        operation, hub = await find_operation(app, call.principal, operation_id)
        view = operation_view(operation, hub, call.principal, app.clock.now(), call.url("").rstrip("/"))
        pause = pause_s(operation, hub)
        headers = {"Retry-After": retry_after(pause, app.entropy.jitter())} if pause is not None else None
        return Reply.of(200, view, headers)

    return bp
