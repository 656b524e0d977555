"""Installing TLJH, once from cloud-init and once more when asked to."""

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from shared.onvm.agent.apt import APT_WAIT_S, apt_to_ourselves
from shared.onvm.agent.checks import RE_ADMIN, RE_HASH, RE_PIP, RE_SHA256, RE_URL, RE_VERSION, number, text, texts
from shared.onvm.agent.clock import boot_id, utc_now
from shared.onvm.agent.errors import AgentError
from shared.onvm.agent.files import private_directory, read_capped, read_json, write_atomically, write_json
from shared.onvm.agent.passwords import store_password
from shared.onvm.agent.programs import EXIT_INTERNAL, EXIT_TIMEOUT, child_environment, kill_group, run, say
from shared.onvm.agent.vm import INPUT, MIB, OUTPUT_LOG, ROOT, STATE, TLJH, VAR
from shared.onvm.agent.waiting import locked

OWN_EXIT_CODES = {"BadInput": 78, "ChecksumMismatch": 65, "DownloadFailed": 69}  # bootstrap itself ends with 0 or 1


class Plan(NamedTuple):
    admin: str
    password_hash: str | None
    version: str
    url: str
    sha256: str
    requirements: str | None
    plugins: list[str]
    limit_s: float

    @staticmethod
    def read() -> "Plan":
        source = read_json(INPUT)
        return Plan(
            admin=text(source, "adminUser", RE_ADMIN),
            password_hash=text(source, "adminPasswordHash", RE_HASH) if source.get("adminPasswordHash") else None,
            version=text(source, "tljhVersion", RE_VERSION),
            url=text(source, "bootstrapUrl", RE_URL),
            sha256=text(source, "bootstrapSha256", RE_SHA256),
            requirements=text(source, "requirementsUrl", RE_URL) if source.get("requirementsUrl") else None,
            plugins=texts(source, "plugins", RE_PIP),
            limit_s=number(source, "timeoutSeconds", 1, 7200),
        )


def install(attempt: int, output: int, lock: int) -> int:
    """Installs TLJH with bootstrap's output going to descriptor `output`. Returns the exit code it recorded.

    The caller holds `lock`; bootstrap inherits it, so that an install counts as running for as long as either lives.
    The state file says `running` first and `finished` in every case that this process survives; for the rest see
    `install_state`.
    """
    state: dict[str, Any] = {"v": 1, "state": "running", "attempt": attempt, "pid": os.getpid(), "bootId": boot_id()}
    state["startedAt"] = utc_now()
    write_json(STATE, state)
    say(f"installing TLJH, attempt {attempt}")
    try:
        code, error = run_bootstrap(output, lock)
    except AgentError as trouble:
        code, error = OWN_EXIT_CODES.get(trouble.code, EXIT_INTERNAL), trouble
    except Exception as trouble:  # whatever it is, it must be on record
        code, error = EXIT_INTERNAL, AgentError("Internal", f"{type(trouble).__name__}: {trouble}")
    say(f"attempt {attempt} ended with exit code {code}" + (f": {error.message}" if error else ""))
    state.update(state="finished", exitCode=code, finishedAt=utc_now())
    if 128 < code < 128 + 65:
        with contextlib.suppress(ValueError):
            state["signal"] = signal.Signals(code - 128).name
    if error:
        state["error"] = error.as_json()
    write_json(STATE, state)
    return code


def run_bootstrap(output: int, lock: int) -> tuple[int, AgentError | None]:
    """Seeds the admin's password, then downloads, checks and runs TLJH's bootstrap.

    The seed comes first: TLJH lets whoever logs in first under the admin's name set the password
    (the-littlest-jupyterhub issue 263), and JupyterHub is up before bootstrap ends.
    """
    plan = Plan.read()
    TLJH.mkdir(parents=True, exist_ok=True)
    TLJH.chmod(0o755)  # the hub's users run programs below it
    for private in ("state", "config"):
        private_directory(TLJH / private)
    if plan.password_hash:
        store_password(plan.admin, plan.password_hash, keep=True)
    bootstrap = VAR / "bootstrap.py"
    download(plan.url, plan.sha256, bootstrap)

    argv = [sys.executable, str(bootstrap), "--admin", plan.admin, "--version", plan.version]
    if plan.requirements:
        argv += ["--user-requirements-txt-url", plan.requirements]
    if plan.plugins:
        argv += ["--plugin", *plan.plugins]  # one flag: of several, TLJH keeps only the last
    apt_conf = VAR / "apt.conf"
    write_atomically(apt_conf, f'DPkg::Lock::Timeout "{APT_WAIT_S}";\nAcquire::Retries "3";\n'.encode())
    with apt_to_ourselves(min(APT_WAIT_S, plan.limit_s)):
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=ROOT or "/",
            env={**child_environment(), "APT_CONFIG": str(apt_conf)},
            pass_fds=(lock,),
            start_new_session=True,
            umask=0o022,
        )
        try:
            code = process.wait(plan.limit_s)
        except subprocess.TimeoutExpired:
            kill_group(process)
            message = f"the installer did not end within {plan.limit_s:g} s and was stopped"
            return EXIT_TIMEOUT, AgentError("InstallerTimeout", message)
    return (code if code >= 0 else 128 - code), None


