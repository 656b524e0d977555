"""Prices this process has seen lately, so that accepting a hub can show one without asking anybody."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.hubs.model import HubSpec, Price

KEEP = timedelta(hours=24)
MAX_ENTRIES = 500


@dataclass(slots=True)
class PriceMemo:
    """Filled by estimates, read by accept. Retail prices change about once a month."""

    _seen: dict[tuple[str, str, int, bool], "tuple[Price, datetime]"] = field(default_factory=dict)

    def put(self, spec: "HubSpec", price: "Price", now: datetime) -> None:
        if len(self._seen) >= MAX_ENTRIES:
            self._seen.clear()
        self._seen[_key(spec)] = (price, now)

    def get(self, spec: "HubSpec", now: datetime) -> "Price | None":
        found = self._seen.get(_key(spec))
        return found[0] if found and now - found[1] <= KEEP else None


def _key(spec: "HubSpec") -> tuple[str, str, int, bool]:
    return spec.region, spec.size, spec.os_disk_gib, spec.spot
