"""How large a VM must be for so many people, and what the known VM sizes are. Pure, no catalogue is asked.

The formula is TLJH's own (https://tljh.jupyter.org/en/latest/howto/admin/resource-estimation.html): memory = people at
work at once x memory for each + 128 MB for TLJH, and at least 1 GB; at work at once are 40 to 60 % of a class. We take
60 %: a hub that is too small fails in the middle of a lesson.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

AT_ONCE = 0.6
OVERHEAD_GIB = 0.128
MINIMUM_GIB = 1.0
DEFAULT_GIB_PER_PERSON = 1.0


@dataclass(frozen=True, slots=True)
class Shape:
    vcpus: int
    memory_gib: float


def _family(template: str, gib_per_vcpu: int, vcpus: Iterable[int]) -> dict[str, Shape]:
    return {template.format(n): Shape(n, n * gib_per_vcpu) for n in vcpus}


_GENERAL, _MEMORY = (2, 4, 8, 16, 32), (2, 4, 8, 16)

KNOWN_SIZES: Mapping[str, Shape] = MappingProxyType(
    {
        # https://learn.microsoft.com/azure/virtual-machines/sizes/overview, one page per series
        "Standard_B2s": Shape(2, 4),
        **_family("Standard_B{}ms", 4, (2, 4, 8)),
        **_family("Standard_D{}s_v3", 4, _GENERAL),
        **_family("Standard_D{}s_v4", 4, _GENERAL),
        **_family("Standard_D{}s_v5", 4, _GENERAL),
        **_family("Standard_D{}ds_v5", 4, _GENERAL),
        **_family("Standard_D{}as_v4", 4, _GENERAL),
        **_family("Standard_D{}as_v5", 4, _GENERAL),
        **_family("Standard_D{}ads_v5", 4, _GENERAL),
        **_family("Standard_E{}s_v3", 8, _MEMORY),
        **_family("Standard_E{}s_v4", 8, _MEMORY),
        **_family("Standard_E{}s_v5", 8, _MEMORY),
        **_family("Standard_E{}as_v5", 8, _MEMORY),
        **_family("Standard_F{}s_v2", 2, _GENERAL),
    }
)


@dataclass(frozen=True, slots=True)
class Rejected:
    size: str
    why: str


@dataclass(frozen=True, slots=True)
class Choice:
    """`size` None = none fits; `rejected` says why each of the others was not taken, in the order looked at."""

    size: str | None
    needed_gib: float
    rejected: tuple[Rejected, ...]


def shape_of(size: str) -> Shape | None:
    """Sizes are compared as Azure does: without regard to case."""
    return KNOWN_SIZES.get(size) or _LOWERED.get(size.lower())


_LOWERED = {name.lower(): shape for name, shape in KNOWN_SIZES.items()}


def needed_gib(people: int, gib_per_person: float) -> float:
    """Memory for a class of `people`, GiB."""
    at_once = max(1, math.ceil(people * AT_ONCE))
    return max(MINIMUM_GIB, at_once * gib_per_person + OVERHEAD_GIB)


def people_fit(memory_gib: float, gib_per_person: float) -> int:
    """The largest class a machine fits: the inverse of `needed_gib`."""
    if memory_gib < MINIMUM_GIB:
        return 0
    at_once = math.floor((memory_gib - OVERHEAD_GIB) / gib_per_person + 1e-9)
    return math.floor(at_once / AT_ONCE + 1e-9)


def choose(allowed: Iterable[str], people: int, gib_per_person: float, *, preferred: str) -> Choice:
    """The smallest allowed size (memory, then vCPU) that fits; among equals the preferred one, then as listed."""
    needed = needed_gib(people, gib_per_person)
    known, rejected = [], []
    for place, name in enumerate(allowed):
        shape = shape_of(name)
        if shape is None:
            rejected.append(Rejected(name, "Its memory is not known to this service; ask for it by `size`."))
        else:
            known.append((shape.memory_gib, shape.vcpus, name != preferred, place, name))
    chosen: str | None = None
    for memory, _, _, _, name in sorted(known):
        if memory < needed:
            rejected.append(Rejected(name, f"{memory:g} GiB are less than the {needed:g} GiB needed."))
        elif chosen is None:
            chosen = name
        else:
            rejected.append(Rejected(name, f"{chosen} is smaller, or preferred, and fits as well."))
    return Choice(chosen, needed, tuple(rejected))
