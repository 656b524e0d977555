"""How the owner gets onto the machine: the `ssh` command and the known_hosts lines, as OpenSSH takes them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared import log
from shared.errors import HubletError
from shared.hubs.states import HubState

if TYPE_CHECKING:
    from shared.app import App
    from shared.hubs.model import Hub
    from shared.hubs.ports import Endpoint

SSH_PORT = 22
KNOWN_HOSTS_FILE = "known_hosts"
"""Where the command expects the hub's `knownHosts`: in the present folder, as it does the key."""


_OFF = frozenset({HubState.STOPPING, HubState.STOPPED, HubState.DELETING, HubState.DELETED})
"""States in which the machine is off or about to be: a command that cannot work is not shown."""


@dataclass(frozen=True, slots=True)
class SshAccessView:
    """`command` None = port 22 is not open to the owner, or the machine is off. `known_hosts` None = the machine is not
    reachable yet; it stays valid while the hub is stopped, as its address and host key stay."""

    command: str | None = None
    known_hosts: str | None = None


async def ssh_access(app: "App", hub: "Hub") -> SshAccessView:
    """In Azure the name is the address, and this asks nobody. A look-up that fails hides SSH, it never fails a read."""
    host = hub.machine.fqdn or hub.machine.ip
    if host is None or not hub.host_public_keys:
        return SshAccessView()
    try:
        endpoint = await app.reach.endpoint(host, SSH_PORT)
    except HubletError as error:
        log.info("ssh_endpoint_unknown", hub_id=hub.id, code=error.code)
        return SshAccessView()
    return SshAccessView(_command(hub, endpoint), _known_hosts(hub, endpoint))


def _command(hub: "Hub", endpoint: "Endpoint") -> str | None:
    is_off = hub.state in _OFF or hub.deallocated_at is not None
    if is_off or not hub.spec.ssh_from:
        return None
    identity = [] if hub.spec.ssh_public_key is not None else ["-i", f"{hub.name}.pem"]
    known = ["-o", f"UserKnownHostsFile={KNOWN_HOSTS_FILE}"]  # without it ssh would ask for the trust we can prove
    port = [] if endpoint.port == SSH_PORT else ["-p", str(endpoint.port)]
    return " ".join(["ssh", *identity, *known, *port, f"{hub.spec.admin_user}@{endpoint.address}"])


def _known_hosts(hub: "Hub", endpoint: "Endpoint") -> str:
    """sshd(8), SSH_KNOWN_HOSTS FILE FORMAT: another port than 22 is written `[host]:port`."""
    name = endpoint.address if endpoint.port == SSH_PORT else f"[{endpoint.address}]:{endpoint.port}"
    return "".join(f"{name} {key}\n" for key in hub.host_public_keys)
