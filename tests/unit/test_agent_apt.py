"""Waiting for another program's apt lock is no silence: who follows the install hears of it."""

import pytest

from shared.onvm.agent import apt


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(apt, "run", lambda *argv, limit_s: None)
    monkeypatch.setattr(apt, "say", lines.append)
    monkeypatch.setattr(apt, "SAY_EVERY_S", 0.02)
    return lines


def test_a_wait_is_said_again_and_again_until_its_end(said: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(apt, "apt_is_locked", lambda: True)
    with apt.apt_to_ourselves(0.1):
        pass
    assert len(said) == 5
    assert said[-1] == "another program still holds the apt lock after 0.1 s"


def test_a_free_lock_is_not_worth_a_word(said: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(apt, "apt_is_locked", lambda: False)
    with apt.apt_to_ourselves(0.1):
        pass
    assert said == []
