"""Closing the door: the tasks `lock-prepare` and `lock-commit`."""

from pathlib import Path
from typing import Any

from shared.onvm.agent.checks import RE_ED25519, text
from shared.onvm.agent.clock import utc_now
from shared.onvm.agent.errors import AgentError
from shared.onvm.agent.files import read_capped, wipe, write_atomically, write_json
from shared.onvm.agent.programs import must_run
from shared.onvm.agent.scrub import scrub_secrets
from shared.onvm.agent.services import remove_service
from shared.onvm.agent.tljh import configuring
from shared.onvm.agent.vm import ACCEPTANCE, AUTHORIZED_KEYS, HOST_KEY, KIB, NEXT_KEY, VAR


def public_part(private: Path) -> Path:
    return private.with_name(private.name + ".pub")


def task_lock_prepare(_: dict[str, Any]) -> dict[str, Any]:
    """The VM's next host key, made on the VM. The same one until it is committed, so a lost answer does no harm."""
    fresh = VAR / "fresh_host_key"
    if not (NEXT_KEY.exists() and public_part(NEXT_KEY).exists()):
        for left_over in (fresh, public_part(fresh)):
            left_over.unlink(missing_ok=True)
        argv = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "hublet", "-f", str(fresh))
        must_run("KeyGenFailed", *argv, limit_s=30)
        fresh.chmod(0o600)
        public_part(fresh).replace(public_part(NEXT_KEY))
        fresh.replace(NEXT_KEY)  # last: its presence means the pair is complete
    return {"hostPublicKey": " ".join(public_line(public_part(NEXT_KEY)).split()[:2])}


def public_line(path: Path) -> str:
    line = read_capped(path, KIB).decode("ascii", "replace").strip()
    if not RE_ED25519.fullmatch(line):
        raise AgentError("BadHostKey", "The new host key's public part is not an ed25519 key.")
    return line


def commit_host_key() -> None:
    """Puts the prepared key in place. Again after that: nothing to do."""
    committed = VAR / "locked.json"
    if not NEXT_KEY.exists():
        if not committed.exists():
            raise AgentError("NotPrepared", "There is no prepared host key: run lock-prepare first.")
        return
    line = public_line(public_part(NEXT_KEY))
    write_atomically(public_part(HOST_KEY), line.encode() + b"\n", mode=0o644)
    old = HOST_KEY.with_name(f".{HOST_KEY.name}.old")
    old.unlink(missing_ok=True)
    if HOST_KEY.exists():
        old.hardlink_to(HOST_KEY)  # so that there is a host key at every moment, and the old one can be overwritten
    write_atomically(HOST_KEY, read_capped(NEXT_KEY, 16 * KIB))
    wipe(old)
    write_json(committed, {"hostPublicKey": line, "at": utc_now()})
    wipe(NEXT_KEY)
    public_part(NEXT_KEY).unlink(missing_ok=True)


def task_lock_commit(source: dict[str, Any]) -> dict[str, Any]:
    """What can fail comes first and what shuts us out comes last, so that a failure leaves the door open for a retry.
    Again after success: nothing changes."""
    tunnel = source.get("tunnelPublicKey")
    line = b""
    if tunnel is not None:
        options = 'restrict,port-forwarding,permitopen="127.0.0.1:15001",command="/bin/false"'
        line = f"{options} {text(source, 'tunnelPublicKey', RE_ED25519)}\n".encode()
    with configuring() as config:
        remove_service(config, ACCEPTANCE)
    scrub_secrets()
    commit_host_key()
    must_run("SshRestartFailed", "systemctl", "restart", "ssh", limit_s=60)  # running sessions survive this
    write_atomically(AUTHORIZED_KEYS, line)
    return {}
