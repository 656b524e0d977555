"""The one list of what people can be told of. Pure.

A notice's type is `io.hublet.hub.<kind>.v1`; web hooks choose among the kinds.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

PROGRESS = "progress"
"""Several a minute while a hub is made: only who asks for it hears it."""

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "ready": "The hub was made and tried out.",
        "failed": "The hub could not be made.",
        "started": "A stopped hub runs again.",
        "start-failed": "A stopped hub could not be started.",
        "stopped": "The hub's machine is deallocated.",
        "stopping-soon": "The hub stops within the hour.",
        "ending-soon": "The hub's end date is near.",
        "deleted": "Nothing of the hub is left in Azure.",
        "capacity-changed": "The hub got another size or region than asked for.",
        "budget-nearly-spent": "The owner's hubs have cost 80 % of what they may cost this month.",
        "action-needed": "Something stands in the way that waiting does not move.",
        "stop-stuck": "The hub could not be turned off for hours.",
        "deletion-stuck": "The hub could not be deleted for hours.",
        PROGRESS: "How far a hub is that somebody follows in a chat.",
    }
)
"""Kind -> what it says."""

_TYPE = re.compile(r"io\.hublet\.hub\.([a-z][a-z-]*)\.v[0-9]+")


def kind_of(notice_type: str) -> str:
    """`stopping-soon` for `io.hublet.hub.stopping-soon.v1`; the whole text when it is none of ours."""
    found = _TYPE.fullmatch(notice_type)
    return found[1] if found else notice_type
