"""From every moment of a life at which its process may die, and from every such moment of the lives that follow, to the
end: all single points and all pairs.

`State -> Verdict` is a function: a life goes on from the outside alone (tests/sim/crash/outside.py), every random
number and every end of a wait is part of it, and all that is judged at the end is read from it. So a state that was
seen before is not lived through again; it has the verdict it had. A death in a tick that had nothing to do is such a
case: a minute later everything is as if it had not been.
"""

import asyncio
import gc
import logging
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

from tests.sim.crash.life import Life
from tests.sim.crash.oracle import Watch, at_rest, judged
from tests.sim.crash.outside import Outside, State
from tests.sim.crash.recorder import Moment, Recorder

RECOVERY_S = 120.0
"""How much longer a life may last for each death in it (R6): the due row is looked at a minute after the message should
have come, by the next tick."""

SHARE = 6
"""First points that one process takes at a time: neighbours have much in common."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a life ended. `lasted_s`: from the request to its burial, in virtual time."""

    wrong: tuple[str, ...]
    lasted_s: float


class Known[T]:
    """What is known of states, found by equality; the key only makes it quick."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[Any, ...], list[tuple[State, T]]] = {}

    def get(self, key: tuple[Any, ...], outside: Outside) -> T | None:
        """What is known of the outside as it is now."""
        return self.find(key, outside.taken()) if key in self._by_key else None

    def find(self, key: tuple[Any, ...], state: State) -> T | None:
        return next((value for known, value in self._by_key.get(key, ()) if known == state), None)

    def put(self, key: tuple[Any, ...], state: State, value: T) -> None:
        self._by_key.setdefault(key, []).append((state, value))


class _SeenBefore(BaseException):
    """The life has come to a state whose end is known."""

    def __init__(self, found: Any) -> None:
        self.found = found


@dataclass(slots=True)
class Recording:
    """All moments of one life, and how it ended."""

    moments: list[Moment]
    verdict: Verdict

    @property
    def points(self) -> list[Moment]:
        return [moment for moment in self.moments if moment.at_effect]


class Stage:
    """One life that can be put back to any of its moments, as often as one likes.

    States are compared with known ones where a minute's tick begins: they are the same there if ever again."""

    def __init__(self, *, lease_s: float, **options: Any) -> None:
        self.life = Life(lease_s=lease_s, **options)
        Watch(self.life)
        self.outside = Outside(self.life, self.life.script)
        self.lived = 0
        """How many lives were lived through, from wherever to their end or to a known state."""
        self._began = self.life.clock.now()
        self._beginning = self.outside.taken()
        self._recordings: Known[tuple[Recording, int]] = Known()
        self._verdicts: Known[Verdict] = Known()
        self._deaths: Known[Verdict] = Known()

    async def recording(self, died_at: State | None = None) -> Recording:
        """The life after a process died when the outside was like this. None = nobody died."""
        self.outside.put_back(self._beginning if died_at is None else died_at)
        if died_at is not None:
            self.life.die()
        recorder = Recorder(self.outside)
        ticks: list[tuple[tuple[Any, ...], State, int]] = []

        def begins() -> None:
            recorder.begins()
            if self.life.script.hand != "tick":
                return
            self.outside.settle()
            if (found := self._recordings.get(key := self._key(), self.outside)) is not None:
                raise _SeenBefore(found)
            ticks.append((key, self.outside.taken(), len(recorder.moments)))

        self.life.app, self.life.begins = recorder.watching(self.life.plain), begins
        try:
            recording = Recording(recorder.moments, await self._verdict())
        except _SeenBefore as seen:
            earlier, index = seen.found
            recording = Recording([*recorder.moments, *earlier.moments[index:]], earlier.verdict)
        for key, state, index in ticks:
            self._recordings.put(key, state, (recording, index))
            self._verdicts.put(key, state, recording.verdict)
        return recording

    async def verdict(self, died_at: State) -> Verdict:
        """How the life ends after a process died when the outside was like this."""
        self.outside.put_back(died_at)
        key = self._key()
        if (known := self._deaths.find(key, died_at)) is not None:
            return known
        self.life.die()

        def begins() -> None:
            if self.life.script.hand != "tick":
                return
            self.outside.settle()
            if (found := self._verdicts.get(self._key(), self.outside)) is not None:
                raise _SeenBefore(found)

        self.life.app, self.life.begins = self.life.plain, begins
        try:
            verdict = await self._verdict()
        except _SeenBefore as seen:
            verdict = seen.found
        self._deaths.put(key, died_at, verdict)
        return verdict

    def _key(self) -> tuple[Any, ...]:
        life, script = self.life, self.life.script
        rows = tuple((hub.etag, hub.updated_at, hub.event_seq) for hub in life.storage.hubs.hubs.values())
        queued = sum(hash(one.visible_at) for one in life.storage.queue.waiting)
        return life.clock.now(), script.phase, script.asked, rows, queued

    def forget_deaths(self) -> None:
        """Of lives that follow from different points few are the same, and all of them would not fit in memory."""
        self._deaths = Known()

    async def _verdict(self) -> Verdict:
        self.lived += 1
        wrong: list[str] = []
        try:
            await self.life.live()
            wrong += await at_rest(self.life)
            wrong += judged(self.life)
        except Exception as error:  # whatever a worker raises is a violation, and the sweep goes on
            wrong.append(f"{type(error).__name__}: {error}")
        over_at = self.life.script.over_at or self.life.clock.now()
        return Verdict((*self.life.script.seen, *wrong), (over_at - self._began).total_seconds())


