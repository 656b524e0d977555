"""A world that was lived to a certain point once, and as many worlds as a test wants that go on from there."""

from copy import deepcopy
from dataclasses import replace
from itertools import count
from typing import Any, Protocol

from tests.support.world import World

PORTS = (
    *("hubs", "index", "queue", "due", "logs", "secrets", "tokens", "cache", "identity", "outbox", "notices"),
    *("groups", "network", "compute", "operations", "shutdowns", "catalog", "on_vm", "hub_api", "hub_http", "reach"),
    *("gate", "sink_store", "chat", "outbound"),
)


class Plan(Protocol):
    """What is told of every call of a port: a CrashPlan, or a Rival (tests/support/rivals.py)."""

    def wrap(self, port: Any, name: str) -> Any: ...


class Snapshot:
    """Living to `ready` costs some fifty times what a copy costs, and a sweep needs hundreds of them."""

    def __init__(self, world: World) -> None:
        self._world = world

    def world(self, plan: Plan | None = None) -> World:
        """Another world from here on, its ports wrapped by `plan`. It shares nothing with the others."""
        old = self._world
        hubs, cloud = old.storage.hubs, old.cloud
        # itertools' counters are not copied (https://docs.python.org/3/whatsnew/3.12.html#deprecated): these go on
        # where no number was given out yet
        sinks = old.storage.sink_store
        counters = (hubs._etags, hubs.secrets._etags, sinks._etags, cloud._numbers)
        memo: dict[int, Any] = {id(counter): count(10_000) for counter in counters}
        plants = (*cloud._begin.values(), *cloud._poll.values(), *cloud._read.values())
        failures = (*(one.failure for one in cloud.operations.values()), *(one.error for one in plants))
        memo |= {id(failure): failure for failure in failures}  # an exception cannot be copied, and need not be
        world = deepcopy(old, memo)
        if plan is not None:
            wrapped = {name: plan.wrap(getattr(world.app, name), name) for name in PORTS}
            world.app = replace(world.app, **wrapped)
        return world
