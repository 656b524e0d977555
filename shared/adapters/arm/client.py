"""The Azure Resource Manager clients, made at first use, one set for each event loop.

Importing an Azure SDK costs up to a second and tens of MiB, so nothing here is imported before the first call. All
SDK clients of a loop share one HTTP pipeline: one connection pool, one token.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared.adapters.arm.credentials import SCOPE, AppCredential
from shared.settings import Settings

if TYPE_CHECKING:
    import ssl

    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline import AsyncPipeline
    from azure.core.pipeline.transport import AsyncHttpTransport
    from azure.mgmt.compute.aio import ComputeManagementClient
    from azure.mgmt.core import AsyncARMPipelineClient
    from azure.mgmt.network.aio import NetworkManagementClient
    from azure.mgmt.resource.resources.aio import ResourceManagementClient

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 30
"""ARM answers a PUT within seconds; what is slower is asked again by the next pass, which changes nothing twice."""

type Observer = Callable[[str, str], None]
"""Told method and address of every request that goes to ARM (benchmarks, the list of permissions we need)."""


@dataclass
class _PerLoop:
    """What belongs to one event loop: sockets must not be shared between loops."""

    transport: "AsyncHttpTransport[Any, Any]"
    credential: "AsyncTokenCredential"
    pipeline: "AsyncPipeline[Any, Any]"
    clients: dict[str, Any] = field(default_factory=dict)


class ArmClients:
    """Makes and keeps the SDK clients. Cheap to build; safe to use from several event loops.

    `transport` and `credential` replace the socket and the managed identity (a bench or a test runs in process);
    they then belong to the caller and are not closed here.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        transport: "AsyncHttpTransport[Any, Any] | None" = None,
        credential: "AsyncTokenCredential | None" = None,
        observer: Observer | None = None,
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._credential = credential
        self._observer = observer
        self._loops: dict[asyncio.AbstractEventLoop, _PerLoop] = {}

    @property
    def subscription_id(self) -> str:
        return self._settings.subscription_id

    @property
    def endpoint(self) -> str:
        return self._settings.arm_endpoint.rstrip("/")

    def compute(self) -> "ComputeManagementClient":
        from azure.mgmt.compute.aio import ComputeManagementClient

        return self._client("compute", ComputeManagementClient)

    def network(self) -> "NetworkManagementClient":
        from azure.mgmt.network.aio import NetworkManagementClient

        return self._client("network", NetworkManagementClient)

    def resources(self) -> "ResourceManagementClient":
        from azure.mgmt.resource.resources.aio import ResourceManagementClient

        return self._client("resources", ResourceManagementClient)

    def bare(self) -> "AsyncARMPipelineClient[Any, Any]":
        """A client without any service's models: enough to look at a long operation, and quick to import."""
        from azure.mgmt.core import AsyncARMPipelineClient

        here = self._here()
        if "bare" not in here.clients:
            here.clients["bare"] = AsyncARMPipelineClient(
                base_url=self._settings.arm_endpoint, policies=[], pipeline=here.pipeline
            )
        client: AsyncARMPipelineClient[Any, Any] = here.clients["bare"]
        return client

    async def close(self) -> None:
        """Closes what the running loop has open. Twice = nothing more to close; using a port again opens anew."""
        here = self._loops.pop(asyncio.get_running_loop(), None)
        if here is None:
            return
        if self._transport is None:
            await here.transport.close()
        if self._credential is None:
            await here.credential.close()

    def _client[Client](self, name: str, make: Callable[..., Client]) -> Client:
        here = self._here()
        if name not in here.clients:
            here.clients[name] = make(
                here.credential,
                self._settings.subscription_id,
                base_url=self._settings.arm_endpoint,
                credential_scopes=[SCOPE],
                policies=[],  # the shared pipeline has them already
                pipeline=here.pipeline,
            )
        client: Client = here.clients[name]
        return client

    def _here(self) -> _PerLoop:
        loop = asyncio.get_running_loop()
        found = self._loops.get(loop)
        if found is None:
            self._loops = {other: kept for other, kept in self._loops.items() if not other.is_closed()}
            transport = self._transport or self._make_transport()
            credential = self._credential or AppCredential(self._settings)
            pipeline = self._make_pipeline(transport, credential)
            found = self._loops[loop] = _PerLoop(transport=transport, credential=credential, pipeline=pipeline)
        return found

    def _make_transport(self) -> "AsyncHttpTransport[Any, Any]":
        """One session with the CA loaded once: given as a path, the SDK would load it anew for every request and so
        never use a connection twice (azure-core, `AioHttpTransport._build_ssl_config`)."""
        import aiohttp
        from azure.core.pipeline.transport import AioHttpTransport

        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trusted(self._settings)),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # azure-core decompresses
            trust_env=not self._settings.ca_file,  # the simulated Azure is on this machine: no proxy
        )
        transport: AsyncHttpTransport[Any, Any] = AioHttpTransport(
            session=session, connection_timeout=CONNECT_TIMEOUT_S, read_timeout=READ_TIMEOUT_S, connection_verify=True
        )
        return transport

    def _make_pipeline(
        self, transport: "AsyncHttpTransport[Any, Any]", credential: "AsyncTokenCredential"
    ) -> "AsyncPipeline[Any, Any]":
        """The SDK's own policies, without two of them.

        No retry: any answer with `Retry-After` would be slept on here (`retry_total=0`); we queue the work again
        instead. No automatic registration of resource providers: it loops with `sleep(10)` for as long as it takes
        (azure-mgmt-core, `AsyncARMAutoResourceProviderRegistrationPolicy`); a deployment registers them, and
        `MissingSubscriptionRegistration` is an error for the operator.
        """
        from azure.core.pipeline import AsyncPipeline
        from azure.core.pipeline.policies import (
            ContentDecodePolicy,
            DistributedTracingPolicy,
            HeadersPolicy,
            RequestIdPolicy,
            UserAgentPolicy,
        )
        from azure.mgmt.core.policies import AsyncARMChallengeAuthenticationPolicy

        policies: list[Any] = [
            RequestIdPolicy(),
            HeadersPolicy(),
            UserAgentPolicy(sdk_moniker="hublet"),
            ContentDecodePolicy(),
            _sign_in_anew(credential),
            AsyncARMChallengeAuthenticationPolicy(credential, SCOPE),
            DistributedTracingPolicy(),
        ]
        if self._observer is not None:
            policies.append(_watch(self._observer))
        return AsyncPipeline(transport, policies)


