"""One hub from accept to `ready`, in virtual time, with everything that it cost."""

import random
from collections import Counter
from dataclasses import dataclass, replace

from localdev.bench.model.azure import ArmRequest, ModelAzure
from localdev.bench.model.clock import VirtualClock
from localdev.bench.model.host import ModelHost
from localdev.bench.model.machine import ModelHubHttp, ModelOnVm, Nature
from localdev.bench.model.storage import Bill, counted, counted_storage
from localdev.bench.model.timeline import Gap, Timeline
from shared.adapters.arm.probe import ArmProbe
from shared.adapters.notify.console import ConsoleSink
from shared.app import App
from shared.hubs.commands import create_hub
from shared.hubs.gate import SharedGate
from shared.hubs.gated import gated
from shared.hubs.model import HttpsMode, HttpsSpec, Hub, Principal
from shared.hubs.states import HubState
from shared.hubs.steer import Request, delete_hub
from tests.support.builders import a_spec
from tests.support.fake_chance import FakeEntropy, FakeKeyMaker
from tests.support.fake_chat import FakeOutbound
from tests.support.fake_storage import FakeCache, FakeGateRow, FakeStorage
from tests.support.fake_vm import FakeHubApi, FakeReach
from tests.support.world import ASK_AZURE

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

    async def begin(self, seed: int, *, https: HttpsMode = HttpsMode.AUTO) -> "Begun":
        """A hub that was just accepted, in an empty subscription; the same seed makes the same one."""
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
        azure = self._azure.ports(ports["cache"])
        probe = ArmProbe(self._azure.arm)
        gate = SharedGate(counted(FakeGateRow(), "gate", bill), probe, clock, FakeEntropy(seed), ports["cache"])
        azure |= {name: gated(azure[name], gate) for name in ASK_AZURE}
        app = App(
            settings=self._azure.settings,
            gate=gate,
            clock=clock,
            entropy=FakeEntropy(seed),
            keys=FakeKeyMaker(),
            on_vm=on_vm,
            hub_api=FakeHubApi(on_vm),
            sinks=(ConsoleSink(),),
            hub_http=ModelHubHttp(on_vm, clock, nature, timeline),
            reach=FakeReach(),
            outbound=FakeOutbound(),
            **azure,
            **ports,
        )
        spec = a_spec(https=HttpsSpec(mode=https, email="ops@example.com"))
        await create_hub(app, OWNER, spec, name="demo", idempotency=None, request_id="bench")
        host = ModelHost(app, storage, clock, timeline, bill, rng)
        return Begun(app=app, storage=storage, host=host, azure=self._azure, timeline=timeline, bill=bill)

    async def begin_and_finish(self, seed: int, *, https: HttpsMode = HttpsMode.AUTO) -> "Begun":
        """The same, when it is ready. Raises AssertionError when that does not happen."""
        begun = await self.begin(seed, https=https)
        await begun.host.run(lambda: begun.hub.state in (HubState.READY, HubState.FAILED))
        assert begun.hub.state is HubState.READY, f"seed {seed}: {begun.hub.reason}"
        return begun

    async def live(self, seed: int, *, https: HttpsMode = HttpsMode.AUTO, delete: bool = False) -> Life:
        """Raises AssertionError when the hub does not become ready: then the model, or the app, is wrong."""
        begun = await self.begin_and_finish(seed, https=https)
        host, storage, bill, hub = begun.host, begun.storage, begun.bill, begun.hub
        await host.finish_ticks()
        life = _told(seed, hub, begun.timeline, list(self._azure.requests), host.visits, bill.taken())
        if not delete:
            return life
        await begun.delete()
        await host.run(lambda: not storage.hubs.hubs)
        await host.finish_ticks()
        return replace(life, deletion=bill.taken())


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """One hub under way, and everything it runs on."""

    app: App
    storage: FakeStorage
    host: ModelHost
    azure: ModelAzure
    timeline: Timeline
    bill: Bill

    @property
    def hub(self) -> Hub:
        return self.storage.hubs.only_hub()

    async def delete(self) -> None:
        """The owner asks for it, now."""
        await delete_hub(self.app, self.hub, Request(principal=OWNER, request_id="bench"))


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
