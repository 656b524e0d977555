"""The recorded installer and its arguments."""

from pathlib import Path

import pytest

from localdev.azuresim.vm import installer, recordings
from localdev.azuresim.vm.disk import Disk
from localdev.azuresim.vm.faults import INSTALL_FAULTS, FaultKind, Faults
from localdev.azuresim.vm.installer import BadArguments, Options


def test_the_recording_is_whole() -> None:
    lines = recordings.fresh_install()
    assert len(lines) == 18
    assert lines[0].after_s == 0
    assert lines[-1].text == "Done!"
    assert 150 < sum(line.after_s for line in lines) < 300


def test_an_upgrade_skips_apt_and_renews_what_is_there() -> None:
    texts = [line.text for line in recordings.upgrade(has_user_environment=True, has_proxy=True)]
    assert texts[:4] == [
        "Existing TLJH installation detected, upgrading...",
        "Upgrading pip...",
        "Upgrading TLJH installer...",
        "Running TLJH installer...",
    ]
    assert any(text.startswith("Reinstalling conda==") for text in texts)
    assert not any(text.startswith("Downloading") for text in texts)


def test_an_upgrade_of_half_an_install_gets_the_rest() -> None:
    texts = [line.text for line in recordings.upgrade(has_user_environment=False, has_proxy=False)]
    assert any(text.startswith("Downloading conda") for text in texts)
    assert any(text.startswith("Downloading traefik") for text in texts)


@pytest.mark.parametrize("name", ["apt-lock", "apt-unreachable", "pip-spec", "version", "github", "admin-colons"])
def test_failures_end_in_the_exception_python_shows(name: str) -> None:
    last = recordings.failure(name).rstrip().splitlines()[-1]
    assert "Error" in last or last.startswith("Exception: ")


def test_admins_add_up_and_of_two_plugins_the_last_counts() -> None:
    given = ("--admin", "ann", "bob:secret", "--admin=eve", "--plugin", "a", "--plugin", "b", "--version", "2.0.0")
    assert installer.parse(given) == Options(("ann", "bob:secret", "eve"), "2.0.0", None, ("b",))


@pytest.mark.parametrize("given", [("--show-progress-page",), ("--nosuch",), ("--version",)])
def test_other_arguments_are_refused(given: tuple[str, ...]) -> None:
    with pytest.raises(BadArguments):
        installer.parse(given)


def test_every_installer_fault_has_its_moment() -> None:
    assert set(INSTALL_FAULTS) - set(installer.FAILS_AFTER) == {FaultKind.HUB_CRASH}
    texts = [line.text for line in recordings.fresh_install()]
    for moment in installer.FAILS_AFTER.values():
        assert any(text.startswith(moment) for text in texts)


def test_faults_are_used_up(tmp_path: Path) -> None:
    faults = Faults(Disk(tmp_path))
    faults.add(FaultKind.APT_LOCK, 2)
    faults.add(FaultKind.HANG, -1)
    assert [faults.take(FaultKind.APT_LOCK) for _ in range(3)] == [True, True, False]
    assert [faults.take(FaultKind.HANG) for _ in range(3)] == [True, True, True]
    faults.add(FaultKind.HANG, 0)
    assert not faults.has(FaultKind.HANG)
