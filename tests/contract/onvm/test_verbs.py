"""How the agent is called: the forced command, its input, `status`."""

import base64
import json

import pytest

from tests.contract.onvm.machine import Machine


@pytest.mark.parametrize("command", ["", "install", "status extra", "sh", "status;id", "$(id)", "task\nstatus"])
def test_only_the_listed_verbs_are_reachable_over_ssh(machine: Machine, command: str) -> None:
    code, output = machine.run("ssh", command, stdin=b"{}")
    assert code == 1
    assert json.loads(output)["error"]["code"] == "UnknownVerb"
    assert machine.files().keys() == {"home/hublet/.ssh/authorized_keys", "etc/ssh/ssh_host_ed25519_key",
                                      "etc/hublet/install.json", "opt/tljh/user/bin/python"}  # fmt: skip


@pytest.mark.parametrize("stdin", [b"not json", b"[1]", b'"x"', b"[" * 100_000, b"\xff\xfe", b" " * 300_000])
def test_unreadable_input_is_refused(machine: Machine, stdin: bytes) -> None:
    code, output = machine.run("ssh", "status", stdin=stdin)
    assert code == 1
    assert json.loads(output)["error"]["code"] == "BadInput"


def test_status_before_anything_happened(machine: Machine) -> None:
    machine.hub.up = False
    status = machine.status()
    assert status["install"]["state"] == "absent"
    assert status["log"] == {"offset": 0, "size": 0, "data": ""}
    assert status["hubApi"] == {"status": 502, "version": None}
    assert status["cloudInit"] is None
    assert status["time"].endswith("Z")


def test_status_says_that_nothing_listens(machine: Machine) -> None:
    machine.close()
    assert machine.status()["hubApi"] is None


def test_status_reports_the_hubs_version(machine: Machine) -> None:
    assert machine.status()["hubApi"] == {"status": 200, "version": "5.5.4"}


def test_status_reads_logs_from_an_offset_and_within_the_limit(machine: Machine) -> None:
    machine.write("/opt/tljh/installer.log", "0123456789")
    machine.write("/var/log/cloud-init-output.log", "abc")
    status = machine.status(logOffset=4, outputOffset=3, maxBytes=3)
    assert status["log"] == {"offset": 4, "size": 10, "data": base64.b64encode(b"456").decode()}
    assert status["output"] == {"offset": 3, "size": 3, "data": ""}


def test_status_starts_again_when_a_log_has_shrunk(machine: Machine) -> None:
    machine.write("/opt/tljh/installer.log", "new")
    log = machine.status(logOffset=1000)["log"]
    assert (log["offset"], base64.b64decode(log["data"])) == (0, b"new")


@pytest.mark.parametrize("payload", [{"logOffset": -1}, {"logOffset": "0"}, {"maxBytes": 1 << 30}, {"maxBytes": True}])
def test_status_refuses_odd_numbers(machine: Machine, payload: dict[str, object]) -> None:
    code, answer = machine.verb("status", payload)
    assert (code, answer["error"]["code"]) == (1, "BadInput")


@pytest.mark.parametrize(
    ("files", "state"),
    [
        ({"result.json": '{"v1": {"errors": []}}', "status.json": "{}"}, "done"),
        ({"result.json": '{"v1": {"errors": ["x"]}}', "status.json": "{}"}, "error"),
        ({"status.json": "{}"}, "running"),
        ({"disabled": ""}, "disabled"),
    ],
)
def test_status_reports_cloud_init(machine: Machine, files: dict[str, str], state: str) -> None:
    for name, content in files.items():
        machine.write(f"/run/cloud-init/{name}", content)
    assert machine.status()["cloudInit"] == state
