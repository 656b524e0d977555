"""What a burial does to its owner's quota row. Pure."""

from dataclasses import replace

from shared.hubs.model import Hub
from shared.hubs.ports import Quota

MONTHS_KEPT = 3
"""Calendar months (UTC) of what hubs that are gone have cost: this one is needed, two more are for people."""


def without(quota: Quota, hub: Hub) -> Quota:
    """The quota without this hub, and with what it cost by month. The meter was settled by the caller.

    Its transaction deletes the hub's row too, so no hub is added twice. A quota that names another hub of that name
    (or none) keeps it.
    """
    left = {name: hub_id for name, hub_id in quota.hubs.items() if (name, hub_id) != (hub.name, hub.id)}
    spent = dict(quota.spent)
    for month, cost in hub.meter.months.items():
        if cost.total:
            spent[month] = spent.get(month, 0.0) + cost.total
    kept = sorted(spent)[-MONTHS_KEPT:]
    return replace(quota, hubs=left, spent={month: spent[month] for month in kept})
