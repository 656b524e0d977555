"""The gate before Azure, one for each process, over one row that all of them share.

A reservation is one conditional write of the row on the ETag this process saw last; only when another process was
faster it is a read and a write more. Requests of one process at the same moment share one write. Writes that are few
and need not stand in line are entered later, together with the next ones (`DEBT`), so a hub alone costs one write, or
two requests in a process that has just begun.

Whether Azure answers at all is found out by the calls themselves. A process counts failures in a row without any answer
in between; at `FAILURES` it opens the circuit for everybody. One resource's or one provider's own trouble (an error
body with a code of its own) counts once for each resource group, so a single hub never opens it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from weakref import WeakKeyDictionary

from shared import log
from shared.clock import Clock
from shared.errors import ConcurrentUpdate, HubletError, RetryableError
from shared.hubs.alerts import alert
from shared.hubs.gate_state import CAUSES, FIXES, SENTENCES, AzurePaused, Cause, GateState, Pause, Verdict, verdict_of
from shared.hubs.ports import AzureProbe, Cache, Entropy, GateRow
from shared.hubs.write_budget import Lane

FAILURES = 3
"""So many failures in a row, with no answer to any hub of this process in between, are an outage."""

DEBT = 4
"""So many writes outside of the line a process may have sent before it enters them in the row."""

KNOWN_FOR_S = 60.0
"""An accept believes what this process read so long ago."""

TRIES = 8
"""How often a change of the row is tried when other processes change it at the same moment."""

CONTENDED_S = 0.05
"""About so long, and longer at every try, it is left to the others; meanwhile more hubs of this process come, and share
the next try."""

HOLD_UNKNOWN_S, LONGEST_HOLD_S = 5.0, 300.0
"""How long nobody writes after a 429: as Azure says, so long when it says nothing, and never longer than that."""

SHORTEST_WAIT_S, LONGEST_WAIT_S, SHARE_OF_OUTAGE, SPREAD = 30.0, 90.0, 0.05, 0.25
"""A hub waits for a twentieth of the outage's age before it asks the gate again, give or take so much of it at random.
When it is over it gets a slot to come back at."""

type Change = Callable[[GateState, float], GateState | None]
"""The new state from the present one and the time; None = there is nothing to change."""


@dataclass(slots=True)
class _Ask:
    lane: Lane
    writes: int
    slot: float | None = None


class SharedGate:
    """`AzureGate`. `poll_scale` shortens its waits in a local stack, as it does all our own intervals."""

    def __init__(
        self,
        row: GateRow,
        probe: AzureProbe,
        clock: Clock,
        entropy: Entropy,
        cache: Cache,
        *,
        poll_scale: float = 1.0,
    ) -> None:
        self.cache = cache
        """Alerts are remembered there."""
        self._row, self._probe, self._clock, self._entropy, self._scale = row, probe, clock, entropy, poll_scale
        self._state = GateState()
        self._etag: str | None = None
        self._read_at: float | None = None
        self._rivals = True  # nothing was read yet
        self._asks: list[_Ask] = []
        self._unpaid: Counter[Lane] = Counter()
        self._failed: Counter[str] = Counter()
        self._locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

    # ---- the write budget

    async def reserve(self, lane: Lane, writes: int) -> datetime:
        now = self._now()
        if lane in (Lane.CHANGE, Lane.DELETE) and self._may_owe(lane, writes, now):
            self._unpaid[lane] += writes
            return self._clock.now()
        ask = _Ask(lane, writes)
        self._asks.append(ask)
        async with self._lock():
            if ask.slot is None:  # else whoever had the lock before entered it, too
                await self._enter()
        return self._clock.now() if ask.slot is None or ask.slot <= self._now() else _moment(ask.slot)

    def void(self, slot: datetime) -> bool:
        return slot.timestamp() < self._state.void_before

    def back_since(self, moment: datetime) -> bool:
        return self._state.pause is None and self._state.resumed_at > moment.timestamp()

    def _may_owe(self, lane: Lane, writes: int, now: float) -> bool:
        """While there is plenty as far as this process knows, and nothing was refused lately."""
        budget = self._state.budget
        owed = self._unpaid[lane] + writes
        return owed <= DEBT and budget.hold_until <= now and budget.left(lane, now) > 3 * DEBT

    async def _enter(self) -> None:
        asks: list[_Ask] = []
        unpaid, self._unpaid = self._unpaid, Counter()
        slots: list[float] = []

        def change(state: GateState, now: float) -> GateState:
            asks.extend(self._asks)  # at every try: whoever came meanwhile is in it, too
            self._asks.clear()
            budget = state.budget
            for lane, writes in unpaid.items():
                budget, _ = budget.reserve(lane, writes, now)
            slots.clear()
            for ask in asks:
                budget, slot = budget.reserve(ask.lane, ask.writes, now)
                slots.append(slot)
            return replace(state, budget=budget)

        if not await self._change(change):
            self._unpaid.update(unpaid)
            asks.extend(self._asks)
            self._asks.clear()
            slots = [self._now()] * len(asks)  # a table that does not answer must not stop a hub
        for ask, slot in zip(asks, slots, strict=True):
            ask.slot = slot

    # ---- whether Azure answers

    async def admit(self) -> None:
        pause = self._state.pause
        if pause is None:
            return
        async with self._lock():
            if await self._settle(lambda state, now: state.probing(now)) and self._state.pause is not None:
                await self._look(self._state.pause)
        if self._state.pause is not None:
            raise AzurePaused(self._state.pause.cause, self._wait_s(self._state.pause))

    async def _look(self, pause: Pause) -> None:
        """This process has the probe. The lock is held: the others of this process wait for its answer."""
        try:
            await self._probe.ask()
        except RetryableError as error:
            cause = CAUSES.get(verdict_of(error), pause.cause)
            await self._settle(lambda state, now: state.still_paused(cause, now))
            log.info("azure_still_paused", cause=str(cause), code=error.code)
        else:
            self._failed.clear()
            await self._settle(lambda state, now: state.resumed(now))
            log.warning("azure_resumed", cause=str(pause.cause), seconds=round(self._now() - pause.since))

    def answered(self) -> None:
        self._failed.clear()

    async def failed(self, error: HubletError, whose: str) -> HubletError:
        verdict = verdict_of(error)
        match verdict:
            case Verdict.NOTHING:
                return error
            case Verdict.ANSWERED:
                self.answered()
                return error
            case Verdict.FORBIDDEN:
                self.answered()
                await alert(self, error.code, f"{error.message} {error.fix}".strip())
                return error
            case Verdict.THROTTLED:
                self.answered()
                await self._lower(error)
                return error
            case Verdict.DISABLED:
                await self._pause(Cause.DISABLED)
            case Verdict.SILENT | Verdict.UNSIGNED:
                self._failed[""] += 1
                if self._failures() >= FAILURES:
                    await self._pause(CAUSES[verdict])
            case Verdict.TROUBLED:
                self._failed[whose] = 1
                if self._failures() >= FAILURES:
                    await self._pause(Cause.OUTAGE)
        pause = self._state.pause
        if pause is not None:
            return AzurePaused(pause.cause, self._wait_s(pause))
        if verdict is Verdict.UNSIGNED and isinstance(error, RetryableError):  # no hub's failure, not even the first
            return AzurePaused(Cause.IDENTITY, error.retry_after_s or SHORTEST_WAIT_S)
        return error

    def _failures(self) -> int:
        return self._failed.total()

    async def _pause(self, cause: Cause) -> None:
        async with self._lock():
            known = self._state.pause
            if known is not None and known.cause is cause:
                return
            await self._settle(lambda state, now: state.paused(cause, now))
        await alert(self, cause.value, f"{SENTENCES[cause]} {FIXES[cause]}")

    async def _lower(self, error: HubletError) -> None:
        wished = error.retry_after_s if isinstance(error, RetryableError) else None
        hold_s = min(LONGEST_HOLD_S, HOLD_UNKNOWN_S if wished is None else wished)
        log.warning("azure_throttled", hold_s=hold_s)
        until = self._now() + hold_s
        if self._state.budget.hold_until >= until - 1.0:
            return  # another hub of this process was told the same
        async with self._lock():
            await self._change(lambda state, now: replace(state, budget=state.budget.lowered(until)))

    def _wait_s(self, pause: Pause) -> float:
        age_s = max(0.0, self._now() - pause.since)
        wait_s = min(LONGEST_WAIT_S, max(SHORTEST_WAIT_S, SHARE_OF_OUTAGE * age_s))
        return wait_s * (1 - SPREAD + 2 * SPREAD * self._entropy.jitter()) / self._scale

    # ---- accepts

    async def refusal(self) -> HubletError | None:
        if self._read_at is None or self._now() - self._read_at > KNOWN_FOR_S:
            async with self._lock():
                if self._read_at is None or self._now() - self._read_at > KNOWN_FOR_S:
                    await self._read_or_go_on()
        pause = self._state.pause
        if pause is None or pause.cause is not Cause.DISABLED:
            return None
        return RetryableError(pause.cause.value, SENTENCES[pause.cause], fix=FIXES[pause.cause], retry_after_s=300)

    async def _read_or_go_on(self) -> None:
        try:
            await self._read()
        except HubletError as error:
            self._read_at = self._now()
            log.warning("azure_gate_unavailable", code=error.code)

    # ---- the row

    async def _settle(self, change: Change) -> bool:
        """Like `_change`, and when storage cannot be asked it holds for this process alone."""
        done = await self._change(change)
        if done is None and (wanted := change(self._state, self._now())) is not None:
            self._state = wanted
            return True
        return done is True

    async def _change(self, change: Change) -> bool | None:
        """Applies `change` to the present row; the lock is held. False = there was nothing to change; None = storage
        could not be asked."""
        try:
            for number in range(1, TRIES + 1):
                if self._rivals:  # better one read than a write in vain and a read
                    await self._read()
                wanted = change(self._state, self._now())
                if wanted is None:
                    return False
                if wanted == self._state:
                    return True
                try:
                    self._etag = await self._row.write(wanted, self._etag)
                except ConcurrentUpdate:
                    self._rivals = True
                    await self._clock.sleep(CONTENDED_S * number * (0.5 + self._entropy.jitter()))
                    continue
                self._state, self._read_at = wanted, self._now()
                return True
        except HubletError as error:
            self._rivals = True  # whether it was written is not known
            log.warning("azure_gate_unavailable", code=error.code)
            return None
        log.warning("azure_gate_contended", tries=TRIES)
        return None

    async def _read(self) -> None:
        known, (self._state, self._etag) = self._etag, await self._row.read()
        self._read_at, self._rivals = self._now(), known is not None and self._etag != known

    def _lock(self) -> asyncio.Lock:
        loop = asyncio.get_running_loop()
        if loop not in self._locks:
            self._locks[loop] = asyncio.Lock()
        return self._locks[loop]

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
