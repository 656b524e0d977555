"""Child processes: ready, failed, stopped, never left behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from localdev.paths import ROOT
from localdev.processes import ChildFailed, Children
from tests.support.wait import eventually


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    with Children(tmp_path / "logs", grace_s=2) as made:
        yield made


def python(code: str) -> list[str]:
    return [sys.executable, "-u", "-c", code]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return (
        Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z" if sys.platform == "linux" else True
    )


def test_a_ready_file_ends_the_wait(children: Children, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    child = children.start("writer", python(f"open({str(ready)!r}, 'w').write('here'); import time; time.sleep(60)"))
    assert child.wait_until(lambda: ready.read_text() or None if ready.exists() else None, 10) == "here"


def test_a_child_that_ends_too_early_is_reported_with_its_log(children: Children, tmp_path: Path) -> None:
    child = children.start("broken", python("import sys; print('the cause'); sys.exit(3)"))
    with pytest.raises(ChildFailed, match=r"(?s)broken ended with code 3.*the cause"):
        child.wait_for_file(tmp_path / "never", 10)


def test_a_child_that_is_never_ready_is_reported_after_its_time(children: Children, tmp_path: Path) -> None:
    child = children.start("slow", python("import time; time.sleep(60)"))
    with pytest.raises(ChildFailed, match=r"slow was not ready within 0\.2 s"):
        child.wait_for_file(tmp_path / "never", 0.2)


def test_a_child_that_died_is_noticed(children: Children) -> None:
    child = children.start("brief", python("pass"))
    child.process.wait(10)
    assert children.first_dead() is child


async def test_stopping_kills_what_ignores_sigterm_and_its_own_children(tmp_path: Path) -> None:
    code = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid)\n"
        "time.sleep(60)\n"
    )
    with Children(tmp_path, grace_s=0.2) as children:
        child = children.start("stubborn", python(code))
        grandchild = int(child.wait_until(lambda: child.log_text().strip() or None, 10))
    assert child.process.returncode == -signal.SIGKILL
    await eventually(lambda: not alive(grandchild))


if sys.platform == "linux":  # the parent-death signal is Linux's

    async def test_children_of_a_killed_supervisor_end_by_themselves(tmp_path: Path) -> None:
        code = (
            "import sys, time; from pathlib import Path; from localdev.processes import Children\n"
            f"child = Children(Path({str(tmp_path)!r})).start('orphan', ['sleep', '60'])\n"
            "print(child.process.pid, flush=True); time.sleep(60)\n"
        )
        with subprocess.Popen(python(code), cwd=ROOT, stdout=subprocess.PIPE, text=True) as supervisor:
            assert supervisor.stdout is not None
            orphan = int(supervisor.stdout.readline())
            supervisor.kill()
        await eventually(lambda: not alive(orphan))
