"""Resource groups, and finding everything that carries one of our tags.

Shapes: https://learn.microsoft.com/rest/api/resources/resource-groups and .../resources/list (2025-04-01).
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shared.adapters.arm.errors import says_absent, translated
from shared.adapters.arm.operations import begun, one_look_polling
from shared.hubs.ports import Begun, GroupView, ResourceRef

if TYPE_CHECKING:
    from shared.adapters.arm.client import ArmClients

_GROUP_TYPE = "Microsoft.Resources/resourceGroups"


class ArmResourceGroups:
    """`ResourceGroups` over azure-mgmt-resource."""

    def __init__(self, arm: "ArmClients") -> None:
        self._arm = arm

    async def put(self, name: str, region: str, tags: Mapping[str, str]) -> None:
        """Answered at once, nothing to poll. Again with the same content = nothing changes; other tags replace all."""
        body: Any = {"location": region, "tags": dict(tags)}
        with translated():
            await self._arm.resources().resource_groups.create_or_update(name, body)

    async def get(self, name: str) -> GroupView | None:
        from azure.core.exceptions import HttpResponseError

        with translated():
            try:
                group = (await self._arm.resources().resource_groups.get(name)).as_dict()
            except HttpResponseError as error:
                if says_absent(error):
                    return None
                raise
        state = str(group.get("properties", {}).get("provisioningState", ""))
        return GroupView(
            name=group["name"],
            region=group["location"],
            tags=dict(group.get("tags") or {}),
            deleting=state.lower() in {"deleting", "deprovisioning"},
        )

    async def begin_delete(self, name: str) -> Begun:
        """Deletes the group and all that is in it. Absent = over. Again while it goes on = joins the running delete."""
        from azure.core.exceptions import HttpResponseError

        polling = one_look_polling()
        with translated():
            try:
                poller = await self._arm.resources().resource_groups.begin_delete(name, polling=polling)
            except HttpResponseError as error:
                if says_absent(error):
                    return Begun(handle=None)
                raise
            return begun("group_delete", [name], poller, polling)

    async def tagged(self, tag: str, value: str) -> Sequence[ResourceRef]:
        """Two lists: groups have their own. Both lag behind deletes, and return other casings than were sent.

        "When you filter by a tag name and value, the tags for each resource are not returned in the results"
        (https://learn.microsoft.com/rest/api/resources/resources/list): what comes without tags was found by them.
        """
        condition = f"tagName eq '{_quote(tag)}' and tagValue eq '{_quote(value)}'"
        resources = self._arm.resources()
        found: list[ResourceRef] = []
        with translated():
            async for group in resources.resource_groups.list(filter=condition):
                found.append(_ref(group.as_dict(), _GROUP_TYPE))
            async for resource in resources.resources.list(filter=condition):
                found.append(_ref(resource.as_dict(), ""))
        return [ref for ref in found if not ref.tags or _has(ref.tags, tag, value)]

    async def within(self, name: str) -> Sequence[ResourceRef]:
        """One list of the group, unfiltered, so tags come with it. A group that is not there has nothing in it."""
        from azure.core.exceptions import HttpResponseError

        with translated():
            try:
                found = self._arm.resources().resources.list_by_resource_group(name)
                return [_ref(resource.as_dict(), "") async for resource in found]
            except HttpResponseError as error:
                if says_absent(error):
                    return []
                raise


def _ref(document: Mapping[str, Any], kind: str) -> ResourceRef:
    return ResourceRef(id=document["id"], type=document.get("type") or kind, tags=dict(document.get("tags") or {}))


def _has(tags: Mapping[str, str], tag: str, value: str) -> bool:
    """ARM compares tag names without regard to case; ours and their values are lower case anyway."""
    return any(key.lower() == tag.lower() and str(text).lower() == value.lower() for key, text in tags.items())


def _quote(text: str) -> str:
    return text.replace("'", "''")
