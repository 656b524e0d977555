"""The hub's own resource group, tagged; deleted as a whole at the end."""

from datetime import timedelta

from shared.errors import RetryableError
from shared.hubs.goals import attempts_ended
from shared.hubs.model import Reason, StepName
from shared.hubs.placing import begin_attempt
from shared.hubs.removal import next_attempt
from shared.hubs.tags import tags_for
from shared.hubs.visit import Done, Visit, Wait

NAME_BLOCKED = timedelta(minutes=9)
"""A group that is being deleted blocks its name for up to 8 minutes (skypilot's Azure provisioner waits 480 s). What
takes longer is left behind: the next attempt has a name of its own, and the hub's deletion looks after all of them."""

MOST_ATTEMPTS = 3


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
        try:
            await visit.app.groups.put(hub.group_name, hub.region, tags_for(hub, deployment))
        except RetryableError as error:
            if not self._name_is_blocked(visit, error):
                raise
            self._leave(visit, error)
            return Wait(0.0, "another name is tried")
        return Done()

    def _name_is_blocked(self, visit: Visit, error: RetryableError) -> bool:
        began = visit.hub.step(self.name).started_at or visit.now
        blocked = error.code == "ResourceGroupBeingDeleted" and visit.now - began >= NAME_BLOCKED
        return blocked and visit.hub.attempt < MOST_ATTEMPTS

    def _leave(self, visit: Visit, error: RetryableError) -> None:
        """Nothing of this attempt was ever made, so nothing has to be seen gone first."""
        number, cause = visit.hub.attempt, Reason(code=error.code, message=error.message, fix=error.fix)
        visit.update(attempts=attempts_ended(visit.hub, visit.now, "failed", cause))
        visit.tell("attempt", f"The name of attempt {number} stays blocked; attempt {number + 1} begins.", cause=cause)
        next_attempt(visit)
