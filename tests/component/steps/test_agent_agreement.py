"""What the steps send is what the real agent takes, and what a machine may send back never breaks a step."""

import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import FatalError, RetryableError
from shared.hubs.model import HttpsMode, HttpsSpec, StepName
from shared.hubs.visit import Done
from shared.hubs.vm_errors import AgentError, AgentProtocolError
from shared.onvm.agent.checks import (
    RE_ADMIN,
    RE_DOMAIN,
    RE_ED25519,
    RE_EMAIL,
    RE_HASH,
    RE_KEY,
    RE_SCOPE,
    RE_SERVICE,
    RE_TOKEN,
    RE_USER,
)
from shared.onvm.agent.configure import AUTH_CLASSES
from shared.onvm.agent.idle import idle_rule
from shared.onvm.agent.tasks import TASK_FUNCTIONS
from shared.steps.agent_status import AgentStatus, parse_status
from shared.steps.install_follow import PhaseClock, read_lines
from tests.component.steps.bench import StepBench
from tests.support.builders import a_spec
from tests.support.fake_machine import NEXT_HOST_KEY, TASK_SECONDS, FakeMachine, failing
from tests.support.often import examples


async def everything_sent() -> list[dict[str, Any]]:
    """The task requests of every step, a retried installation included."""
    sent: list[dict[str, Any]] = []
    with_certificate = a_spec(https=HttpsSpec(mode=HttpsMode.AUTO))
    contact = {"HUBLET_HTTPS_EMAIL": "hubs@example.org"}  # without one there is no certificate and no task `https`
    for step in (StepName.INSTALL, StepName.CONFIGURE, StepName.HTTPS, StepName.ACCEPT, StepName.LOCK):
        bench = StepBench(step, url="http://20.1.2.3/", spec=with_certificate, environment=contact)
        await bench.make_group()
        if step is StepName.INSTALL:
            bench.machine.scripts.insert(0, failing(3, "E: Could not get lock /var/lib/dpkg/lock-frontend"))
        await bench.to_end()
        sent += [dict(call.payload) for call in bench.world.on_vm.calls if "name" in call.payload]
    return sent


def test_the_fake_machine_knows_the_agents_tasks():
    assert set(TASK_SECONDS) == set(TASK_FUNCTIONS)


async def test_every_task_is_one_the_agent_takes():
    sent = await everything_sent()
    assert {payload["name"] for payload in sent} == set(TASK_FUNCTIONS)
    for payload in sent:
        assert RE_KEY.fullmatch(payload["key"])
        assert set(payload) == {"name", "key", "input", "waitSeconds"}
        assert 0 <= payload["waitSeconds"] <= 25
        given_ = payload["input"]
        match payload["name"]:
            case "configure":
                assert RE_ADMIN.fullmatch(given_["adminUser"])
                assert given_["authType"] in AUTH_CLASSES
                assert idle_rule(given_["idleRule"]["minutes"])
                for service in given_["services"]:
                    assert RE_SERVICE.fullmatch(service["name"])
                    assert RE_TOKEN.fullmatch(service["token"])
                    assert all(RE_SCOPE.fullmatch(scope) for scope in service["scopes"])
            case "https":
                assert RE_DOMAIN.fullmatch(given_["domain"])
                assert RE_EMAIL.fullmatch(given_["email"])
            case "accept-prepare":
                assert RE_USER.fullmatch(given_["user"])
                assert RE_HASH.fullmatch(given_["passwordHash"])
            case "lock-commit":
                assert RE_ED25519.fullmatch(given_["tunnelPublicKey"])


def test_the_fakes_new_host_key_is_one_the_agent_could_make():
    assert RE_ED25519.fullmatch(NEXT_HOST_KEY)


async def test_trouble_of_the_moment_inside_the_agent_is_looked_at_again():
    bench = StepBench(StepName.CONFIGURE)
    bench.world.on_vm.fail_next("configure", AgentError("Internal", "OSError"))
    with pytest.raises(RetryableError):
        await bench.look()
    await bench.to_end()
    assert await bench.look() == Done()


