"""What stands outside of a process: all the fakes of a World remember, taken down and put back.

A process that dies loses what it had in its memory and nothing else. So "the process dies here" is the same as: a new
process begins with the outside as it is at this moment. That is what a sweep does: it takes the outside down at every
moment of one life, and lives on from each of these, without an exception that some code could catch.

Taking it down costs some fifty microseconds, because nearly everything the fakes hold is frozen and is shared; only
containers and the few records that change are copied.
"""

import dataclasses
import enum
import itertools
import types
from collections import deque
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

from tests.support.world import World

type State = tuple[dict[str, Any], ...]
"""The memory of every fake. Two of them that are equal have the same future."""

_PLAIN = (str, bytes, int, float, complex, bool, type(None), datetime, date, timedelta, tzinfo, enum.Enum, type)
_FUNCTIONS = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, BaseException, tuple, frozenset)


class Unkept(list[Any]):
    """What a fake notes for tests alone, and no answer ever depends on: kept for nobody, so that a read that only adds
    a line here counts as what it is, no change."""

    def append(self, item: Any, /) -> None:
        pass


@dataclasses.dataclass(slots=True)
class Numbers:
    """`itertools.count` that can be taken down and put back."""

    coming: int = 1

    def __next__(self) -> int:
        number, self.coming = self.coming, self.coming + 1
        return number


class Outside:
    """The memory of a world's fakes, and of `more` objects that belong to it (who asks for what, the timers)."""

    def __init__(self, world: World, *more: object) -> None:
        storage = world.storage
        parts = (getattr(storage, one.name) for one in dataclasses.fields(storage) if one.name != "tape")
        self._roots: tuple[Any, ...] = (
            *(world.clock, world.cloud, world.on_vm, world.hub_http, world.people, world.told, world.app.entropy),
            *(world.app.keys, world.gate_row, *parts, *world.timers, *more),
        )
        self._atoms = {*(type(root) for root in self._roots), type(storage.tape)}
        self._copy: dict[type, Callable[[Any], Any] | None] = {}
        for fake, names in (
            (storage.tape, ("writes",)),
            (storage.queue, ("sent",)),
            (storage.notices, ("sent",)),
            (world.cloud, ("reads",)),
            (world.on_vm, ("calls", "probes")),
            (world.hub_http, ("calls",)),
            (world.people, ("asked",)),
        ):
            for name in names:
                assert isinstance(getattr(fake, name), list), name
                setattr(fake, name, Unkept())
        self._not_kept = {"examined", "requests"}  # what a tick and a gate cost, for tests alone
        for root in self._roots:
            for name, value in vars(root).items():
                if isinstance(value, itertools.count):
                    setattr(root, name, Numbers(next(value)))
        self._last: State = tuple({} for _ in self._roots)

    def settle(self) -> None:
        """Lets happen what is due by now. The fakes do it at the next look; done before, a look changes nothing."""
        cloud, on_vm = self._roots[1], self._roots[2]
        cloud.settle()
        for machine in on_vm.machines.values():
            machine.settle()
            _ = machine.attempt

    def taken(self) -> State:
        """Fakes that did not change since the last time share what was taken then: thousands of states fit in memory,
        and comparing them is quick."""
        present = (self._fields(vars(root)) for root in self._roots)
        self._last = tuple(
            known if known == fields else fields for known, fields in zip(self._last, present, strict=True)
        )
        return self._last

    def put_back(self, state: State) -> None:
        """The state may be put back as often as one likes."""
        self._last = state
        for root, fields in zip(self._roots, state, strict=True):
            vars(root).update(self._fields(fields))

    # ---- copies
    def _fields(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {name: self._copied(value) for name, value in fields.items() if name not in self._not_kept}

    def _copied(self, value: Any) -> Any:
        kind = type(value)
        try:
            copy = self._copy[kind]
        except KeyError:
            copy = self._copy[kind] = self._way_for(kind)
        return value if copy is None else copy(value)

    def _way_for(self, kind: type) -> Callable[[Any], Any] | None:
        """How values of this type are copied; None = they never change."""
        if kind in self._atoms or issubclass(kind, (*_PLAIN, *_FUNCTIONS, Unkept)):
            return None
        if issubclass(kind, dict):
            return self._copied_dict
        if issubclass(kind, (list, set, deque)):
            return self._copied_items
        if dataclasses.is_dataclass(kind):
            if kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
                return None
            names = [one.name for one in dataclasses.fields(kind)]
            return lambda value: self._copied_record(value, names)
        raise TypeError(f"the sweep does not know how to copy a {kind.__name__}")

    def _copied_dict(self, value: dict[Any, Any]) -> dict[Any, Any]:
        new = value.copy()  # of the same kind, a defaultdict too
        if self._changes(value.values()):
            for key, item in value.items():
                new[key] = self._copied(item)
        return new

    def _copied_items(self, value: Any) -> Any:
        return type(value)(self._copied(item) for item in value) if self._changes(value) else value.copy()

    def _changes(self, items: Iterable[Any]) -> bool:
        """Whether items of this container change. They are all of one kind in a fake."""
        for item in items:
            kind = type(item)
            if kind not in self._copy:
                self._copy[kind] = self._way_for(kind)
            return self._copy[kind] is not None
        return False

    def _copied_record(self, value: Any, names: list[str]) -> Any:
        new = object.__new__(type(value))
        for name in names:
            setattr(new, name, self._copied(getattr(value, name)))
        return new


class CountedEntropy:
    """An `Entropy` whose memory is one number, so that a life depends on nothing but the outside."""

    def __init__(self) -> None:
        self.drawn = 0

    def _draw(self) -> int:
        self.drawn += 1
        return self.drawn * 0x9E3779B97F4A7C15 % (1 << 64)

    def hub_suffix(self) -> str:
        alphabet, number = "abcdefghijklmnopqrstuvwxyz234567", self._draw()
        return "".join(alphabet[number >> 5 * place & 31] for place in range(6))

    def secret(self, bits: int = 256) -> str:
        return f"{self._draw():0{bits // 4}x}"

    def jitter(self) -> float:
        return self._draw() / (1 << 64)
