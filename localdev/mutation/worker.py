"""Runs tests against mutants. A process of its own, in a copy of the checkout; no mutant is ever written to a file.

Every mutant gets a forked process. Of a mutant inside a function only the function's code object is replaced in a
process that has collected the tests already, and only the tests that execute the function are run: some 50 ms each.
Any other mutant (a table, a default; run against all tests), and whatever survived that way, is imported anew in a
process that has loaded the libraries but nothing of ours: a second each.

Called with three arguments: `measure`, `inside` or `outside`, the job (JSON) and the file for the result (JSON).
"""

import gc
import importlib
import importlib.abc
import importlib.machinery
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NoReturn

import pytest

OURS = ("shared", "functions", "function_app", "localdev", "tests")
SURVIVED, KILLED, INVALID, UNFIT = 0, 1, 3, 4
"""Exit codes of a mutant's process. INVALID: the module cannot even be imported. UNFIT: must be imported anew."""

UNREACHABLE = r"^\s*(case unreachable:|assert_never\()"
"""What is there for the type checker only is no branch that a test could take."""

CONTROL = "control"
"""The id of no mutant at all: what kills it would kill everything, and the score would say nothing."""

PYTEST = ("-q", "-x", "-s", "-m", "not slow", "-p", "no:cacheprovider", "--hypothesis-seed=0")
LOADED_EARLY = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
"""The libraries that are imported before pytest looks at them are pytest's plugins, too."""

CPU_FACTOR, CPU_SLACK_S = 4.0, 3.0
"""How much processor time a test may use, by what it uses without a mutant: one that never ends is killed."""

WALL_FACTOR, WALL_SLACK_S = 10.0, 60.0
"""The same for all tests of a mutant in real time, for one that waits for ever. Generous: others use this machine."""

type Mutant = dict[str, Any]


def main(argv: Sequence[str]) -> int:
    mode, job_path, out = argv
    signal.signal(signal.SIGTERM, _terminated)
    job = json.loads(Path(job_path).read_text(encoding="utf-8"))
    result: Any
    match mode:
        case "measure":
            result = measure(job)
        case "inside":
            result = inside(job)
        case _:
            result = outside(job)
    Path(out).write_text(json.dumps(result), encoding="utf-8")
    return 0


# ------------------------------------------------------------------ the tests as they are


class _Watch:
    """Which test takes how long, and executes which lines."""

    def __init__(self, coverage: Any) -> None:
        self.coverage = coverage
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        started = time.process_time()
        self.coverage.switch_context(item.nodeid)
        result = yield
        self.coverage.switch_context("")
        self.seconds[item.nodeid] = time.process_time() - started
        return result


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Times, executed lines by test, branch coverage of the module, and the libraries that the tests load. Raises
    SystemExit when a test fails without any mutant."""
    sys.path.append(job["coverage"])
    coverage = importlib.import_module("coverage").Coverage(
        branch=True, data_file=None, include=[str(Path(job["path"]).absolute())], config_file=False
    )
    coverage.exclude(UNREACHABLE)
    watch = _Watch(coverage)
    coverage.start()
    code = pytest.main([*PYTEST, *job["tests"]], plugins=[watch])
    coverage.stop()
    if code != 0:
        raise SystemExit(f"the tests of {job['path']} fail as they are")
    coverage.json_report(outfile="coverage.json")
    report = json.loads(Path("coverage.json").read_text(encoding="utf-8"))
    data = coverage.get_data()
    lines: dict[str, list[int]] = {}
    for path in data.measured_files():
        for line, contexts in data.contexts_by_lineno(path).items():
            for context in contexts:
                lines.setdefault(context, []).append(line)
    libraries = [
        name
        for name in sys.modules
        if name.partition(".")[0] not in {*OURS, "coverage", "__main__"} and not name.startswith("_")
    ]
    return {
        "seconds": watch.seconds,
        "lines": lines,
        "libraries": libraries,
        "coverage": next(iter(report["files"].values())),
    }


# ------------------------------------------------------------------ mutants inside functions


class _Instead:
    """Takes the place of pytest's loop over the tests: every mutant gets a process with some of them."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        self.results: dict[str, int] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        plan, spans = planner(self.job), spans_of(self.job)

        def run(mutant: Mutant) -> int:
            if mutant["id"] != CONTROL and at_import(spans[mutant["function"]], self.job["lines"]):
                return UNFIT
            if not put_in_place(mutant, self.job["module"], self.job["path"]):
                return UNFIT
            chosen = [items[name] for name in plan(mutant) if name in items]
            for item, following in pairwise([*chosen, None]):
                if item is not None:
                    limit_cpu(self.job["seconds"][item.nodeid])
                    item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if session.testsfailed:
                    return KILLED
            return SURVIVED

        def seconds(mutant: Mutant) -> float:
            return sum(float(self.job["seconds"][name]) for name in plan(mutant))

        self.results = in_processes(self.job["mutants"], run, seconds, self.job["workers"])
        return True


