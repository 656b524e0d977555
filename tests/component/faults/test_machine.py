"""Faults of the machine while its hub is being made: F34 to F38 (docs/faults.md).

What a real SSH client makes of a slow or a half-open peer is tried in tests/contract/test_ssh_client.py.
"""

from datetime import timedelta
from typing import Any

import pytest

from shared.errors import CapacityError, RetryableError
from shared.hubs.model import Hub, StepName
from shared.hubs.states import HubState
from tests.support.fake_machine import RECORDED, WRONG_HOST_KEY, FakeMachine, Script, failing
from tests.support.world import World

LOST = Script(lines=RECORDED[:5], exit_code=None, ends_s=60.0, hub_up=False, error=("InstallLost", "It is gone."))
APT_LOCK = "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 811 (unattended-upgr)\n"
DISK_FULL = "OSError: [Errno 28] No space left on device\n"


def shaped(world: World, **fields: Any) -> None:
    """Every machine of this world is so."""

    def shape(machine: FakeMachine) -> None:
        for name, value in fields.items():
            setattr(machine, name, value)

    world.on_vm.new_machine = shape


def history(world: World) -> str:
    events = world.storage.hubs.history[world.hub.owner, world.hub.id].values()
    return "\n".join(event.message for event in events)


async def failed(world: World) -> str:
    """The code of the reason."""
    hub = await world.run_to_rest()
    assert hub.state is HubState.FAILED
    assert hub.reason is not None
    return hub.reason.code


# ---- F34


async def test_f34_a_machine_that_does_not_let_us_in_yet_is_not_yet_and_no_failure():
    world = World()
    shaped(world, boot_s=400.0)
    await world.create()
    hub = await world.run_to_rest()
    assert hub.state is HubState.READY, hub.reason
    assert world.said("retry") == []
    assert hub.step(StepName.BOOT).last_error is None


# ---- F35


async def test_f35_another_host_key_fails_the_hub_at_once_and_nothing_is_sent_to_it():
    world = World()
    shaped(world, host_key=WRONG_HOST_KEY)
    await world.create()
    assert await failed(world) == "UntrustedHostKey"
    (machine,) = world.on_vm.machines.values()
    assert (machine.installer_key, machine.effects) == (None, []), "it never saw who wanted in, nor for what"
    assert len(world.on_vm.calls) == 1, "no second try"


async def test_f35_a_host_key_that_changes_during_the_install_is_trusted_no_more_than_any_other():
    world = World()
    await begun(world, StepName.INSTALL)
    (machine,) = world.on_vm.machines.values()
    world.on_vm.calls = []
    machine.host_key = WRONG_HOST_KEY
    assert await failed(world) == "UntrustedHostKey"
    assert (len(world.on_vm.calls), machine.effects) == (1, [])


# ---- F36


async def test_f36_a_passing_failure_of_the_installer_is_tried_once_more_in_the_same_machine():
    world = World()
    shaped(world, scripts=[failing(3, APT_LOCK), Script()])
    await world.create()
    hub = await world.run_to_rest()
    assert hub.state is HubState.READY, hub.reason
    assert (world.on_vm.effects.count("reinstall"), world.cloud.count("vm")) == (1, 1)


@pytest.mark.parametrize(("output", "code", "retries"), [(APT_LOCK, "AptLocked", 1), (DISK_FULL, "DiskFull", 0)])
async def test_f36_a_failure_that_stays_is_named_and_its_end_is_told_without_secrets(
    output: str, code: str, retries: int
):
    world = World()
    await world.create()
    await world.run(lambda: world.cloud.count("vm") == 1, limit_s=300)
    secret = world.storage.secrets.rows[world.hub.owner, world.hub.id].admin_password_hash
    shaped(world, scripts=[failing(3, f"{output}the hash was {secret}\n")] * 2)
    assert await failed(world) == code
    assert world.on_vm.effects.count("reinstall") == retries
    assert output.strip() in history(world)
    assert secret not in history(world)


# ---- F37


async def test_f37_an_installer_without_a_new_byte_for_five_minutes_fails():
    world = World()
    shaped(world, scripts=[Script(hangs=True, lines=RECORDED[:12])])
    await world.create()
    assert await failed(world) == "InstallerSilent"
    (machine,) = world.on_vm.machines.values()
    silent = world.clock.now() - machine.started[0] - timedelta(seconds=RECORDED[11][0])
    assert timedelta(minutes=5) <= silent <= timedelta(minutes=7)


async def test_f37_an_installer_that_talks_for_ever_fails_after_thirty_minutes():
    world = World()
    lines = tuple((float(n), f"still busy with {n}") for n in range(0, 4000, 30))
    shaped(world, scripts=[Script(hangs=True, lines=lines)])
    await world.create()
    assert await failed(world) == "InstallerSilent"
    (machine,) = world.on_vm.machines.values()
    assert timedelta(minutes=29) <= world.clock.now() - machine.started[0] <= timedelta(minutes=35)


