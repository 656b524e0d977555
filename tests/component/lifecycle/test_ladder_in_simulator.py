"""The ladder against the simulated Azure: real domain, adapters and unmodified SDKs over its handlers, in virtual time.
Here the codes, texts and envelopes of Azure's refusals decide, not those of a fake."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from localdev.azuresim.compute.models import VirtualMachine
from localdev.bench.model.life import Begun, Model
from shared.hubs.model import HttpsMode
from shared.hubs.states import HubState

SEED = 5
ASKED = "Standard_D2s_v3"


async def a_create(*full: str, quotas: Mapping[str, int] = MappingProxyType({})) -> Begun:
    begun = await Model().begin(SEED, https=HttpsMode.NONE)
    settings = begun.azure.simulator.services.settings
    settings.out_of_capacity |= {place.lower() for place in full}
    settings.quotas |= quotas
    await begun.host.run(lambda: begun.hub.state in (HubState.READY, HubState.FAILED))
    return begun


def the_machine(begun: Begun) -> VirtualMachine:
    store = begun.azure.simulator.services.store
    (vm,) = store.every(VirtualMachine)
    assert len(store.groups()) == 1
    return vm


def tries(begun: Begun) -> list[tuple[int, str, str | None, str]]:
    return [
        (one.number, one.size, one.zone, one.reason.code if one.reason else one.outcome) for one in begun.hub.attempts
    ]


async def test_a_family_without_quota_is_left_at_once_for_a_sibling():
    begun = await a_create(quotas={"standardDSv3Family": 1})
    assert begun.hub.state is HubState.READY, begun.hub.reason
    first, second = tries(begun)
    assert first == (1, ASKED, None, "QuotaExceeded")
    assert second[0] == 1
    assert second[1] != ASKED
    assert the_machine(begun).size == begun.hub.size == second[1]
    refused, made = begun.hub.attempts
    assert made.started_at - refused.started_at < timedelta(seconds=30)


async def test_the_regions_cores_end_a_create_within_half_a_minute_with_azures_own_words():
    begun = await a_create(quotas={"eastus/cores": 1})
    assert begun.hub.state is HubState.FAILED
    assert begun.hub.reason is not None
    assert begun.hub.reason.code == "RegionalQuotaExceeded"
    assert "Total Regional Cores quota" in begun.hub.reason.message
    assert len(begun.hub.attempts) == 1
    assert begun.hub.failed_at is not None
    assert begun.hub.failed_at - begun.hub.created_at < timedelta(seconds=30)


async def test_a_zone_with_room_is_found_after_a_failed_machine_was_cleared_away():
    begun = await a_create(f"eastus/{ASKED}/none", f"eastus/{ASKED}/1")
    assert begun.hub.state is HubState.READY, begun.hub.reason
    assert tries(begun) == [
        (1, ASKED, None, "AllocationFailed"),
        (2, ASKED, "1", "ZonalAllocationFailed"),
        (3, ASKED, "2", "ready"),
    ]
    assert the_machine(begun).zones == ("2",)


async def test_without_a_public_address_left_there_is_nothing_more_to_try_in_the_region():
    begun = await a_create(quotas={"PublicIPAddresses": 0})
    assert begun.hub.state is HubState.FAILED
    assert tries(begun) == [(1, ASKED, None, "PublicIPCountLimitReached")]
