"""The tutorial, the rows about the machine: its user data, the installer, the terminal, the notebook."""

import base64
import gzip
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import PIP_PACKAGE, TutorialHub
from tests.e2e.environment import Environment
from tests.e2e.people import visitor

# ------------------------------------------------------------------ cloud-init


@pytest.fixture
def document(tutorial: TutorialHub) -> dict[str, Any]:
    """The cloud-config that the machine received."""
    assert tutorial.custom_data.startswith(b"#cloud-config\n")
    found: dict[str, Any] = yaml.safe_load(tutorial.custom_data)
    return found


def test_row_user_data__cloud_init_itself_finds_it_valid(tutorial: TutorialHub, tmp_path: Path) -> None:
    file = tmp_path / "user-data"
    file.write_bytes(tutorial.custom_data)
    argv = ["cloud-init", "schema", "--config-file", str(file)]
    checked = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "Valid" in checked.stdout + checked.stderr


def test_row_user_data__names_the_admin_and_the_pinned_bootstrap(
    environment: Environment, document: dict[str, Any], tutorial: TutorialHub
) -> None:
    [plan] = [json.loads(file["content"]) for file in document["write_files"] if file["path"].endswith("install.json")]
    settings = environment.stack.settings
    assert plan["bootstrapSha256"] == settings["HUBLET_TLJH_BOOTSTRAP_SHA256"]
    assert plan["tljhVersion"] == settings["HUBLET_TLJH_VERSION"] == "2.0.0"
    assert plan["adminUser"] == "jaydoe"
    assert plan["adminPasswordHash"].startswith("$2b$")
    assert tutorial.password.encode() not in tutorial.custom_data


def test_row_user_data__holds_no_shell_that_shellcheck_objects_to(document: dict[str, Any], tmp_path: Path) -> None:
    assert all(isinstance(command, list) for command in document["runcmd"])
    scripts = [_unpacked(file) for file in document["write_files"] if b"sh" in _unpacked(file).split(b"\n")[0]]
    [forced] = [
        key.split('command="', 1)[1].rsplit('" ssh-', 1)[0].replace('\\"', '"')
        for user in document["users"]
        if isinstance(user, dict)
        for key in user["ssh_authorized_keys"]
    ]
    for number, script in enumerate([*scripts, f"#!/bin/sh\n{forced}\n".encode()]):
        file = tmp_path / f"{number}.sh"
        file.write_bytes(script)
        checked = subprocess.run(["shellcheck", str(file)], capture_output=True, text=True, timeout=60, check=False)
        assert checked.returncode == 0, checked.stdout


def _unpacked(file: dict[str, Any]) -> bytes:
    if file.get("encoding") == "gz+b64":
        return gzip.decompress(base64.b64decode(file["content"]))
    return str(file["content"]).encode()


def test_row_user_data__no_secret_of_it_is_left_on_the_ready_machine(
    environment: Environment, document: dict[str, Any], tutorial: TutorialHub
) -> None:
    [plan] = [json.loads(file["content"]) for file in document["write_files"] if file["path"].endswith("install.json")]
    key_line = document["ssh_keys"]["ed25519_private"].splitlines()[3].encode()
    disk = environment.disk(tutorial.vm_name)
    for file in disk.rglob("*"):
        if file.is_file() and not file.is_symlink() and "site-packages" not in file.parts:
            content = file.read_bytes()
            assert key_line not in content, file
            # the hub itself keeps the hash, where FirstUseAuthenticator looks for it
            assert plan["adminPasswordHash"].encode() not in content or file.name.startswith("passwords.dbm"), file


# ------------------------------------------------------------------ installer log


def test_row_installer_log__is_served_until_done_in_pieces_that_fit(tutorial: TutorialHub) -> None:
    whole = tutorial.api.call("GET", f"/hubs/{tutorial.name}/log")
    assert whole.headers["content-type"].startswith("text/plain")
    assert whole.body.decode().strip().splitlines()[-1].endswith("Done!")
    cut = len(whole.body) // 2
    rest = tutorial.api.call("GET", f"/hubs/{tutorial.name}/log?offset={cut}")
    assert rest.body == whole.body[cut:]
    assert rest.headers["next-offset"] == whole.headers["next-offset"] == str(len(whole.body))


def test_row_installer_log__over_ssh_it_reads_the_same(tutorial: TutorialHub) -> None:
    seen = tutorial.ssh("sudo", "cat", "/opt/tljh/installer.log")
    assert seen.returncode == 0, seen.stderr
    assert seen.stderr == ""
    assert seen.stdout.encode() == tutorial.api.call("GET", f"/hubs/{tutorial.name}/log").body
    assert seen.stdout.strip().endswith("Done!")


def test_row_installer_log__progress_named_its_phases(tutorial: TutorialHub) -> None:
    messages = [m.hub["progress"]["message"] for m in tutorial.moments if m.hub["progress"]["stage"] == "install"]
    assert len(set(messages)) > 2, messages


# ------------------------------------------------------------------ terminal and notebook


def test_row_terminal__cowsay_was_installed_by_apt(tutorial: TutorialHub) -> None:
    history = tutorial.ssh("sudo", "cat", "/var/log/apt/history.log")
    assert history.returncode == 0, history.stderr
    assert "Install: cowsay" in history.stdout


def test_row_terminal__apt_still_works_for_the_owner(tutorial: TutorialHub) -> None:
    installed = tutorial.ssh("sudo", "apt-get", "install", "-y", "fortune-mod")
    assert installed.returncode == 0, installed.stderr
    assert "1 newly installed" in installed.stdout


def test_row_terminal__nothing_reaches_the_shell_of_this_machine(tutorial: TutorialHub, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    for line in (f"touch {canary}", f"echo x > {canary}", f"sudo sh -c 'touch {canary}'", f"$(touch {canary})"):
        answer = tutorial.ssh(line)
        assert answer.returncode == 127, (line, answer)
        assert "not available in a simulated VM" in answer.stderr
    assert not canary.exists()


async def test_row_notebook__computes_and_finds_the_pip_package(tutorial: TutorialHub) -> None:
    async with visitor(tutorial.hub["url"], "jaydoe") as owner:
        assert await owner.log_in(tutorial.password) == 302
        await owner.start_server()
        assert await owner.compute("print(6 * 7)") == "42\n"
        said = await owner.compute(f"import {PIP_PACKAGE}; print({PIP_PACKAGE}.get_output_string('cow', 'moo'))")
        assert "| moo |" in said


def test_row_notebook__the_acceptance_run_was_one_too_and_left_nothing_behind(
    environment: Environment, tutorial: TutorialHub
) -> None:
    assert tutorial.hub["acceptance"]["seconds"] > 0
    assert tutorial.hub["acceptance"]["method"] == "form-login+kernel"
    assert tutorial.hub["acceptance"]["passedAt"] <= tutorial.hub["readyAt"]
    home = environment.disk(tutorial.vm_name) / "home"
    assert [entry.name for entry in home.iterdir() if "accept" in entry.name] == []
