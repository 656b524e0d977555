"""Waiting for another program's apt lock is no silence: who follows the install hears of it."""

import pytest

from shared.onvm.agent import apt, waiting


class Time:
    """A clock on which waiting takes no time of ours."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(apt, "run", lambda *argv, limit_s: None)
    monkeypatch.setattr(apt, "say", lines.append)
    monkeypatch.setattr(waiting, "time", Time())
    return lines


def test_a_wait_is_said_again_and_again_until_its_end(said: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(apt, "apt_is_locked", lambda: True)
    with apt.apt_to_ourselves(150):
        pass
    assert said == [f"another program still holds the apt lock after {seconds} s" for seconds in (60, 120, 150)]


def test_a_free_lock_is_not_worth_a_word(said: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(apt, "apt_is_locked", lambda: False)
    with apt.apt_to_ourselves():
        pass
    assert said == []
