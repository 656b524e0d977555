"""Weeks of one hub in virtual time: the real decisions, effects and commands, without steps, queue and timers.

A visit comes exactly when the last one asked for it (`Settle.look_at`), after a command, and when a stop or start is
over. Azure's own daily shutdown stands beside it, as it was last written, and fires at its time of day whatever the hub
thinks. `down` takes the app away for a while: nothing is looked at and nobody can ask for anything, Azure goes on.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from shared.app import App
from shared.errors import RetryableError, UserError
from shared.hubs import after_ready, schedule, steer
from shared.hubs.agenda import Rules, Why
from shared.hubs.decide import (
    Decision,
    Expire,
    LookAtActivity,
    PowerOff,
    PowerOn,
    SetAutoShutdown,
    Settle,
    StartNow,
    StopNow,
    Warn,
    decide,
)
from shared.hubs.goals import change_goal
from shared.hubs.model import AutoShutdown, Hub, Principal, Schedule
from shared.hubs.ports import Activity, DailyShutdown, HubAccess, Server
from shared.hubs.schedule import Kind
from shared.hubs.states import Goal, HubEvent, HubState
from shared.hubs.visit import Visit
from shared.hubs.write_budget import Lane
from shared.settings import Settings
from tests.support.builders import OWNER, some_secrets, some_settings
from tests.support.clock import FakeClock
from tests.support.fake_storage import FakeHubStore, FakeIdentity, FakeSecrets

MOST_DECISIONS = 8
"""No visit to a ready or stopped hub has more to do at one moment."""

STOPS_IN = timedelta(minutes=2)
STARTS_IN = timedelta(minutes=3)
DAY = timedelta(days=1)

type Ask = Callable[["HubLife"], Awaitable[None]]
"""What the owner does."""


class TooManyDecisions(AssertionError):
    """A visit that finds no end."""


@dataclass(frozen=True, slots=True)
class Shot:
    """Azure's own shutdown hit this hub while it was ready."""

    at: datetime
    hub: Hub


@dataclass(frozen=True, slots=True)
class Stopped:
    """The hub stopped by itself."""

    at: datetime
    why: Why
    hub: Hub


class _Nowhere:
    """A queue or table that nobody reads."""

    async def put(self, *_: object, **__: object) -> None:
        return None


