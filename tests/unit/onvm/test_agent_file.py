"""What the agent is as a file: one file for an old Python, standard library only, small enough for customData."""

import ast
import base64
import gzip
import sys

from tests.unit.onvm.machine import AGENT

TREE = ast.parse(AGENT.read_bytes(), feature_version=(3, 10))


def test_agent_parses_as_python_3_10() -> None:
    assert TREE.body


def test_agent_imports_only_the_standard_library() -> None:
    names = {
        alias.name if isinstance(node, ast.Import) else node.module
        for node in ast.walk(TREE)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert {str(name).partition(".")[0] for name in names} <= sys.stdlib_module_names


def test_agent_runs_in_isolated_mode() -> None:
    assert AGENT.read_text().splitlines()[0] == "#!/usr/bin/python3 -I"


def test_agent_never_uses_a_shell() -> None:
    keywords = [k.arg for node in ast.walk(TREE) if isinstance(node, ast.Call) for k in node.keywords]
    assert "shell" not in keywords
    assert "os.system" not in AGENT.read_text()


def test_agent_leaves_room_in_custom_data() -> None:
    assert len(base64.b64encode(gzip.compress(AGENT.read_bytes(), 9))) < 32 * 1024
