"""One hub from accept to `ready`, in virtual time, with everything that it cost."""

import random
from collections import Counter
from dataclasses import dataclass, replace

from localdev.bench.model.azure import ArmRequest, ModelAzure
from localdev.bench.model.clock import VirtualClock
from localdev.bench.model.host import ModelHost
from localdev.bench.model.machine import ModelHubHttp, ModelOnVm, Nature
from localdev.bench.model.storage import Bill, counted_storage
from localdev.bench.model.timeline import Gap, Timeline
from shared.app import App
from shared.hubs.commands import create_hub, delete_hub
from shared.hubs.model import HttpsMode, HttpsSpec, Hub, Principal
from shared.hubs.states import HubState
from tests.support.builders import a_spec
from tests.support.fake_chance import FakeEntropy, FakeKeyMaker
from tests.support.fake_storage import FakeCache
from tests.support.fake_vm import FakeReach

OWNER = Principal("jaydoe")


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What one hub took. Times in seconds; `deletion` is what the bill grew by when the hub was deleted again."""

    seed: int
    to_ready_s: float
    overhead_s: float
    picked_up_late_s: float
    gaps: tuple[Gap, ...]
    writes_until_vm: int
    writes: int
    reads: int
    messages: int
    visits: Counter[str]
    bill: Bill
    deletion: Bill | None = None

    @property
    def critical_s(self) -> float:
        return self.to_ready_s - self.overhead_s


class Model:
    """Runs hubs one after the other; each has its own seed and an empty subscription."""

    def __init__(self) -> None:
        self._clock = VirtualClock()
        self._azure = ModelAzure(self._clock)
        self._prices = FakeCache(self._clock)  # a warm service knows the prices

    async def live(self, seed: int, *, https: HttpsMode = HttpsMode.AUTO, delete: bool = False) -> Life:
        """Raises AssertionError when the hub does not become ready: then the model, or the app, is wrong."""
        rng = random.Random(seed)
        clock = self._clock
        clock.restart(rng)
        timeline, bill = Timeline(clock.now()), Bill()
        await self._azure.begin_hub(seed, timeline)
        nature = Nature.draw(rng)
        on_vm = ModelOnVm(clock, nature, timeline)
        self._azure.runtime.on_vm = on_vm
        storage, ports = counted_storage(clock, bill)
        storage.cache.rows = self._prices.rows
        app = App(
            settings=self._azure.settings,
            clock=clock,
            entropy=FakeEntropy(seed),
            keys=FakeKeyMaker(),
            on_vm=on_vm,
            hub_http=ModelHubHttp(on_vm, clock, nature, timeline),
            reach=FakeReach(),
            **self._azure.ports(ports["cache"]),
            **ports,
        )
        spec = a_spec(https=HttpsSpec(mode=https, email="ops@example.com"))
        await create_hub(app, OWNER, spec, name="demo", idempotency=None, request_id="bench")
        host = ModelHost(app, storage, clock, timeline, bill, rng)

        def now() -> Hub:
            return storage.hubs.only_hub()

        await host.run(lambda: now().state in (HubState.READY, HubState.FAILED))
        hub = now()
        assert hub.state is HubState.READY, f"seed {seed}: {hub.reason}"
        await host.finish_ticks()
        life = _told(seed, hub, timeline, list(self._azure.requests), host.visits, bill.taken())
        if not delete:
            return life
        await delete_hub(app, OWNER, hub, request_id="bench")
        await host.run(lambda: not storage.hubs.hubs)
        await host.finish_ticks()
        return replace(life, deletion=bill.taken())


def _told(
    seed: int, hub: Hub, timeline: Timeline, requests: list[ArmRequest], visits: Counter[str], bill: Bill
) -> Life:
    assert hub.ready_at is not None
    gaps = timeline.gaps(hub.ready_at)
    written = [index for index, request in enumerate(requests) if not request.is_read]
    makes_vm = next(index for index, request in enumerate(requests) if request.makes_vm)
    return Life(
        seed=seed,
        to_ready_s=(hub.ready_at - hub.created_at).total_seconds(),
        overhead_s=sum(gap.seconds for gap in gaps),
        picked_up_late_s=timeline.picked_up_late(gaps),
        gaps=tuple(gaps),
        writes_until_vm=sum(1 for index in written if index <= makes_vm),
        writes=len(written),
        reads=len(requests) - len(written),
        messages=visits.total(),
        visits=visits,
        bill=bill,
    )
