"""What an owner's hubs may cost in a month."""

from typing import TYPE_CHECKING

from shared.errors import UserError
from shared.hubs import cost
from shared.hubs.ports import Quota

if TYPE_CHECKING:
    from shared.app import App


async def spent(app: "App", owner: str, quota: Quota | None = None) -> float:
    """US dollars of the present calendar month (UTC), hubs that are gone included. One partition query, and a read."""
    if quota is None:
        quota, _ = await app.hubs.admission(owner, None, fresh=True)
    return cost.owner_month(await app.hubs.list(owner), quota.spent, app.clock.now())


async def refusal(app: "App", owner: str) -> UserError | None:
    """Why nothing more may be started this month, or None. Asks nobody when there is no limit."""
    limit = app.settings.monthly_budget
    if not limit:
        return None
    so_far = await spent(app, owner)
    if cost.budget_state(so_far, limit) is not cost.BudgetState.OVER:
        return None
    return UserError(
        "BudgetExceeded",
        f"Your hubs have cost ${so_far:.2f} this month, and may cost ${limit:.2f}.",
        fix="Wait for the next month (UTC), or ask whoever runs this service for more.",
    )
