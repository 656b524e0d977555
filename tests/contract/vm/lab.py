"""A simulated VM for tests: keys, a real customData and the clients that reach it."""

import asyncio
import base64
import gzip
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncssh
import bcrypt
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from localdev.azuresim.vm.ports import IssuedCertificate, VmSpec
from localdev.azuresim.vm.runtime import LocalVmRuntime
from shared.onvm.bundle import agent_bytes

PROJECT = Path(__file__).parents[3]
HUBENV = PROJECT / ".localdev" / "hubenv"
NODE_MODULES = PROJECT / "localdev" / "node" / "node_modules"
BOOTSTRAP = PROJECT / "localdev" / "azuresim" / "vm" / "bootstrap.py"
AGENT_PATH = "/usr/local/lib/hublet/agent"
ADMIN, PASSWORD = "hubadmin", "correct horse battery"
FQDN = "demo.westeurope.cloudapp.azure.com"
FORCED = 'sudo -n /usr/local/lib/hublet/agent ssh \\"$SSH_ORIGINAL_COMMAND\\"'


class FastClock:
    """Wall time; recorded durations take a 200th."""

    time_scale = 200.0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def wall(self) -> datetime:
        return self.now()


@dataclass
class Rules:
    """Security rules that a test may change while a VM runs."""

    refused: set[tuple[str, int]] = field(default_factory=set)
    closed: set[int] = field(default_factory=set)

    def allows(self, source_ip: str, port: int) -> bool:
        return port not in self.closed and (source_ip, port) not in self.refused


