"""Who we are to Azure: what the settings name, and nothing else."""

import asyncio
from typing import TYPE_CHECKING, Any

from shared.adapters.arm.errors import identity_unavailable
from shared.settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken
    from azure.core.credentials_async import AsyncTokenCredential

SCOPE = "https://management.azure.com/.default"
_CONNECT_TIMEOUT_S = 5
_READ_TIMEOUT_S = 15
_FRESH_S = 60.0


class AppCredential:
    """A credential of the SDKs whose every failure is `AzureIdentityUnavailable`.

    By default the managed identity: user-assigned when `client_id` is set, else system-assigned. On Functions the SDK
    asks `IDENTITY_ENDPOINT` (plain http on the instance itself) with `IDENTITY_HEADER`
    (https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference). Not
    `DefaultAzureCredential`: a deployed app must not pick up whatever else a machine has lying about. With setting
    `azure-cli` it is whoever did `az login`, for `func start` on a laptop.
    No retries: the work is queued again instead of sleeping here.
    """

    def __init__(self, settings: Settings) -> None:
        self._client_id = settings.client_id or None
        self._from_cli = settings.credential == "azure-cli"
        self._inner: AsyncTokenCredential | None = None
        self._made_at = -_FRESH_S

    async def get_token(self, *scopes: str, **kwargs: Any) -> "AccessToken":
        """Raises RetryableError AzureIdentityUnavailable: a dead endpoint is no trouble of ARM's, nor of a hub's."""
        from azure.core.exceptions import AzureError

        try:
            return await self._credential().get_token(*scopes, **kwargs)
        except (AzureError, OSError, TimeoutError, ValueError) as error:
            raise identity_unavailable() from error

    async def forget(self) -> None:
        """The next token comes from the identity endpoint, not from memory: Azure did not take the last one. Does
        nothing to a credential younger than a minute: what it gave is fresh already."""
        if asyncio.get_running_loop().time() - self._made_at >= _FRESH_S:
            await self.close()

    async def close(self) -> None:
        if self._inner is not None:
            await self._inner.close()
            self._inner = None

    async def __aenter__(self) -> "AppCredential":
        return self

    async def __aexit__(self, *details: object) -> None:
        await self.close()

    def _credential(self) -> "AsyncTokenCredential":
        if self._inner is None:
            self._made_at = asyncio.get_running_loop().time()
        if self._inner is None and self._from_cli:
            from azure.identity.aio import AzureCliCredential

            self._inner = AzureCliCredential(process_timeout=_READ_TIMEOUT_S)
        if self._inner is None:
            from azure.identity.aio import ManagedIdentityCredential

            self._inner = ManagedIdentityCredential(
                client_id=self._client_id,
                retry_total=0,
                connection_timeout=_CONNECT_TIMEOUT_S,
                read_timeout=_READ_TIMEOUT_S,
            )
        return self._inner
