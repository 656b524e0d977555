"""`./dev up` as people start it: a process of its own, whose output they read and which they stop with Ctrl-C."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from localdev.paths import ROOT
from tests.contract.vm.lab import living
from tests.e2e.environment import TIME_SCALE
from tests.e2e.people import refused

READY_LIMIT_S = 240.0
START_LIMIT_S = 60.0
STOP_LIMIT_S = 30.0


class Up:
    """A running `./dev up`. `state`: its folder; every process of it has that in its environment."""

    def __init__(self, state: Path, *options: str) -> None:
        self.state = state
        self.log = state.with_suffix(".out")
        argv = [str(ROOT / "dev"), "up", "--state-dir", str(state), "--time-scale", f"{TIME_SCALE:g}", *options]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                argv,
                cwd=ROOT,
                env={**os.environ, "HUBLET_TEST_STATE": str(state)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, text: str, limit_s: float) -> str:
        """The output once it has that text."""
        deadline = time.monotonic() + limit_s
        while text not in self.output:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)
        return self.output

    def session(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.state / "session.json").read_text())
        return found

    def ports(self) -> list[tuple[str, int]]:
        """Every address that the session names."""
        session = self.session()
        urls = [session["api"], session["arm"], session["chat"], *re.findall(r"http://[^;]+", session["storage"])]
        return [(parts.hostname or "", parts.port or 0) for parts in map(urlsplit, urls)]

    def interrupt(self) -> int:
        """Ctrl-C, as a terminal sends it: to the command's whole process group. The exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(STOP_LIMIT_S)

    def processes(self) -> list[int]:
        return living(self.state)


@contextmanager
def running_up(state: Path, *options: str) -> Iterator[Up]:
    up = Up(state, *options)
    try:
        yield up
    finally:
        if up.process.poll() is None:
            up.process.terminate()
            up.process.wait(STOP_LIMIT_S)


def assert_nothing_left(up: Up, ports: list[tuple[str, int]]) -> None:
    assert up.processes() == []
    assert [port for port in ports if not refused(*port)] == []
    assert not (up.state / "session.json").exists()


def test_once_makes_the_demo_ready_says_how_to_use_it_and_leaves_nothing_running(tmp_path: Path) -> None:
    with running_up(tmp_path / "state", "--once", "--port", "0") as up:
        up.wait_for("up after", START_LIMIT_S)
        ports, token = up.ports(), up.session()["token"]
        assert len(ports) == 6 and up.processes()
        code = up.process.wait(READY_LIMIT_S)
    assert code == 0, up.output
    [url] = re.findall(r"^ +open +(http://\S+)$", up.output, re.MULTILINE)
    [(admin, password)] = re.findall(r"^ +log in +(\S+) +(\S+) ", up.output, re.MULTILINE)
    assert admin == "hubadmin" and len(password) >= 16
    assert f"token     {token}" in up.output
    assert "curl -sS http://127.0.0.1:" in up.output
    # A stage that is over between two looks is not shown; these last, and one of the verifying ones always does.
    for stage in ("machine", "install", "expose|https|accept|lock", "ready"):
        assert re.search(rf"^\[\d+:\d\d\] +\d+ % .*\b({stage})\b", up.output, re.MULTILINE), (stage, up.output)
    percents = [int(percent) for percent in re.findall(r"^\[\d+:\d\d\] +(\d+) %", up.output, re.MULTILINE)]
    assert percents == sorted(percents) and percents[-1] == 100
    parts = urlsplit(url)
    assert_nothing_left(up, [*ports, (parts.hostname or "", parts.port or 80)])


def test_what_it_prints_works_in_a_second_terminal_and_ctrl_c_in_mid_provision_stops_everything(
    tmp_path: Path,
) -> None:
    with running_up(tmp_path / "state", "--no-demo", "--port", "0") as up:
        output = up.wait_for("Ctrl-C stops everything", START_LIMIT_S)
        assert (up.state / "session.json").stat().st_mode & 0o777 == 0o600
        session, ports = up.session(), up.ports()
        assert set(session) == {"api", "arm", "sim", "token", "ca", "storage", "chat", "pid"}
        assert session["pid"] in up.processes()

        [line] = re.findall(r"next hub +(curl .*\n.*)", output)
        printed = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60, check=False)
        hub = json.loads(printed.stdout)
        assert hub["state"] == "accepted", printed
        _until_a_machine_runs(up, hub["id"])

        assert up.interrupt() == 0, up.output
    assert "stopping ..." in up.output
    assert_nothing_left(up, ports)


def _until_a_machine_runs(up: Up, hub_id: str) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while not list((up.state / "run" / "data" / "azure" / "vms").glob(f"{hub_id}-*/disk/etc/hostname")):
        assert time.monotonic() < deadline, up.output
        time.sleep(0.1)


def test_ctrl_c_before_the_demo_is_ready_is_no_success(tmp_path: Path) -> None:
    with running_up(tmp_path / "state", "--once", "--port", "0") as up:
        up.wait_for("provisioning", START_LIMIT_S)
        ports = up.ports()
        assert up.interrupt() in (1, 130), up.output
    assert "interrupted" in up.output
    assert_nothing_left(up, ports)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_however_it_ends_its_children_end_too(tmp_path: Path, how: signal.Signals) -> None:
    with running_up(tmp_path / "state", "--no-demo", "--port", "0") as up:
        up.wait_for("Ctrl-C stops everything", START_LIMIT_S)
        ports = up.ports()
        up.process.send_signal(how)
        assert up.process.wait(STOP_LIMIT_S) == (0 if how is signal.SIGTERM else -signal.SIGKILL)
    deadline = time.monotonic() + STOP_LIMIT_S
    while up.processes() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert up.processes() == []
    assert [port for port in ports if not refused(*port)] == []


def test_a_second_up_of_the_same_folder_says_where_the_first_is(tmp_path: Path) -> None:
    with running_up(tmp_path / "state", "--no-demo", "--port", "0") as first:
        first.wait_for("Ctrl-C stops everything", START_LIMIT_S)
        second = subprocess.run(
            [str(ROOT / "dev"), "up", "--state-dir", str(first.state)], capture_output=True, text=True, check=False
        )
        assert second.returncode == 1
        assert str(first.state / "session.json") in second.stderr
        assert first.session()["api"]


def test_a_port_that_is_taken_is_named_before_anything_starts(tmp_path: Path) -> None:
    with running_up(tmp_path / "one", "--no-demo", "--port", "0") as first:
        first.wait_for("Ctrl-C stops everything", START_LIMIT_S)
        port = urlsplit(first.session()["api"]).port
        argv = [str(ROOT / "dev"), "up", "--state-dir", str(tmp_path / "two"), "--port", str(port)]
        second = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert f"port {port} cannot be used" in second.stderr
    assert living(tmp_path / "two") == []
