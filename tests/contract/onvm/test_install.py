"""`agent install` and the task `reinstall`."""

import os
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.onvm.machine import BOOTSTRAP_URL, GOOD_BOOTSTRAP, HASH, Machine


def mode(machine: Machine, path: str) -> int:
    return stat.S_IMODE(machine.path(path).stat().st_mode)


def test_install_runs_the_checked_bootstrap_and_records_success(machine: Machine) -> None:
    code, output = machine.install()
    assert code == 0
    assert "bootstrap says --admin jaydoe --version 2.0.0\n" in output
    state = machine.status()["install"]
    assert (state["state"], state["attempt"], state["exitCode"]) == ("finished", 1, 0)
    assert state["startedAt"] <= state["finishedAt"]


def test_install_passes_requirements_and_all_plugins_in_one_flag(machine: Machine) -> None:
    machine.serve(GOOD_BOOTSTRAP, requirementsUrl="https://example.org/r.txt", plugins=["tljh-a", "tljh-b"])
    _, output = machine.install()
    assert "--user-requirements-txt-url https://example.org/r.txt --plugin tljh-a tljh-b\n" in output


def test_password_is_seeded_before_bootstrap_runs(machine: Machine) -> None:
    machine.serve(
        "import dbm, os\n"
        "with dbm.open(os.environ['HUBLET_ROOT'] + '/opt/tljh/state/passwords.dbm', 'r') as p: print(p[b'jaydoe'])\n"
    )
    code, output = machine.install()
    assert code == 0, output
    assert HASH in output
    assert mode(machine, "/opt/tljh") == 0o755
    assert mode(machine, "/opt/tljh/state") == mode(machine, "/opt/tljh/config") == 0o700


def test_bootstrap_gets_a_home_a_usual_umask_and_a_waiting_apt(machine: Machine) -> None:
    machine.serve(
        "import os\n"
        "print(os.environ['HOME'] == os.environ['HUBLET_ROOT'] + '/root', oct(os.umask(0)))\n"
        "print(os.getsid(0) == os.getpid())\n"
        "print(open(os.environ['APT_CONFIG']).read())\n"
    )
    _, output = machine.install()
    assert "True 0o22\nTrue\n" in output
    assert 'DPkg::Lock::Timeout "300";' in output


def test_state_and_secrets_are_readable_by_root_only(machine: Machine) -> None:
    machine.install()
    assert mode(machine, "/var/lib/hublet") == 0o700
    assert mode(machine, "/var/lib/hublet/install.json") == 0o600


def test_download_goes_to_a_file_over_https_with_retries(machine: Machine) -> None:
    machine.install()
    (call,) = machine.calls("curl")
    assert call[:3] == ["-fsSL", "--proto", "=https"]
    assert "--retry" in call
    assert call[-1] == BOOTSTRAP_URL


def test_daily_apt_jobs_are_held_back_and_given_back(machine: Machine) -> None:
    machine.install()
    timers = ["apt-daily.timer", "apt-daily-upgrade.timer"]
    assert machine.calls("systemctl") == [["stop", *timers], ["start", *timers]]


def test_wrong_checksum_runs_nothing(machine: Machine) -> None:
    machine.serve(GOOD_BOOTSTRAP, bootstrapSha256="0" * 64)
    code, output = machine.install()
    assert code == 65
    assert "hublet: attempt 1 ended with exit code 65: installer checksum mismatch: expected 000" in output
    assert "bootstrap says" not in output
    assert machine.status()["install"]["error"]["code"] == "ChecksumMismatch"


def test_failed_download_is_recorded_with_curls_words(machine: Machine) -> None:
    machine.stub("curl", "print('curl: (6) Could not resolve host: example.org', file=sys.stderr); sys.exit(6)")
    code, output = machine.install()
    assert code == 69
    assert "Could not resolve host" in output
    assert machine.status()["install"]["error"]["code"] == "DownloadFailed"


def test_bootstraps_exit_code_is_recorded(machine: Machine) -> None:
    machine.serve("import sys; sys.exit(3)")
    assert machine.install()[0] == 3
    assert machine.status()["install"]["exitCode"] == 3


def test_a_killed_bootstrap_is_recorded_with_its_signal(machine: Machine) -> None:
    machine.serve("import os; os.kill(os.getpid(), 9)")
    machine.install()
    state = machine.status()["install"]
    assert (state["exitCode"], state["signal"]) == (137, "SIGKILL")


