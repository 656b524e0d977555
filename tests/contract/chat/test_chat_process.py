"""`python -m localdev.chat`, as `./dev up` starts it."""

import json
import ssl
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from localdev.paths import ROOT
from localdev.processes import ChildFailed, Children


def test_it_makes_a_certificate_of_its_own_and_keeps_its_secrets_private(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    argv = [sys.executable, "-m", "localdev.chat", "--state-dir", str(tmp_path / "chat"), "--ready-file", str(ready)]
    with Children(tmp_path) as children:
        child = children.start("chat", argv, cwd=ROOT)
        facts = json.loads(child.wait_for_file(ready, 30))
        trust = ssl.create_default_context(cafile=facts["ca"])
        with urlopen(f"{facts['chat']}/_chat/everything", timeout=10, context=trust) as answer:
            assert json.load(answer)["slack"] == []
        child.process.terminate()
        assert child.process.wait(10) == 0
    assert ready.stat().st_mode & 0o777 == 0o600
    log = (tmp_path / "chat.log").read_text()
    assert log == ""


def test_it_waits_for_the_file_that_says_the_certificate_is_there(tmp_path: Path) -> None:
    ready, after = tmp_path / "ready.json", tmp_path / "simulator.json"
    argv = [sys.executable, "-m", "localdev.chat", "--state-dir", str(tmp_path / "chat"), "--ready-file", str(ready)]
    with Children(tmp_path) as children:
        child = children.start("chat", [*argv, "--after", str(after)], cwd=ROOT)
        with pytest.raises(ChildFailed, match="not ready within"):
            child.wait_for_file(ready, 1.5)
        after.touch()
        child.wait_for_file(ready, 30)
