"""What every handler needs, put together once by the simulator."""

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from localdev.azuresim.clock import Clock
from localdev.azuresim.durations import Durations
from localdev.azuresim.envelope import ArmError
from localdev.azuresim.faults import Faults, Moment
from localdev.azuresim.operations import Dialect, Fail, Finish, Operation, Operations, Output
from localdev.azuresim.paging import PAGE_SIZE, Page, page
from localdev.azuresim.routing import Call
from localdev.azuresim.store import Store
from localdev.azuresim.throttle import Throttle
from localdev.azuresim.vm.ports import VmRuntime

#: What a pay-as-you-go subscription was seen to have (recorded compute and network usages).
DEFAULT_QUOTAS: Mapping[str, int] = {"cores": 100, "family": 100, "PublicIPAddresses": 1000, "virtualMachines": 25000}


@dataclass
class Settings:
    """What ``/_sim/settings`` changes while the simulator runs."""

    stale_reads_s: float = 0.0
    """For this long after a write readers still see what was there before."""
    quotas: dict[str, int] = field(default_factory=dict)
    """``<region>/<usage name>`` or ``<usage name>`` to its limit."""
    unregistered: set[str] = field(default_factory=set)
    """Resource provider namespaces the subscription is not registered for, lower case."""
    out_of_capacity: set[str] = field(default_factory=set)
    """Lower case: creating or starting one there ends in AllocationFailed. ``<region>/<size>`` = in every zone and
    without one, ``<region>/<size>/<zone>`` = in that zone, ``<region>/<size>/none`` = when no zone is named."""
    page_size: int = PAGE_SIZE
    """How many rows of a list come on one page."""

    def clear(self) -> None:
        """Back to the defaults."""
        self.stale_reads_s = 0.0
        self.page_size = PAGE_SIZE
        for setting in (self.unregistered, self.out_of_capacity):
            setting.clear()
        self.quotas.clear()

    def quota(self, region: str, name: str, fallback: str) -> int:
        """The limit for usage `name` in `region`."""
        for key in (f"{region}/{name}", name, f"{region}/{fallback}", fallback):
            if key in self.quotas:
                return self.quotas[key]
        return DEFAULT_QUOTAS.get(name, DEFAULT_QUOTAS.get(fallback, 1000))


@dataclass
class Services:
    """The simulator's parts, as handlers see them."""

    clock: Clock
    rng: random.Random
    subscription_id: str
    tenant_id: str
    store: Store
    operations: Operations
    durations: Durations
    faults: Faults
    throttle: Throttle
    settings: Settings
    runtime: VmRuntime

    def begin(
        self,
        call: Call,
        dialect: Dialect,
        *,
        location: str,
        finish: Finish,
        fail: Fail,
        facts: Mapping[str, str],
        output: Output | None = None,
        doomed: ArmError | None = None,
        hurry: float = 1.0,
    ) -> Operation:
        """Start the long-running operation of `call` at its moment; a fault waiting for its poll dooms it."""
        fault = self.faults.strike(call.operation, Moment.POLL, facts)
        return self.operations.begin(
            dialect=dialect,
            name=call.operation,
            location=location,
            api_version=call.api_version,
            group=call.params.get("group", ""),
            nominal_s=self.durations.draw(call.operation) * hurry,
            finish=finish,
            fail=fail,
            output=output,
            doomed=fault.error() if fault else doomed,
            started=call.now,
        )

    def page[T](self, call: Call, items: Iterable[T], key: Callable[[T], str]) -> Page[T]:
        """The page of `items` that `call` asks for.

        Raises:
            ArmError: 400 of a ``$skiptoken`` that was not given out.
        """
        return page(call, self.operations.base_url, self.settings.page_size, items, key)
