"""The rule that a hub's machine gives to Jupyter: what it sets, and which requests it takes for a person at work."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from shared.onvm.agent.idle import idle_rule


class Section:
    """As much of a traitlets configuration as the file uses: `c.<Class>.<trait> = value`."""

    def __init__(self) -> None:
        self.__dict__["classes"] = {}

    def __getattr__(self, name: str) -> SimpleNamespace:
        found: SimpleNamespace = self.classes.setdefault(name, SimpleNamespace())
        return found


def settings(minutes: float) -> dict[str, dict[str, object]]:
    """What the file sets, by class."""
    config = Section()
    exec(compile(idle_rule(minutes), "jupyter_config.py", "exec"), {"c": config})
    return {name: vars(values) for name, values in config.classes.items()}


def test_kernels_terminals_and_server_get_the_same_time():
    assert settings(50) == {
        "MappingKernelManager": {
            "cull_idle_timeout": 3000,
            "cull_interval": 60,
            "cull_busy": False,
            "cull_connected": True,
        },
        "TerminalManager": {"cull_inactive_timeout": 3000, "cull_interval": 60},
        "ServerApp": {"shutdown_no_activity_timeout": 3000},
    }


@pytest.mark.parametrize(("minutes", "interval"), [(0.01, 5), (0.1, 5), (0.6, 6), (2, 20), (6, 60), (10_000, 60)])
def test_jupyter_looks_six_times_in_the_rules_time_within_limits(minutes: float, interval: int):
    assert settings(minutes)["MappingKernelManager"]["cull_interval"] == interval


@pytest.mark.parametrize("minutes", [0.01, 0.1, 1 / 3, 46.666666])
def test_times_are_whole_seconds_and_never_0_because_0_means_never(minutes: float):
    found = settings(minutes)
    for seconds in (
        found["MappingKernelManager"]["cull_idle_timeout"],
        found["TerminalManager"]["cull_inactive_timeout"],
        found["ServerApp"]["shutdown_no_activity_timeout"],
    ):
        assert type(seconds) is int
        assert seconds >= 1


class ApiHandler:
    """As much of jupyter_server's `APIHandler` as the rule touches."""

    def __init__(self, method: str, path: str, status: int) -> None:
        self.request = SimpleNamespace(method=method, path=path)
        self.status = status
        self.counted = 0

    def get_status(self) -> int:
        return self.status

    def update_api_activity(self) -> None:
        self.counted += 1


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> type[ApiHandler]:
    """The handlers of a server that has read the file twice, as its extensions make it do."""
    fresh = type("APIHandler", (ApiHandler,), {"update_api_activity": ApiHandler.update_api_activity})
    module = ModuleType("jupyter_server.base.handlers")
    monkeypatch.setattr(module, "APIHandler", fresh, raising=False)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    settings(50)
    settings(50)
    return fresh


@pytest.mark.parametrize(
    ("method", "path", "status", "counts"),
    [
        ("PUT", "/user/ada/api/contents/lab%201.ipynb", 200, 1),
        ("POST", "/user/ada/api/contents/", 201, 1),
        ("PATCH", "/user/ada/api/contents/a.txt", 200, 1),
        ("DELETE", "/user/ada/api/contents/a.txt", 204, 1),
        ("PUT", "/user/ada/api/contents/full-disk.txt", 500, 0),
        ("GET", "/user/ada/api/contents/", 200, 0),
        ("GET", "/user/ada/api/kernels", 200, 0),
        ("GET", "/user/ada/api/sessions", 200, 0),
        ("GET", "/user/ada/api/terminals", 200, 0),
        ("GET", "/user/ada/api/metrics/v1", 200, 0),
        ("PUT", "/user/ada/lab/api/workspaces/default", 204, 0),
        ("POST", "/user/ada/git/status", 200, 0),
    ],
)
def test_saving_a_file_is_activity_and_what_a_forgotten_tab_asks_is_not(
    handler: type[ApiHandler], method: str, path: str, status: int, counts: int
):
    request = handler(method, path, status)
    request.update_api_activity()
    assert request.counted == counts


def test_another_jupyter_program_reads_the_file_without_harm(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "jupyter_server.base.handlers", raising=False)
    assert settings(50)["ServerApp"]


def test_a_server_without_that_method_still_gets_its_times(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "jupyter_server.base.handlers", ModuleType("jupyter_server.base.handlers"))
    assert settings(50)["ServerApp"]