class Authority:
    """A certificate authority as the simulator has one."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test Authority")])
        now = datetime.now(UTC)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        self._certificate = (
            self._builder(self._name, self._key.public_key(), now)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=2))
        )

    @property
    def pem(self) -> str:
        return self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, names: Sequence[str]) -> IssuedCertificate:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = (
            self._builder(subject, key.public_key(), datetime.now(UTC))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
            .add_extension(authority, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return IssuedCertificate(certificate.public_bytes(serialization.Encoding.PEM) + self.pem.encode(), private)


@dataclass
class Keys:
    """The key pairs around one VM."""

    host: asyncssh.SSHKey = field(default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519"))
    installer: asyncssh.SSHKey = field(default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519"))
    owner: asyncssh.SSHKey = field(default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519"))


def public(key: asyncssh.SSHKey) -> str:
    return key.export_public_key().decode().strip()


def packed(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data, mtime=0)).decode()


def install_json(**changes: object) -> bytes:
    import hashlib

    given = {
        "v": 1,
        "adminUser": ADMIN,
        "adminPasswordHash": bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode(),
        "tljhVersion": "2.0.0",
        "bootstrapUrl": "https://127.0.0.1:1/_sim/bootstrap.py",
        "bootstrapSha256": hashlib.sha256(BOOTSTRAP.read_bytes()).hexdigest(),
        "requirementsUrl": None,
        "plugins": [],
        "timeoutSeconds": 120,
    }
    return json.dumps({**given, **changes}).encode()


def cloud_config(keys: Keys, **changes: object) -> dict[str, Any]:
    """What the control plane puts into customData."""
    return {
        "ssh_deletekeys": True,
        "ssh_genkeytypes": [],
        "ssh_keys": {
            "ed25519_private": keys.host.export_private_key().decode(),
            "ed25519_public": public(keys.host),
        },
        "users": [
            "default",
            {
                "name": "hublet",
                "gecos": "Hublet installer",
                "shell": "/bin/sh",
                "lock_passwd": True,
                "sudo": "ALL=(root) NOPASSWD: /usr/local/lib/hublet/agent",
                "ssh_authorized_keys": [f'restrict,command="{FORCED}" {public(keys.installer)} hublet-installer'],
            },
        ],
        "write_files": [
            {
                "path": AGENT_PATH,
                "permissions": "0755",
                "owner": "root:root",
                "encoding": "gz+b64",
                "content": packed(agent_bytes()),
            },
            {
                "path": "/etc/hublet/install.json",
                "permissions": "0600",
                "owner": "root:root",
                "content": install_json().decode(),
            },
        ],
        "runcmd": [[AGENT_PATH, "install"]],
        **changes,
    }


def custom_data(config: Mapping[str, Any]) -> bytes:
    return b"#cloud-config\n" + yaml.safe_dump(dict(config), width=1000).encode()


def spec(keys: Keys, data: bytes, name: str = "demo-vm") -> VmSpec:
    group = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines"
    return VmSpec(
        vm_id=f"{group}/{name}",
        name=name,
        region="westeurope",
        size="Standard_D2s_v5",
        admin_username="azureuser",
        ssh_public_keys=(public(keys.owner),),
        custom_data=data,
        fqdn=FQDN,
    )


def runtime(state: Path, authority: Authority, **changes: Any) -> LocalVmRuntime:
    logger = logging.getLogger("vm-test")
    return LocalVmRuntime(state, HUBENV, NODE_MODULES, authority.issue, FastClock(), logger, **changes)


@dataclass
class Lab:
    """One running VM and what is needed to talk to it."""

    runtime: LocalVmRuntime
    spec: VmSpec
    rules: Rules
    keys: Keys
    folder: Path
    authority: Authority

    def endpoint(self, port: int) -> tuple[str, int]:
        return self.runtime.endpoints(self.spec.vm_id)[port]

    @property
    def web(self) -> str:
        address, port = self.endpoint(80)
        return f"http://{address}" if port == 80 else f"http://{address}:{port}"

    def disk(self, path: str) -> Path:
        machine = self.runtime.machine(self.spec.vm_id)
        assert machine is not None
        return machine.vm.disk.path(path)

    def ssh_command(self, user: str, key: asyncssh.SSHKey, *words: str) -> list[str]:
        """The real OpenSSH client, strict about the host key."""
        address, port = self.endpoint(22)
        identity = self.folder / f"id-{user}"
        identity.touch(0o600)
        identity.write_bytes(key.export_private_key())
        known = self.folder / "known_hosts"
        known.write_text(f"[{address}]:{port},{address} {public(self.keys.host)}\n")
        options = {
            "UserKnownHostsFile": str(known),
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "IdentitiesOnly": "yes",
            "BatchMode": "yes",
            "ConnectTimeout": "10",
        }
        flags = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return ["ssh", "-F", "/dev/null", *flags, "-i", str(identity), "-p", str(port), f"{user}@{address}", *words]

    async def ssh(self, *words: str, user: str = "azureuser", given: bytes = b"") -> tuple[int, str, str]:
        key = self.keys.owner if user == "azureuser" else self.keys.installer
        return await execute(self.ssh_command(user, key, *words), given)

    async def agent(self, verb: str, **given: object) -> dict[str, Any]:
        """One verb of the agent through the forced command."""
        code, out, err = await self.ssh(verb, user="hublet", given=json.dumps(given).encode())
        assert code == 0, (code, out, err)
        answer: dict[str, Any] = json.loads(out)
        return answer

    async def task(self, name: str, key: str, **given: object) -> dict[str, Any]:
        """A task of the agent to its end."""
        for _ in range(12):
            answer = await self.agent("task", name=name, key=key, input=given, waitSeconds=10)
            if answer["state"] != "running":
                assert answer["state"] == "succeeded", answer
                return dict(answer["result"])
        raise AssertionError(f"{name} did not end")

    async def installed(self, limit_s: float = 60) -> dict[str, Any]:
        """Wait as the control plane does until the installer ended and the hub answers."""
        status: dict[str, Any] = {}
        async with asyncio.timeout(limit_s):
            while True:
                if self.runtime.endpoints(self.spec.vm_id) and self.disk("/etc/ssh/ssh_host_ed25519_key").exists():
                    code, out, _ = await self.ssh("status", user="hublet", given=b"{}")
                    status = json.loads(out) if code == 0 else {}
                    if (status.get("hubApi") or {}).get("status") == 200:
                        return status
                    install = status.get("install") or {}
                    if install.get("state") == "finished" and install.get("exitCode") != 0:
                        return status
                await asyncio.sleep(0.2)


async def execute(argv: Sequence[str], given: bytes = b"") -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate(given)
    assert process.returncode is not None
    return process.returncode, out.decode(errors="replace"), err.decode(errors="replace")


async def asked(argv: Sequence[str], request: bytes) -> str:
    """What a tunnel answers to a request; its own end is closed last, after the answer (a client that closes
    its half first is taken for gone by JupyterHub)."""
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(request)
        answer = await process.stdout.read()
        process.stdin.close()
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
    return answer.decode(errors="replace")


def living(marker: Path) -> list[int]:
    """Processes whose environment or command line names the directory (Linux)."""
    needle = str(marker).encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                text = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if needle in text:
                found.append(int(entry.name))
    return found
