"""The real storage emulator for contract tests: one per session, a fresh name per test for what must not be shared."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localdev import azurite, setup
from localdev.processes import Children


@contextmanager
def running_azurite(log_dir: Path) -> Iterator[str]:
    """The connection string of an emulator that lives as long as the context."""
    with Children(log_dir, grace_s=5) as children:
        yield azurite.start(children, setup.ensure_node_parts().node, work_dir=log_dir).connection_string
