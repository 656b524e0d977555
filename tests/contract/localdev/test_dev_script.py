"""The shell scripts a person starts with, run for real in a folder of their own."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from localdev.paths import ROOT

WORKING = """#!/bin/sh
case "$1" in
  -c) exit 0 ;;
esac
if [ "$2" = localdev.setup ]; then
  mkdir -p .venv/bin && cp "$0" .venv/bin/python && cp requirements-dev.txt .venv/.hublet-lock
fi
echo "$0 $*" >> calls
"""
BROKEN = "#!/bin/sh\nexit 127\n"


class Checkout:
    """A folder with `dev`, pretended Pythons and a record of what was called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.pyenv = folder / "pyenv"
        self.bin.mkdir()
        shutil.copy(ROOT / "dev", folder / "dev")
        (folder / "requirements-dev.txt").write_text("one==1\n")
        for tool in ("sh", "dirname", "cat", "cmp", "cp", "mkdir"):
            found = shutil.which(tool)
            assert found
            (self.bin / tool).symlink_to(found)

    def python(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(self.bin), "PYENV_ROOT": str(self.pyenv), "HOME": str(self.folder)}
        return subprocess.run(
            [str(self.folder / "dev"), *args], env=environment, capture_output=True, text=True, check=False
        )

    def calls(self) -> list[str]:
        file = self.folder / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        return [line.replace(f"{self.folder}/", "") for line in lines]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_it_installs_once_and_runs_the_command(checkout: Checkout) -> None:
    checkout.python(checkout.bin / "python3.13", WORKING)
    assert checkout.run("up", "--once").returncode == 0
    assert checkout.run("check").returncode == 0
    assert checkout.calls() == [
        "bin/python3.13 -m localdev.setup",
        ".venv/bin/python -m localdev up --once",
        ".venv/bin/python -m localdev check",
    ]


def test_a_changed_lock_file_installs_again(checkout: Checkout) -> None:
    checkout.python(checkout.bin / "python3.13", WORKING)
    checkout.run("check")
    (checkout.folder / "requirements-dev.txt").write_text("one==2\n")
    checkout.run("check")
    assert [call for call in checkout.calls() if call.endswith("localdev.setup")] == [
        "bin/python3.13 -m localdev.setup"
    ] * 2


def test_a_shim_that_does_not_run_is_passed_over_for_a_pyenv_version(checkout: Checkout) -> None:
    checkout.python(checkout.bin / "python3.13", BROKEN)
    checkout.python(checkout.pyenv / "versions/3.13.0/bin/python", WORKING)
    assert checkout.run("check").returncode == 0
    assert checkout.calls()[0] == "pyenv/versions/3.13.0/bin/python -m localdev.setup"


def test_without_a_fitting_python_it_says_what_to_install(checkout: Checkout) -> None:
    checkout.python(checkout.bin / "python3", BROKEN)
    done = checkout.run("up")
    assert done.returncode == 1
    assert "Python 3.13" in done.stderr
    assert "apt install python3.13" in done.stderr
    assert checkout.calls() == []


@pytest.mark.parametrize("args", [[], ["--help"]])
def test_help_needs_no_installation(checkout: Checkout, args: list[str]) -> None:
    checkout.python(checkout.bin / "python3.13", WORKING)
    checkout.run(*args)
    assert checkout.calls() == [" ".join(["bin/python3.13 -m localdev", *args])]


@pytest.mark.parametrize("script", ["dev", ".ci/run"])
def test_shellcheck_has_nothing_to_say(script: str) -> None:
    done = subprocess.run(["shellcheck", ROOT / script], capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert os.access(ROOT / script, os.X_OK)
