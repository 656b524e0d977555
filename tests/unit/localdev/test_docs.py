"""`./dev docs`: what it writes, and that it says what is stale."""

from pathlib import Path

import pytest

from localdev import docs
from localdev.cli import main


def test_documents_that_are_up_to_date_are_said_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", "--check"]) == 0
    assert capsys.readouterr().out == ""


def test_a_document_that_is_not_there_is_stale(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    assert main(["docs", "--check"]) == 1
    assert "docs/settings.md is stale: run ./dev docs" in capsys.readouterr().out


def test_writing_makes_them_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    assert main(["docs"]) == 0
    assert main(["docs", "--check"]) == 0
    assert not (tmp_path / "docs" / "pictures").exists()