def trusted(settings: Settings) -> "ssl.SSLContext | bool":
    """What to verify TLS peers against: the system's CAs, or the simulated Azure's one."""
    if not settings.ca_file:
        return True
    import ssl

    return ssl.create_default_context(cafile=settings.ca_file)


def _sign_in_anew(credential: "AsyncTokenCredential") -> Any:
    """Before the policy that adds the token: a 401 is answered with one fresh token, once. The SDK's policy forgets its
    own copy by itself, the credential behind it would hand out the same one until it expires (azure-core,
    `AsyncBearerTokenCredentialPolicy.send`)."""
    from azure.core.pipeline import PipelineRequest
    from azure.core.pipeline.policies import AsyncHTTPPolicy

    class SignInAnew(AsyncHTTPPolicy[Any, Any]):
        async def send(self, request: PipelineRequest[Any]) -> Any:
            response = await self.next.send(request)
            if response.http_response.status_code != 401:
                return response
            if isinstance(credential, AppCredential):
                await credential.forget()
            return await self.next.send(request)

    return SignInAnew()


def _watch(observer: Observer) -> Any:
    """Last before the transport, so it sees what really goes out."""
    from azure.core.pipeline import PipelineRequest
    from azure.core.pipeline.policies import SansIOHTTPPolicy

    class Watch(SansIOHTTPPolicy[Any, Any]):
        def on_request(self, request: PipelineRequest[Any]) -> None:
            observer(request.http_request.method, request.http_request.url)

    return Watch()
