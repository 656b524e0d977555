"""Installed environments: once, again when the lock changes, alone."""

import threading
from pathlib import Path

import pytest

from localdev import paths, setup


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "STATE", tmp_path / "state")
    return tmp_path


def install(target: Path, lock: Path) -> bool:
    with setup._once(target, lock) as stale:
        if stale:
            target.mkdir(exist_ok=True)
    return stale


def test_an_environment_is_made_once_per_lock(state: Path) -> None:
    lock, target = state / "lock.txt", state / "env"
    lock.write_text("one==1\n")
    assert [install(target, lock), install(target, lock)] == [True, False]
    lock.write_text("one==2\n")
    assert [install(target, lock), install(target, lock)] == [True, False]


def test_a_failed_installation_is_made_again(state: Path) -> None:
    lock, target = state / "lock.txt", state / "env"
    lock.write_text("one==1\n")
    with pytest.raises(setup.SetupFailed), setup._once(target, lock):
        target.mkdir()
        raise setup.SetupFailed("no network")
    assert install(target, lock)


def test_of_two_at_once_one_installs_and_the_other_waits(state: Path) -> None:
    lock, target = state / "lock.txt", state / "env"
    lock.write_text("one==1\n")
    gate = threading.Barrier(2)
    results: list[bool] = []

    def both() -> None:
        gate.wait()
        results.append(install(target, lock))

    threads = [threading.Thread(target=both) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False, True]