def test_a_hanging_bootstrap_is_stopped_with_everything_it_started(machine: Machine) -> None:
    machine.serve(
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "open(os.environ['HUBLET_ROOT'] + '/child', 'w').write(str(child.pid))\n"
        "time.sleep(60)\n",
        timeoutSeconds=1,
    )
    code, _ = machine.install()
    assert code == 124
    assert machine.status()["install"]["error"]["code"] == "InstallerTimeout"
    assert not alive(int(machine.read("/child")))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    "changes",
    [
        {"adminUser": "Bad Name!"},
        {"adminUser": "a:b"},
        {"adminPasswordHash": "plain"},
        {"bootstrapUrl": "http://example.org/x"},
        {"bootstrapUrl": "https://example.org/ -o /etc/passwd"},
        {"tljhVersion": "--evil"},
        {"plugins": ["--editable"]},
        {"timeoutSeconds": 0},
    ],
)
def test_an_order_that_is_not_well_formed_is_not_carried_out(machine: Machine, changes: dict[str, object]) -> None:
    machine.serve(GOOD_BOOTSTRAP, **changes)
    assert machine.install()[0] == 78
    assert machine.status()["install"]["error"]["code"] == "BadInput"
    assert machine.calls("curl") == []


def test_a_second_install_does_nothing(machine: Machine) -> None:
    machine.install()
    code, output = machine.install()
    assert code == 0
    assert "nothing to do" in output
    assert len(machine.calls("curl")) == 1


HANGING = "import os, time\nopen(os.environ['HUBLET_ROOT'] + '/pid', 'w').write(str(os.getpid()))\ntime.sleep(60)\n"


def test_an_install_runs_as_long_as_bootstrap_does_and_is_lost_when_nobody_saw_its_end(machine: Machine) -> None:
    machine.serve(HANGING)
    process = machine.start("install")
    wait_for(lambda: machine.path("/pid").exists() and machine.read("/pid") != "")
    assert machine.status()["install"]["state"] == "running"
    process.kill()
    assert machine.status()["install"]["state"] == "running"
    assert machine.task("reinstall")["error"]["code"] == "InstallRunning"
    os.kill(int(machine.read("/pid")), signal.SIGKILL)
    process.communicate()
    wait_for(lambda: machine.status()["install"]["state"] == "finished")
    state = machine.status()["install"]
    assert (state["exitCode"], state["error"]["code"]) == (None, "InstallLost")
    machine.serve(GOOD_BOOTSTRAP)
    assert machine.task("reinstall", "again")["result"] == {"attempt": 2, "exitCode": 0}


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_reinstall_is_attempt_two_and_appends_to_the_same_output(machine: Machine) -> None:
    machine.serve("import sys; sys.exit('first try failed')")
    machine.install()
    machine.write("/var/log/cloud-init-output.log", "before\n")
    machine.serve(GOOD_BOOTSTRAP)
    assert machine.task("reinstall") == {"state": "succeeded", "result": {"attempt": 2, "exitCode": 0}, "error": None}
    assert machine.status()["install"]["attempt"] == 2
    output = machine.read("/var/log/cloud-init-output.log")
    assert output.startswith("before\nhublet: installing TLJH, attempt 2\n")
    assert "bootstrap says" in output
    assert machine.calls("systemctl")[2] == ["stop", "jupyterhub.service", "traefik.service"]


def test_reinstall_removes_half_made_environments(machine: Machine) -> None:
    machine.install()
    machine.write("/opt/tljh/hub/bin/python3", "")
    machine.task("reinstall")
    assert not machine.path("/opt/tljh/hub").exists()  # a venv without pip
    assert not machine.path("/opt/tljh/user").exists()  # a directory without conda


def test_reinstall_keeps_complete_environments(machine: Machine) -> None:
    machine.install()
    machine.write("/opt/tljh/hub/bin/pip", "")
    machine.write("/opt/tljh/user/bin/conda", "")
    machine.task("reinstall")
    assert machine.path("/opt/tljh/hub/bin/pip").exists()
    assert machine.path("/opt/tljh/user/bin/conda").exists()


def test_reinstall_that_fails_says_so(machine: Machine) -> None:
    machine.install()
    machine.serve("import sys; sys.exit(1)")
    assert machine.task("reinstall")["error"]["code"] == "InstallFailed"
    assert machine.status()["install"]["exitCode"] == 1


def test_reinstall_keeps_a_password_that_was_changed_meanwhile(machine: Machine) -> None:
    machine.install()
    assert machine.password("jaydoe") == HASH
    other = HASH[:-1] + "z"
    machine.serve(GOOD_BOOTSTRAP, adminPasswordHash=other)
    machine.task("reinstall")
    assert machine.password("jaydoe") == HASH
