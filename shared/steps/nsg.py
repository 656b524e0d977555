"""The hub's network security group: which rules hold in which phase of a hub's life, and how they are put."""

import hashlib
from collections.abc import Mapping
from typing import Literal

from shared.hubs.long_operation import run_long
from shared.hubs.model import Hub, StepName
from shared.hubs.ports import InboundRule, NsgPlan
from shared.hubs.tags import tags_for
from shared.hubs.visit import Done, Visit, Wait
from shared.settings import Settings

NSG_NAME = "hublet-nsg"

type Phase = Literal["install", "exposed", "locked", "locked-with-tunnel"]

_TAG_REGIONS: Mapping[str, str] = {
    "brazilsoutheast": "brazilse",
    "chilecentral": "chilec",
    "francecentral": "centralfrance",
    "francesouth": "southfrance",
    "germanynorth": "germanyn",
    "germanywestcentral": "germanywc",
    "norwayeast": "norwaye",
    "norwaywest": "norwayw",
    "switzerlandnorth": "switzerlandn",
    "switzerlandwest": "switzerlandw",
}
"""Regions whose AzureCloud tag is not named as they are.
https://learn.microsoft.com/azure/virtual-network/service-tags-overview ("... don't have regional names formatted
according to the normal schema")"""

_NSG_SECONDS = 3.0
"""An NSG update takes about this long (public deployment logs: 2-4 s)."""


def rules_for(hub: Hub, settings: Settings, phase: Phase) -> tuple[InboundRule, ...]:
    """What is let in. Port 22 never to the world; the web ports not before the acceptance run needs them.

    `install`: 22 for this service and `sshFrom`. `exposed`: the web ports too. `locked`: 22 for `sshFrom` only, or
    closed. `locked-with-tunnel`: 22 stays open to this service, for a key that may do one thing (no TLS on this hub).
    """
    rules: list[InboundRule] = []
    if phase != "locked":
        rules.append(
            InboundRule(name="ssh-hublet", priority=100, sources=control_plane_sources(hub, settings), ports=("22",))
        )
    if hub.spec.ssh_from:
        rules.append(InboundRule(name="ssh-owner", priority=110, sources=hub.spec.ssh_from, ports=("22",)))
    if phase != "install":
        rules.append(InboundRule(name="web", priority=200, sources=("*",), ports=("80", "443")))
    return tuple(rules)


def control_plane_sources(hub: Hub, settings: Settings) -> tuple[str, ...]:
    """Where this service connects from: its pinned addresses, or Azure's own addresses of the region it runs in."""
    region = control_plane_region(hub, settings)
    return settings.egress_cidrs or (f"AzureCloud.{_TAG_REGIONS.get(region, region)}",)


def control_plane_region(hub: Hub, settings: Settings) -> str:
    """Where the service runs, which need not be where the hub is; the hub's region when the setting does not say."""
    return (settings.app_region or hub.region).lower().replace(" ", "")


async def nsg_plan(visit: Visit, rules: tuple[InboundRule, ...]) -> NsgPlan:
    hub = visit.hub
    return NsgPlan(
        group=hub.group_name,
        name=NSG_NAME,
        region=hub.region,
        tags=tags_for(hub, await visit.app.identity.get()),
        rules=rules,
    )


async def ensure_rules(visit: Visit, step: StepName, rules: tuple[InboundRule, ...]) -> Done | Wait:
    """One PUT of the whole group, then looks. The same rules again = Done without a request."""
    digest = hashlib.sha256(repr(rules).encode()).hexdigest()[:16]
    if visit.memory(step).get("rules") == digest:
        return Done()
    plan = await nsg_plan(visit, rules)
    outcome = await run_long(visit, f"nsg-{step}", lambda: visit.app.network.begin_nsg(plan), first_look_s=_NSG_SECONDS)
    if isinstance(outcome, Done):
        visit.remember(step, rules=digest)
    return outcome
