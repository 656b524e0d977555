"""What reading and writing have in common for every tracked resource type."""

import re
from collections.abc import Callable
from datetime import timedelta

from localdev.azuresim.catalogue import REGIONS
from localdev.azuresim.clock import scaled
from localdev.azuresim.envelope import ArmError, Json, Response, gateway_error
from localdev.azuresim.names import problem_with_tags
from localdev.azuresim.paging import by_age
from localdev.azuresim.resources import errors
from localdev.azuresim.routing import Call
from localdev.azuresim.services import Services
from localdev.azuresim.store import Resource

#: For this long ARM's cache still knows a deleted resource and lets the provider say that it is gone.
_PROVIDER_ANSWERS_S = 3.0


def tags_of(body: Json) -> dict[str, str] | None:
    """``tags`` of a body.

    Raises:
        ArmError: 400 when ARM would refuse them.
    """
    tags = body.get("tags")
    if tags is None:
        return None
    if not isinstance(tags, dict):
        raise errors.bad_content("tags must be an object")
    problem = problem_with_tags(tags)
    if problem:
        raise errors.bad_tags(problem)
    return dict(tags)


class Tracked[R: Resource]:
    """GET, lists and the checks before a PUT, for one type."""

    def __init__(
        self,
        services: Services,
        kind: type[R],
        *,
        name_rule: re.Pattern[str],
        provider_not_found: Callable[[str], ArmError],
    ) -> None:
        self.services = services
        self.kind = kind
        self._name_rule = name_rule
        self._provider_not_found = provider_not_found

    # reading

    def get(self, call: Call) -> Response:
        """The resource, or 404 in ARM's or, just after a delete, in the provider's words."""
        resource = self.require(call)
        seen = self._seen(resource, call)
        if seen is None:
            raise self._not_found(call)
        return self.answer(seen)

    def list_in_group(self, call: Call) -> Response:
        """All of this type in a group."""
        return self._list(call, call.params["group"])

    def list_all(self, call: Call) -> Response:
        """All of this type in the subscription."""
        return self._list(call, None)

    def _list(self, call: Call, group: str | None) -> Response:
        found = self.services.page(call, self.services.store.every(self.kind, group), by_age)
        seen = (self._seen(resource, call) for resource in found.items)
        return Response(200, found.body(body for body in seen if body is not None))

    def _seen(self, resource: R, call: Call) -> Json | None:
        return self.services.store.look(resource, call.now, self.services.settings.stale_reads_s)

    def answer(self, body: Json, status: int = 200) -> Response:
        """The resource as the body of an answer, with its ETag in a header where the type has one."""
        etag = body.get("etag")
        return Response(status, body, {"ETag": etag} if status == 200 and isinstance(etag, str) else {})

    def find(self, call: Call) -> R | None:
        return self.services.store.named(self.kind, call.params["group"], call.params["name"])

    def require(self, call: Call) -> R:
        """The resource of the path.

        Raises:
            ArmError: 404.
        """
        resource = self.find(call)
        if resource is None:
            raise self._not_found(call)
        return resource

    def _not_found(self, call: Call) -> ArmError:
        store = self.services.store
        resource_id = store.resource_id(call.params["group"], self.kind, call.params["name"])
        gone = store.gone_since(resource_id)
        window: timedelta = scaled(self.services.clock, _PROVIDER_ANSWERS_S)
        if gone is not None and call.now - gone < window:
            return self._provider_not_found(resource_id)
        return errors.resource_not_found(self.kind.TYPE, call.params["name"], call.params["group"])

    # writing

    def check_put(self, call: Call) -> tuple[R | None, str]:
        """What is common to every PUT; returns what is there already and the location.

        Raises:
            ArmError: bad name, unknown location, another location than before, bad tags, a precondition not met.
        """
        name = call.params["name"]
        if not self._name_rule.fullmatch(name):
            raise errors.bad_resource_name(name, self.kind.TYPE)
        location = call.location()
        if location not in REGIONS:
            raise errors.location_not_available(location, self.kind.TYPE)
        existing = self.find(call)
        self.check_conditions(call, existing)
        if existing is not None and existing.location != location:
            raise errors.location_conflict(name, existing.location, location, call.params["group"])
        tags_of(call.body)
        return existing, location

    def check_conditions(self, call: Call, existing: R | None) -> None:
        """``If-None-Match: *`` and ``If-Match``.

        Raises:
            ArmError: 412.
        """
        if call.header("if-none-match") == "*" and existing is not None:
            raise gateway_error(
                412, "PreconditionFailed", f"The resource '{existing.name}' exists already (If-None-Match: *)."
            )
        wanted = call.header("if-match")
        if wanted is None or wanted == "*":
            return
        etag = None if existing is None else existing.render(self.services.store).get("etag")
        if etag != wanted:
            raise gateway_error(412, "PreconditionFailed", f"The ETag '{wanted}' is not the current one.")

    def new_id(self, call: Call) -> str:
        return self.services.store.resource_id(call.params["group"], self.kind, call.params["name"])

    def group_name(self, call: Call) -> str:
        """The group in the spelling it was created with."""
        group = self.services.store.group(call.params["group"])
        return group.name if group else call.params["group"]
