"""HTTP: API tokens, for admins."""

import azure.functions as func

from functions import blueprints
from shared.api import routes
from shared.api.http import Call, Edge, Reply, endpoint


def blueprint(edge: Edge) -> func.Blueprint:
    bp = blueprints.new()

    @endpoint(bp, edge, routes.TOKEN_CREATE)
    async def token_create(call: Call) -> Reply:
        from shared.api.token_request import parse_token_request
        from shared.api.token_view import issued_token_view
        from shared.hubs.api_tokens import issue_token

        app = call.app
        wanted = parse_token_request(call.document(), settings=app.settings, now=app.clock.now())
        record, token = await issue_token(
            app,
            call.principal,
            owner=wanted.owner,
            role=wanted.role,
            name=wanted.name,
            expires_at=wanted.expires_at,
        )
        return Reply.of(201, issued_token_view(record, token), {"Location": call.url(f"tokens/{record.id}")})

    @endpoint(bp, edge, routes.TOKEN_LIST)
    async def token_list(call: Call) -> Reply:
        from shared.api import paging
        from shared.api.token_view import token_view
        from shared.hubs.api_tokens import list_tokens

        records = sorted(await list_tokens(call.app, call.principal), key=lambda record: record.id)
        shown, more = paging.page(records, call.query, lambda record: [record.id], call.url("tokens"))
        return Reply.of(200, {"value": [token_view(record) for record in shown], "nextLink": more})

    @endpoint(bp, edge, routes.TOKEN_DELETE)
    async def token_delete(call: Call) -> Reply:
        from shared.api import names
        from shared.api.problems import Problem
        from shared.hubs.api_tokens import revoke_token

        token_id = call.path_part("id")
        if not names.TOKEN_ID.fullmatch(token_id):
            raise Problem("TokenNotFound", "There is no token of that id.")
        await revoke_token(call.app, call.principal, token_id)
        return Reply(204)

    return bp