def download(url: str, sha256: str, target: Path) -> None:
    """To a file, then checked, then used: `curl | python3` runs an empty program when curl fails, and exits 0."""
    ran = run(
        "curl", "-fsSL", "--proto", "=https", "--retry", "5", "--retry-connrefused", "--connect-timeout", "20",
        "--max-time", "300", "--max-filesize", str(2 * MIB), "-o", str(target), url, limit_s=900,
    )  # fmt: skip
    if ran.code != 0:
        say(ran.output.strip()[-500:])
        raise AgentError("DownloadFailed", f"the installer could not be downloaded (curl exit code {ran.code})")
    found = hashlib.sha256(read_capped(target, 4 * MIB)).hexdigest()
    if found != sha256:
        raise AgentError("ChecksumMismatch", f"installer checksum mismatch: expected {sha256}, got {found}")


def install_state() -> dict[str, Any]:
    """The recorded state; an install whose process is gone without a word is `finished` with error InstallLost."""
    state = read_json(STATE)
    if not state:
        return {"state": "absent", "attempt": 0, "exitCode": None, "startedAt": None, "finishedAt": None}
    if state.get("state") == "running":
        with locked(VAR / "install.lock", 0) as lock:
            state = read_json(STATE)
            if lock is not None and state.get("state") == "running":
                lost = AgentError("InstallLost", "The installer's process is gone without a result (reboot or kill).")
                state.update(state="finished", finishedAt=utc_now(), error=lost.as_json())
                write_json(STATE, state)
    names = ("state", "attempt", "exitCode", "startedAt", "finishedAt", "signal", "error")
    return {name: state.get(name) for name in names if name in state or name not in ("signal", "error")}


def verb_install() -> int:
    """From cloud-init. A second call never installs again: that is what `reinstall` is for."""
    with locked(VAR / "install.lock", 0) as lock:
        if lock is None or STATE.exists():
            say("install was already begun; nothing to do")
            return 0
        return install(1, sys.stdout.fileno(), lock)


def task_reinstall(_: dict[str, Any]) -> dict[str, Any]:
    """One more try in the same VM. Bootstrap is safe to repeat; what a killed first try leaves half made is not."""
    with locked(VAR / "install.lock", 0) as lock:
        if lock is None:
            raise AgentError("InstallRunning", "The installer is still running.")
        attempt = int(read_json(STATE).get("attempt", 1)) + 1
        # The proxy must not hold port 80: bootstrap's own check would find it and say "Done!" for a dead hub.
        run("systemctl", "stop", "jupyterhub.service", "traefik.service", limit_s=60)
        if shutil.which("dpkg"):
            run("dpkg", "--configure", "-a", limit_s=300)
        run("apt-get", "-f", "install", "-y", "-o", f"DPkg::Lock::Timeout={APT_WAIT_S}", limit_s=600)
        for directory, proof in (("hub", "bin/pip"), ("user", "bin/conda")):
            if (TLJH / directory).exists() and not (TLJH / directory / proof).exists():
                shutil.rmtree(TLJH / directory)  # TLJH: "Found non-empty directory that is not a conda install"
        OUTPUT_LOG.parent.mkdir(parents=True, exist_ok=True)
        log = os.open(OUTPUT_LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        os.dup2(log, 1)  # so `say` reaches the same file
        code = install(attempt, log, lock)
    if code != 0:
        raise AgentError("InstallFailed", f"The installer ended with exit code {code}.")
    return {"attempt": attempt, "exitCode": code}