def inside(job: dict[str, Any]) -> dict[str, int]:
    loop = _Instead(job)
    pytest.main([*PYTEST, *job["tests"]], plugins=[loop])
    return loop.results


def spans_of(job: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """First and last line of each function's body."""
    code = compile(Path(job["path"]).read_text(encoding="utf-8"), job["path"], "exec")
    return {one["function"]: _span(_code_of(code, one["function"])) for one in job["mutants"] if one["inside"]}


def at_import(span: tuple[int, int], lines: dict[str, list[int]]) -> bool:
    """Whether the function ran outside of every test, while modules were imported. In a process that has collected the
    tests its results are there already, from the code as it is: a mutant must not be judged by them."""
    return any(span[0] <= line <= span[1] for line in lines.get("", ()))


def planner(job: dict[str, Any]) -> Callable[[Mutant], list[str]]:
    """Which tests a mutant is run against, in which order. What a table says is read without executing a line of its
    module, and what a function said at import is used without executing it again: of such mutants that is all tests."""
    spans = spans_of(job)

    def plan(mutant: Mutant) -> list[str]:
        if mutant["id"] == CONTROL or not mutant["inside"] or at_import(spans[mutant["function"]], job["lines"]):
            return sorted(job["seconds"], key=job["seconds"].__getitem__)
        return chosen_tests(mutant, spans[mutant["function"]], job["lines"], job["seconds"])

    return plan


def chosen_tests(
    mutant: Mutant, span: tuple[int, int], lines: dict[str, list[int]], seconds: dict[str, float]
) -> list[str]:
    """The tests that execute the mutant's function: first those that execute its very statement, the quick ones
    first."""
    near, far = [], []
    for name, taken in sorted(seconds.items(), key=lambda one: one[1]):
        executed = lines.get(name, ())
        if any(mutant["first"] <= line <= mutant["last"] for line in executed):
            near.append((taken, name))
        elif any(span[0] <= line <= span[1] for line in executed):
            far.append((taken, name))
    return [name for _, name in near + far]


def put_in_place(mutant: Mutant, module: str, path: str) -> bool:
    """The function of this process gets the mutant's code. False when it cannot have it."""
    code = _code_of(compile(mutant["source"], path, "exec"), mutant["function"])
    found: Any = sys.modules.get(module)
    for name in mutant["function"].split("."):
        found = None if found is None else vars(found).get(name)
    function = _bare(found)
    if code is None or function is None:
        return False
    try:
        function.__code__ = code
    except ValueError:  # other free variables
        return False
    return True


def _bare(found: Any) -> FunctionType | None:
    """The function below its decorators; what they remember is forgotten."""
    if isinstance(found, property):
        found = found.fget
    while True:
        with suppress(AttributeError):
            found.cache_clear()
        below = getattr(found, "__func__", None) or getattr(found, "__wrapped__", None)
        if below is None:
            return found if isinstance(found, FunctionType) else None
        found = below


def _code_of(code: CodeType, name: str) -> CodeType | None:
    for const in code.co_consts:
        if isinstance(const, CodeType):
            if const.co_qualname == name:
                return const
            if name.startswith(const.co_qualname + ".") and (inner := _code_of(const, name)) is not None:
                return inner
    return None


def _span(code: CodeType | None) -> tuple[int, int]:
    if code is None:
        return (0, 0)
    spans = [_span(const) for const in code.co_consts if isinstance(const, CodeType)]
    lines = [line for _, _, line in code.co_lines() if line is not None and line != code.co_firstlineno]
    ends = [end for span in spans for end in span if end]
    return (min([*lines, *ends], default=0), max([*lines, *ends], default=0))


# ------------------------------------------------------------------ any other mutant


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from this text."""

    def __init__(self, module: str, path: str, source: str) -> None:
        self.module, self.path, self.source = module, path, source

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        if fullname != self.module:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin=self.path)

    def create_module(self, spec: Any) -> None:
        return None

    def exec_module(self, module: Any) -> None:
        module.__file__ = self.path
        exec(compile(self.source, self.path, "exec"), module.__dict__)  # noqa: S102 - that is what this is for


class _Only:
    """These tests in this order, each with its limit."""

    def __init__(self, names: Sequence[str], seconds: dict[str, float]) -> None:
        self.names, self.seconds = names, seconds

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        found = {item.nodeid: item for item in items}
        items[:] = [found[name] for name in self.names if name in found]

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        limit_cpu(self.seconds[item.nodeid])


def outside(job: dict[str, Any]) -> dict[str, int]:
    for name in job["libraries"]:
        with suppress(Exception):
            importlib.import_module(name)
    sys.path.insert(0, str(Path.cwd()))
    plan = planner(job)

    def run(mutant: Mutant) -> int:
        sys.meta_path.insert(0, _Finder(job["module"], job["path"], mutant["source"]))
        try:
            importlib.import_module(job["module"])
        except Exception:
            return INVALID
        names = plan(mutant)
        if not names:
            return SURVIVED
        code = pytest.main([*PYTEST, *LOADED_EARLY, *job["tests"]], plugins=[_Only(names, job["seconds"])])
        return SURVIVED if code == 0 else KILLED

    def seconds(mutant: Mutant) -> float:
        return sum(float(job["seconds"][name]) for name in plan(mutant)) + 5.0

    return in_processes(job["mutants"], run, seconds, job["workers"])


# ------------------------------------------------------------------ processes


def in_processes(
    mutants: Sequence[Mutant], run: Callable[[Mutant], int], seconds: Callable[[Mutant], float], workers: int
) -> dict[str, int]:
    """Exit code by mutant id; whatever ends otherwise than by itself was killed."""
    waiting, results = list(reversed(mutants)), {}
    running: dict[int, tuple[str, float]] = {}
    gc.collect()
    gc.freeze()  # so that a collection in a child does not copy all of the parent's memory
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                mutant = waiting.pop()
                limit = seconds(mutant)
                pid = os.fork()
                if pid == 0:
                    _child(mutant, run)
                running[pid] = (mutant["id"], time.monotonic() + WALL_FACTOR * limit + WALL_SLACK_S)
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid in running:
                name, _ = running.pop(pid)
                ended = os.waitstatus_to_exitcode(status)
                results[name] = ended if ended in (SURVIVED, INVALID, UNFIT) else KILLED
                _end_group(pid)
                continue
            for one, (_, until) in running.items():
                if time.monotonic() > until:
                    _end_group(one)
            time.sleep(0.005)
    finally:
        gc.unfreeze()
        for pid in running:
            _end_group(pid)
    return results


def limit_cpu(seconds: float) -> None:
    """From now on this process may use so many times `seconds` of processor time, then SIGPROF ends it."""
    signal.setitimer(signal.ITIMER_PROF, CPU_FACTOR * seconds + CPU_SLACK_S)


def _child(mutant: Mutant, run: Callable[[Mutant], int]) -> NoReturn:
    code = KILLED
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.setpgid(0, 0)
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silence, stream)
        code = run(mutant)
    except BaseException:  # a mutant may do anything
        code = KILLED
    finally:
        os._exit(code)


def _terminated(*_: object) -> None:
    raise SystemExit(1)


def _end_group(pid: int) -> None:
    """The mutant's process with whatever it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
