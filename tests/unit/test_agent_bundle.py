"""The agent as a file: the modules of shared/onvm/agent in one, for an old Python, small enough for customData."""

import ast
import base64
import gzip
import io
import stat
import sys
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from shared.onvm.bundle import agent_bytes

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "shared" / "onvm" / "agent").glob("*.py"))
BUNDLE = zipfile.ZipFile(io.BytesIO(agent_bytes()))
TREES = {name: ast.parse(BUNDLE.read(name), feature_version=(3, 10)) for name in BUNDLE.namelist()}
"""Reading them as Python 3.10 (Ubuntu 22.04) is a test of its own: another grammar fails here."""


def imported() -> Iterator[str]:
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield str(node.module)


def test_every_source_file_is_in_the_bundle_as_it_is():
    contents = {BUNDLE.read(name) for name in BUNDLE.namelist()}
    assert {path.read_bytes() for path in SOURCES} | {b""} == contents
    assert len(BUNDLE.namelist()) == len(SOURCES) + 2  # and the two empty parents


def test_the_sources_are_deployed():
    """The bundle is made where the functions run."""
    patterns = [line.rstrip("/") for line in (ROOT / ".funcignore").read_text().splitlines()]
    names = {part for path in SOURCES for part in path.relative_to(ROOT).parts}
    assert [(name, pattern) for name in names for pattern in patterns if fnmatch(name, pattern)] == []


def test_the_bundle_imports_only_itself_and_the_standard_library():
    own = {name.removesuffix(".py").replace("/", ".") for name in BUNDLE.namelist()}
    assert {
        name for name in imported() if name not in own and name.partition(".")[0] not in sys.stdlib_module_names
    } == set()


def test_the_bundle_starts_isolated_from_its_environment():
    assert agent_bytes().partition(b"\n")[0] == b"#!/usr/bin/python3 -I"
    assert "__main__.py" in BUNDLE.namelist()


def test_a_second_build_gives_the_same_bytes():
    assert agent_bytes.__wrapped__() == agent_bytes()


def test_nothing_of_the_builders_machine_is_in_the_bundle():
    names = BUNDLE.namelist()
    assert names == sorted(names)
    for entry in BUNDLE.infolist():
        assert entry.date_time == (1980, 1, 1, 0, 0, 0)
        assert entry.compress_type == zipfile.ZIP_STORED
        assert stat.S_IMODE(entry.external_attr >> 16) == 0o644
        assert (entry.create_system, entry.extra, entry.comment) == (3, b"", b"")


def test_agent_never_uses_a_shell():
    calls = [node for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert "shell" not in {keyword.arg for call in calls for keyword in call.keywords}
    assert not [call for call in calls if ast.unparse(call.func) in ("os.system", "os.popen", "subprocess.getoutput")]


def test_agent_leaves_room_in_custom_data():
    assert len(base64.b64encode(gzip.compress(agent_bytes(), 9))) < 32 * 1024


def test_compressing_the_whole_is_smaller_than_a_zip_of_compressed_entries():
    """Why the entries are stored: customData compresses the file anyway."""
    each = io.BytesIO()
    with zipfile.ZipFile(each, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in BUNDLE.namelist():
            archive.writestr(name, BUNDLE.read(name))
    assert len(gzip.compress(agent_bytes(), 9)) < 0.8 * len(each.getvalue())
