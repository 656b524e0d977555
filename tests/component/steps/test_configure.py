"""The hub as it was asked for, by one idempotent task."""

import pytest

from shared.errors import FatalError, HubletError, UserError
from shared.hubs.model import Limits, Packages, StepName
from shared.hubs.visit import Done, Wait
from tests.component.steps.bench import StepBench
from tests.support.builders import a_spec
from tests.support.world import CrashPlan

WISH = a_spec(
    limits=Limits(memory="2G", cpu=2),
    users=("ada", "bob"),
    packages=Packages(apt=("cowsay", "sl"), pip=("pandas==2.2", "tablib[xlsx]")),
    shared_folder=True,
    idle_minutes=60,
)


def a_configure(crash: CrashPlan | None = None) -> StepBench:
    return StepBench(StepName.CONFIGURE, crash=crash, spec=WISH)


async def failure(bench: StepBench) -> HubletError:
    with pytest.raises(HubletError) as caught:
        await bench.to_end()
    return caught.value


async def test_the_machine_is_told_everything_that_was_asked_for():
    bench = a_configure()
    await bench.to_end()
    told = bench.machine.configured
    assert told is not None
    assert told["limits"] == {"memory": "2G", "cpu": 2}
    assert told["users"] == ["ada", "bob"]
    assert told["adminUser"] == "jaydoe"
    assert told["authType"] == "firstuse"
    assert told["sharedFolder"] is True
    assert told["idleRule"] == {"minutes": 50}
    assert told["apt"] == ["cowsay", "sl"]
    assert told["pip"] == ["pandas==2.2", "tablib[xlsx]"]


async def test_the_idle_rule_leaves_the_time_to_warn_people_and_is_remembered():
    bench = StepBench(
        StepName.CONFIGURE, spec=a_spec(idle_minutes=90), environment={"HUBLET_IDLE_WARNING_MINUTES": "20"}
    )
    await bench.to_end()
    assert bench.machine.configured is not None
    assert bench.machine.configured["idleRule"] == {"minutes": 70}
    assert bench.hub.life.idle.rule_minutes == 70


async def test_a_hub_that_does_not_stop_when_idle_has_a_rule_too():
    bench = StepBench(StepName.CONFIGURE, spec=a_spec(idle_minutes=None))
    await bench.to_end()
    assert bench.machine.configured is not None
    assert bench.machine.configured["idleRule"] == {"minutes": 50}


async def test_no_rule_is_remembered_before_the_machine_has_it():
    bench = a_configure()
    bench.machine.fail_task("configure", "TljhConfigFailed")
    await failure(bench)
    assert bench.hub.life.idle.rule_minutes is None


async def test_the_lasting_token_can_read_activity_and_nothing_else():
    bench = a_configure()
    await bench.to_end()
    assert bench.machine.configured is not None
    services = {service["name"]: service for service in bench.machine.configured["services"]}
    assert set(services) == {"hublet", "hublet-acceptance"}
    assert set(services["hublet"]["scopes"]) == {"list:users", "read:servers"}
    assert set(services["hublet-acceptance"]["scopes"]) == {"admin:users", "delete:users", "delete:servers"}
    assert services["hublet"]["token"] != services["hublet-acceptance"]["token"]


async def test_a_quick_configuration_takes_few_looks_and_runs_once():
    bench = a_configure()
    assert await bench.to_end() <= 3
    assert bench.machine.effects == ["configure"]


async def test_the_second_look_after_done_begins_nothing():
    bench = a_configure()
    await bench.to_end()
    assert await bench.look() == Done()
    assert bench.machine.effects == ["configure"]


async def test_a_long_configuration_is_looked_at_less_and_less_often():
    bench = a_configure()
    bench.machine.task_seconds["configure"] = 400.0
    pauses = []
    while isinstance(outcome := await bench.look(), Wait):
        pauses.append(outcome.after_s)
        bench.pass_time(outcome.after_s)
    assert pauses == sorted(pauses)
    assert pauses[-1] == 20.0
    assert len(pauses) < 35


