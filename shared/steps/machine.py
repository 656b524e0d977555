"""The VM with its NIC and public IP inline, every `deleteOption: Delete`, and the customData that installs TLJH."""

from dataclasses import replace

from shared.errors import CapacityError, FatalError, UserError
from shared.hubs import placing
from shared.hubs.long_operation import run_long
from shared.hubs.meter import Billing
from shared.hubs.model import Hub, Reason, StepName
from shared.hubs.ports import Begun, HubSecrets, VmPlan, VmView
from shared.hubs.tags import tags_for
from shared.hubs.visit import Done, Visit, Wait
from shared.onvm.bundle import agent_bytes
from shared.settings import Settings
from shared.steps.cloud_init import CloudInit, InstallPlan, build_custom_data, custom_data_sha256
from shared.steps.network import SUBNET_NAME, VNET_NAME
from shared.steps.nsg import NSG_NAME

_VM_SECONDS = 55.0
"""Half of the VM creates are over after 49 s in public deployment logs, after 74 s in recorded traffic. Earlier looks
are wasted reads, and a late one costs nothing: the machine begins to install TLJH without us."""

_STILL_CREATING_S = 5.0

LABEL_TAKEN = "DnsRecordInUse"
_FAILED = "MachineFailed"
_MADE_ONCE_MORE = frozenset({"OSProvisioningTimedOut", _FAILED, "PropertyChangeNotAllowed"})
"""A VM that did not report in time, that Azure failed without saying why, or that is another one than this try's (an
earlier try's PUT, whose answer was lost, was taken after all)."""


class MachineStep:
    name = StepName.MACHINE

    async def ensure(self, visit: Visit) -> Done | Wait:
        """Intention saved first, then one PUT; a crash in between ends in the same PUT, never in a second machine.

        What Azure has no room for is looked for elsewhere; a machine that does not come up is made once more. Raises
        CapacityError when nothing is left to try, FatalError when the second machine failed like the first.
        """
        if visit.hub.machine.vm_id is not None:
            return Done()
        began_before = visit.hub.operation is not None  # then something is there, whatever a read says
        try:
            return await self._ensure_machine(visit)
        except CapacityError as refusal:
            left = began_before or await self._look(visit) is not None
            return await placing.refused(visit, refusal, left_something=left)
        except UserError as trouble:
            if trouble.code != LABEL_TAKEN:
                raise
            left = began_before or await self._look(visit) is not None
            return await placing.label_taken(visit, trouble, left_something=left)
        except FatalError as trouble:
            if trouble.code not in _MADE_ONCE_MORE:
                raise
            reason = Reason(code=trouble.code, message=trouble.message, fix=trouble.fix)
            again = placing.remake(visit, reason)
            if again is None:
                raise
            return again

    async def _ensure_machine(self, visit: Visit) -> Done | Wait:
        begun = bool(visit.memory(self.name).get("begun"))
        if visit.hub.operation is None:
            if begun:  # the answer to the PUT was lost, or its operation is over: the machine itself tells
                view = await self._look(visit)
                if view is not None:
                    return await self._judge(visit, view)
            plan = await self._intend(visit)
            outcome = await run_long(
                visit, "machine", lambda: visit.app.compute.begin_vm(plan), first_look_s=_VM_SECONDS
            )
        else:
            outcome = await run_long(visit, "machine", _never_begun, first_look_s=_VM_SECONDS)
        if isinstance(outcome, Wait):
            return outcome
        view = await self._look(visit)
        if view is None:  # a read may lag behind an operation that just succeeded
            return Wait(_STILL_CREATING_S / visit.app.settings.poll_scale, "the machine is not visible yet")
        return await self._judge(visit, view)

    async def _look(self, visit: Visit) -> VmView | None:
        return await visit.app.compute.vm(visit.hub.group_name, visit.hub.vm_name)

    async def _intend(self, visit: Visit) -> VmPlan:
        """The plan, after its intention was saved: a worker that lost the race must not spend money."""
        secrets = await visit.secrets()
        custom_data = custom_data_for(visit.hub, visit.app.settings, secrets)
        digest = custom_data_sha256(custom_data)
        known = visit.hub.machine.custom_data_sha256
        if known not in (None, digest):
            raise FatalError(
                "CustomDataChanged",
                "The machine's start-up data is not what it was when its creation began.",
                fix="Delete the hub and create it again: this happens when the service is upgraded in that minute.",
            )
        visit.update(
            machine=replace(visit.hub.machine, custom_data_sha256=digest),
            host_public_keys=(secrets.host_public_key,),
        )
        visit.remember(self.name, begun=True)
        visit.bill(Billing.RUNNING)  # from the request on: better a minute too much than one not shown
        await visit.checkpoint()
        hub = visit.hub
        return VmPlan(
            group=hub.group_name,
            name=hub.vm_name,
            region=hub.region,
            size=hub.size,
            tags=tags_for(hub, await visit.app.identity.get()),
            image=hub.spec.image,
            os_disk_gib=hub.spec.os_disk_gib,
            admin_username=hub.spec.admin_user,
            ssh_public_keys=(secrets.owner_public_key,),
            custom_data=custom_data,
            vnet_name=VNET_NAME,
            subnet=SUBNET_NAME,
            nsg_name=NSG_NAME,
            dns_label=hub.dns_label,
            spot=hub.spec.spot,
            zone=hub.zone,
        )

    async def _judge(self, visit: Visit, view: VmView) -> Done | Wait:
        match view.provisioning:
            case "succeeded" if view.nic_ids:
                visit.update(machine=replace(visit.hub.machine, vm_id=view.vm_id, nic_id=view.nic_ids[0]))
                await placing.made(visit, view.size)
                return Done()
            case "failed":
                cause = visit.hub.step(self.name).last_error  # the operation's own, when it was a passing one
                raise FatalError(
                    _FAILED,
                    "Azure says that creating the machine failed." + (f" {cause.message}" if cause else ""),
                    fix="Delete the hub and create it again, in another region or with another size if it repeats.",
                )
            case _:
                return Wait(_STILL_CREATING_S / visit.app.settings.poll_scale, f"the machine is {view.provisioning}")


async def _never_begun() -> Begun:
    raise FatalError("ImpossibleState", "A machine operation was expected to be running.")


def custom_data_for(hub: Hub, settings: Settings, secrets: HubSecrets) -> bytes:
    """What cloud-init gets: a pure function of the row and its secrets, so that a repeated PUT repeats it exactly."""
    plan = InstallPlan(
        admin_user=hub.spec.admin_user,
        admin_password_hash=secrets.admin_password_hash,
        tljh_version=settings.tljh_version,
        bootstrap_url=settings.tljh_bootstrap_url,
        bootstrap_sha256=settings.tljh_bootstrap_sha256,
        requirements_url=hub.spec.packages.requirements_url,
        plugins=hub.spec.plugins,
        timeout_seconds=settings.install_timeout_s,
    )
    return build_custom_data(
        CloudInit(
            agent=agent_bytes(),
            host_private_key=secrets.host_private_key,
            host_public_key=secrets.host_public_key,
            installer_public_key=secrets.installer_public_key,
            install=plan,
        )
    )
