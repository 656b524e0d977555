"""The simulated Azure without a socket: one request in, one answer out.

:class:`Simulator` is all there is; ``app.py`` only puts it behind HTTPS.  Benchmarks call :meth:`Simulator.handle`
directly with a :class:`~.clock.ManualClock` and run hundreds of hub lives in virtual time.
"""

import asyncio
import json
import random
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from localdev.azuresim.clock import Clock, WallClock
from localdev.azuresim.compute.routes import Compute
from localdev.azuresim.control import Control, Faulty
from localdev.azuresim.devtestlab.routes import DevTestLab
from localdev.azuresim.durations import Durations
from localdev.azuresim.envelope import ArmError, Json, Request, Response, common_headers
from localdev.azuresim.faults import Faults, Moment
from localdev.azuresim.identifiers import new_guid
from localdev.azuresim.identity import ManagedIdentity
from localdev.azuresim.metadata import endpoints
from localdev.azuresim.network.routes import Network
from localdev.azuresim.operations import Operations
from localdev.azuresim.prices import PriceList
from localdev.azuresim.recorder import Recorded, Recorder
from localdev.azuresim.resources import errors
from localdev.azuresim.resources.routes import Directory, GroupTearDown, ResourceGroups
from localdev.azuresim.routing import Call, Route, Router
from localdev.azuresim.services import Services, Settings
from localdev.azuresim.signing import UrlSigner
from localdev.azuresim.store import ProvisioningState, Store
from localdev.azuresim.throttle import Throttle
from localdev.azuresim.vm.ports import NullVmRuntime, VmRuntime

_API_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-preview|-alpha|-beta)?")
_SIGNED = frozenset(
    {
        "ComputeOperations_Get",
        "DiskOperations_Get",
        "NetworkOperations_Get",
        "NetworkOperationResults_Get",
        "ResourceGroups_DeleteResult",
    }
)