async def test_no_secret_is_part_of_the_tasks_key():
    bench = a_configure()
    await bench.to_end()
    one = [call.payload["key"] for call in bench.world.on_vm.calls]
    other = a_configure()
    other.world.app.entropy.secret()  # other tokens
    await other.to_end()
    assert one[0] == other.world.on_vm.calls[0].payload["key"]


@pytest.mark.parametrize(
    ("code", "printed", "named", "pointer"),
    [
        ("AptFailed", "E: Unable to locate package cowsay", "'cowsay'", "/packages/apt/0"),
        ("AptFailed", "E: Package 'sl' has no installation candidate", "'sl'", "/packages/apt/1"),
        ("PipFailed", "ERROR: No matching distribution found for pandas==2.2", "'pandas==2.2'", "/packages/pip/0"),
        ("PipFailed", "ERROR: Could not find a version that satisfies the requirement tablib[xlsx]", "'tablib[xlsx]'",
         "/packages/pip/1"),
        ("PipFailed", "something else went wrong", "one of 'pandas==2.2', 'tablib[xlsx]'", "/packages/pip"),
    ],
)  # fmt: skip
async def test_a_package_that_does_not_exist_is_named(code: str, printed: str, named: str, pointer: str):
    bench = a_configure()
    bench.machine.fail_task("configure", code, f"ended with exit code 100: {printed}")
    error = await failure(bench)
    assert isinstance(error, UserError)
    assert error.code == "PackageNotInstallable"
    assert named in error.message
    assert error.pointer == pointer
    assert bench.machine.effects == ["configure"], "it would fail again"


async def test_a_package_server_that_is_away_is_tried_again():
    bench = a_configure()
    bench.machine.fail_task("configure", "AptFailed", "E: Failed to fetch http://archive.ubuntu.com/", times=2)
    await bench.to_end()
    assert bench.machine.effects == ["configure"] * 3


async def test_a_package_server_that_stays_away_is_no_fault_of_the_package():
    bench = a_configure()
    bench.machine.fail_task("configure", "PipFailed", "NewConnectionError: pypi.org", times=9)
    error = await failure(bench)
    assert isinstance(error, FatalError)
    assert error.code == "PackageSourceUnreachable"


@pytest.mark.parametrize("code", ["TaskLost", "Busy", "HubDidNotReload"])
async def test_a_passing_failure_is_tried_again_under_a_new_key(code: str):
    bench = a_configure()
    bench.machine.fail_task("configure", code)
    await bench.to_end()
    assert len(bench.machine.tasks) == 2


@pytest.mark.parametrize(("code", "runs"), [("TaskLost", 3), ("TljhConfigFailed", 1), ("BadInput", 1)])
async def test_what_stays_wrong_fails_the_hub_with_the_machines_words(code: str, runs: int):
    bench = a_configure()
    bench.machine.fail_task("configure", code, "Config validation error: nosuch", times=9)
    error = await failure(bench)
    assert error.code == "ConfigureFailed"
    assert "Config validation error" in error.message
    assert len(bench.machine.effects) == runs


async def test_words_of_the_machine_lose_our_secrets_and_its_terminal_codes():
    bench = a_configure()
    await bench.look()
    token = next(iter(bench.machine.tasks.values())).input["services"][0]["token"]
    other = a_configure()
    other.machine.fail_task("configure", "TljhConfigFailed", f"\x1b[1mtoken {token}\x07 refused")
    error = await failure(other)
    assert token not in error.message
    assert "\x1b" not in error.message
    assert "\x07" not in error.message


async def test_a_worker_that_dies_anywhere_runs_the_task_once():
    counted = CrashPlan()
    await a_configure(counted).to_end()
    for at in range(counted.points):
        bench = a_configure(CrashPlan(at))
        await bench.to_end()
        assert bench.machine.effects == ["configure"], bench.crashes
        assert bench.machine.configured is not None


async def test_an_answer_that_was_lost_is_asked_for_again():
    bench = a_configure()
    bench.machine.lose_answer("configure")
    await bench.to_end()
    assert bench.troubles == ["VmUnreachable"]
    assert bench.machine.effects == ["configure"]
