"""Opens the web ports. The admin account is owned already (its hash was seeded), so there is no race to win."""

from shared.hubs.model import StepName
from shared.hubs.visit import Done, Visit, Wait
from shared.steps.nsg import ensure_rules, rules_for


class ExposeStep:
    name = StepName.EXPOSE

    async def ensure(self, visit: Visit) -> Done | Wait:
        """One NSG update; the same again = no request."""
        return await ensure_rules(visit, self.name, rules_for(visit.hub, visit.app.settings, "exposed"))
