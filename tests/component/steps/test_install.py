"""TLJH's installer is followed to its end, its failures get names, and one of them one more chance."""

from typing import Any

import pytest

from shared.errors import FatalError, HubletError, UserError
from shared.hubs.model import StepName
from shared.hubs.visit import Done, Wait
from shared.steps import install
from tests.component.steps.bench import StepBench
from tests.support.fake_machine import RECORDED, Script, failing
from tests.support.often import EVERY
from tests.support.world import CrashPlan

APT_LOCK = "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 811 (unattended-upgr)\n"
CHECKSUM = "hublet: install attempt 1 ended: installer checksum mismatch: expected a, got b"
REQUIREMENTS = (
    "Ran /opt/tljh/user/bin/python -m pip install --upgrade --requirement https://example.org/r.txt with exit code 1\n"
)


def an_install(*scripts: Script, crash: CrashPlan | None = None, **environment: str) -> StepBench:
    bench = StepBench(StepName.INSTALL, crash=crash, environment=environment)
    if scripts:
        bench.machine.scripts = list(scripts)
    return bench


async def failure(bench: StepBench) -> HubletError:
    with pytest.raises(HubletError) as caught:
        await bench.to_end()
    return caught.value


# ---- when all is well


async def test_the_recorded_install_is_followed_to_its_end():
    bench = an_install()
    await bench.to_end()
    install = bench.hub.install
    assert (install.phase, install.percent) == ("done", 100)
    assert "5.5.4" in install.message
    kept = await bench.world.app.logs.read(bench.hub.id, 0)
    assert kept == bench.machine.log()
    assert install.log_bytes == len(kept)


async def test_the_end_is_noticed_soon_and_with_few_messages():
    bench = an_install()
    visits = await bench.to_end()
    ended = bench.machine.install_finished_at
    assert ended is not None
    assert visits <= 12
    assert (bench.world.clock.now() - ended).total_seconds() <= 3


@pytest.mark.parametrize("pace", [0.6, 1.0, 1.25, 1.45])
async def test_a_faster_or_slower_machine_needs_hardly_more_looks(pace: float):
    bench = an_install(Script(pace=pace))
    visits = await bench.to_end()
    ended = bench.machine.install_finished_at
    assert ended is not None
    assert visits <= 13
    assert (bench.world.clock.now() - ended).total_seconds() <= 4


async def test_a_fast_simulated_installer_is_followed_at_its_own_pace():
    bench = an_install(Script(pace=0.05), HUBLET_POLL_SCALE="20")
    visits = await bench.to_end()
    ended = bench.machine.install_finished_at
    assert ended is not None
    assert visits <= 14
    assert (bench.world.clock.now() - ended).total_seconds() <= 1.5


async def test_progress_never_goes_back_and_shows_the_installers_last_words():
    bench, seen = an_install(), []
    while not isinstance(outcome := await bench.look(), Done):
        seen.append((bench.hub.install.percent, bench.hub.install.message))
        bench.pass_time(outcome.after_s)
    assert [percent for percent, _ in seen] == sorted(percent for percent, _ in seen)
    assert any("it will be upgraded to pip" in message for _, message in seen)
    assert all("2026-" not in message for _, message in seen), "the stamp is not part of what was said"


async def test_the_second_look_after_done_changes_nothing_on_the_machine():
    bench = an_install()
    await bench.to_end()
    before = bench.hub.install
    appended = bench.world.storage.tape.count("logs.append")
    assert await bench.look() == Done()
    assert bench.world.on_vm.effects == []
    assert bench.world.storage.tape.count("logs.append") == appended
    assert bench.hub.install.log_bytes == before.log_bytes


async def test_a_line_is_never_shown_in_two_halves():
    bench = an_install()
    machine = bench.machine
    bench.pass_time(60)
    whole = machine.log()
    cut = whole.index(b"Setting up virtual") + 7
    machine.log_is = whole[:cut]
    await bench.look()
    assert bench.hub.install.phase == "system-packages"
    assert bench.hub.install.message.endswith("via apt-get...")
    machine.log_is = None
    await bench.look()
    assert bench.hub.install.phase == "venv"
    assert await bench.world.app.logs.read(bench.hub.id, 0) == whole


async def test_done_is_not_enough_the_hub_must_answer():
    bench = an_install()
    bench.machine.hub_answers = False
    bench.pass_time(220)
    for _ in range(3):
        assert isinstance(await bench.look(), Wait)
        bench.pass_time(5)
    bench.machine.hub_answers = True
    assert await bench.look() == Done()


