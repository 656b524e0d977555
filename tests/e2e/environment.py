"""A whole local environment for tests: Azurite, simulated Azure and the Functions host, in a folder of its own."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from localdev import setup
from localdev.processes import Children
from localdev.stack import Stack, start_stack
from tests.e2e.api import Api
from tests.e2e.azure import Azure

TIME_SCALE = 20.0


@dataclass
class Environment:
    """`api` speaks for the admin. `folder` is where the simulator keeps its machines."""

    children: Children
    stack: Stack
    folder: Path
    api: Api
    azure: Azure

    def caller(self, owner: str) -> Api:
        """A person with an API token of their own."""
        issued = self.api.call("POST", "/tokens", {"owner": owner})
        assert issued.status == 201, issued
        return Api(self.api.base, issued.json()["token"])

    def disk(self, vm_name: str) -> Path:
        """The root directory of a machine's disk."""
        return self.folder / "azure" / "vms" / vm_name / "disk"


@contextmanager
def running_environment(
    folder: Path,
    *,
    host_args: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
    with_chat: bool = False,
) -> Iterator[Environment]:
    """`with_chat`: beside it a pretended Slack and Teams, see chat_people.py."""
    node = setup.ensure_all()
    with Children(folder / "logs") as children:
        stack = start_stack(
            children,
            node,
            folder,
            time_scale=TIME_SCALE,
            host_args=host_args,
            extra_settings=settings,
            with_chat=with_chat,
        )
        azure = Azure(stack)
        try:
            yield Environment(children, stack, folder, Api(stack.api, stack.token), azure)
        finally:
            azure.close()
