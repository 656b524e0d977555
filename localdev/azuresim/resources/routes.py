"""Microsoft.Resources on the wire."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from localdev.azuresim.catalogue import REGIONS
from localdev.azuresim.envelope import ArmError, Json, Response, gateway_error
from localdev.azuresim.filters import BadFilter, parse_filter
from localdev.azuresim.identifiers import new_guid
from localdev.azuresim.names import GROUP_NAME
from localdev.azuresim.operations import Dialect
from localdev.azuresim.paging import by_age
from localdev.azuresim.resources import errors, models
from localdev.azuresim.routing import Call, Route
from localdev.azuresim.services import Services
from localdev.azuresim.store import Group, ProvisioningState, Resource
from localdev.azuresim.tracked import tags_of

_SUB = "/subscriptions/{subscription}"


class ResourceGroups:
    """Resource groups and what is in them."""

    def __init__(self, services: Services, tear_down: "GroupTearDown") -> None:
        self._services = services
        self._store = services.store
        self._tear_down = tear_down

    def routes(self) -> Sequence[Route]:
        one = f"{_SUB}/resourceGroups/{{group}}"
        return (
            Route("PUT", one, "ResourceGroups_CreateOrUpdate", self.put),
            Route("GET", one, "ResourceGroups_Get", self.get),
            Route("HEAD", one, "ResourceGroups_CheckExistence", self.head),
            Route("PATCH", one, "ResourceGroups_Update", self.patch),
            Route("DELETE", one, "ResourceGroups_Delete", self.delete),
            Route("GET", f"{_SUB}/resourceGroups", "ResourceGroups_List", self.list),
            Route("GET", f"{one}/resources", "Resources_ListByResourceGroup", self.resources_in_group),
            Route("GET", f"{_SUB}/resources", "Resources_List", self.resources_in_subscription),
            Route("GET", f"{_SUB}/operationresults/{{operation}}", "ResourceGroups_DeleteResult", self.delete_result),
        )

    def put(self, call: Call) -> Response:
        """201 for a new group, 200 for one that is there; done at once, nothing to poll."""
        name = call.params["group"]
        if not GROUP_NAME.fullmatch(name):
            raise errors.bad_group_name(name)
        location = call.location()
        if location not in REGIONS:
            raise errors.location_not_available(location, "resource group")
        tags = tags_of(call.body)
        existing = self._store.group(name)
        if existing is None:
            group = Group(id=self._store.group_id(name), name=name, location=location, tags=tags, created=call.now)
            self._store.add_group(group)
            return Response(201, models.group_body(group))
        if existing.state is ProvisioningState.DELETING:
            raise errors.group_being_deleted(existing.name)
        if existing.location != location:
            raise errors.group_location_conflict(location, existing.location)
        existing.tags = tags
        return Response(200, models.group_body(existing))

    def get(self, call: Call) -> Response:
        return Response(200, models.group_body(self._require(call)))

    def head(self, call: Call) -> Response:
        """204 or 404, both without a body."""
        self._require(call)
        return Response(204)

    def patch(self, call: Call) -> Response:
        group = self._require(call)
        if group.state is ProvisioningState.DELETING:
            raise errors.group_being_deleted(group.name)
        tags = tags_of(call.body)
        if tags is not None:
            group.tags = tags
        return Response(200, models.group_body(group))

    def list(self, call: Call) -> Response:
        groups = (group for group in self._store.groups() if _tagged(call, group.tags))
        found = self._services.page(call, groups, lambda group: group.name.lower())
        return Response(200, found.body(models.group_body(group) for group in found.items))

    def delete(self, call: Call) -> Response:
        """202 with ``Location`` only.  Deleting a group that is being deleted joins the work under way."""
        group = self._require(call)
        group.state = ProvisioningState.DELETING

        async def finish(moment: datetime) -> None:
            if self._store.group(group.name) is group:
                await self._tear_down.everything(group, moment)

        async def fail(moment: datetime, error: ArmError) -> None:
            group.state = ProvisioningState.SUCCEEDED

        operation = self._services.begin(
            call,
            Dialect.GROUP,
            location=group.location,
            finish=finish,
            fail=fail,
            facts={"group": group.name, "location": group.location},
            hurry=0.5 if call.query.get("forcedeletiontypes") else 1.0,
        )
        if operation.doomed is not None:
            operation.doomed = self._blocked(group, operation.doomed)
        headers = {"Location": self._services.operations.status_url(operation)}
        return Response(202, None, headers | self._services.operations.retry_after(15))

    def _blocked(self, group: Group, cause: ArmError) -> ArmError:
        held = [(resource.id, cause.message) for resource in self._store.everything(group.name)]
        tracking = new_guid(self._services.rng)
        blocked = errors.deletion_blocked(group.name, cause.message, held, tracking)
        if cause.code != "InternalServerError":
            blocked.code = cause.code
        return blocked

    def delete_result(self, call: Call) -> Response:
        operation = self._services.operations.find(call.params["operation"])
        if operation is None:
            raise ArmError(404, "OperationNotFound", f"The operation '{call.params['operation']}' was not found.")
        return self._services.operations.group_result(operation)

    def resources_in_group(self, call: Call) -> Response:
        return self._resources(call, call.params["group"])

    def resources_in_subscription(self, call: Call) -> Response:
        return self._resources(call, None)

    def _resources(self, call: Call, group: str | None) -> Response:
        expand = call.query.get("$expand", "").split(",")
        by_tag = "tagname" in _terms(call)
        wanted: list[tuple[Resource, Json]] = []
        for resource in self._store.everything(group):
            seen = self._store.look(resource, call.now, self._services.settings.stale_reads_s)
            if seen is not None and _tagged(call, seen.get("tags"), resource):
                wanted.append((resource, seen))
        found = self._services.page(call, wanted, lambda row: by_age(row[0]))
        return Response(200, found.body(models.brief(*row, expand=expand, with_tags=not by_tag) for row in found.items))

    def _require(self, call: Call) -> Group:
        group = self._store.group(call.params["group"])
        if group is None:
            raise errors.group_not_found(call.params["group"])
        return group


class GroupTearDown:
    """Removes all that is in a group; providers put in what their types need."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def everything(self, group: Group, moment: datetime) -> None:
        """Remove the group and its resources, and stop the virtual machines among them."""
        store, runtime = self._services.store, self._services.runtime
        for resource in store.everything(group.name):
            self._services.operations.preempt(resource.operation_id)
            await runtime.delete(resource.id)
            store.remove(resource, moment)
        store.remove_group(group.name)


