"""Virtual machines: PUT, PATCH, DELETE and the many ways to read them."""

from collections.abc import Iterable
from datetime import datetime

from localdev.azuresim.catalogue import SIZES, find_size, offered
from localdev.azuresim.clock import scaled
from localdev.azuresim.compute import errors
from localdev.azuresim.compute.changes import check_immutable
from localdev.azuresim.compute.instance_view import instance_view, statuses
from localdev.azuresim.compute.models import AGENT_AFTER_S, Power, VirtualMachine, upper_group
from localdev.azuresim.compute.provisioning import Provisioning
from localdev.azuresim.compute.quota import Quota
from localdev.azuresim.compute.validation import (
    WantedMachine,
    check_fit,
    part,
    read_machine,
    read_size,
    wants_trusted_launch,
)
from localdev.azuresim.envelope import ArmError, Json, Response
from localdev.azuresim.identifiers import new_guid
from localdev.azuresim.names import VM_NAME
from localdev.azuresim.network.routes import Network
from localdev.azuresim.operations import Dialect
from localdev.azuresim.paging import by_age
from localdev.azuresim.routing import Call, normal_location
from localdev.azuresim.services import Services
from localdev.azuresim.store import ProvisioningState
from localdev.azuresim.tracked import Tracked, tags_of


