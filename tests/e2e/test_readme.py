"""What README's "Try it" tells people to type, typed as it stands into a real shell, with the real OpenSSH client."""

import json
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from localdev.stack import write_private
from tests.e2e import readme
from tests.e2e.environment import Environment
from tests.e2e.people import banner


@dataclass(frozen=True)
class Typed:
    """Every statement of the section and what it printed. `ssh`: the printed line, run while the hub was there."""

    folder: Path
    printed: list[tuple[str, str]]
    created: dict[str, Any]
    ready: dict[str, Any]
    first_ready: dict[str, Any]
    ssh: subprocess.CompletedProcess[str]
    modes: dict[str, int]

    def output(self, part: str) -> str:
        """Of the one statement that contains `part`."""
        found = [text for statement, text in self.printed if part in statement]
        assert len(found) == 1, (part, len(found))
        return found[0]


def _bare(statement: str) -> str:
    lines = [line for line in statement.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return "\n".join(line.partition("   #")[0].rstrip() for line in lines)


@pytest.fixture(scope="module")
def typed(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Typed:
    folder = tmp_path_factory.mktemp("second-terminal")
    (folder / ".localdev").mkdir()
    write_private(folder / ".localdev" / "session.json", environment.stack.session(1))
    statements = readme.statements(readme.shell("Try it"))
    printed: list[tuple[str, str]] = []
    ready: dict[str, Any] = {}
    ssh = None
    with readme.Terminal(folder) as terminal:
        for statement in statements:
            if "# once ready" in statement:
                ready = environment.api.until_ready("jaydoe-tljh")
            if "-X DELETE" in statement:
                ssh = _printed_line(printed[-1][1], folder)
            printed.append((_bare(statement), terminal.type(statement)))
    assert ready and ssh is not None
    created = json.loads(printed[3][1])
    first = environment.api.until_ready(created["name"])
    modes = {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir() if file.is_file()}
    return Typed(folder, printed, created, ready, first, ssh, modes)


def _printed_line(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run as the README says, and nothing may be asked or taken on trust."""
    words = shlex.split(line)
    strict = ["-F", "/dev/null", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=10"]
    argv = [words[0], *strict, *words[1:], "sudo", "cat", "/opt/tljh/installer.log"]
    return subprocess.run(
        argv, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )


def test_create_without_a_body_makes_a_hub_with_a_name_of_its_own(typed: Typed) -> None:
    assert typed.created["name"] == "admin-tljh"
    assert typed.created["state"] == "accepted"
    assert typed.first_ready["state"] == "ready"


def test_create_with_wishes_makes_what_was_wished(typed: Typed) -> None:
    hub = json.loads(typed.output("-d '{"))
    assert (hub["name"], hub["adminUser"], hub["state"]) == ("jaydoe-tljh", "jaydoe", "accepted")
    assert typed.ready["state"] == "ready"


def test_list_shows_both(typed: Typed) -> None:
    [text] = [text for statement, text in typed.printed if statement == 'curl -sS -H "$AUTH" $API/hubs']
    assert {"admin-tljh", "jaydoe-tljh"} <= {hub["name"] for hub in json.loads(text)["value"]}


def test_get_and_long_poll_show_the_hub(typed: Typed) -> None:
    [got] = [text for statement, text in typed.printed if statement == 'curl -sS -H "$AUTH" $API/hubs/jaydoe-tljh']
    waited = typed.output("Prefer: wait=25")
    for text in (got, waited):
        assert json.loads(text)["name"] == "jaydoe-tljh"
    assert json.loads(waited)["updatedAt"] >= json.loads(got)["updatedAt"]


def test_events_tell_who_and_when(typed: Typed) -> None:
    first = json.loads(typed.output("/events"))["value"][0]
    assert (first["actor"], first["to"]) == ("admin", "accepted")
    assert first["at"]


def test_log_is_plain_text(typed: Typed) -> None:
    log = typed.output("/log")
    assert "application/problem+json" not in log and not log.startswith("{")


def test_admin_password_is_handed_out(typed: Typed) -> None:
    given = json.loads(typed.output("/admin-password"))
    assert given["adminUser"] == "jaydoe"
    assert len(given["password"]) >= 16
    assert given["url"] == typed.ready["url"]


def test_key_is_saved_where_only_its_owner_can_read_it(typed: Typed) -> None:
    assert typed.modes["jaydoe-tljh.pem"] == 0o600
    assert (typed.folder / "jaydoe-tljh.pem").read_text().startswith("-----BEGIN OPENSSH PRIVATE KEY-----\n")


def test_printed_ssh_line_logs_in_without_a_prompt_and_shows_the_log_to_its_end(typed: Typed) -> None:
    assert typed.ssh.returncode == 0, typed.ssh.stderr
    assert typed.ssh.stderr == ""
    assert typed.ssh.stdout.strip().splitlines()[-1].endswith("Done!")


def test_delete_begins_at_once_and_everything_goes(environment: Environment, typed: Typed) -> None:
    deleted = json.loads(typed.output("-X DELETE"))
    assert (deleted["goal"], deleted["state"]) == ("deleted", "deleting")
    environment.api.until_gone("jaydoe-tljh")
    assert environment.azure.belonging_to(deleted["id"]) == set()


def test_nothing_printed_is_an_error(typed: Typed) -> None:
    for statement, text in typed.printed:
        assert "curl:" not in text, (statement, text)
        assert "urn:hublet:problem" not in text, (statement, text)


def test_without_ssh_from_22_says_nothing_to_a_person(environment: Environment, typed: Typed) -> None:
    hub = typed.first_ready
    assert hub["sshCommand"] is None
    address, port = environment.azure.reach(hub["fqdn"], 22)
    assert banner(address, port) == b""
