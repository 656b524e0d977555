"""One run: a world made from a seed, trouble for a while, quiet, judgement.

./dev sim --seed 17            one seed, told in full when it fails
./dev sim --runs 2000          so many seeds from --seed on
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.sim import secrecy
from tests.sim.loop import VirtualLoop
from tests.sim.plan import Plan, Twist
from tests.sim.trace import Trace
from tests.sim.world import LEFT_OVER_S, NOTICES_LIMIT_S, QUIET_LIMIT_S, World

QUIET_STEP_S = 300.0
LEAST_QUIET_S = 1200.0
"""Two sweeps and what follows from them: until then what somebody did in the portal may be unseen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one run came to. `violations` is empty when all is well; `hubs` counts lifecycles (accepted hubs)."""

    plan: Plan
    hubs: int
    violations: tuple[str, ...]
    digest: str
    virtual_s: float
    settled_after_s: float
    states: Counter[str]
    struck: Counter[str]
    visits: int
    kills: int
    machines: int
    notices: int
    """What people were told of; `given_up`: targets that will not hear of one of them."""
    given_up: int
    occasions: Mapping[Twist, int]
    """How many there were of each kind that may be bent."""
    begun_after_s: tuple[float, ...] = ()
    """Only of a run that is over when a worker has begun with every hub."""
    story: tuple[str, ...] = ()


async def _live(world: World) -> float:
    """Trouble, then quiet. Returns how long after the last fault everything was settled, seconds."""
    people = world.loop.create_task(world.people.everybody())
    nemesis = world.loop.create_task(world.nemesis())
    await asyncio.sleep(world.plan.trouble_s)
    world.quiet()
    await people
    await nemesis
    if world.plan.until_begun:
        return await world.until_begun()
    began = world.loop.time()
    if world.plan.rate("portal") or world.plan.rate("portal-deletes"):
        await asyncio.sleep(LEAST_QUIET_S)
    while world.unsettled() and world.loop.time() < began + QUIET_LIMIT_S:
        await asyncio.sleep(QUIET_STEP_S)
    settled_after_s = world.loop.time() - began
    if not world.unsettled():
        while world.untold() and world.loop.time() < began + NOTICES_LIMIT_S:
            await asyncio.sleep(QUIET_STEP_S)
    await asyncio.sleep(2 * LEFT_OVER_S)  # late copies must not do anything any more
    await world.look_at_due_rows()
    if world.plan.again_after_s is not None:
        await world.once_more(world.plan.again_after_s)
    return settled_after_s


async def _judged(world: World) -> tuple[str, ...]:
    """Violations. Hubs are judged now; the notices when the last of them is given up, which may be days from now."""
    if world.plan.until_begun:
        return world.lost()
    wrong = world.at_rest()
    await world.days_later()
    return *wrong, *world.in_the_end()


def simulate(plan: Plan, *, echo: Callable[[str], None] | None = None) -> Outcome:
    """Lives one plan to its end. Twice gives the same outcome, to the byte (`digest`)."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    logged: list[str] = []
    with secrecy.listening(logged, when=plan.through_json):
        try:

            async def everything() -> Outcome:
                world = World(plan, loop, Trace(loop.time, echo), logged)
                settled_after_s = await _live(world)
                violations = await _judged(world)
                return Outcome(
                    plan=plan,
                    hubs=len(world.people.promises),
                    violations=violations,
                    digest=world.trace.digest,
                    virtual_s=loop.time(),
                    settled_after_s=settled_after_s,
                    states=Counter(
                        [str(hub.state) for hub in world.storage.hubs.hubs.values()]
                        + ["deleted"] * len(world.storage.hubs.graves)
                    ),
                    struck=Counter(world.network.struck),
                    visits=world.platform.visits,
                    kills=world.platform.names - plan.hosts,
                    machines=len(world.cloud.vms_created),
                    notices=len(world.judged),
                    given_up=len(world.receivers.given_up),
                    occasions={
                        Twist.STALE: world.replica.reads,
                        Twist.UNOBSERVED: world.network.looks,
                        Twist.INTERMEDIATE: world.network.calls,
                        Twist.LOST: world.platform.offers,
                    },
                    begun_after_s=world.begun_after_s() if plan.until_begun else (),
                    story=tuple(world.trace.last) if violations else (),
                )

            return loop.run_until_complete(everything())
        finally:
            _forget(loop)


def _forget(loop: VirtualLoop) -> None:
    """Whatever was still on its way is of no interest any more."""
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    asyncio.set_event_loop(None)
    loop.close()
