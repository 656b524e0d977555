"""The machine answers over SSH, with the host key we made."""

import pytest

from shared.errors import FatalError
from shared.hubs.model import StepName
from shared.hubs.visit import Done, Wait
from shared.hubs.vm_errors import AgentProtocolError, AuthenticationRefused
from tests.component.steps.bench import StepBench
from tests.support.fake_machine import WRONG_HOST_KEY


def a_boot() -> StepBench:
    return StepBench(StepName.BOOT)


async def test_a_machine_that_answers_with_our_host_key_is_reachable():
    bench = a_boot()
    assert await bench.look() == Done()


async def test_the_second_look_after_done_writes_nothing():
    bench = a_boot()
    await bench.look()
    await bench.look()
    assert bench.world.on_vm.effects == []
    assert bench.world.storage.tape.count("logs.append") == 0


async def test_a_machine_that_is_still_booting_is_waited_for_without_an_error():
    bench = a_boot()
    bench.world.on_vm.new_machine = lambda machine: setattr(machine, "boot_s", 35.0)
    visits = await bench.to_end()
    assert bench.troubles == []
    assert 5 <= visits <= 8


async def test_the_pauses_grow_but_stay_short():
    bench = a_boot()
    bench.world.on_vm.new_machine = lambda machine: setattr(machine, "boot_s", 10_000.0)
    pauses = []
    for _ in range(30):
        outcome = await bench.look()
        assert isinstance(outcome, Wait)
        pauses.append(outcome.after_s)
        bench.pass_time(outcome.after_s)
    assert pauses[0] == 5.0
    assert pauses == sorted(pauses)
    assert pauses[-1] == 15.0


async def test_pauses_follow_the_poll_scale():
    bench = StepBench(StepName.BOOT, environment={"HUBLET_POLL_SCALE": "10"})
    bench.machine.unreachable_for(100)
    outcome = await bench.look()
    assert isinstance(outcome, Wait)
    assert outcome.after_s == 0.5


@pytest.mark.parametrize("early", [AuthenticationRefused(), AgentProtocolError("sudo: no such command")])
async def test_sshd_that_is_up_before_our_account_or_agent_is_waited_for(early: Exception):
    bench = a_boot()
    bench.world.on_vm.fail_next("status", early)  # type: ignore[arg-type]
    assert isinstance(await bench.look(), Wait)
    assert await bench.look() == Done()


async def test_a_wrong_host_key_fails_the_hub_and_nothing_is_sent():
    bench = a_boot()
    bench.machine.host_key = WRONG_HOST_KEY
    with pytest.raises(FatalError) as caught:
        await bench.look()
    assert caught.value.code == "UntrustedHostKey"
    assert bench.machine.installer_key is None, "the machine never saw who wanted in"


async def test_without_a_pinned_key_nothing_is_called_at_all():
    bench = a_boot()
    visit_hub = bench.hub
    from shared.hubs.visit import Visit

    with pytest.raises(FatalError) as caught:
        await bench.step.ensure(Visit(bench.world.app, visit_hub))
    assert caught.value.code == "UntrustedHostKey"
    assert bench.world.on_vm.calls == []