class VirtualMachines(Tracked[VirtualMachine]):
    """Microsoft.Compute/virtualMachines."""

    def __init__(self, services: Services, network: Network, provisioning: Provisioning, quota: Quota) -> None:
        super().__init__(services, VirtualMachine, name_rule=VM_NAME, provider_not_found=errors.not_found)
        self._network = network
        self._provisioning = provisioning
        self._quota = quota

    # reading

    def get(self, call: Call) -> Response:
        answer = super().get(call)
        vm = self.require(call)
        body = answer.json()
        if "instanceview" in call.query.get("$expand", "").lower():
            body["properties"]["instanceView"] = instance_view(vm, call.now)
        return Response(200, body)

    def view(self, call: Call) -> Response:
        """``instanceView``."""
        return Response(200, instance_view(self.require(call), call.now))

    def list_in_group(self, call: Call) -> Response:
        return self._list_machines(call, self.services.store.every(VirtualMachine, call.params["group"]))

    def list_all(self, call: Call) -> Response:
        """Every VM, its id with the group in upper case; ``statusOnly=true``: run-time status and little else."""
        return self._list_machines(call, self.services.store.every(VirtualMachine), upper=True)

    def list_by_location(self, call: Call) -> Response:
        region = normal_location(call.params["location"])
        here = [vm for vm in self.services.store.every(VirtualMachine) if vm.location == region]
        return self._list_machines(call, here, upper=True)

    def _list_machines(self, call: Call, vms: Iterable[VirtualMachine], *, upper: bool = False) -> Response:
        if call.query.get("$expand") or call.query.get("$filter"):
            # "this can only be specified if a valid $filter option is specified" (the SDK's words for $expand), and
            # the only valid filter names a scale set, of which there are none here.
            raise errors.invalid("$expand", "A list of virtual machines is expanded only for one scale set ($filter).")
        status_only = call.query.get("statusonly", "").lower() == "true"
        found = self.services.page(call, vms, by_age)
        bodies = []
        for vm in found.items:
            body = self._seen(vm, call)
            if body is not None:
                body = self._status_only(vm) if status_only else body
                bodies.append(body | ({"id": upper_group(vm.id)} if upper else {}))
        return Response(200, found.body(bodies))

    def _status_only(self, vm: VirtualMachine) -> Json:
        view = {"statuses": statuses(vm)}
        properties = {"vmId": vm.guid, "provisioningState": vm.state.value, "instanceView": view}
        return {
            "name": vm.name,
            "id": vm.id,
            "type": vm.TYPE,
            "location": vm.location,
            "properties": properties,
        }

    def boot_diagnostics(self, call: Call) -> Response:
        """Addresses of screenshot and console log; nothing is stored behind them."""
        vm = self.require(call)
        if not part(part(vm.extra, "diagnosticsProfile"), "bootDiagnostics").get("enabled"):
            raise errors.not_allowed("Boot diagnostics is not enabled for the VM.")
        root = f"{self.services.operations.base_url}/_sim/bootdiagnostics/{vm.guid}"
        return Response(
            200,
            {
                "consoleScreenshotBlobUri": f"{root}/screenshot.bmp?sig=simulated",
                "serialConsoleLogBlobUri": f"{root}/serialconsole.log?sig=simulated",
            },
        )

    # writing

    def put(self, call: Call) -> Response:
        """201 ``Creating`` for a new VM, 200 ``Updating`` for one that is there, 412 with ``If-None-Match: *``."""
        existing, location = self.check_put(call)
        if existing is not None and existing.busy:
            raise errors.conflict()
        vm_id = existing.id if existing else self.new_id(call)
        wanted = read_machine(call.params["name"], location, call.body, call.properties())
        if existing is not None:
            return self._put_again(call, existing, wanted)
        self._quota.check_restrictions(vm_id, location, wanted.size, wanted.zones)
        self._quota.check(location, wanted.size, spot=wanted.spot)
        self._provisioning.check_interfaces(vm_id, location, wanted.nics, call.now)
        self._check_inline(vm_id, location, wanted)
        vm = VirtualMachine(
            id=vm_id,
            name=call.params["name"],
            group=self.group_name(call),
            location=location,
            created=call.now,
            changed=call.now,
            tags=tags_of(call.body),
            guid=new_guid(self.services.rng),
            size=wanted.size.name,
            image=wanted.image_reference,
            generation=wanted.image.generation,
            os_disk=wanted.os_disk,
            os_profile=wanted.os_profile,
            custom_data=wanted.custom_data or b"",
            nics=list(wanted.nics),
            inline=list(wanted.inline),
            network_api_version=wanted.network_api_version,
            zones=wanted.zones,
            extra=wanted.extra,
            identity=call.body.get("identity"),
        )
        self.services.store.touch(vm, call.now)
        return self._provision(call, vm, ProvisioningState.CREATING, 201)

    def _provision(self, call: Call, vm: VirtualMachine, state: ProvisioningState, status: int) -> Response:
        async def finish(moment: datetime) -> None:
            await self._provisioning.succeed(vm, moment)

        async def fail(moment: datetime, error: ArmError) -> None:
            await self._provisioning.fail(vm, moment, error)

        vm.state = state
        self.services.store.save(vm)
        operation = self.services.begin(
            call,
            Dialect.COMPUTE,
            location=vm.location,
            finish=finish,
            fail=fail,
            facts=self.facts(call, vm),
            doomed=self.no_room(vm),
        )
        vm.operation_id = operation.id
        self._provisioning.schedule_network(vm, operation)
        headers = self.services.operations.headers(operation, retry_after_s=10)
        return Response(status, vm.render(self.services.store), headers)

    def _put_again(self, call: Call, vm: VirtualMachine, wanted: WantedMachine) -> Response:
        check_immutable(vm, wanted)
        self._check_resize(vm, wanted.size.name)
        self.services.store.touch(vm, call.now)
        vm.tags = tags_of(call.body)
        vm.extra = wanted.extra
        vm.os_disk.delete_option = wanted.os_disk.delete_option
        for nic in vm.nics:
            sent = next((each for each in wanted.nics if each.id.lower() == nic.id.lower()), None)
            nic.properties = dict(sent.properties) if sent else nic.properties
        if vm.power is None:
            vm.size = wanted.size.name
            return self._provision(call, vm, ProvisioningState.UPDATING, 200)
        return self._update(call, vm, wanted.size.name)

    def patch(self, call: Call) -> Response:
        """Tags, size, delete options; anything fixed is refused."""
        vm = self.require(call)
        if vm.busy:
            raise errors.conflict()
        self.check_conditions(call, vm)
        properties = call.properties()
        for name in ("priority", "evictionPolicy"):
            if name in properties and properties[name] != vm.extra.get(name):
                raise errors.change_not_allowed(name)
        if part(properties, "osProfile").get("customData") is not None:
            raise errors.change_not_allowed("osProfile.customData")
        size = part(properties, "hardwareProfile").get("vmSize")
        if size is not None:
            size = read_size(size, vm.location).name
            self._check_resize(vm, size)
        self.services.store.touch(vm, call.now)
        tags = tags_of(call.body)
        vm.tags = tags if tags is not None else vm.tags
        option = part(part(properties, "storageProfile"), "osDisk").get("deleteOption")
        vm.os_disk.delete_option = option or vm.os_disk.delete_option
        return self._update(call, vm, size or vm.size)

    def _update(self, call: Call, vm: VirtualMachine, size: str) -> Response:
        resized = size != vm.size
        vm.size = size
        vm.state = ProvisioningState.UPDATING

        async def finish(moment: datetime) -> None:
            self._provisioning.settle(vm, ProvisioningState.SUCCEEDED, moment)
            if resized and vm.power is Power.RUNNING:
                vm.agent_ready = moment + scaled(self.services.clock, AGENT_AFTER_S)
                await self.services.runtime.restart(vm.id)

        async def fail(moment: datetime, error: ArmError) -> None:
            vm.failure = error.code
            self._provisioning.settle(vm, ProvisioningState.FAILED, moment)

        operation = self.services.begin(
            call,
            Dialect.COMPUTE,
            location=vm.location,
            finish=finish,
            fail=fail,
            facts=self.facts(call, vm),
        )
        vm.operation_id = operation.id
        headers = self.services.operations.headers(operation, retry_after_s=10)
        return Response(200, vm.render(self.services.store), headers)

    def delete(self, call: Call) -> Response:
        """202 and the machine goes; 204 when there is none.  Deleting again while it goes joins the work under way."""
        vm = self.find(call)
        if vm is None:
            return Response(204)
        under_way = self.services.operations.find(vm.operation_id)
        if vm.state is ProvisioningState.DELETING and under_way is not None and not under_way.over:
            return Response(202, None, self.services.operations.headers(under_way, location=True, retry_after_s=10))
        self.services.operations.preempt(vm.operation_id)
        vm.state = ProvisioningState.DELETING

        async def finish(moment: datetime) -> None:
            await self._provisioning.remove(vm, moment)

        async def fail(moment: datetime, error: ArmError) -> None:
            vm.failure = error.code
            self._provisioning.settle(vm, ProvisioningState.FAILED, moment)

        operation = self.services.begin(
            call,
            Dialect.COMPUTE,
            location=vm.location,
            finish=finish,
            fail=fail,
            facts=self.facts(call, vm),
            hurry=0.5 if call.query.get("forcedeletion", "").lower() == "true" else 1.0,
        )
        vm.operation_id = operation.id
        return Response(202, None, self.services.operations.headers(operation, location=True, retry_after_s=10))

    # checks

    def _check_inline(self, vm_id: str, location: str, wanted: WantedMachine) -> None:
        interfaces = self._network.interfaces
        for configuration in wanted.inline:
            properties = part(configuration, "properties")
            interfaces.check_security_group(properties.get("networkSecurityGroup"), vm_id, location)
            for each in properties.get("ipConfigurations") or []:
                interfaces.check_subnet(part(each, "properties").get("subnet"), vm_id)

    def _check_resize(self, vm: VirtualMachine, size_name: str) -> None:
        if size_name == vm.size:
            return
        size, old = find_size(size_name), find_size(vm.size)
        assert size is not None, "read_size has checked it"
        architecture = old.architecture if old else size.architecture
        trusted = wants_trusted_launch(vm.extra)
        check_fit(size, architecture=architecture, generation=vm.generation, trusted_launch=trusted)
        self._quota.check_restrictions(vm.id, vm.location, size, vm.zones)
        has_hardware = vm.power not in (None, Power.DEALLOCATED)
        if has_hardware and self._out_of_capacity(vm.location, size.name, vm.zones):
            others = (each for each in SIZES.values() if not self._out_of_capacity(vm.location, each.name, vm.zones))
            raise errors.no_such_size_here(
                vm.name, size.name, (each.name for each in others if offered(each, vm.location))
            )
        spot = str(vm.extra.get("priority", "")).lower() == "spot"
        self._quota.check(vm.location, size, spot=spot, instead_of=old)

    def no_room(self, vm: VirtualMachine) -> ArmError | None:
        """The error an allocation of this VM ends with, when its size is out of capacity."""
        if self._out_of_capacity(vm.location, vm.size, vm.zones):
            return errors.allocation_failed(vm.size, vm.zones)
        return None

    def _out_of_capacity(self, location: str, size: str, zones: tuple[str, ...]) -> bool:
        everywhere = f"{location}/{size}".lower()
        full = self.services.settings.out_of_capacity
        return everywhere in full or f"{everywhere}/{zones[0] if zones else 'none'}" in full

    def facts(self, call: Call, vm: VirtualMachine) -> dict[str, str]:
        """What a fault's ``match`` can ask about."""
        return {
            **call.params,
            "name": vm.name,
            "location": vm.location,
            "size": vm.size,
            "zone": ",".join(vm.zones),
            "path": call.request.path,
        }