class HubLife:
    """It begins `now`, or when the hub came into its state. `people`: who works on the hub; called at each look.
    `refuses(life)`: "" = Azure takes a write of its shutdown, `lost` = not, `unanswered` = it does, but nobody hears of
    it, `refused` = never."""

    def __init__(
        self,
        hub: Hub,
        *,
        now: datetime | None = None,
        settings: Settings | None = None,
        people: Callable[[], Activity | None] = lambda: Activity(servers=(Server(user="ada", idle_s=0),)),
        refuses: "Callable[[HubLife], str]" = lambda _: "",
    ) -> None:
        self.settings = settings or some_settings()
        self.rules = Rules.of(self.settings)
        self.clock = FakeClock(now or hub.state_since)
        self.hubs = FakeHubStore(through_json=False)
        self.hubs.seed(hub)
        self.key = (hub.owner, hub.name)
        self.azure: AutoShutdown | None = hub.life.auto_shutdown
        self.down: list[tuple[datetime, datetime]] = []
        self.shots: list[Shot] = []
        self.stops: list[Stopped] = []
        self.starts: list[datetime] = []
        self.decisions: list[Decision] = []
        self._people, self._refuses = people, refuses
        self._over_at: datetime | None = None  # the stop or start under way
        self._found_off = False
        self._fired_at: datetime | None = None
        secrets = FakeSecrets()
        secrets.rows[hub.owner, hub.id] = some_secrets()
        self.app = cast(
            App,
            SimpleNamespace(
                settings=self.settings,
                clock=self.clock,
                hubs=self.hubs,
                queue=_Nowhere(),
                due=_Nowhere(),
                notices=_Nowhere(),
                secrets=secrets,
                identity=FakeIdentity(),
                shutdowns=self,
                hub_api=self,
                gate=self,
            ),
        )

    async def reserve(self, lane: Lane, writes: int) -> datetime:
        """Nobody stands in line."""
        return self.clock.now()

    def back_since(self, moment: datetime) -> bool:
        return False

    async def refusal(self) -> None:
        """The subscription is paid for."""

    @property
    def hub(self) -> Hub:
        return self.hubs.hubs[self.key]

    @property
    def now(self) -> datetime:
        return self.clock.now()

    # ---- ports
    async def put(self, plan: DailyShutdown) -> None:
        """`DailyShutdowns`."""
        refuses = self._refuses(self)
        if refuses == "refused":
            raise UserError("RequestDisallowedByPolicy", "A policy of the subscription is against it.")
        if refuses != "lost":
            self.azure = AutoShutdown(enabled=plan.enabled, time=plan.time)
        if refuses:
            raise RetryableError("ServerTimeout", "Azure did not answer.")

    async def activity(self, _: HubAccess) -> Activity:
        """`HubApi`."""
        found = self._people()
        if found is None:
            raise RetryableError("HubUnreachable", "The hub did not answer.")
        return found

    # ---- the owner
    async def ask(self, what: Ask) -> None:
        """Nothing happens where the hub does not allow it."""
        before = self.hub.state
        try:
            await what(self)
        except UserError:
            return
        if self.hub.state is not before:
            self._begun()
        await self.visit()

    def request(self) -> steer.Request:
        return steer.Request(principal=Principal(OWNER), request_id="req-2")

    async def stop(self) -> None:
        await steer.stop_hub(self.app, self.hub, self.request())

    async def start(self) -> None:
        await steer.start_hub(self.app, self.hub, self.request())

    async def restart(self) -> None:
        await steer.restart_hub(self.app, self.hub, self.request())

    async def extend(self, hours: float) -> None:
        await steer.extend_hub(self.app, self.hub, self.request(), hours)

    async def skip(self) -> None:
        await steer.skip_next_stop(self.app, self.hub, self.request())

    async def change(self, **changes: Any) -> None:
        await steer.change_hub(self.app, self.hub, self.request(), changes)

    # ---- visits
    async def visit(self) -> Decision | None:
        """Decides and acts until there is nothing more to do. The last decision, or None during a stop or start."""
        visit = Visit(self.app, self.hub)
        for _ in range(MOST_DECISIONS):
            decision = decide(visit.hub, self.now, self.rules)
            self.decisions.append(decision)
            match decision:
                case Warn(alerts):
                    after_ready.warn(visit, alerts)
                    continue
                case SetAutoShutdown(wanted):
                    await after_ready.set_auto_shutdown(visit, wanted)
                    continue
                case LookAtActivity():
                    if not await after_ready.look_at_activity(visit):
                        continue
                    self.stops.append(Stopped(self.now, Why.IDLE, self.hub))
                case StopNow(why):
                    self.stops.append(Stopped(self.now, why, visit.hub))
                    after_ready.stop(visit, why)
                case StartNow():
                    self.starts.append(self.now)
                    await after_ready.start_by_schedule(visit)
                case Settle(look_at):
                    assert look_at is None or look_at > self.now, "a settled hub that is looked at without end"
                    visit.update(next_look_at=look_at)
                case PowerOff() | PowerOn() | Expire():  # time does the rest
                    visit.update(next_look_at=None)
                case _:
                    raise AssertionError(f"{decision} for a {visit.hub.state} hub")
            changed = visit.hub.state is not self.hub.state
            await visit.checkpoint()
            if changed:
                self._begun()
            return decision
        raise TooManyDecisions(self.decisions[-MOST_DECISIONS:])

    def _begun(self) -> None:
        self._over_at = self.now + (STOPS_IN if self.hub.state is HubState.STOPPING else STARTS_IN)

    async def _over(self) -> None:
        """The stop or start under way has ended."""
        self._over_at = None
        visit = Visit(self.app, self.hub)
        if self.hub.state is HubState.STOPPING:
            after_ready.stopped(visit)
        else:
            after_ready.answers(visit)
        await visit.checkpoint()
        await self.visit()

    async def _see_that_it_is_off(self) -> None:
        """What the sweep does about a ready hub whose machine is off."""
        self._found_off = False
        if self.hub.state is HubState.READY:
            visit = Visit(self.app, self.hub)
            change_goal(visit, Goal.STOPPED, HubEvent.FOUND_OFF, "stop", "It is off.")
            after_ready.stopping(visit, "turned off outside of Hublet")
            await visit.checkpoint()
            self._begun()

    # ---- time
    async def live(self, until: datetime, asks: Sequence[tuple[datetime, Ask]] = ()) -> None:
        """Everything in its order; at the same moment the hub comes before Azure."""
        await self.visit()
        waiting = [(at, ask) for at, ask in sorted(asks, key=lambda one: one[0]) if not self._down_until(at)]
        while True:
            look_at = self.hub.next_look_at if self._over_at is None else self._over_at
            mine = self._up_at(look_at) if look_at is not None else None
            if self._found_off:
                back = self._up_at(self.now)
                mine = back if mine is None else min(mine, back)
            fire = self._fires()
            asked = waiting[0][0] if waiting else None
            moment = min((one for one in (mine, fire, asked) if one is not None), default=None)
            if moment is None or moment > until:
                self.clock.advance_to(until)
                return
            self.clock.advance_to(moment)
            if asked == moment:
                await self.ask(waiting.pop(0)[1])
            elif mine == moment:
                await self._work()
            else:
                self._fire()

    async def _work(self) -> None:
        if self._over_at is not None and self._over_at <= self.now:
            await self._over()
            return
        if self._over_at is None:
            await self.visit()
        if self._found_off:
            await self._see_that_it_is_off()

    def _fires(self) -> datetime | None:
        if self.azure is None or not self.azure.enabled:
            return None
        hour, minute = int(self.azure.time[:2]), int(self.azure.time[2:])
        at = self.now.replace(hour=hour, minute=minute, second=0, microsecond=0)
        return at if at >= self.now and at != self._fired_at else at + DAY

    def _fire(self) -> None:
        """A machine that is off stays off, one that is being started is started again."""
        self._fired_at = self.now
        if self.hub.state is HubState.READY:
            self.shots.append(Shot(self.now, self.hub))
            self._found_off = True

    def _down_until(self, moment: datetime) -> datetime | None:
        return next((end for begin, end in self.down if begin <= moment < end), None)

    def _up_at(self, moment: datetime) -> datetime:
        moment = max(moment, self.now)
        return self._down_until(moment) or moment


