"""The hub's own resource group, tagged; deleted as a whole at the end."""

from shared.hubs.model import StepName
from shared.hubs.placing import begin_attempt
from shared.hubs.tags import tags_for
from shared.hubs.visit import Done, Visit, Wait


class GroupStep:
    name = StepName.GROUP

    async def ensure(self, visit: Visit) -> Done | Wait:
        """One synchronous PUT; the group is usable when it answers. A second PUT with the same tags changes nothing."""
        if visit.hub.step(self.name).done:
            return Done()
        await begin_attempt(visit)
        deployment = await visit.app.identity.get()
        # Saved before Azure is asked, so that a worker that lost the race to a delete makes nothing.
        await visit.checkpoint()
        hub = visit.hub
        await visit.app.groups.put(hub.group_name, hub.region, tags_for(hub, deployment))
        return Done()
