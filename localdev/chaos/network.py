"""The bad network of a run: a proxy before Azurite's queues, one before its tables, one before Azure."""

import ssl
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from localdev.chaos.faults import ARM_RATES, STORAGE_RATES, FaultKind, FaultPlan, scaled
from localdev.chaos.proxy import FaultProxy, Upstream, arm_refusal, storage_refusal

_ENDPOINTS = {"queue": "QueueEndpoint", "table": "TableEndpoint"}
"""Blobs are the host's own business (leases of timers), in Azure not even visible to the app."""


@dataclass
class Network:
    """`storage` and `arm` are what the hosts are told."""

    proxies: dict[str, FaultProxy]
    storage: str
    arm: str

    def quiet(self) -> None:
        """From here on everything only passes."""
        for proxy in self.proxies.values():
            proxy.plan.quiet = True

    @property
    def asked(self) -> int:
        return sum(proxy.plan.asked for proxy in self.proxies.values())

    @property
    def struck(self) -> Counter[FaultKind]:
        return sum((proxy.plan.struck for proxy in self.proxies.values()), Counter[FaultKind]())

    async def close(self) -> None:
        for proxy in self.proxies.values():
            await proxy.close()


async def start_network(storage: str, facts: Mapping[str, str], state_dir: Path, seed: str, factor: float) -> Network:
    """`storage`: the real connection string; `facts`: the simulator's; `state_dir`: where its certificate is.

    Raises OSError, and ValueError for a `factor` that makes no sense.
    """
    trust = ssl.create_default_context(cafile=facts["ca"])
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(state_dir / "server.pem", state_dir / "server.key")
    proxies: dict[str, FaultProxy] = {}
    for name, endpoint in _ENDPOINTS.items():
        real = _endpoint(storage, endpoint)
        plan = FaultPlan(f"{seed}/{name}", scaled(STORAGE_RATES, factor))
        proxies[name] = FaultProxy(_upstream(real, None), plan, storage_refusal)
    plan = FaultPlan(f"{seed}/arm", scaled(ARM_RATES, factor))
    proxies["arm"] = FaultProxy(_upstream(facts["arm"], trust), plan, arm_refusal, served=served)
    for proxy in proxies.values():
        await proxy.start()
    shown = storage
    for name, endpoint in _ENDPOINTS.items():
        real = _endpoint(storage, endpoint)
        shown = shown.replace(f"{endpoint}={real}", f"{endpoint}={proxies[name].origin}{urlsplit(real).path}")
    return Network(proxies, shown, proxies["arm"].origin)


def _endpoint(storage: str, name: str) -> str:
    return next(part.partition("=")[2] for part in storage.split(";") if part.startswith(f"{name}="))


def _upstream(url: str, trust: ssl.SSLContext | None) -> Upstream:
    parts = urlsplit(url)
    assert parts.hostname and parts.port
    return Upstream(parts.hostname, parts.port, trust)