# ------------------------------------------------------------------ all of them


@dataclass(slots=True)
class Swept:
    """What a sweep found. `longest_s`: the life that lasted longest, in virtual time; `lived`: those that could not be
    known from another one."""

    points: int = 0
    singles: int = 0
    pairs: int = 0
    lived: int = 0
    longest_s: float = 0.0
    usual_s: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def judge(self, verdict: Verdict, deaths: Sequence[Moment], *, bound_s: float) -> None:
        self.longest_s = max(self.longest_s, verdict.lasted_s)
        late = verdict.lasted_s - self.usual_s - bound_s * len(deaths)
        wrong = [*verdict.wrong, *([f"it took {late:.0f} s longer than it may"] if late > 0 else [])]
        if wrong:
            self.wrong.append(f"died {', then '.join(one.where for one in deaths)}: {'; '.join(wrong)}")

    def add(self, other: "Swept") -> None:
        self.singles += other.singles
        self.pairs += other.pairs
        self.lived += other.lived
        self.longest_s = max(self.longest_s, other.longest_s)
        self.wrong += other.wrong


async def sweep_singles(*, lease_s: float, every_moment: bool = False, **options: Any) -> Swept:
    """A death at each point. `every_moment`: where only time passed before a read, too. `options`: those of Life."""
    stage = Stage(lease_s=lease_s, **options)
    usual, swept = await _usual(stage)
    for moment in usual.moments if every_moment else usual.points:
        swept.singles += 1
        swept.judge(await stage.verdict(moment.state), [moment], bound_s=RECOVERY_S)
    swept.lived = stage.lived
    return swept


async def _usual(stage: Stage) -> tuple[Recording, Swept]:
    usual = await stage.recording()
    swept = Swept(points=len(usual.points), usual_s=usual.verdict.lasted_s)
    swept.judge(usual.verdict, [], bound_s=0.0)
    return usual, swept


class PairSweep:
    """The pairs whose first death is at some of the points: one share of the work, in a process of its own."""

    def __init__(self, lease_s: float) -> None:
        self._stage = Stage(lease_s=lease_s)
        self._usual: tuple[Recording, Swept] | None = None

    async def share(self, first: int, until: int) -> Swept:
        if self._usual is None:
            self._usual = await _usual(self._stage)
        usual, known = self._usual
        swept = Swept(points=known.points, usual_s=known.usual_s)
        lived = self._stage.lived
        for one in usual.points[first:until]:
            after = await self._stage.recording(one.state)
            swept.singles += 1
            swept.judge(after.verdict, [one], bound_s=RECOVERY_S)
            for two in after.points:
                swept.pairs += 1
                swept.judge(await self._stage.verdict(two.state), [one, two], bound_s=RECOVERY_S)
        self._stage.forget_deaths()
        swept.lived = self._stage.lived - lived
        return swept


_process: PairSweep | None = None


def _set_up(lease_s: float) -> None:
    global _process
    logging.disable(logging.CRITICAL)
    gc.disable()  # collected after each share instead
    _process = PairSweep(lease_s)


def _share(first: int) -> Swept:
    assert _process is not None
    swept = asyncio.run(_process.share(first, first + SHARE))
    gc.collect()
    return swept


def sweep_pairs(*, lease_s: float, processes: int = 2) -> Swept:
    """A death at each point, and then a second one at each point of the life that goes on."""
    _, swept = asyncio.run(_usual(Stage(lease_s=lease_s)))
    with ProcessPoolExecutor(processes, get_context("spawn"), _set_up, (lease_s,)) as pool:
        for share in pool.map(_share, range(0, swept.points, SHARE)):
            swept.add(share)
    return swept
