"""The hub's own resource group, tagged; deleted as a whole at the end."""

from dataclasses import replace

from shared.hubs.model import Attempt, StepName
from shared.hubs.tags import tags_for
from shared.hubs.visit import Done, Visit, Wait


class GroupStep:
    name = StepName.GROUP

    async def ensure(self, visit: Visit) -> Done | Wait:
        """One synchronous PUT; the group is usable when it answers. A second PUT with the same tags changes nothing."""
        hub = visit.hub
        if hub.step(self.name).done:
            return Done()
        if not any(attempt.number == hub.attempt for attempt in hub.attempts):
            begun = Attempt(number=hub.attempt, region=hub.spec.region, size=hub.spec.size, started_at=visit.now)
            visit.hub = replace(visit.hub, attempts=(*hub.attempts, begun))
        deployment = await visit.app.identity.get()
        # Saved before Azure is asked, so that a worker that lost the race to a delete makes nothing.
        await visit.checkpoint()
        await visit.app.groups.put(hub.group_name, hub.spec.region, tags_for(hub, deployment))
        return Done()
