"""Tasks run once per key, detached, and their outcome survives whatever happens to the caller."""

import os
import signal
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.contract.onvm.machine import HASH, Machine
from tests.contract.onvm.test_install import wait_for

SLOW_KEYGEN = """
    import time
    open(ROOT + '/pid', 'w').write(str(os.getppid()))
    while not os.path.exists(ROOT + '/go'): time.sleep(0.02)
    open(arg('-f'), 'w').write('new private key')
    open(arg('-f') + '.pub', 'w').write('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI' + 'B' * 43 + ' hublet\\n')
"""


def test_the_same_key_never_runs_a_second_time(machine: Machine) -> None:
    first = machine.task("lock-prepare", "k1")
    assert machine.task("lock-prepare", "k1") == first
    assert len(machine.calls("ssh-keygen")) == 1


def test_callers_at_the_same_moment_start_one_run(machine: Machine) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: machine.task("lock-prepare", "k1"), range(4)))
    assert {answer["state"] for answer in answers} == {"succeeded"}
    assert len(machine.calls("ssh-keygen")) == 1


def test_a_task_outlives_the_caller_that_did_not_wait(machine: Machine) -> None:
    machine.stub("ssh-keygen", SLOW_KEYGEN)
    assert machine.task("lock-prepare", None, 0) == {"state": "running", "result": None, "error": None}
    assert machine.task("lock-prepare", None, 0.2)["state"] == "running"
    machine.write("/go", "")
    assert machine.task("lock-prepare")["state"] == "succeeded"


def test_a_task_whose_process_was_killed_is_lost_and_stays_lost(machine: Machine) -> None:
    machine.stub("ssh-keygen", SLOW_KEYGEN)
    machine.task("lock-prepare", None, 0)
    wait_for(lambda: machine.path("/pid").exists() and machine.read("/pid") != "")
    os.kill(int(machine.read("/pid")), signal.SIGKILL)
    machine.write("/go", "")
    for _ in range(2):
        answer = machine.task("lock-prepare")
        assert (answer["state"], answer["error"]["code"]) == ("failed", "TaskLost")
    assert machine.task("lock-prepare", "another")["state"] == "succeeded"


def test_a_task_that_ran_before_a_reboot_is_lost(machine: Machine) -> None:
    machine.write("/var/lib/hublet/tasks/k1.json", '{"v": 1, "name": "configure", "state": "running", "bootId": "old"}')
    assert machine.configure("k1")["error"]["code"] == "TaskLost"
    assert machine.calls("tljh-config") == []


def test_a_key_belongs_to_one_task(machine: Machine) -> None:
    machine.task("lock-prepare", "k1")
    request = {"name": "configure", "key": "k1", "input": {}, "waitSeconds": 1}
    code, answer = machine.verb("task", request)
    assert (code, answer["error"]["code"]) == (1, "KeyReused")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": "rm"}, "UnknownTask"),
        ({"name": ["configure"]}, "UnknownTask"),
        ({"key": "../../etc/passwd"}, "BadInput"),
        ({"key": ".hidden"}, "BadInput"),
        ({"key": ""}, "BadInput"),
        ({"input": [1]}, "BadInput"),
        ({"waitSeconds": 3600}, "BadInput"),
    ],
)
def test_a_wrong_request_starts_nothing(machine: Machine, change: dict[str, object], code: str) -> None:
    rc, answer = machine.verb("task", {"name": "configure", "key": "k1", "input": {}, "waitSeconds": 1, **change})
    assert (rc, answer["error"]["code"]) == (1, code)
    assert not machine.path("/var/lib/hublet/tasks/k1.json").exists()


def test_results_are_for_root_only_and_hold_no_secret(machine: Machine) -> None:
    machine.configure()
    machine.task("accept-prepare", user="check", passwordHash=HASH)
    for path in machine.path("/var/lib/hublet/tasks").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert b"token-0123" not in path.read_bytes()
        assert HASH.encode() not in path.read_bytes()


def test_a_failure_that_quotes_a_secret_is_redacted(machine: Machine) -> None:
    machine.stub("tljh-config", "print('bad token: acceptance-token-0123456789'); sys.exit(1)")
    answer = machine.configure()
    assert answer["error"]["code"] == "TljhConfigFailed"
    assert "bad token: ***" in answer["error"]["message"]


def test_a_missing_program_is_a_failure_not_a_crash(machine: Machine) -> None:
    (machine.bin / "tljh-config").unlink()
    answer = machine.configure()
    assert answer["error"] == {
        "code": "TljhConfigFailed",
        "message": "tljh-config ended with exit code 127: tljh-config: No such file or directory",
    }