class Simulator:
    """One simulated subscription.

    Args:
        clock: all time there is; real by default.
        seed: of durations, names and identifiers; the same seed and the same requests give the same answers.
        runtime: plays the virtual machines; records only by default.
        identity_secret: what the managed identity endpoint asks for; made up by default.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        seed: int = 1,
        runtime: VmRuntime | None = None,
        identity_secret: str | None = None,
        bootstrap: bytes = b"",
    ) -> None:
        self.clock: Clock = clock or WallClock()
        rng = random.Random(seed)
        subscription_id, tenant_id = new_guid(rng), new_guid(rng)
        self.identity_secret = identity_secret or new_guid(rng)
        self.identity = ManagedIdentity(self.clock, rng, tenant_id, self.identity_secret)
        self.recorder = Recorder()
        self.prices = PriceList()
        self.bootstrap = bootstrap
        signer = UrlSigner(rng.randbytes(32))
        self.services = Services(
            clock=self.clock,
            rng=rng,
            subscription_id=subscription_id,
            tenant_id=tenant_id,
            store=Store(subscription_id),
            operations=Operations(self.clock, rng, signer, subscription_id),
            durations=Durations(rng),
            faults=Faults(),
            throttle=Throttle(self.clock, subscription_id),
            settings=Settings(),
            runtime=runtime or NullVmRuntime(),
        )
        self._signer = signer
        self._settling = asyncio.Lock()
        self.base_url = self.services.operations.base_url
        network = Network(self.services)
        self.compute = Compute(self.services, network)
        groups = ResourceGroups(self.services, GroupTearDown(self.services))
        labs = DevTestLab(self.services, self.compute.power)
        providers = (*network.routes(), *self.compute.routes(), *labs.routes())
        self.router = Router((*Directory(self.services).routes(), *groups.routes(), *providers))
        self.control = Control(self)

    # life

    def served_at(self, base_url: str) -> None:
        """Say where this simulator can be reached; operation addresses start with it."""
        self.base_url = base_url
        self.services.operations.base_url = base_url

    async def settle(self) -> None:
        """Let everything happen that is due by now."""
        async with self._settling:
            await self.services.operations.settle()

    async def reset(self) -> None:
        """Back to an empty subscription: no resources, faults, settings or records; VMs are stopped."""
        async with self._settling:
            for resource in self.services.store.everything():
                await self.services.runtime.delete(resource.id)
            self.services.store.clear()
            self.services.operations.clear()
            self.services.durations.clear()
            self.services.faults.clear()
            self.services.throttle.reset()
            self.services.throttle.enabled = True
            self.services.settings.clear()
            self.recorder.clear()
            if isinstance(self.services.runtime, Faulty):
                self.services.runtime.clear_faults()

    async def close(self) -> None:
        """Stop every virtual machine."""
        await self.services.runtime.close()

    # requests

    async def handle(
        self, method: str, path: str, query: str = "", headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Response:
        """Answer one request; `query` is the raw query string."""
        request = Request(method.upper(), path, query, headers or {}, body)
        await self.settle()
        if path.lower().startswith("/_sim/"):
            return await self.control.handle(request)
        began = self.clock.now()
        operation, response = self._answer(request, began)
        await self.settle()
        ended = self.clock.now()
        took_ms = (ended - began).total_seconds() * 1000 + response.delay_s * 1000
        client_id = request.header("x-ms-client-request-id")
        self.recorder.add(
            began,
            Recorded(began.isoformat(), request.method, path, operation, response.status, round(took_ms, 3), client_id),
        )
        extra = common_headers(ended, new_guid(self.services.rng), client_id)
        return response.with_headers(extra)

    def _answer(self, request: Request, now: datetime) -> tuple[str, Response]:
        plain = request.path.rstrip("/").lower()
        if plain == "/metadata/endpoints":
            return "Metadata_Endpoints", endpoints(request, self.base_url, self.services.tenant_id)
        if plain == "/api/retail/prices":
            return "RetailPrices_List", self.prices.answer(request, self.base_url)
        try:
            principal = self.identity.recognise(request)
            matched = self.router.match(request.method, request.path)
            if matched is None:
                raise errors.not_simulated(request.method, request.path)
        except ArmError as refusal:
            return "", refusal.response()
        route, params = matched
        try:
            call = self._call(request, route, params, now)
            return route.operation, self._with_faults(route, call, principal.object_id)
        except ArmError as refusal:
            return route.operation, refusal.response()

    def _call(self, request: Request, route: Route, params: Mapping[str, str], now: datetime) -> Call:
        query = request.parameters()
        version = query.get("api-version")
        if not version:
            raise errors.missing_api_version()
        if not _API_VERSION.fullmatch(version):
            raise errors.bad_api_version(version)
        return Call(request, route.operation, params, query, now, _content(request))

    def _with_faults(self, route: Route, call: Call, principal: str) -> Response:
        facts = _facts(call)
        fault = self.services.faults.strike(route.operation, Moment.BEGIN, facts)
        if fault is not None and (fault.status is not None or fault.reset_connection):
            return fault.response()
        limits = self._throttle(route, call, principal)
        try:
            response = self._perform(route, call)
        except ArmError as refusal:
            response = refusal.response()
        late = self.services.faults.strike(route.operation, Moment.AFTER, facts)
        if late is not None and (late.status is not None or late.reset_connection):
            return late.response()
        delay_s = (fault.delay_s if fault else 0.0) + (late.delay_s if late else 0.0)
        return Response(response.status, response.body, {**limits, **response.headers}, delay_s)

    def _throttle(self, route: Route, call: Call, principal: str) -> dict[str, str]:
        limits = self.services.throttle.admit_arm(route, call, principal)
        group = self.services.store.group(call.params.get("group", ""))
        region = call.params.get("location") or (group.location if group else "")
        vm = f"{call.params['group']}/{call.params['name']}" if "name" in call.params and group else ""
        return limits | self.services.throttle.admit_compute(route.operation, vm, region)

    def _perform(self, route: Route, call: Call) -> Response:
        if route.operation in _SIGNED:
            self._signer.check(call.request)
        if route.needs_subscription:
            self._check_subscription(call)
        if route.in_group:
            self._check_group(route, call)
        return route.handler(call)

    def _check_subscription(self, call: Call) -> None:
        wanted = call.params["subscription"]
        if wanted.lower() != self.services.subscription_id.lower():
            raise errors.subscription_not_found(wanted)

    def _check_group(self, route: Route, call: Call) -> None:
        writes = route.method in ("PUT", "PATCH", "POST")
        namespace = next((part for part in route.template.split("/") if part.startswith("Microsoft.")), "")
        if writes and namespace.lower() in self.services.settings.unregistered:
            raise errors.not_registered(namespace)
        group = self.services.store.group(call.params["group"])
        if group is None:
            raise errors.group_not_found(call.params["group"])
        if writes and group.state is ProvisioningState.DELETING:
            raise errors.group_being_deleted(group.name)


def _content(request: Request) -> Json | None:
    if not request.body:
        return None
    try:
        content: Any = json.loads(request.body)
    except ValueError as error:
        raise errors.bad_content(str(error)) from error
    if content is not None and not isinstance(content, dict):
        raise errors.bad_content("A JSON object was expected.")
    return content


def _facts(call: Call) -> dict[str, str]:
    """What a fault's ``match`` can ask about, as far as the request itself says it."""
    content = call.content or {}
    properties = content.get("properties")
    hardware = properties.get("hardwareProfile") if isinstance(properties, dict) else None
    size = hardware.get("vmSize") if isinstance(hardware, dict) else None
    return {
        **call.params,
        "path": call.request.path,
        "location": str(content.get("location") or call.params.get("location") or ""),
        "size": str(size or ""),
        "zone": ",".join(str(zone) for zone in content.get("zones") or ()),
    }
