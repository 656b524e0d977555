"""HTTP: what can be had and what it costs. Nothing here creates anything."""

import azure.functions as func

from functions import blueprints
from shared.api import routes
from shared.api.http import Call, Edge, Reply, endpoint


def blueprint(edge: Edge) -> func.Blueprint:
    bp = blueprints.new()

    @endpoint(bp, edge, routes.ESTIMATE)
    async def estimate_create(call: Call) -> Reply:
        from shared.api.estimates import estimate
        from shared.api.hub_request import parse_hub_request

        app = call.app
        parsed = parse_hub_request(
            call.document(), settings=app.settings, owner=call.principal.owner, now=app.clock.now()
        )
        return Reply.of(200, await estimate(app, edge.prices, parsed))

    @endpoint(bp, edge, routes.SIZES)
    async def size_list(call: Call) -> Reply:
        from shared.api import estimates, paging

        settings = call.app.settings
        region = estimates.allowed_region(call.query.get("region"), settings.region, settings.allowed_regions)
        if region is None:
            raise paging.parameter("region", f"`region` is one of {', '.join(settings.allowed_regions)}.")
        return Reply.of(200, {"value": await estimates.size_list(call.app, region)})

    return bp