async def test_a_request_the_agent_refuses_is_our_bug_and_fails_the_hub():
    bench = StepBench(StepName.CONFIGURE)
    bench.world.on_vm.fail_next("configure", AgentError("BadInput", "adminUser is missing or not well-formed."))
    with pytest.raises(FatalError):
        await bench.look()


@pytest.mark.parametrize("report", [{}, {"state": 7}, {"state": "done"}, {"state": None, "result": {}}])
async def test_a_task_report_that_is_none_is_looked_at_again(report: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    bench = StepBench(StepName.CONFIGURE)
    monkeypatch.setattr(FakeMachine, "task", lambda self, payload: report)
    with pytest.raises(RetryableError) as caught:
        await bench.look()
    assert caught.value.code == "AgentProtocolError"


@pytest.mark.parametrize("error", [None, 7, [], {"code": 5, "message": {}}, {"code": "x" * 500, "message": "y" * 9000}])
async def test_a_failure_without_sense_still_fails_with_a_short_sentence(error: Any, monkeypatch: pytest.MonkeyPatch):
    bench = StepBench(StepName.CONFIGURE)
    monkeypatch.setattr(FakeMachine, "task", lambda self, payload: {"state": "failed", "error": error})
    with pytest.raises(FatalError) as caught:
        await bench.look()
    assert caught.value.code == "ConfigureFailed"
    assert len(caught.value.message) < 500


# ---- any answer at all

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
_PART = st.fixed_dictionaries(
    {"offset": st.integers() | _JSON, "size": st.integers() | _JSON, "data": st.sampled_from(["", "aGk=", "%"]) | _JSON}
)
_INSTALL = st.fixed_dictionaries(
    {"state": st.sampled_from(["absent", "running", "finished"]) | _JSON},
    optional={
        "attempt": _JSON,
        "exitCode": _JSON,
        "startedAt": st.just("2026-11-23T00:00:00Z") | st.just("0001-01-01T00:00:00+23:59") | _JSON,
    },
)
_STATUS = st.fixed_dictionaries(
    {"v": st.just(1), "install": _INSTALL | _JSON, "log": _PART, "output": _PART},
    optional={
        "time": st.just("2026-11-23T00:01:00Z") | st.just("9999-12-31T23:59:59-23:59") | _JSON,
        "hubApi": _JSON | st.fixed_dictionaries({"status": st.just(200), "version": _JSON}),
        "cloudInit": _JSON,
    },
)


@settings(max_examples=examples(400))
@given(_STATUS | st.dictionaries(st.text(), _JSON))
def test_any_status_is_either_understood_or_refused(answer: dict[str, Any]):
    try:
        status = parse_status(answer)
    except AgentProtocolError:
        return
    assert isinstance(status, AgentStatus)
    assert 0 <= status.attempt < 100
    assert status.elapsed_s is None or status.elapsed_s >= 0
    assert status.log.size >= status.log.end


_LINE = st.text(alphabet=string.printable + "\x1b\x00\u202eä", max_size=60)
_STAMPED = st.tuples(
    st.sampled_from(["2026-11-23 00:13:07,212 ", "2026-99-99 99:99:99,999 ", "0001-01-01 00:00:00,000 "]),
    st.sampled_from(["Existing TLJH installation not detected, installing...", "Upgrading pip...", "Done!"]) | _LINE,
).map("".join)


@settings(max_examples=examples(400))
@given(st.lists(_LINE | _STAMPED, max_size=20))
def test_any_log_is_read_without_harm(lines: list[str]):
    found = read_lines("\n".join(lines))
    assert len(found.last) <= 200
    assert "\x1b" not in found.last
    assert "\n" not in found.last
    assert PhaseClock().after(found).phase_began_s >= 0
