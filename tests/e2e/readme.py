"""The README's own lines, so that what people copy is what is tested."""

import json
import re
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from localdev.paths import ROOT


def section(title: str) -> str:
    """The text of one `##` section."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"README.md has no section {title!r}"
    return found[1]


def shell(title: str) -> str:
    """All `sh` blocks of a section, one after the other."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", section(title), re.MULTILINE | re.DOTALL)
    assert blocks, f"the section {title!r} has no sh block"
    return "\n".join(blocks)


def create_request() -> dict[str, Any]:
    """The JSON that the README's second `curl` sends."""
    found = re.search(r"-d '(\{.*?\})'", shell("Try it"), re.DOTALL)
    assert found
    request: dict[str, Any] = json.loads(found[1])
    return request


def statements(script: str) -> list[str]:
    """The script cut where a shell would begin the next command; comments and blank lines go with what follows."""
    found, pending = [], ""
    for line in script.splitlines(keepends=True):
        pending += line
        if _runs_something(pending) and _is_complete(pending):
            found.append(pending)
            pending = ""
    assert not _runs_something(pending), pending
    return found


def _runs_something(text: str) -> bool:
    return any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines())


def _is_complete(text: str) -> bool:
    whole = not text.endswith("\\\n")
    return (
        whole and subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True, check=False).returncode == 0
    )


class Terminal:
    """A real `sh` that stays open while commands are typed into it, as in a second terminal."""

    def __init__(self, folder: Path) -> None:
        self._shell = subprocess.Popen(
            ["sh"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._shell.kill()
        self._shell.communicate()

    def type(self, statement: str) -> str:
        """What the statement prints, errors included. It must end well."""
        assert self._shell.stdin and self._shell.stdout
        mark = f"@@{uuid4().hex}@@"
        self._shell.stdin.write(f"{statement}\nprintf '\\n%s %s\\n' {mark} $?\n")
        self._shell.stdin.flush()
        printed = ""
        for line in self._shell.stdout:
            if line.startswith(mark):
                assert line.split()[1] == "0", (statement, printed)
                return printed.removesuffix("\n")
            printed += line
        raise AssertionError(f"the shell ended at {statement!r}: {printed}")
