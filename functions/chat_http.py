"""HTTP: what Slack and Teams send, and the links between chat accounts and owners."""

from collections.abc import Callable

import azure.functions as func

from functions import blueprints
from shared.api import chat_parts, routes
from shared.api.http import Call, Edge, Reply, endpoint


def blueprint(edge: Edge, parts: Callable[[], chat_parts.Parts] = chat_parts.real) -> func.Blueprint:
    """`parts` is asked at each chat request: what it imports is not needed to list the functions."""
    bp = blueprints.new()

    @endpoint(bp, edge, routes.CHAT_SLACK_COMMAND)
    async def chat_slack_command(call: Call) -> Reply:
        from shared.api import chat_slack

        return await chat_slack.command(call, edge.app(), edge.prices, parts())

    @endpoint(bp, edge, routes.CHAT_SLACK_INTERACTION)
    async def chat_slack_interaction(call: Call) -> Reply:
        from shared.api import chat_press

        return await chat_press.interaction(call, edge.app(), parts())

    @endpoint(bp, edge, routes.CHAT_TEAMS)
    async def chat_teams(call: Call) -> Reply:
        from shared.api import chat_teams

        return await chat_teams.mention(call, edge.app(), edge.prices, parts())

    @endpoint(bp, edge, routes.CHAT_LINK_CREATE)
    async def chat_link_create(call: Call) -> Reply:
        from shared.api.chat_link_request import parse_chat_link_request
        from shared.api.chat_link_view import chat_link_view
        from shared.chat import links

        wanted = parse_chat_link_request(call.document())
        if wanted.user is None:
            link = await links.link_by_code(call.app, call.principal, wanted.code or "")
        else:
            link = await links.link_as_admin(call.app, call.principal, wanted.user, wanted.owner)
        return Reply.of(201, chat_link_view(link), {"Location": call.url(f"chat/links/{link.user.id}")})

    @endpoint(bp, edge, routes.CHAT_LINK_LIST)
    async def chat_link_list(call: Call) -> Reply:
        from shared.api import paging
        from shared.api.chat_link_view import chat_link_view
        from shared.chat import links

        found = await links.list_links(call.app, call.principal)
        shown, more = paging.page(found, call.query, lambda link: [link.user.id], call.url("chat/links"))
        return Reply.of(200, {"value": [chat_link_view(link) for link in shown], "nextLink": more})

    @endpoint(bp, edge, routes.CHAT_LINK_DELETE)
    async def chat_link_delete(call: Call) -> Reply:
        from shared.chat import links

        await links.unlink(call.app, call.principal, call.path_part("id"))
        return Reply(204)

    return bp
