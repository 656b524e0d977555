"""The tags that say whose an Azure resource is. Nothing without our deployment id is ever changed or deleted."""

import hashlib
from collections.abc import Mapping

from shared.hubs.model import Hub

HUB = "hublet-hub"
DEPLOYMENT = "hublet-deployment"
OWNER_HASH = "hublet-owner-hash"


def tags_for(hub: Hub, deployment: str) -> dict[str, str]:
    """The owner's own tags, then ours (which win). The owner is a hash: tags are readable by every reader."""
    owner_hash = hashlib.sha256(hub.owner.encode()).hexdigest()[:16]
    return {**hub.spec.tags, HUB: hub.id, DEPLOYMENT: deployment, OWNER_HASH: owner_hash}


def is_ours(tags: Mapping[str, str], hub: Hub, deployment: str) -> bool:
    """Whether a resource with these tags belongs to this hub of this deployment. Tag names ignore case in Azure."""
    lowered = {key.lower(): value for key, value in tags.items()}
    return lowered.get(HUB) == hub.id and lowered.get(DEPLOYMENT) == deployment
