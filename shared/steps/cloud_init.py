"""The customData of a VM: one `#cloud-config` document, built as an object and written by a YAML serializer.

Nothing here is pasted into shell: `runcmd` holds lists, the agent reads a JSON file. The one shell string is the forced
command of authorized_keys, a constant (tests run shellcheck on it).

cloud-init applies nothing of a document it cannot read and still reports `done`
(https://docs.cloud-init.io/en/latest/reference/modules.html), so the tests compare objects, not validity.
"""

import base64
import gzip
import hashlib
import json
from dataclasses import dataclass, field
from functools import lru_cache

AGENT_PATH = "/usr/local/lib/hublet/agent"
INSTALL_JSON_PATH = "/etc/hublet/install.json"
INSTALLER_USER = "hublet"
FORCED_COMMAND = f'sudo -n {AGENT_PATH} ssh "$SSH_ORIGINAL_COMMAND"'

# https://learn.microsoft.com/azure/virtual-machines/custom-data: at most 65535 bytes before base64
CUSTOM_DATA_LIMIT = 64 * 1024 - 1


class CustomDataTooLarge(ValueError):
    """The document does not fit into customData: a bug or an absurd number of plugins, never a reason to retry."""

    def __init__(self, size: int) -> None:
        super().__init__(f"customData would be {size} bytes; Azure takes {CUSTOM_DATA_LIMIT}")
        self.size = size


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallPlan:
    """What the agent is told about the installation (`/etc/hublet/install.json`). `timeout_seconds` bounds TLJH's
    bootstrap; the hash is the bcrypt hash of the administrator's password, never the password."""

    admin_user: str
    admin_password_hash: str = field(repr=False)
    tljh_version: str
    bootstrap_url: str
    bootstrap_sha256: str
    requirements_url: str | None = None
    plugins: tuple[str, ...] = ()
    timeout_seconds: int = 1500

    def as_json(self) -> dict[str, object]:
        return {
            "v": 1,
            "adminUser": self.admin_user,
            "adminPasswordHash": self.admin_password_hash,
            "tljhVersion": self.tljh_version,
            "bootstrapUrl": self.bootstrap_url,
            "bootstrapSha256": self.bootstrap_sha256,
            "requirementsUrl": self.requirements_url,
            "plugins": list(self.plugins),
            "timeoutSeconds": self.timeout_seconds,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudInit:
    """Everything customData is made of. `agent` is what shared/onvm/bundle.py makes; keys are OpenSSH texts."""

    agent: bytes = field(repr=False)
    host_private_key: str = field(repr=False)
    host_public_key: str
    installer_public_key: str
    install: InstallPlan


@lru_cache(maxsize=8)  # 30 ms of processor time, and one hub asks for it again at every size and region it tries
def build_custom_data(cloud_init: CloudInit) -> bytes:
    """The customData before base64. Pure: the same input gives the same bytes, which a re-PUT of the VM needs
    (Azure refuses another customData for an existing VM). Raises CustomDataTooLarge."""
    import yaml  # at first use: the HTTP edge never builds one

    # The pure Python dumper everywhere: libyaml's breaks lines differently, and a worker with it must not make other
    # bytes than one without. `width` keeps the long base64 in one line.
    document = yaml.dump(cloud_config(cloud_init), Dumper=yaml.SafeDumper, sort_keys=False, width=CUSTOM_DATA_LIMIT)
    data = f"#cloud-config\n{document}".encode("ascii")
    if len(data) > CUSTOM_DATA_LIMIT:
        raise CustomDataTooLarge(len(data))
    return data


def custom_data_sha256(custom_data: bytes) -> str:
    """Stored when the VM is made and compared at every re-PUT."""
    return hashlib.sha256(custom_data).hexdigest()


def cloud_config(cloud_init: CloudInit) -> dict[str, object]:
    """The document as an object.

    `ssh_keys` with `ssh_deletekeys` leaves the given ed25519 key as the VM's only host key: with `ssh_keys` present
    cloud-init makes none itself (cloudinit/config/cc_ssh.py; an empty `ssh_genkeytypes` would say so too, but the
    schema of Debian's 22.4 refuses it). A key that sshd cannot read leaves the VM unreachable while cloud-init
    reports `done`, so the private key must end with a newline.
    """
    install_json = json.dumps(cloud_init.install.as_json(), indent=1, sort_keys=True) + "\n"
    return {
        "ssh_deletekeys": True,
        "ssh_keys": {
            "ed25519_private": cloud_init.host_private_key.rstrip("\n") + "\n",
            "ed25519_public": cloud_init.host_public_key.strip(),
        },
        "users": [
            "default",  # the owner's account, from osProfile
            {
                "name": INSTALLER_USER,
                "gecos": "Hublet installer",
                "homedir": f"/home/{INSTALLER_USER}",
                "shell": "/bin/sh",
                "lock_passwd": True,
                "sudo": f"ALL=(root) NOPASSWD: {AGENT_PATH}",
                "ssh_authorized_keys": [installer_authorized_key(cloud_init.installer_public_key)],
            },
        ],
        "write_files": [
            {
                "path": AGENT_PATH,
                "owner": "root:root",
                "permissions": "0755",
                "encoding": "gz+b64",
                "content": gz_b64(cloud_init.agent),
            },
            {
                "path": INSTALL_JSON_PATH,
                "owner": "root:root",
                "permissions": "0600",
                "content": install_json,
            },
        ],
        "runcmd": [[AGENT_PATH, "install"]],
    }


def installer_authorized_key(public_key: str) -> str:
    """Our key may do one thing: hand its command to the agent (sshd(8), AUTHORIZED_KEYS FILE FORMAT)."""
    command = FORCED_COMMAND.replace('"', '\\"')
    return f'restrict,command="{command}" {public_key.strip()}'


def gz_b64(content: bytes) -> str:
    """Compressed without a time stamp and at a fixed level: byte-identical every time."""
    return base64.b64encode(gzip.compress(content, compresslevel=9, mtime=0)).decode("ascii")