async def test_an_old_done_above_a_new_beginning_does_not_count():
    lines = (*RECORDED, (203.0, "Existing TLJH installation detected, upgrading..."))
    bench = an_install(Script(lines=lines, ends_s=204), failing(3))
    error = await failure(bench)
    assert error.code != ""
    assert bench.machine.effects == ["reinstall"]


# ---- when it fails


@pytest.mark.parametrize(
    ("script", "kind", "code"),
    [
        (failing(3, "bash: No space left on device"), UserError, "DiskFull"),
        (failing(11, REQUIREMENTS), UserError, "RequirementsFailed"),
        (failing(0, "Systemd is required to run TLJH"), UserError, "SystemdMissing"),
        (
            failing(0, CHECKSUM, exit_code=65),
            FatalError,
            "InstallerChecksumMismatch",
        ),
        (failing(5, "Exception: No version matching 9.9 exists"), FatalError, "UnknownTljhVersion"),
    ],
)
async def test_a_failure_that_stays_is_named_and_not_tried_again(script: Script, kind: type, code: str):
    bench = an_install(script)
    error = await failure(bench)
    assert isinstance(error, kind)
    assert error.code == code
    assert error.message
    assert error.fix
    assert bench.machine.effects == []


async def test_a_wrong_request_says_which_part_of_it():
    error = await failure(an_install(failing(11, REQUIREMENTS)))
    assert isinstance(error, UserError)
    assert error.pointer == "/packages/requirementsUrl"


@pytest.mark.parametrize(
    "first",
    [
        failing(3, APT_LOCK + "Ran apt-get install with exit code 100", exit_code=1),
        failing(12, "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='github.com', port=443)"),
        failing(9, exit_code=None),
        failing(17, exit_code=124),
        Script(hub_up=False),
    ],
    ids=["apt-lock", "github", "rebooted", "too-long", "hub-never-answers"],
)
async def test_a_passing_failure_is_tried_once_more_and_ends_well(first: Script):
    bench = an_install(first, Script())
    await bench.to_end()
    assert bench.machine.effects == ["reinstall"]
    assert bench.hub.install.agent_attempt == 2
    assert bench.hub.install.percent == 100
    assert "tried once more" in bench.told


async def test_the_second_failure_is_final():
    bench = an_install(failing(3, APT_LOCK), failing(3, APT_LOCK))
    error = await failure(bench)
    assert error.code == "AptLocked"
    assert bench.machine.effects == ["reinstall"]


async def test_a_retry_that_cannot_be_begun_fails_with_the_first_cause():
    bench = an_install(failing(3, APT_LOCK))
    bench.machine.fail_task("reinstall", "InstallRunning", times=99)
    error = await failure(bench)
    assert error.code == "AptLocked"


async def test_history_quotes_the_end_of_the_output_without_secrets_or_terminal_codes():
    bench = an_install()
    secrets = await bench.world.app.keys.make(bench.hub, bench.world.app.entropy)
    spoken = f"\x1b[31mhash {secrets.admin_password_hash}\x1b[0m\nfetching https://me:hunter22@example.org/r.txt?sig=abcdef\n"
    bench.machine.scripts = [failing(3, spoken + "No space left on device")]
    await failure(bench)
    assert "No space left on device" in bench.told
    for secret in (secrets.admin_password_hash, "hunter22", "sig=abcdef", "\x1b"):
        assert secret not in bench.told


async def test_silence_fails_the_install_after_five_minutes():
    bench = an_install(Script(hangs=True, lines=RECORDED[:5]))
    error = await failure(bench)
    assert error.code == "InstallerSilent"
    assert "Upgrading pip" in error.message
    silent = (bench.world.clock.now() - bench.machine.started[0]).total_seconds() - RECORDED[4][0]
    assert 300 <= silent <= 370


@pytest.mark.parametrize(
    "line", ["installing packages from user_requirements_txt_url: x", "2 collected from plugins: x"]
)
async def test_the_owners_own_packages_may_take_longer_without_a_word(line: str):
    bench = an_install(
        Script(hangs=True, lines=(*RECORDED[:9], (96.0, f"Packages {line}" if line[0] == "2" else line)))
    )
    await failure(bench)
    silent = (bench.world.clock.now() - bench.machine.started[0]).total_seconds() - 96.0
    assert 900 <= silent <= 1000