def own_stop(hub: Hub, upto: datetime, stop_warning: timedelta) -> datetime | None:
    """When a ready hub's schedule or end date wanted it to stop, up to `upto`, told by walking through all events.

    An independent judge of `agenda.scheduled_stop`: it looks back only, at every event since the last one that was
    dealt with.
    """
    due: datetime | None = None
    for at, kinds in _instants(hub, upto):
        if due is not None and due < at:
            break
        if kinds[-1] is Kind.START:
            due = None
        elif due is None:
            own = at if at > hub.state_since else hub.state_since + stop_warning
            due = max(own, hub.life.keep_until or own)
        elif hub.life.keep_until is None or at > hub.life.keep_until:
            due = min(due, at)
    ends = hub.spec.expires_at
    known = [moment for moment in (due, ends) if moment is not None and moment <= upto]
    return min(known, default=None)


def _instants(hub: Hub, upto: datetime) -> Iterator[tuple[datetime, list[Kind]]]:
    """The schedule's events after the cursor by instant, without the stop that was skipped."""
    plan: Schedule | None = hub.spec.schedule
    if plan is None:
        return
    found: dict[datetime, list[Kind]] = {}
    for event in schedule.events(plan, hub.life.cursor or hub.created_at, upto):
        if not (event.kind is Kind.STOP and event.at == hub.life.skipped_stop):
            found.setdefault(event.at, []).append(event.kind)
    yield from found.items()


def ready_at(hub: Hub, moment: datetime, **life: Any) -> Hub:
    """The hub as if it had been asked for ten minutes before it became ready, at this moment."""
    created = moment - timedelta(minutes=10)
    return replace(hub, created_at=created, state_since=moment, ready_at=moment, life=replace(hub.life, **life))
