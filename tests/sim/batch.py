"""Many runs, on all cores: `./dev sim`, and what `./dev test` asks for."""

import os
import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import combinations
from multiprocessing import get_context

from tests.sim import accepts, duplicates, sieve
from tests.sim.plan import FAULTS, Plan, draw, only
from tests.sim.run import Outcome, simulate

_AT_A_TIME = 8
TOLD = 60
"""Lines of a failed run's story that are shown."""


@dataclass
class Tally:
    """What a batch came to. `slowest_s`: how long after its last fault a run needed to settle, virtual seconds."""

    runs: int = 0
    lives: int = 0
    visits: int = 0
    kills: int = 0
    notices: int = 0
    given_up: int = 0
    slowest_s: float = 0.0
    virtual_s: float = 0.0
    states: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    failed: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        self.runs += 1
        self.lives += outcome.hubs
        self.visits += outcome.visits
        self.kills += outcome.kills
        self.notices += outcome.notices
        self.given_up += outcome.given_up
        self.virtual_s += outcome.virtual_s
        self.slowest_s = max(self.slowest_s, outcome.settled_after_s)
        self.states += outcome.states
        self.struck += outcome.struck
        if outcome.violations:
            self.failed.append(outcome)


def replay_command(plan: Plan) -> str:
    """The one command that lives this run again."""
    if plan == draw(plan.seed, hubs=plan.hubs):
        return f"./dev sim --seed {plan.seed}"
    if plan == duplicates.plan(plan.seed):
        return f"./dev sim duplicates --seed {plan.seed}"
    return f"./dev sim --seed {plan.seed} --faults {','.join(plan.faults)}"


def many(plans: Sequence[Plan], *, until: float | None = None) -> Iterator[Outcome]:
    """The outcomes in the order of the plans. `until`: no new plan is begun after that moment of `time.monotonic`."""
    # Fresh interpreters: a fork of a whole test run would have its garbage collector walk all of that run's objects.
    with ProcessPoolExecutor(os.cpu_count() or 1, mp_context=get_context("spawn")) as pool:
        for start in range(0, len(plans), 512):
            if until is not None and time.monotonic() > until:
                return
            yield from pool.map(simulate, plans[start : start + 512], chunksize=_AT_A_TIME)


def pairs(seed: int) -> list[Plan]:
    """Every two kinds of fault, alone with each other."""
    return [only(seed + number, one, other) for number, (one, other) in enumerate(combinations(FAULTS, 2))]


def main(args: Namespace) -> int:
    """0 when no invariant was broken; prints what was, and how to see it again."""
    match args.what:
        case "sieve":
            return _sieve(args.seed)
        case "accepts":
            return _accepts(args.seed, args.runs)
        case _:
            return _lives(args)


def _lives(args: Namespace) -> int:
    names = [name for name in (args.faults or "").split(",") if name]
    if unknown := [name for name in names if name not in FAULTS]:
        print(f"dev: no such fault: {', '.join(unknown)}", file=sys.stderr)
        return 2
    seeds = range(args.seed, args.seed + (10**9 if args.minutes else args.runs))
    began = time.monotonic()
    tally = Tally()
    if args.what != "pairs" and (args.trace or (args.runs == 1 and not args.minutes)):
        for seed in list(seeds)[: args.runs]:
            plan = _plan(args.what, seed, names)
            tally.add(simulate(plan, echo=print if args.trace else None))
    else:
        until = began + args.minutes * 60 if args.minutes else None
        for outcome in _batches(args, names, seeds, until):
            tally.add(outcome)
            if outcome.violations:
                print(_told(outcome, lines=0), flush=True)
    took_s = time.monotonic() - began
    print(summary(tally, took_s))
    for outcome in tally.failed[:3]:
        print(_told(outcome, lines=TOLD))
    return 1 if tally.failed else 0


def _batches(args: Namespace, names: list[str], seeds: range, until: float | None) -> Iterator[Outcome]:
    if args.what == "pairs":
        yield from many(pairs(args.seed), until=until)
        return
    for start in range(0, len(seeds), 2048):
        if until is not None and time.monotonic() > until:
            return
        chunk = seeds[start : start + 2048]
        yield from many([_plan(args.what, seed, names) for seed in chunk], until=until)


def _plan(what: str, seed: int, names: list[str]) -> Plan:
    if what == "duplicates":
        return duplicates.plan(seed)
    return only(seed, *names) if names else draw(seed)


def _sieve(seed: int) -> int:
    """R4."""
    began = time.monotonic()
    reference = sieve.reference(seed)
    plans = list(sieve.bent(reference))
    found = [(outcome, sieve.differs(outcome, reference)) for outcome in many(plans)]
    for outcome, why in found:
        if why:
            print(f"{outcome.plan.perturbation}: {why}")
    counts = ", ".join(f"{twist} {count}" for twist, count in reference.occasions.items())
    different = sum(bool(why) for _, why in found)
    print(f"{len(plans)} perturbations of one life ({counts}): {different} end differently")
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if different else 0


def _accepts(seed: int, runs: int) -> int:
    """R6."""
    began, lost, waits = time.monotonic(), 0, list[float]()
    for outcome in many([accepts.plan(number) for number in range(seed, seed + runs)]):
        waits += outcome.begun_after_s
        lost += len(outcome.violations)
        for violation in outcome.violations:
            print(f"seed {outcome.plan.seed}: {violation}")
    waits.sort()
    said = ", ".join(
        f"{name} {accepts.share(waits, part):.1f}" for name, part in (("p50", 0.5), ("p99", 0.99), ("most", 1.0))
    )
    print(f"{len(waits)} accepts, {lost} lost; seconds until a worker has begun: {said} (virtual)")
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if lost or (waits and waits[-1] > accepts.MOST_S) else 0


def summary(tally: Tally, took_s: float) -> str:
    lines = [
        f"{tally.lives} lifecycles in {tally.runs} runs: {len(tally.failed)} runs broke an invariant",
        f"{took_s:.0f} s, {tally.lives / max(took_s, 0.001):.0f} lifecycles a second on {os.cpu_count()} cores; "
        f"{tally.virtual_s / 86400:.0f} days of virtual time",
        f"{tally.visits} messages worked on, {tally.kills} processes died, "
        f"settled at most {tally.slowest_s / 60:.0f} min after the last fault",
        f"{tally.notices} notices, given up {tally.given_up} times for somebody",
        "ends: " + ", ".join(f"{state} {count}" for state, count in sorted(tally.states.items())),
        "calls that went wrong: " + ", ".join(f"{name} {count}" for name, count in sorted(tally.struck.items())),
    ]
    return "\n".join(lines)


def _told(outcome: Outcome, *, lines: int) -> str:
    """The story of the hubs that are accused, then the accusations."""
    accused = {word.strip(",:") for violation in outcome.violations for word in violation.split() if "-" in word}
    about = [line for line in outcome.story if any(name in line for name in accused)] if lines else []
    head = [f"seed {outcome.plan.seed}: {violation}" for violation in outcome.violations]
    return "\n".join([*about[-lines:], *head[:20], f"again: {replay_command(outcome.plan)}"])
