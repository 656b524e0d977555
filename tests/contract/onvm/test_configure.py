"""The tasks `configure` and `https`: what they change, and that they change it once."""

import json
import stat
from typing import Any

import pytest

from tests.contract.onvm.machine import ACCEPTANCE_TOKEN, TOKEN, Machine


def config(machine: Machine) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(machine.read("/opt/tljh/config/config.yaml"))
    return found


def changes(machine: Machine) -> list[list[str]]:
    return [call for call in machine.calls("tljh-config") if call[0] != "show"]


@pytest.fixture
def installed(machine: Machine) -> Machine:
    machine.write("/opt/tljh/config/config.yaml", '{"users": {"admin": ["jaydoe"]}}')
    machine.path("/opt/tljh/state").mkdir()
    return machine


def test_configure_makes_the_hub_as_asked(installed: Machine) -> None:
    answer = installed.configure()
    assert answer["state"] == "succeeded", answer
    assert config(installed) == {
        "limits": {"memory": "2G", "cpu": 2},
        "services": {"cull": {"enabled": False}},
        "users": {"admin": ["jaydoe"], "allowed": ["ada", "bob"]},
    }
    assert changes(installed)[-1] == ["reload", "hub"]
    assert installed.calls("apt-get")[-1][-2:] == ["--", "cowsay"]
    assert installed.calls("python")[0][-2:] == ["--", "pandas>=2"]
    assert installed.path("/etc/skel/scratch").readlink() == installed.path("/srv/scratch")


def test_configure_again_changes_nothing_and_does_not_reload(installed: Machine) -> None:
    first = installed.configure("1")
    before = (changes(installed), installed.calls("apt-get"), installed.calls("python"))
    assert "users.allowed:ada" in first["result"]["changed"]
    second = installed.configure("2")
    assert second["result"] == {"changed": []}
    assert (changes(installed), installed.calls("apt-get"), installed.calls("python")) == before


def test_configure_makes_only_the_difference(installed: Machine) -> None:
    installed.configure("1")
    answer = installed.configure("2", users=["ada", "eve"], apt=["cowsay", "git"])
    assert answer["result"]["changed"] == ["users.allowed:eve", "apt:git"]
    assert config(installed)["users"]["allowed"] == ["ada", "bob", "eve"]  # nobody is put out


RULE = "/opt/tljh/user/etc/jupyter/jupyter_config.py"


def test_the_idle_rule_is_there_for_every_user_to_read(installed: Machine) -> None:
    assert "idleRule" in installed.configure()["result"]["changed"]
    assert "shutdown_no_activity_timeout = 3000" in installed.read(RULE)
    assert stat.S_IMODE(installed.path(RULE).stat().st_mode) == 0o644
    for directory in (installed.path(RULE).parent, installed.path(RULE).parent.parent):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o755
    assert [path.name for path in installed.path(RULE).parent.iterdir()] == ["jupyter_config.py"]


def test_another_idle_rule_replaces_the_file_and_does_not_reload(installed: Machine) -> None:
    installed.configure("1")
    reloads = changes(installed).count(["reload", "hub"])
    assert installed.configure("2", idleRule={"minutes": 20.5})["result"] == {"changed": ["idleRule"]}
    assert "shutdown_no_activity_timeout = 1230" in installed.read(RULE)
    assert changes(installed).count(["reload", "hub"]) == reloads


def test_a_directory_for_jupyters_settings_that_is_there_already_stays_as_it_is(installed: Machine) -> None:
    installed.write("/opt/tljh/user/etc/jupyter/jupyter_server_config.d/jupyterlab.json", "{}")
    installed.path(RULE).parent.chmod(0o775)
    installed.configure()
    assert installed.read("/opt/tljh/user/etc/jupyter/jupyter_server_config.d/jupyterlab.json") == "{}"
    assert stat.S_IMODE(installed.path(RULE).parent.stat().st_mode) == 0o775


def test_null_limits_are_removed(installed: Machine) -> None:
    installed.configure("1")
    installed.configure("2", limits={"memory": None, "cpu": None})
    assert config(installed)["limits"] == {}


def test_fractions_of_a_cpu_pass_tljhs_narrow_schema(installed: Machine) -> None:
    installed.configure(limits={"memory": None, "cpu": 0.5})
    assert ["--no-validate", "set", "limits.cpu", "0.5"] in changes(installed)


def test_nativeauthenticator_is_told_to_let_people_in(installed: Machine) -> None:
    installed.configure(authType="native")
    assert config(installed)["auth"] == {
        "type": "nativeauthenticator.NativeAuthenticator",
        "NativeAuthenticator": {"allow_all": True},
    }


def test_tokens_are_in_root_only_files_and_snippets_only_append(installed: Machine) -> None:
    installed.configure()
    for service, token in (("hublet", TOKEN), ("hublet-acceptance", ACCEPTANCE_TOKEN)):
        file = installed.path(f"/opt/tljh/state/{service}.token")
        assert file.read_text() == token + "\n"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        snippet = installed.read(f"/opt/tljh/config/jupyterhub_config.d/50-{service}.py")
        assert token not in snippet
        assert "services.append(" in snippet
        assert "load_roles.append(" in snippet
        assert "services =" not in snippet


