"""The agent's file, made and run by processes of their own."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.onvm.bundle import agent_bytes
from tests.contract.onvm.machine import PYTHON, Machine

ROOT = Path(__file__).parents[3]

FILES_OPENED_BY_THE_IMPORT = """
import functools, io, sys, zipfile, pathlib
import shared.onvm
folder, opened = shared.onvm.__path__[0], []
READS = "open", "os.listdir", "os.scandir"
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event in READS else None)
import shared.onvm.bundle
its_own = folder, folder + "/bundle.py", folder + "/__pycache__/bundle." + sys.implementation.cache_tag + ".pyc"
print(*[name for name in opened if name not in its_own])
"""


FILES_OPENED_BY_THE_BUILD = """
import sys
from shared.onvm.bundle import agent_bytes
opened = []
sys.addaudithook(lambda event, args: opened.append(args) if event == "open" else None)
agent_bytes()
agent_bytes()
print(*sorted(f"{mode}:{path}" for path, mode, _ in opened))
"""


def python(*arguments: str, **environment: str) -> str:
    """What the interpreter of these tests prints."""
    argv = [sys.executable, "-B", *arguments]
    env = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("seed", ["0", "4242"])
def test_every_process_makes_the_same_bytes(seed: str):
    code = (
        "import hashlib; from shared.onvm.bundle import agent_bytes; print(hashlib.sha256(agent_bytes()).hexdigest())"
    )
    assert python("-c", code, PYTHONHASHSEED=seed, TZ="Asia/Tokyo") == hashlib.sha256(agent_bytes()).hexdigest()


def test_importing_the_builder_reads_no_file_but_its_own():
    assert python("-c", FILES_OPENED_BY_THE_IMPORT) == ""


def test_building_reads_each_source_once_and_writes_nothing():
    """The deployment's folder is read-only, and every machine of a process gets the bytes of the first build."""
    sources = sorted((ROOT / "shared" / "onvm" / "agent").glob("*.py"))
    assert python("-c", FILES_OPENED_BY_THE_BUILD).split() == [f"r:{path}" for path in sources]


def test_the_bundle_imports_its_own_modules_whatever_lies_around(machine: Machine, tmp_path: Path):
    for name in ("shared", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the working directory')")
    argv = [PYTHON, "-I", "-W", "error", str(machine.agent), "status"]
    env = {**machine.environment(), "PYTHONPATH": str(tmp_path)}
    run = subprocess.run(argv, cwd=tmp_path, env=env, input="{}", capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


def test_a_bundle_that_is_cut_off_does_nothing(machine: Machine):
    machine.agent.write_bytes(agent_bytes()[:-1000])
    code, _ = machine.run("install")
    assert code != 0
    assert not machine.path("/var/lib/hublet").exists()
