"""Security group, then a network of the hub's own with one subnet tied to that group."""

from shared.hubs.long_operation import run_long
from shared.hubs.model import StepName
from shared.hubs.ports import VnetPlan
from shared.hubs.tags import tags_for
from shared.hubs.visit import Done, Visit, Wait
from shared.steps.nsg import NSG_NAME, control_plane_region, ensure_rules, rules_for

VNET_NAME = "hublet-vnet"
SUBNET_NAME = "hub"
_ADDRESS_SPACE = "10.0.0.0/24"
_VNET_SECONDS = 5.0
"""A VNet with an inline subnet takes about this long (public deployment logs)."""


class NetworkStep:
    name = StepName.NETWORK

    async def ensure(self, visit: Visit) -> Done | Wait:
        """Two long operations one after the other: the subnet refers to the group, so the group comes first."""
        if visit.hub.step(self.name).done:
            return Done()
        settings = visit.app.settings
        if not settings.egress_cidrs:
            visit.condition(
                "EgressNotPinned",
                "This service has no fixed outgoing address, so port 22 is open to all of Azure in "
                f"{control_plane_region(visit.hub, settings)} while the hub is installed "
                "(the host key is pinned all the same).",
            )
        outcome = await ensure_rules(visit, self.name, rules_for(visit.hub, settings, "install"))
        if isinstance(outcome, Wait):
            return outcome
        hub = visit.hub
        plan = VnetPlan(
            group=hub.group_name,
            name=VNET_NAME,
            region=hub.region,
            tags=tags_for(hub, await visit.app.identity.get()),
            address_prefix=_ADDRESS_SPACE,
            subnet=SUBNET_NAME,
            subnet_prefix=_ADDRESS_SPACE,
            nsg_name=NSG_NAME,
        )
        return await run_long(visit, "vnet", lambda: visit.app.network.begin_vnet(plan), first_look_s=_VNET_SECONDS)
