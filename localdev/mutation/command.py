"""Runs `./dev mutate`: a copy of the checkout, mutants of each target, the tests against them, the table."""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from localdev import paths
from localdev.mutation.report import Change, Score, coverage_of, equivalents, score, stale, table
from localdev.mutation.targets import Target, chosen
from localdev.mutation.worker import CONTROL, INVALID, SURVIVED, UNFIT
from localdev.setup import SetupFailed, ensure_mutation

_LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".localdev", "node_modules", "__pycache__", ".mypy_cache", ".ruff_cache", ".hypothesis"
)


def mutate(args: argparse.Namespace) -> int:
    """Exit code 1 when a target falls short. Raises SetupFailed when tests fail without any mutant."""
    signal.signal(signal.SIGTERM, _interrupted)
    tool = ensure_mutation()
    listed = equivalents()
    scores: list[Score] = []
    wrong: list[Change] = []
    with tempfile.TemporaryDirectory(prefix="hublet-mutate-") as folder:
        copy = Path(folder) / "checkout"
        shutil.copytree(paths.ROOT, copy, ignore=_LEFT_OUT)
        for target in chosen(args.targets):
            started = time.monotonic()
            results, coverage = _try(target, copy, tool, args)
            here = [change for change in listed if change.target == target.name]
            scores.append(score(target.name, results, here, coverage))
            if args.sample is None:
                wrong += stale(here, dict(results))
            one = scores[-1]
            _say(f"{target.name}: {one.killed} of {one.mutants} killed, {time.monotonic() - started:.0f} s")
            if args.list_survivors:
                for change in one.survivors:
                    print(change, flush=True)
    print(table(scores))
    for change in wrong:
        print(f"equivalent.toml is wrong, this one is killed or gone: {change}", file=sys.stderr)
    return 0 if all(one.enough for one in scores) and not wrong else 1


def _try(
    target: Target, copy: Path, tool: Path, args: argparse.Namespace
) -> tuple[list[tuple[Change, str]], dict[str, int]]:
    """Each mutant with what became of it, and the coverage figures."""
    mutants = _mutants(target, copy, tool)
    if args.sample is not None and args.sample < len(mutants):
        mutants = random.Random(0).sample(mutants, args.sample)  # the same ones at every run
    base = {"module": target.module, "path": target.path, "tests": target.tests, "workers": args.jobs}
    site = next((tool.parent.parent / "lib").glob("python*/site-packages"))
    measured = _worker("measure", {**base, "coverage": str(site)}, copy)
    job = {**base, **{key: measured[key] for key in ("seconds", "lines", "libraries")}}
    _say(f"{target.name}: {len(mutants)} mutants, {len(measured['seconds'])} tests ...")

    codes: dict[str, int] = {}
    inner = [mutant for mutant in mutants if mutant["inside"]]
    if inner:
        codes |= _judged("inside", job, inner, copy)
    # What is data, and what survived: once more from an empty process, with all tests.
    rest = [mutant for mutant in mutants if codes.get(mutant["id"], UNFIT) in (SURVIVED, UNFIT)]
    if rest:
        codes |= _judged("outside", job, rest, copy)
    words = {SURVIVED: "survived", INVALID: "invalid"}
    return (
        [(_change(target, mutant), words.get(codes[mutant["id"]], "killed")) for mutant in mutants],
        coverage_of(measured["coverage"], target.functions),
    )


def _judged(mode: str, job: dict[str, Any], mutants: list[dict[str, Any]], copy: Path) -> dict[str, int]:
    """Exit codes by mutant. Raises SetupFailed when the tests do not pass in this mode without a mutant."""
    control = {**mutants[0], "id": CONTROL, "source": (copy / job["path"]).read_text(encoding="utf-8")}
    codes: dict[str, int] = _worker(mode, {**job, "mutants": [control, *mutants]}, copy)
    if codes.pop(CONTROL) != SURVIVED:
        raise SetupFailed(f"`{mode}`: the tests of {job['path']} fail without any mutant")
    return codes


def _change(target: Target, mutant: dict[str, Any]) -> Change:
    return Change(target.name, mutant["function"] or "", mutant["before"], mutant["after"])


def _mutants(target: Target, copy: Path, tool: Path) -> list[dict[str, Any]]:
    argv = [str(tool), "-m", "localdev.mutation.generate", target.path, *target.functions]
    done = subprocess.run(argv, cwd=copy, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SetupFailed(f"no mutants of {target.path}:\n{done.stderr}")
    return [{**mutant, "id": str(number)} for number, mutant in enumerate(json.loads(done.stdout))]


def _worker(mode: str, job: dict[str, Any], copy: Path) -> Any:
    """Its result. It is alone with its children in a group of processes, which ends with this function."""
    job_path, out, said = (copy.parent / f"{mode}.{end}" for end in ("job", "out", "log"))
    job_path.write_text(json.dumps(job), encoding="utf-8")
    argv = [sys.executable, "-m", "localdev.mutation.worker", mode, str(job_path), str(out)]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
    with said.open("w") as log:
        process = subprocess.Popen(argv, cwd=copy, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            code = process.wait()
        except BaseException:
            process.terminate()  # it ends its children, which have groups of their own
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
            process.kill()
            raise
    if code != 0:
        tail = "\n".join(said.read_text(encoding="utf-8", errors="replace").splitlines()[-30:])
        raise SetupFailed(f"`{mode}` of {job['path']} ended with code {code}:\n{tail}")
    return json.loads(out.read_text(encoding="utf-8"))


def _interrupted(*_: object) -> None:
    """A `kill` cleans up as Ctrl-C does."""
    raise KeyboardInterrupt


def _say(line: str) -> None:
    print(f"mutate: {line}", file=sys.stderr, flush=True)