# ---- F38


class Power:
    """Ties the one machine's SSH to its power in Azure, and lets somebody turn it off."""

    def __init__(self, world: World) -> None:
        self.world = world
        may_enter = world.on_vm.port_open
        world.on_vm.port_open = lambda host: may_enter(host) and self.runs

    @property
    def runs(self) -> bool:
        return all(vm.power == "running" for vm in self.world.cloud.vms())

    def turned_off(self, power: str) -> None:
        hub = self.world.hub
        self.world.cloud.set_power(hub.group_name, hub.vm_name, power)


async def begun(world: World, until: StepName) -> Hub:
    await world.create()
    await world.run(lambda: world.hub.next_step is until, limit_s=900)
    assert world.hub.next_step is until
    return world.hub


@pytest.mark.parametrize("power", ["stopped", "deallocated"])
async def test_f38_a_machine_that_is_turned_off_before_it_boots_is_started_once(power: str):
    world = World()
    switch = Power(world)
    shaped(world, boot_s=60.0)
    await begun(world, StepName.BOOT)
    switch.turned_off(power)
    hub = await world.run_to_rest()
    assert hub.state is HubState.READY, hub.reason
    assert world.cloud.count("start") == 1
    assert f"Azure shows the machine as {power}" in history(world)


@pytest.mark.parametrize("power", ["stopped", "deallocated"])
async def test_f38_a_machine_that_is_turned_off_in_the_middle_of_the_install_is_started_and_followed_on(power: str):
    world = World()
    switch = Power(world)
    shaped(world, scripts=[LOST, Script()])
    await begun(world, StepName.INSTALL)
    switch.turned_off(power)
    hub = await world.run_to_rest()
    assert hub.state is HubState.READY, hub.reason
    assert (world.cloud.count("start"), world.cloud.count("vm")) == (1, 1)
    assert world.on_vm.effects.count("reinstall") == 1, "what the installer had begun was lost with its process"


async def test_f38_a_machine_that_is_turned_off_a_second_time_fails_its_hub():
    world = World()
    switch = Power(world)
    await begun(world, StepName.INSTALL)
    switch.turned_off("stopped")
    await world.run(lambda: world.cloud.count("start") == 1 and switch.runs, limit_s=900)
    switch.turned_off("stopped")
    assert await failed(world) == "MachineStopped"
    assert world.cloud.count("start") == 1


async def test_f38_an_evicted_machine_without_room_fails_with_azures_reason():
    world = World()
    switch = Power(world)
    await begun(world, StepName.INSTALL)
    switch.turned_off("deallocated")
    world.cloud.fail_begin("start", CapacityError("AllocationFailed", "Azure has no room for it."))
    assert await failed(world) == "AllocationFailed"


async def test_f38_a_start_that_azure_does_not_take_now_is_asked_for_again():
    world = World()
    switch = Power(world)
    await begun(world, StepName.INSTALL)
    switch.turned_off("stopped")
    world.cloud.fail_begin("start", RetryableError("AzureThrottled", "Slow down.", retry_after_s=30))
    hub = await world.run_to_rest()
    assert hub.state is HubState.READY, hub.reason


async def test_f38_a_machine_that_reboots_costs_few_reads_and_no_write():
    world = World()
    await begun(world, StepName.INSTALL)
    reads, writes = len(world.cloud.reads), len(world.cloud.writes)
    (machine,) = world.on_vm.machines.values()
    machine.unreachable_for(1500)
    await world.run(lambda: machine.up, limit_s=1600)
    own = [call for call in world.cloud.reads[reads:] if call.verb == "vm_get"]
    assert 1 <= len(own) <= 4, "after 2, 4, 8 and 16 minutes"
    assert len(world.cloud.writes) == writes


async def test_f38_while_a_machine_speaks_azure_is_not_asked_about_it():
    world = World()
    Power(world)
    shaped(world, boot_s=100.0)
    await begun(world, StepName.BOOT)
    looks = [call for call in world.cloud.reads if call.verb == "vm_get"]
    await world.run_to_rest()
    assert [call for call in world.cloud.reads if call.verb == "vm_get"] == looks


async def test_f38_a_hub_that_is_deleted_meanwhile_is_not_started():
    world = World()
    switch = Power(world)
    hub = await begun(world, StepName.INSTALL)
    switch.turned_off("stopped")
    look = world.app.compute.vm

    async def looked_at(*args: Any, **kwargs: Any) -> Any:
        view = await look(*args, **kwargs)
        if world.hub.state is HubState.INSTALLING:
            await world.delete(hub)
        return view

    world.app.compute.vm = looked_at  # type: ignore[method-assign]
    await world.run_until_gone()
    assert world.cloud.count("start") == 0
