"""Requests that steer a hub that is there: preconditions, repeats, and patches decided on the row they change."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from shared.api import etags, hub_replies
from shared.api.http import Call, Reply, as_problem
from shared.api.idempotency import idempotency_of
from shared.api.problems import CODES, Problem
from shared.api.progress import look_again_s
from shared.errors import UserError
from shared.hubs import steer
from shared.hubs.states import HubState

if TYPE_CHECKING:
    from shared.app import App
    from shared.hubs.model import Hub

type Command = Callable[["App", "Hub", steer.Request], Awaitable[steer.Answered]]


async def find(call: Call) -> "Hub":
    """The hub named in the path. One that is gone can still be read by its id, but nothing can be asked of it."""
    hub = await hub_replies.find(call)
    if hub.state is HubState.DELETED:
        raise Problem("HubNotFound", f"The hub '{hub.name}' is gone: it was deleted.")
    return hub


async def ask(call: Call, hub: "Hub", command: Command, document: Mapping[str, Any] | None = None) -> steer.Answered:
    """Runs a command with the request's `If-Match` and, where there is a document, its `Idempotency-Key`.

    Raises Problem, and what the command raises.
    """
    key = None
    if document is not None:
        route = f"{call.route.name} {hub.id}"
        key = idempotency_of(
            call.header("idempotency-key"), caller=call.principal.owner, route=route, document=document
        )
    request = steer.Request(
        principal=call.principal, request_id=call.request_id, idempotency=key, check=precondition(call)
    )
    try:
        return await command(call.app, hub, request)
    except UserError as error:
        if error.code in CODES and CODES[error.code].retryable:
            problem = as_problem(error)
            problem.retry_after_s = look_again_s(hub)
            raise problem from None
        raise


async def power(call: Call, command: Command) -> Reply:
    """A change of goal, for a request that says nothing but its name."""
    from shared.api.steer_request import parse_nothing

    hub, document = await find(call), call.document()
    parse_nothing(document)
    return await accepted(call, await ask(call, hub, command, document))


async def extended(call: Call) -> Reply:
    """The next stop is moved, or called off."""
    from shared.api.steer_request import parse_extend

    hub, document = await find(call), call.document()
    hours = parse_extend(document).hours

    async def command(app: "App", hub: "Hub", request: steer.Request) -> steer.Answered:
        if hours is None:
            return await steer.skip_next_stop(app, hub, request)
        return await steer.extend_hub(app, hub, request, hours)

    return await done(call, await ask(call, hub, command, document))


async def accepted(call: Call, answered: steer.Answered) -> Reply:
    """202: the hub on its way, and the operation to poll."""
    return await hub_replies.accepted(call, answered.hub, answered.operation, _replayed(answered))


async def done(call: Call, answered: steer.Answered) -> Reply:
    """200: it is in effect."""
    return await hub_replies.present(call, answered.hub, _replayed(answered))


async def patched(call: Call) -> Reply:
    """Changes the hub. A patch is merged on the specification it replaces: when that changed meanwhile, it is decided
    again, and nobody's change is lost."""
    from shared.api.hub_patch import parse_hub_patch

    hub, document = await find(call), call.document()
    settings, now = call.app.settings, call.app.clock.now()
    for _ in range(steer.TRIES):
        try:
            changes = parse_hub_patch(document, hub, settings=settings, now=now)
            return await done(call, await ask(call, hub, _change(hub, changes)))
        except _SpecChanged as moved:
            hub = moved.hub
    raise Problem("Busy", "The hub changes very often at the moment.", retry_after_s=2)


class _SpecChanged(Exception):
    def __init__(self, hub: "Hub") -> None:
        super().__init__(hub.id)
        self.hub = hub


def _change(decided_on: "Hub", changes: Mapping[str, Any]) -> Command:
    async def command(app: "App", hub: "Hub", request: steer.Request) -> steer.Answered:
        async def check(present: "Hub") -> None:
            if request.check is not None:
                await request.check(present)
            if present.spec != decided_on.spec:
                raise _SpecChanged(present)

        checked = steer.Request(principal=request.principal, request_id=request.request_id, check=check)
        return await steer.change_hub(app, hub, checked, changes)

    return command


def precondition(call: Call) -> Callable[["Hub"], Awaitable[None]] | None:
    """Raises Problem `PreconditionFailed`, with the present hub, unless `If-Match` lists its tag."""
    wanted = call.header("if-match")
    if wanted is None:
        return None

    async def check(hub: "Hub") -> None:
        tag = etags.of_hub(hub)
        if not etags.matches(wanted, tag):
            present = await hub_replies.view(call, hub)
            raise Problem("PreconditionFailed", extra={"hub": present}, headers={"ETag": tag})

    return check


def _replayed(answered: steer.Answered) -> Mapping[str, str] | None:
    return {"Idempotent-Replayed": "true"} if answered.replayed else None
