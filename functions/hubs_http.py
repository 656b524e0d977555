"""HTTP: hubs. Each handler reads the request, calls one shared function and writes the answer."""

import azure.functions as func

from functions import blueprints
from shared.api import routes
from shared.api.http import Call, Edge, Reply, endpoint


def blueprint(edge: Edge) -> func.Blueprint:
    """Imports of what a handler needs stand inside it: listing the functions must stay cheap."""
    bp = blueprints.new()

    @endpoint(bp, edge, routes.HUB_CREATE)
    async def hub_create(call: Call) -> Reply:
        from shared.api import hub_replies, paging
        from shared.api.estimates import check_admission, estimate
        from shared.api.hub_request import parse_hub_request
        from shared.api.idempotency import idempotency_of
        from shared.api.problems import Problem
        from shared.hubs import budget
        from shared.hubs.commands import create_hub, taken_before

        app, principal = call.app, call.principal
        validate_only = call.query.get("validateOnly", "false")
        if validate_only not in ("true", "false"):
            raise paging.parameter("validateOnly", "`validateOnly` is `true` or `false`.")
        document = call.document()
        key = idempotency_of(
            call.header("idempotency-key"), caller=principal.owner, route=call.route.name, document=document
        )
        now = app.clock.now()
        try:
            parsed = parse_hub_request(document, settings=app.settings, owner=principal.owner, now=now)
        except Problem:
            # Dates pass and settings change; what was taken once is answered as it was.
            before = await taken_before(app, principal.owner, key) if key and validate_only == "false" else None
            if before is None:
                raise
            return await hub_replies.taken(call, before)
        if validate_only == "true":
            refusal = await budget.refusal(app, principal.owner)
            if refusal is not None:
                raise refusal
            await check_admission(app, principal.owner, parsed.name)
            return Reply.of(200, await estimate(app, edge.prices, parsed))
        created = await create_hub(
            app,
            principal,
            parsed.spec,
            name=parsed.name,
            idempotency=key,
            request_id=call.request_id,
            price=edge.prices.get(parsed.spec, now),
        )
        return await hub_replies.taken(call, created)

    @endpoint(bp, edge, routes.HUB_LIST)
    async def hub_list(call: Call) -> Reply:
        from shared.api import etags, hub_replies, paging
        from shared.hubs.commands import list_hubs
        from shared.hubs.states import HubState

        state = call.query.get("state")
        if state is not None and state not in set(HubState):
            raise paging.parameter("state", f"`state` is one of {', '.join(HubState)}.")
        hubs = await list_hubs(call.app, call.principal, owner=call.query.get("owner"))
        found = sorted((h for h in hubs if state is None or h.state == state), key=lambda h: (h.owner, h.name))
        shown, more = paging.page(found, call.query, lambda h: [h.owner, h.name], call.url("hubs"))
        headers = {"ETag": etags.of_hubs(shown, more or "")}
        if etags.matches(call.header("if-none-match"), headers["ETag"]):
            return Reply(304, headers=headers)
        return Reply.of(200, {"value": await hub_replies.views(call, shown), "nextLink": more}, headers)

    @endpoint(bp, edge, routes.HUB_GET)
    async def hub_get(call: Call) -> Reply:
        from shared.api import hub_replies

        return await hub_replies.changed(edge, call, await hub_replies.find(call))

    @endpoint(bp, edge, routes.HUB_CHANGE)
    async def hub_change(call: Call) -> Reply:
        from shared.api import steering

        return await steering.patched(call)

    @endpoint(bp, edge, routes.HUB_DELETE)
    async def hub_delete(call: Call) -> Reply:
        from shared.api import hub_replies, steering
        from shared.hubs import steer

        return await steering.accepted(call, await steering.ask(call, await hub_replies.find(call), steer.delete_hub))

    @endpoint(bp, edge, routes.HUB_STOP)
    async def hub_stop(call: Call) -> Reply:
        from shared.api import steering
        from shared.hubs import steer

        return await steering.power(call, steer.stop_hub)

    @endpoint(bp, edge, routes.HUB_START)
    async def hub_start(call: Call) -> Reply:
        from shared.api import steering
        from shared.hubs import steer

        return await steering.power(call, steer.start_hub)

    @endpoint(bp, edge, routes.HUB_RESTART)
    async def hub_restart(call: Call) -> Reply:
        from shared.api import steering
        from shared.hubs import steer

        return await steering.power(call, steer.restart_hub)

    @endpoint(bp, edge, routes.HUB_RETRY)
    async def hub_retry(call: Call) -> Reply:
        from shared.api import steering
        from shared.hubs import steer

        return await steering.power(call, steer.retry_hub)

    @endpoint(bp, edge, routes.HUB_EXTEND)
    async def hub_extend(call: Call) -> Reply:
        from shared.api import steering

        return await steering.extended(call)

    @endpoint(bp, edge, routes.HUB_COST)
    async def hub_cost(call: Call) -> Reply:
        from shared.api import cost_view, hub_replies

        return Reply.of(200, cost_view.cost_view(await hub_replies.find(call), call.app.clock.now()))

    @endpoint(bp, edge, routes.HUB_EVENTS)
    async def hub_events(call: Call) -> Reply:
        from shared.api import hub_replies, paging
        from shared.api.hub_view import event_view, reference

        hub = await hub_replies.find(call)
        events = await call.app.hubs.events(hub.owner, hub.id)
        url = call.url(f"hubs/{reference(hub, call.principal)}/events")
        shown, more = paging.page(events, call.query, lambda event: [f"{event.seq:012d}"], url)
        return Reply.of(200, {"value": [event_view(event) for event in shown], "nextLink": more})

    @endpoint(bp, edge, routes.HUB_LOG)
    async def hub_log(call: Call) -> Reply:
        from shared.api import hub_replies, paging

        offset = paging.integer(call.query, "offset", default=0, low=0, high=2**40)
        return await hub_replies.log_piece(edge, call, await hub_replies.find(call), offset)

    @endpoint(bp, edge, routes.HUB_SSH_KEY)
    async def hub_ssh_key(call: Call) -> Reply:
        from shared.api import hub_replies
        from shared.hubs.handout import hand_out

        out = await hand_out(call.app, call.principal, await hub_replies.find(call), "ssh-key")
        name = {"Content-Disposition": f'attachment; filename="{out.hub.name}.pem"'}
        return Reply(200, out.value.encode(), "application/x-pem-file", name)

    @endpoint(bp, edge, routes.HUB_ADMIN_PASSWORD)
    async def hub_admin_password(call: Call) -> Reply:
        from shared.api import hub_replies
        from shared.api.token_view import AdminPasswordView
        from shared.hubs.handout import hand_out

        out = await hand_out(call.app, call.principal, await hub_replies.find(call), "admin-password")
        return Reply.of(200, AdminPasswordView(adminUser=out.user, password=out.value, url=out.hub.url))

    return bp
