"""HTTP: web hooks, for their owners."""

import azure.functions as func

from functions import blueprints
from shared.api import routes
from shared.api.http import Call, Edge, Reply, endpoint


def blueprint(edge: Edge) -> func.Blueprint:
    bp = blueprints.new()

    @endpoint(bp, edge, routes.SINK_CREATE)
    async def sink_create(call: Call) -> Reply:
        from shared.api.sink_request import parse_sink_request
        from shared.api.sink_view import issued_sink_view
        from shared.hubs.sinks import create_sink

        wanted = parse_sink_request(call.document(), check=call.app.outbound.check)
        record = await create_sink(call.app, call.principal, wanted)
        return Reply.of(
            201, issued_sink_view(record, call.app.clock.now()), {"Location": call.url(f"sinks/{record.id}")}
        )

    @endpoint(bp, edge, routes.SINK_LIST)
    async def sink_list(call: Call) -> Reply:
        from shared.api import paging
        from shared.api.sink_view import sink_view
        from shared.hubs.sinks import list_sinks

        records = await list_sinks(call.app, call.principal)
        shown, more = paging.page(records, call.query, lambda record: [record.id], call.url("sinks"))
        now = call.app.clock.now()
        return Reply.of(200, {"value": [sink_view(record, now) for record in shown], "nextLink": more})

    @endpoint(bp, edge, routes.SINK_GET)
    async def sink_get(call: Call) -> Reply:
        from shared.api.sink_view import sink_view
        from shared.hubs.sinks import find_sink

        record = await find_sink(call.app, call.principal, _id(call))
        return Reply.of(200, sink_view(record, call.app.clock.now()))

    @endpoint(bp, edge, routes.SINK_DELETE)
    async def sink_delete(call: Call) -> Reply:
        from shared.hubs.sinks import remove_sink

        await remove_sink(call.app, call.principal, _id(call))
        return Reply(204)

    @endpoint(bp, edge, routes.SINK_ROTATE)
    async def sink_rotate(call: Call) -> Reply:
        from shared.api.sink_view import issued_sink_view
        from shared.api.steer_request import parse_nothing
        from shared.hubs.sinks import rotate_secret

        sink_id = _id(call)
        parse_nothing(call.document())
        record = await rotate_secret(call.app, call.principal, sink_id)
        return Reply.of(200, issued_sink_view(record, call.app.clock.now()))

    @endpoint(bp, edge, routes.SINK_FAILED)
    async def sink_failed(call: Call) -> Reply:
        from shared.api import paging
        from shared.api.sink_view import failed_view
        from shared.hubs.sinks import failed_deliveries

        sink_id = _id(call)
        failed = await failed_deliveries(call.app, call.principal, sink_id)
        shown, more = paging.page(
            failed,
            call.query,
            lambda one: [one.failed_at.isoformat(timespec="microseconds"), one.notice.id],
            call.url(f"sinks/{sink_id}/failed"),
        )
        return Reply.of(200, {"value": [failed_view(one) for one in shown], "nextLink": more})

    @endpoint(bp, edge, routes.SINK_REDELIVER)
    async def sink_redeliver(call: Call) -> Reply:
        from shared.api.sink_request import parse_redeliver_request
        from shared.api.sink_view import redelivered_view
        from shared.hubs.sinks import redeliver

        sink_id = _id(call)
        notice_id = parse_redeliver_request(call.document())
        return Reply.of(202, redelivered_view(await redeliver(call.app, call.principal, sink_id, notice_id)))

    return bp


def _id(call: Call) -> str:
    """Raises Problem `SinkNotFound` for what no web hook can be called."""
    from shared.api import names
    from shared.api.problems import Problem

    sink_id = call.path_part("id")
    if not names.SINK_ID.fullmatch(sink_id):
        raise Problem("SinkNotFound", "You have no web hook of that id.")
    return sink_id