async def test_a_machine_that_answers_slowly_is_not_asked_again_in_the_same_visit():
    flood = tuple((0.1, "x" * 5000) for _ in range(200))
    bench = an_install(Script(lines=(RECORDED[0], *flood), hangs=True))
    bench.pass_time(20)
    call = bench.world.on_vm.call

    async def slow(*args: Any, **kwargs: Any) -> Any:
        bench.pass_time(16)
        return await call(*args, **kwargs)

    bench.world.on_vm.call = slow  # type: ignore[method-assign]
    await bench.look()
    assert len(bench.world.on_vm.calls) == 1


async def test_an_installer_that_talks_for_ever_is_given_up_after_thirty_minutes():
    lines = tuple((float(n), f"still busy with {n}") for n in range(0, 4000, 30))
    bench = an_install(Script(hangs=True, lines=lines))
    error = await failure(bench)
    assert error.code == "InstallerSilent"
    assert "30 minutes" in error.message


@pytest.mark.parametrize("cloud_init", ["done", "error", "disabled"])
async def test_a_machine_that_never_begins_the_installation_fails_at_once(cloud_init: str):
    bench = an_install()
    bench.machine.installer_runs = False
    bench.machine.cloud_init = cloud_init
    error = await failure(bench)
    assert error.code == "InstallerNeverBegan"
    assert bench.visits == 2, "a second look rules out a race"


async def test_cloud_init_that_never_gets_there_is_silence():
    bench = an_install()
    bench.machine.installer_runs = False
    assert (await failure(bench)).code == "InstallerSilent"


async def test_a_machine_that_is_away_for_a_while_is_waited_for():
    bench = an_install()
    bench.pass_time(100)
    bench.machine.unreachable_for(60)
    await bench.to_end()
    assert set(bench.troubles) == {"VmUnreachable"}


# ---- hostile machines


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"v": 2},
        {"v": 1, "install": []},
        {"v": 1, "install": {"state": "fine"}},
        {"v": 1, "install": {"state": "running"}, "log": {"offset": -1, "size": 0, "data": ""}},
        {"v": 1, "install": {"state": "running"}, "log": {"offset": 0, "size": 0, "data": "%%%"}},
        {"v": 1, "install": {"state": "running"}, "log": {"offset": True, "size": 0, "data": ""}},
    ],
)
async def test_an_answer_that_is_none_is_looked_at_again_later(answer: dict[str, Any]):
    bench = an_install()
    bench.machine.status_is = answer
    with pytest.raises(HubletError) as caught:
        await bench.look()
    assert caught.value.code == "AgentProtocolError"


async def test_a_log_without_end_is_read_in_pieces_and_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(install, "LOG_KEPT_BYTES", 200_000)
    flood = tuple((0.1, "x" * 5000) for _ in range(200))
    bench = an_install(Script(lines=(RECORDED[0], *flood), hangs=True))
    bench.pass_time(20)
    for _ in range(6):
        await bench.look()
        assert len([call for call in bench.world.on_vm.calls if call.what == "status"]) <= 4 * bench.visits
    assert 100_000 < len(await bench.world.app.logs.read(bench.hub.id, 0)) <= 200_000
    assert bench.hub.install.log_bytes > 900_000
    assert len(bench.hub.install.message) <= 200


async def test_a_log_that_shrank_changes_nothing_that_was_kept():
    bench = an_install()
    bench.pass_time(100)
    await bench.look()
    kept = await bench.world.app.logs.read(bench.hub.id, 0)
    bench.machine.scripts = [Script(lines=RECORDED[:1], hangs=True)]
    await bench.look()
    assert await bench.world.app.logs.read(bench.hub.id, 0) == kept


# ---- crashes


@EVERY
async def test_a_worker_that_dies_anywhere_causes_one_retry_and_one_log(every: int):
    def make(plan: CrashPlan) -> StepBench:
        bench = StepBench(StepName.INSTALL, crash=plan)
        bench.machine.scripts = [failing(3, APT_LOCK), Script()]
        return bench

    counted = CrashPlan()
    await make(counted).to_end()
    assert counted.points > 50
    for at in range(0, counted.points, every):
        bench = make(CrashPlan(at))
        await bench.to_end()
        assert len(bench.crashes) == 1
        assert bench.machine.effects == ["reinstall"], bench.crashes
        assert await bench.world.app.logs.read(bench.hub.id, 0) == bench.machine.log(), bench.crashes
        assert bench.told.count("tried once more") == 1, bench.crashes
