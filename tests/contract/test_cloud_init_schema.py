"""cloud-init itself takes the document we send, and shellcheck the one line of shell in it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from shared.steps.cloud_init import FORCED_COMMAND, build_custom_data
from tests.unit.test_cloud_init import a_cloud_init


def program(name: str, package: str) -> str:
    """A missing tool fails the test: a check that is skipped is a check nobody misses."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is not installed: apt-get install {package}")
    return found


def test_cloud_init_accepts_custom_data(tmp_path: Path) -> None:
    file = tmp_path / "custom-data.yaml"
    file.write_bytes(build_custom_data(a_cloud_init()))
    argv = [program("cloud-init", "cloud-init"), "schema", "--config-file", str(file)]
    checked = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "Valid cloud-config" in checked.stdout + checked.stderr


def test_cloud_init_refuses_a_broken_document(tmp_path: Path) -> None:
    # shows that the check above can fail
    file = tmp_path / "custom-data.yaml"
    file.write_bytes(build_custom_data(a_cloud_init()).replace(b"write_files:\n", b"write_files: 7\nother:\n"))
    argv = [program("cloud-init", "cloud-init"), "schema", "--config-file", str(file)]
    assert subprocess.run(argv, capture_output=True, check=False).returncode != 0


def test_shellcheck_has_nothing_to_say_about_the_forced_command(tmp_path: Path) -> None:
    script = tmp_path / "forced-command.sh"
    script.write_text(f"#!/bin/sh\n{FORCED_COMMAND}\n")
    argv = [program("shellcheck", "shellcheck"), "--severity=style", str(script)]
    checked = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("command", ["status", "$(touch canary)", "; touch canary", '" && touch canary; "', "a b\nc"])
def test_forced_command_hands_the_callers_words_over_as_one_argument(tmp_path: Path, command: str) -> None:
    """Run by a real /bin/sh, as sshd does with the account's shell, with `sudo` replaced by an echo."""
    sudo = tmp_path / "sudo"
    sudo.write_text('#!/bin/sh\nprintf "%s\\n" "$#" "$4"\n')
    sudo.chmod(0o755)
    shell = subprocess.run(
        [program("sh", "dash"), "-c", FORCED_COMMAND],
        env={"PATH": str(tmp_path), "SSH_ORIGINAL_COMMAND": command},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shell.stdout == f"4\n{command}\n"
    assert not (tmp_path / "canary").exists()
