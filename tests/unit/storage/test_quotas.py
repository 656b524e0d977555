"""What a burial does to the quota."""

from dataclasses import replace

from shared.adapters.storage.quotas import without
from shared.hubs.meter import Meter, Spent
from shared.hubs.ports import Quota
from tests.support.builders import HUB_ID, HUB_NAME, OWNER, a_hub

BOTH = Quota(owner=OWNER, hubs={HUB_NAME: HUB_ID, "music": "music-ab2cd3"}, etag="e")


def billed(**months: float) -> Meter:
    return Meter(months={month.replace("m", "").replace("_", "-"): Spent(vm=cost) for month, cost in months.items()})


def test_a_buried_hub_leaves_and_the_others_stay():
    assert without(BOTH, a_hub()) == replace(BOTH, hubs={"music": "music-ab2cd3"})


def test_another_hub_of_that_name_stays():
    assert without(BOTH, a_hub(id="physics-zzzzzz")) == BOTH


def test_its_cost_is_added_by_month():
    before = replace(BOTH, spent={"2026-02": 1.0})
    after = without(before, a_hub(meter=billed(m2026_02=0.5, m2026_03=0.25)))
    assert after.spent == {"2026-02": 1.5, "2026-03": 0.25}


def test_only_the_newest_three_months_are_kept():
    before = replace(BOTH, spent={"2025-11": 1.0, "2025-12": 2.0})
    after = without(before, a_hub(meter=billed(m2025_06=9.0, m2026_01=3.0, m2026_02=4.0)))
    assert after.spent == {"2025-12": 2.0, "2026-01": 3.0, "2026-02": 4.0}


def test_a_month_that_cost_nothing_is_not_kept():
    assert without(BOTH, a_hub(meter=billed(m2026_03=0.0))).spent == {}
