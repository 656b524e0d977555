"""HTTP: health, the API's description, and the answer to every route that does not exist.

The Functions host tries routes in the alphabetical order of the functions' names, and answers a known path with another
method by an empty 404 (https://github.com/Azure/azure-functions-host/issues/9876 and /10098). So the catch-all has the
last name of all, and tells 404 from 405 by the table of routes.
"""

import azure.functions as func

from functions import blueprints
from shared.api import routes
from shared.api.http import Call, Edge, Reply, endpoint, serve
from shared.api.problems import Problem

ANY_METHOD = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
CATCH_ALL = "zz_no_such_route"
READY_KEY = "readyz"


def blueprint(edge: Edge) -> func.Blueprint:
    bp = blueprints.new()

    @endpoint(bp, edge, routes.HEALTHZ)
    async def meta_healthz(call: Call) -> Reply:
        return Reply.of(200, {"status": "ok"})

    @endpoint(bp, edge, routes.READYZ)
    async def meta_readyz(call: Call) -> Reply:
        await edge.app().cache.get(READY_KEY, max_age_s=60)  # one point read: settings are right, storage answers
        return Reply.of(200, {"status": "ready"})

    @endpoint(bp, edge, routes.OPENAPI)
    async def meta_openapi(call: Call) -> Reply:
        from shared.api import etags
        from shared.api.openapi import document_bytes

        body = document_bytes()
        headers = {"ETag": etags.of_bytes(body), "Cache-Control": "public, max-age=300"}
        if etags.matches(call.header("if-none-match"), headers["ETag"]):
            return Reply(304, headers=headers)
        return Reply(200, body, headers=headers)

    _catch_all(bp, edge)
    return bp


def _catch_all(bp: func.Blueprint, edge: Edge) -> None:
    async def refuse(call: Call) -> Reply:
        methods = routes.allowed_methods(call.path_part("path"))
        if methods:
            raise Problem("MethodNotAllowed", headers={"Allow": ", ".join(methods)})
        raise Problem("RouteNotFound")

    async def function(req: func.HttpRequest) -> func.HttpResponse:
        known = tuple(routes.Query(name, {}, "") for name in req.params)  # nothing to say about its parameters
        route = routes.Route(
            method=req.method,
            path="{*path}",
            name=CATCH_ALL,
            summary="",
            access=routes.Access.ANONYMOUS,
            query=known,
        )
        return await serve(edge, route, refuse, req)

    function.__name__ = CATCH_ALL
    decorate = bp.route(route="{*path}", methods=list(ANY_METHOD), auth_level=func.AuthLevel.ANONYMOUS)
    bp.function_name(CATCH_ALL)(decorate(function))
