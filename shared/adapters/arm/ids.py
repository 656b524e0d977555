"""ARM resource ids: made from parts, taken apart without regard to case.

The same id comes back as `resourceGroups` or `resourcegroups`, and with the group's name in upper case from some lists
(recorded answers of Azure/azure-sdk-for-python), so ids are never compared as they are.
"""

import re
from dataclasses import dataclass

from shared.errors import FatalError

_ID = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)"
    r"/providers/(?P<type>[^/]+/[^/]+)/(?P<name>[^/]+)/?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ResourceId:
    """A top-level resource in a group; `type` like `Microsoft.Network/networkInterfaces`."""

    subscription: str
    group: str
    type: str
    name: str

    def __str__(self) -> str:
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}/providers/{self.type}/{self.name}"


def parse_id(text: str, wanted_type: str) -> ResourceId:
    """Takes an id apart. Raises FatalError when it is not the id of a `wanted_type`."""
    match = _ID.fullmatch(text)
    if match is None or match["type"].lower() != wanted_type.lower():
        raise FatalError("UnexpectedResourceId", f"Azure named something that is not a {wanted_type}.")
    return ResourceId(match["subscription"], match["group"], match["type"], match["name"])
