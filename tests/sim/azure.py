"""Azure as a client sees it who reads from a replica: answers may be some seconds old, in every read by itself."""

import random
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.hubs.ports import GroupView, ResourceRef, VmPower, VmView
from tests.sim.plan import Perturbation, Twist
from tests.support.fake_arm import FakeCompute, FakeGroups
from tests.support.fake_cloud import FakeCloud

OLDEST_S = 40.0
"""Reads of ARM that lag further behind have not been reported; the product allows for 60 s."""


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """All that can be read, at one moment."""

    groups: Mapping[str, GroupView]
    vms: Mapping[tuple[str, str], VmView]
    refs: Sequence[ResourceRef]
    powers: Sequence[VmPower]


class Replica:
    """Remembers what could be read when. `pick` says how old the next answer is, in seconds (0 = the present)."""

    def __init__(
        self,
        cloud: FakeCloud,
        seconds: Callable[[], float],
        pick: Callable[[str], float] | None = None,
        *,
        bent: Perturbation | None = None,
    ) -> None:
        """`pick` None = every read sees the present, but for the one that is bent."""
        self._cloud = cloud
        self._seconds = seconds
        self._pick = pick
        self._bent = bent if bent is not None and bent.twist is Twist.STALE else None
        self.reads = 0
        self._at: list[float] = [seconds()]
        self._snapshots: list[_Snapshot] = [_Snapshot({}, {}, (), ())]
        self._groups = FakeGroups(cloud)
        self.stale_reads = 0

    def remember(self) -> None:
        """Called around every call of Azure: between two of them only time changes anything, and that is seen later."""
        if self._pick is None and self._bent is None:
            return
        self._cloud.settle()
        snapshot = self._take()
        if snapshot != self._snapshots[-1]:
            self._at.append(self._seconds())
            self._snapshots.append(snapshot)
            if len(self._at) > 400:
                del self._at[:200], self._snapshots[:200]

    def old(self, what: str) -> _Snapshot | None:
        """What that read sees instead of the truth, or None for the truth."""
        self.reads += 1
        if self._bent is not None and self._bent.at == self.reads - 1:
            self.remember()
            return self._snapshots[max(0, len(self._snapshots) - 1 - self._bent.versions)]
        age = self._pick(what) if self._pick is not None else 0.0
        if age <= 0.0:
            return None
        self.remember()
        index = bisect_right(self._at, self._seconds() - age) - 1
        if index < 0 or index == len(self._at) - 1:
            return None  # nothing has changed since
        self.stale_reads += 1
        return self._snapshots[index]

    def _take(self) -> _Snapshot:
        groups, vms, powers = {}, {}, []
        for key, group in self._cloud.groups.items():
            groups[key] = GroupView(
                name=group.name, region=group.region, tags=dict(group.tags), deleting=group.gone_at is not None
            )
            for name, vm in group.vms.items():
                vms[key, name] = VmView(
                    vm_id=vm.vm_id,
                    size=vm.plan.size,
                    provisioning=vm.provisioning,
                    power=vm.power,
                    nic_ids=(vm.nic_id,),
                    tags=dict(vm.plan.tags),
                )
                powers.append(VmPower(group=vm.plan.group.lower(), name=vm.plan.name.lower(), power=vm.power))
        refs = self._groups.references()
        return _Snapshot(groups, vms, refs, powers)


class SimGroups(FakeGroups):
    """`ResourceGroups` with reads that may lag."""

    def __init__(self, cloud: FakeCloud, replica: Replica) -> None:
        super().__init__(cloud)
        self._replica = replica

    async def get(self, name: str) -> GroupView | None:
        old = self._replica.old("group_get")
        return await super().get(name) if old is None else old.groups.get(name.lower())

    async def tagged(self, tag: str, value: str) -> Sequence[ResourceRef]:
        old = self._replica.old("tagged")
        if old is None:
            return await super().tagged(tag, value)
        wanted = (tag.lower(), value.lower())
        return [ref for ref in old.refs if wanted in {(key.lower(), text.lower()) for key, text in ref.tags.items()}]

    async def put(self, name: str, region: str, tags: Mapping[str, str]) -> None:
        self._replica.remember()
        await super().put(name, region, tags)
        self._replica.remember()

    async def begin_delete(self, name: str) -> Any:
        self._replica.remember()
        try:
            return await super().begin_delete(name)
        finally:
            self._replica.remember()


class SimCompute(FakeCompute):
    """`Compute` with reads that may lag."""

    def __init__(self, cloud: FakeCloud, replica: Replica) -> None:
        super().__init__(cloud)
        self._replica = replica

    async def vm(self, group: str, name: str, *, with_power: bool = False) -> VmView | None:
        old = self._replica.old("vm_get")
        if old is None:
            self._replica.remember()
            return await super().vm(group, name, with_power=with_power)
        return old.vms.get((group.lower(), name.lower()))

    async def powers(self) -> Sequence[VmPower]:
        old = self._replica.old("powers")
        return await super().powers() if old is None else old.powers

    async def begin_vm(self, plan: Any) -> Any:
        return await self._written(super().begin_vm(plan))

    async def begin_deallocate(self, group: str, name: str) -> Any:
        return await self._written(super().begin_deallocate(group, name))

    async def begin_start(self, group: str, name: str) -> Any:
        return await self._written(super().begin_start(group, name))

    async def begin_restart(self, group: str, name: str) -> Any:
        return await self._written(super().begin_restart(group, name))

    async def begin_resize(self, group: str, name: str, size: str) -> Any:
        return await self._written(super().begin_resize(group, name, size))

    async def _written(self, request: Any) -> Any:
        self._replica.remember()
        try:
            return await request
        finally:
            self._replica.remember()


def chance_of_age(rng: random.Random, rate: float, troubled: Callable[[], bool]) -> Callable[[str], float]:
    """Each read by itself: mostly the present, sometimes up to OLDEST_S old."""

    def pick(_: str) -> float:
        if not troubled() or rng.random() >= rate:
            return 0.0
        return rng.uniform(1.0, OLDEST_S)

    return pick