def test_tokens_are_in_no_argument_list(installed: Machine) -> None:
    installed.configure()
    everything = str([installed.calls(name) for name in ("tljh-config", "apt-get", "python", "systemctl")])
    assert TOKEN not in everything
    assert ACCEPTANCE_TOKEN not in everything


def test_a_service_that_is_no_longer_asked_for_is_removed(installed: Machine) -> None:
    installed.configure("1")
    installed.write("/opt/tljh/config/jupyterhub_config.d/owners-own.py", "")
    only_lasting = [{"name": "hublet", "token": TOKEN, "scopes": ["read:servers"]}]
    answer = installed.configure("2", services=only_lasting)
    assert "services:hublet-acceptance" in answer["result"]["changed"]
    assert not installed.path("/opt/tljh/state/hublet-acceptance.token").exists()
    snippets = sorted(p.name for p in installed.path("/opt/tljh/config/jupyterhub_config.d").iterdir())
    assert snippets == ["50-hublet.py", "owners-own.py"]


def test_a_reload_that_never_ends_is_stopped_and_explained(installed: Machine) -> None:
    installed.serve("", reloadSeconds=1)
    tljh_config = (installed.bin / "tljh-config").read_text()
    (installed.bin / "tljh-config").write_text(
        tljh_config.replace("'reload': ", "'reload': import time; time.sleep(60); ")
    )
    answer = installed.configure()
    assert answer["error"]["code"] == "HubDidNotReload"
    assert "no answer within 1 s" in answer["error"]["message"]
    assert "SyntaxError in a snippet" in answer["error"]["message"]


def test_a_reload_owed_by_a_failed_run_is_made_up_for(installed: Machine) -> None:
    installed.stub("apt-get", "sys.exit(100)")
    assert installed.configure("1")["error"]["code"] == "AptFailed"
    assert ["reload", "hub"] not in changes(installed)
    installed.stub("apt-get", "")
    installed.configure("2")
    assert changes(installed)[-1] == ["reload", "hub"]


def test_a_hub_that_does_not_answer_after_the_reload_is_a_failure(installed: Machine) -> None:
    installed.hub.up = False
    installed.serve("", reloadSeconds=1)
    assert installed.configure()["error"]["code"] == "HubDidNotReload"


@pytest.mark.parametrize(
    "change",
    [
        {"limits": {"memory": "banana", "cpu": None}},
        {"limits": {"memory": None, "cpu": "2"}},
        {"users": ["--flag"]},
        {"users": ["a b"]},
        {"users": "ada"},
        {"adminUser": "x; rm -rf /"},
        {"apt": ["-o=evil"]},
        {"apt": ["cowsay evil"]},
        {"pip": ["--index-url=http://evil"]},
        {"pip": ["a\nb"]},
        {"authType": "dummy"},
        {"idleRule": None},
        {"idleRule": "60"},
        {"idleRule": {"minutes": 0}},
        {"idleRule": {"minutes": "60"}},
        {"idleRule": {"minutes": True}},
        {"services": [{"name": "../x", "token": TOKEN, "scopes": []}]},
        {"services": [{"name": "hublet", "token": "short", "scopes": []}]},
        {"services": [{"name": "hublet", "token": TOKEN, "scopes": ['"]); import os #']}]},
    ],
)
def test_input_outside_the_grammar_is_refused(installed: Machine, change: dict[str, object]) -> None:
    assert installed.configure(**change)["error"]["code"] == "BadInput"
    assert [installed.calls(name) for name in ("apt-get", "python", "tljh-config")] == [[], [], []]


def test_https_asks_for_exactly_one_certificate(installed: Machine) -> None:
    first = installed.task("https", "1", domain="hub.example.org", email="jay@example.org", staging=False)
    assert first["result"] == {"changed": True}
    assert config(installed)["https"] == {
        "enabled": True,
        "letsencrypt": {"email": "jay@example.org", "domains": ["hub.example.org"]},
    }
    assert changes(installed)[-1] == ["reload", "proxy"]
    installed.task("https", "2", domain="other.example.org", email="jay@example.org", staging=True)
    assert config(installed)["https"]["letsencrypt"]["domains"] == ["other.example.org"]
    assert config(installed)["https"]["letsencrypt"]["staging"] is True


def test_https_again_changes_nothing(installed: Machine) -> None:
    ask = {"domain": "hub.example.org", "email": "jay@example.org", "staging": False}
    installed.task("https", "1", **ask)
    before = changes(installed)
    assert installed.task("https", "2", **ask)["result"] == {"changed": False}
    assert changes(installed) == before


def test_https_can_be_turned_off_again(installed: Machine) -> None:
    installed.task("https", "1", domain="hub.example.org", email="jay@example.org", staging=False)
    assert installed.task("https", "2", domain=None)["result"] == {"changed": True}
    assert config(installed)["https"]["enabled"] is False
    assert installed.task("https", "3", domain=None)["result"] == {"changed": False}


def test_configure_takes_https_along(installed: Machine) -> None:
    https = {"domain": "hub.example.org", "email": "jay@example.org", "staging": False}
    installed.configure(https=https)
    assert [call for call in changes(installed) if call[0] == "reload"] == [["reload", "proxy"]]
