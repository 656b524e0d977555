"""Writing network resources: the long-running operations of PUT and DELETE, and PATCH of tags, which is synchronous."""

from datetime import datetime
from typing import ClassVar

from localdev.azuresim.envelope import ArmError, Json, Response
from localdev.azuresim.identifiers import new_etag, new_guid
from localdev.azuresim.network import errors
from localdev.azuresim.network.models import NetworkResource, SecurityGroup, find_subnet
from localdev.azuresim.operations import Dialect, Operation
from localdev.azuresim.routing import Call
from localdev.azuresim.store import ProvisioningState
from localdev.azuresim.tracked import Tracked, tags_of


class NetworkType[R: NetworkResource](Tracked[R]):
    """One type of Microsoft.Network."""

    PUT_RETRY_AFTER_S: ClassVar[float | None] = None
    """What the 201 says; recorded: 3 for a VNet, none for most others."""

    def fresh(self) -> tuple[str, str]:
        """An ETag and a resource guid."""
        return new_etag(self.services.rng), new_guid(self.services.rng)

    def check_put(self, call: Call) -> tuple[R | None, str]:
        existing, location = super().check_put(call)
        if existing is not None and existing.state in (ProvisioningState.UPDATING, ProvisioningState.DELETING):
            raise errors.busy(existing.operation_id)
        return existing, location

    def write(self, call: Call, resource: R, *, new: bool) -> Response:
        """Save the resource as ``Updating`` and begin the operation that makes it ``Succeeded``."""
        self.services.store.touch(resource, call.now)
        resource.state = ProvisioningState.UPDATING
        resource.etag = new_etag(self.services.rng)
        self.services.store.save(resource)
        operation = self._begin_write(call, resource)
        body = resource.render(self.services.store)
        headers = self.services.operations.headers(operation, retry_after_s=self.PUT_RETRY_AFTER_S)
        return Response(201 if new else 200, body, headers)

    def _begin_write(self, call: Call, resource: R) -> Operation:
        async def finish(moment: datetime) -> None:
            await self.on_written(resource, moment)
            resource.state = ProvisioningState.SUCCEEDED
            resource.etag = new_etag(self.services.rng)
            self.services.store.save(resource)

        async def fail(moment: datetime, error: ArmError) -> None:
            resource.state = ProvisioningState.FAILED

        operation = self.services.begin(
            call,
            Dialect.NETWORK,
            location=resource.location,
            finish=finish,
            fail=fail,
            facts=facts(call, resource),
        )
        resource.operation_id = operation.id
        return operation

    async def on_written(self, resource: R, moment: datetime) -> None:
        """What else happens when a write succeeds."""

    def patch(self, call: Call) -> Response:
        """New tags, at once: 200 ``Succeeded`` and nothing to poll."""
        resource = self.require(call)
        if resource.state is ProvisioningState.DELETING:
            raise errors.busy(resource.operation_id)
        self.services.store.touch(resource, call.now)
        resource.tags = tags_of(call.body) or {}
        resource.etag = new_etag(self.services.rng)
        body = resource.render(self.services.store)
        return Response(200, body, {"Azure-AsyncNotification": "Enabled"})

    def delete(self, call: Call) -> Response:
        """202 and the work begins; 204 when there is nothing.

        Raises:
            ArmError: 400 while something uses the resource.
        """
        resource = self.find(call)
        if resource is None:
            return Response(204)
        self.check_deletable(resource, call)
        self.services.operations.preempt(resource.operation_id)
        resource.state = ProvisioningState.DELETING

        async def finish(moment: datetime) -> None:
            await self.on_deleted(resource, moment)
            self.services.store.remove(resource, moment)

        async def fail(moment: datetime, error: ArmError) -> None:
            resource.state = ProvisioningState.FAILED

        operation = self.services.begin(
            call,
            Dialect.NETWORK,
            location=resource.location,
            finish=finish,
            fail=fail,
            facts=facts(call, resource),
        )
        resource.operation_id = operation.id
        return Response(202, None, self.services.operations.headers(operation, location=True, retry_after_s=10))

    def check_deletable(self, resource: R, call: Call) -> None:
        """Refuse to delete what is in use.

        Raises:
            ArmError: 400 with the type's own code.
        """

    async def on_deleted(self, resource: R, moment: datetime) -> None:
        """What else happens when the resource goes."""

    # references

    def check_security_group(self, reference: Json | None, by: str, location: str) -> str | None:
        """The id of a referenced security group, in its own spelling.

        Raises:
            ArmError: 400 when it is not there, 409 when it is still being written.
        """
        wanted = (reference or {}).get("id")
        if not isinstance(wanted, str):
            return None
        group = self.services.store.find(SecurityGroup, wanted)
        if group is None or group.location != location:
            raise errors.bad_reference(wanted, by)
        ready(group, by)
        return group.id

    def check_subnet(self, reference: Json | None, by: str) -> str:
        """The id of a referenced subnet, in its own spelling.

        Raises:
            ArmError: 400 when it is not there, 409 when it is still being written.
        """
        wanted = (reference or {}).get("id")
        if not isinstance(wanted, str):
            raise errors.missing("subnet", by)
        subnet = find_subnet(self.services.store, wanted)
        if subnet is None:
            raise errors.bad_reference(wanted, by)
        if subnet.state is not ProvisioningState.SUCCEEDED:
            raise errors.reference_not_ready(subnet.id, by, subnet.state.value)
        return subnet.id


def ready(resource: NetworkResource, by: str) -> None:
    """Refuse to use what is still being written.

    Raises:
        ArmError: 409 ReferencedResourceNotProvisioned.
    """
    if resource.state is not ProvisioningState.SUCCEEDED:
        raise errors.reference_not_ready(resource.id, by, resource.state.value)


def facts(call: Call, resource: NetworkResource) -> dict[str, str]:
    """What a fault's ``match`` can ask about."""
    return {**call.params, "name": resource.name, "location": resource.location, "path": call.request.path}