def _terms(call: Call) -> dict[str, str]:
    """``$filter``: fields in lower case and what they must be."""
    text = call.query.get("$filter", "")
    try:
        return {term.field.lower(): term.value for term in parse_filter(text)}
    except BadFilter as bad:
        raise errors.bad_filter(text) from bad


def _tagged(call: Call, tags: Mapping[str, str] | None, resource: Resource | None = None) -> bool:
    wanted = _terms(call)
    known = {"tagname", "tagvalue"} | ({"resourcetype", "location", "name", "resourcegroup"} if resource else set())
    if set(wanted) - known:
        raise errors.bad_filter(call.query.get("$filter", ""))
    if resource is not None:
        facts = {"resourcetype": resource.TYPE, "location": resource.location, "name": resource.name}
        facts["resourcegroup"] = resource.group
        if any(key in wanted and wanted[key].lower() != value.lower() for key, value in facts.items()):
            return False
    if "tagname" not in wanted:
        return True
    # Tag names are case-insensitive, tag values are not.
    found = {name.lower(): value for name, value in (tags or {}).items()}.get(wanted["tagname"].lower())
    return found is not None and ("tagvalue" not in wanted or found == wanted["tagvalue"])


class Directory:
    """Tenants, subscriptions, regions and providers."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._registered: set[str] = set()

    def routes(self) -> Sequence[Route]:
        return (
            Route("GET", "/tenants", "Tenants_List", self.tenants),
            Route("GET", "/subscriptions", "Subscriptions_List", self.subscriptions),
            Route("GET", _SUB, "Subscriptions_Get", self.subscription),
            Route("GET", f"{_SUB}/locations", "Subscriptions_ListLocations", self.locations),
            Route("GET", f"{_SUB}/providers", "Providers_List", self.providers),
            Route("GET", f"{_SUB}/providers/{{namespace}}", "Providers_Get", self.provider),
            Route("POST", f"{_SUB}/providers/{{namespace}}/register", "Providers_Register", self.register),
        )

    def tenants(self, call: Call) -> Response:
        return Response(200, {"value": [models.tenant_body(self._services.tenant_id)]})

    def subscriptions(self, call: Call) -> Response:
        return Response(200, {"value": [self._subscription()], "count": {"type": "Total", "value": 1}})

    def subscription(self, call: Call) -> Response:
        return Response(200, self._subscription())

    def locations(self, call: Call) -> Response:
        return Response(200, {"value": models.location_bodies(self._services.subscription_id)})

    def providers(self, call: Call) -> Response:
        return Response(200, {"value": [self._provider(namespace) for namespace in models.KNOWN_NAMESPACES]})

    def provider(self, call: Call) -> Response:
        return Response(200, self._provider(self._known(call)))

    def register(self, call: Call) -> Response:
        """Registered at once; real providers take up to minutes."""
        namespace = self._known(call)
        self._registered.add(namespace)
        self._services.settings.unregistered.discard(namespace.lower())
        return Response(200, self._provider(namespace))

    def _known(self, call: Call) -> str:
        wanted = call.params["namespace"].lower()
        for namespace in models.KNOWN_NAMESPACES:
            if namespace.lower() == wanted:
                return namespace
        raise gateway_error(
            404, "InvalidResourceNamespace", f"The resource namespace '{call.params['namespace']}' is invalid."
        )

    def _provider(self, namespace: str) -> Json:
        off = namespace.lower() in self._services.settings.unregistered
        registered = not off and (namespace in models.REGISTERED or namespace in self._registered)
        return models.provider_body(self._services.subscription_id, namespace, registered=registered)

    def _subscription(self) -> Json:
        return models.subscription_body(self._services.subscription_id, self._services.tenant_id)
