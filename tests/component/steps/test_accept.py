"""A person that never was logs in, starts a server, computes, and leaves nothing behind."""

import pytest

from shared.errors import FatalError, RetryableError
from shared.hubs.model import StepName
from shared.hubs.visit import Done, Wait
from tests.component.steps.bench import StepBench
from tests.support.world import CrashPlan


def an_accept(crash: CrashPlan | None = None) -> StepBench:
    return StepBench(StepName.ACCEPT, crash=crash, url="http://20.1.2.3/")


def nothing_is_left(bench: StepBench) -> bool:
    machine = bench.machine
    return not (machine.hub_users or machine.passwords or machine.servers or machine.unix_accounts)


async def failure(bench: StepBench) -> FatalError:
    with pytest.raises(FatalError) as caught:
        await bench.to_end()
    return caught.value


async def test_a_hub_that_computes_is_accepted_and_nothing_is_left_of_the_visitor():
    bench = an_accept()
    await bench.to_end()
    acceptance = bench.hub.acceptance
    assert acceptance is not None
    assert acceptance.method == "form-login+kernel"
    assert acceptance.seconds >= 0
    assert bench.machine.effects == ["accept-prepare", "accept-clean"]
    assert nothing_is_left(bench)
    assert bench.visits <= 4


async def test_the_machine_gets_a_hash_and_never_the_password():
    bench = an_accept()
    await bench.to_end()
    (prepare,) = (task for task in bench.machine.tasks.values() if task.name == "accept-prepare")
    assert str(prepare.input["passwordHash"]).startswith("$2b$")
    secrets = await bench.world.app.secrets.get(bench.hub.owner, bench.hub.id)
    assert secrets is not None
    assert secrets.acceptance_password not in str([call.payload for call in bench.world.on_vm.calls])


async def test_the_kernel_is_asked_something_new_each_time():
    asked: list[str] = []
    bench = an_accept()
    original = bench.world.hub_http.compute_in_kernel

    async def remember(url: str, user: str, password: str, expression: str) -> str:
        asked.append(expression)
        if len(asked) == 1:
            return "0\n"
        return await original(url, user, password, expression) + "\n"

    bench.world.hub_http.compute_in_kernel = remember  # type: ignore[method-assign]
    await bench.to_end()
    assert len(set(asked)) == 2
    assert bench.hub.acceptance is not None


async def test_a_slow_server_is_asked_for_again_in_short_visits():
    bench = an_accept()
    bench.world.hub_http.server_looks = 20
    await bench.to_end()
    assert bench.hub.acceptance is not None
    assert bench.hub.acceptance.seconds >= 20


async def test_a_notebook_that_computes_wrong_fails_the_hub():
    bench = an_accept()
    bench.world.hub_http.wrong_answer = "4"
    error = await failure(bench)
    assert error.code == "AcceptanceFailed"
    assert bench.hub.acceptance is None


@pytest.mark.parametrize("code", ["HubUnreachable", "HubServerFailed", "HubBusy", "HubAnswerUnusable"])
async def test_trouble_that_passes_is_tried_again(code: str):
    bench = an_accept()
    bench.world.hub_http.fail_next("start_server", RetryableError(code, "not now"), times=3)
    await bench.to_end()
    assert bench.hub.acceptance is not None
    assert bench.told.count("has to try again") == 1, "said once, not each time"


@pytest.mark.parametrize("method", ["start_server", "compute_in_kernel"])
async def test_trouble_that_stays_fails_with_its_cause(method: str):
    bench = an_accept()
    bench.world.hub_http.fail_next(method, RetryableError("HubServerFailed", "The server did not start."), times=999)
    error = await failure(bench)
    assert error.code == "AcceptanceFailed"
    assert "The server did not start." in error.message
    assert error.fix
    assert bench.visits < 60


async def test_a_login_that_is_refused_makes_the_visitor_anew():
    bench = an_accept()
    await bench.look()
    bench.machine.passwords.clear()
    await bench.to_end()
    assert bench.machine.effects == ["accept-prepare", "accept-prepare", "accept-clean"]
    assert bench.hub.acceptance is not None


async def test_a_prepare_that_fails_is_tried_again_and_named_in_the_end():
    bench = an_accept()
    bench.machine.fail_task("accept-prepare", "HubNotAnswering", "JupyterHub does not answer on the VM", times=999)
    error = await failure(bench)
    assert "JupyterHub does not answer on the VM" in error.message


async def test_a_visitor_that_cannot_be_removed_fails_the_hub():
    bench = an_accept()
    bench.machine.fail_task("accept-clean", "ServerDidNotStop", "The server did not stop", times=9)
    error = await failure(bench)
    assert error.code == "AcceptanceUserLeft"
    assert bench.machine.effects.count("accept-clean") == 3


async def test_the_second_look_after_done_asks_nobody():
    bench = an_accept()
    await bench.to_end()
    calls = len(bench.world.on_vm.calls)
    assert await bench.look() == Done()
    assert len(bench.world.on_vm.calls) == calls


async def test_a_server_that_took_long_to_answer_leaves_the_kernel_to_the_next_visit():
    bench = an_accept()
    original = bench.world.hub_http.start_server

    async def slow(url: str, user: str, password: str) -> bool:
        bench.pass_time(18)
        return await original(url, user, password)

    bench.world.hub_http.start_server = slow  # type: ignore[method-assign]
    bench.world.hub_http.server_looks = 0
    outcome = await bench.look()
    assert isinstance(outcome, Wait)
    assert "compute_in_kernel" not in bench.world.hub_http.calls


async def test_a_worker_that_dies_anywhere_leaves_one_acceptance_and_no_visitor():
    counted = CrashPlan()
    await an_accept(counted).to_end()
    assert counted.points > 20
    for at in range(counted.points):
        bench = an_accept(CrashPlan(at))
        await bench.to_end()
        assert bench.crashes
        assert bench.hub.acceptance is not None
        assert bench.machine.effects == ["accept-prepare", "accept-clean"], bench.crashes
        assert nothing_is_left(bench), bench.crashes
        assert bench.troubles == [], bench.crashes
