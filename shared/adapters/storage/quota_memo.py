"""Quota rows this process saw last. A stale one is harmless: it is only ever written on its ETag, and then refused."""

from collections import OrderedDict

from shared.hubs.ports import Quota

KEPT = 1024


class QuotaMemo:
    """The newest `KEPT` owners. Rows that do not exist yet are not kept."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Quota] = OrderedDict()

    def get(self, owner: str) -> Quota | None:
        return self._known.get(owner)

    def put(self, quota: Quota) -> None:
        if quota.etag is None:
            return
        self._known[quota.owner] = quota
        self._known.move_to_end(quota.owner)
        while len(self._known) > KEPT:
            self._known.popitem(last=False)

    def forget(self, owner: str) -> None:
        self._known.pop(owner, None)
