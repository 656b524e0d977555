#!/usr/bin/python3 -I
"""The one program Hublet puts on a VM: installs TLJH, configures it, and closes the door behind itself.

One file, standard library only, Python 3.10 or newer, because it travels inside customData to a bare Ubuntu.

    agent install          as root, from cloud-init's runcmd; cannot be reached over SSH
    agent ssh "<words>"    as root, by the forced command of hublet's authorized_keys; <words> must be one verb
    agent status|task      the same verbs by hand, for a person with root on the VM

A verb reads one JSON document on stdin and writes one on stdout: exit code 0, or 1 with
`{"error": {"code", "message"}}`. Secrets arrive on stdin only, never leave, and are never in argv or in a log.

A task runs detached from the SSH session that asked for it, once per key. Its lock file is held (flock) for as long
as its process lives, so the kernel says whether it still runs: nothing to guess after a crash or a reboot.

TLJH facts: https://tljh.jupyter.org and github.com/jupyterhub/the-littlest-jupyterhub at 2.0.0 (bootstrap/bootstrap.py,
tljh/installer.py, tljh/config.py, tljh/normalize.py).
"""

import base64
import contextlib
import dbm
import fcntl
import hashlib
import json
import os
import re
import select
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = os.environ.get("HUBLET_ROOT", "")  # empty on a real VM; sudo's env_reset keeps callers from setting it
LOOPBACK = os.environ.get("HUBLET_LOOPBACK", "127.0.0.1")
PORTS: dict[str, int] = json.loads(os.environ.get("HUBLET_PORTS", "{}"))

PROXY_PORT, HUB_PORT = 80, 15001
KIB, MIB = 1 << 10, 1 << 20
STDIN_CAP = 256 * KIB
STDIN_LIMIT_S = 15
APT_WAIT_S = 300  # unattended-upgrades of a fresh image takes minutes; apt-get itself would not wait at all
RELOAD_LIMIT_S = 120  # `tljh-config reload` never ends when a snippet is broken; a good one takes 5-10 s
HUB_UP_LIMIT_S = 60
ACCEPTANCE = "hublet-acceptance"

EXIT_TIMEOUT, EXIT_INTERNAL = 124, 70  # as timeout(1) and sysexits.h have them
OWN_EXIT_CODES = {"BadInput": 78, "ChecksumMismatch": 65, "DownloadFailed": 69}  # bootstrap itself ends with 0 or 1

RE_USER = re.compile(r"[a-z][a-z0-9_.@-]{0,63}")
RE_ADMIN = re.compile(r"[a-z][a-z0-9_-]{0,25}")
RE_HASH = re.compile(r"\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}")
RE_URL = re.compile(r"https://[\x21-\x7e]{1,2000}")
RE_VERSION = re.compile(r"[0-9][0-9A-Za-z.+-]{0,30}")
RE_SHA256 = re.compile(r"[0-9a-f]{64}")
RE_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
RE_APT = re.compile(r"[a-z0-9][a-z0-9+.-]{1,99}")
RE_PIP = re.compile(r"[A-Za-z0-9][\x21-\x7e]{0,299}")
RE_SERVICE = re.compile(r"hublet(-[a-z]{1,20})?")
RE_TOKEN = re.compile(r"[A-Za-z0-9._~-]{16,200}")
RE_SCOPE = re.compile(r"[a-z:]{1,60}(![a-z=._-]{1,60})?")
RE_DOMAIN = re.compile(r"[a-z0-9][a-z0-9.-]{1,252}")
RE_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,190}")
RE_MEMORY = re.compile(r"[0-9]{1,6}(\.[0-9]{1,3})?[KMGT]")
RE_ED25519 = re.compile(r"ssh-ed25519 AAAA[A-Za-z0-9+/]{40,100}={0,2}( [A-Za-z0-9@._-]{1,64})?")

AUTH_CLASSES = {
    "firstuse": "firstuseauthenticator.FirstUseAuthenticator",
    "native": "nativeauthenticator.NativeAuthenticator",
    "tmp": "tmpauthenticator.TmpAuthenticator",
}


class AgentError(Exception):
    """Something the caller is told: a stable code and one sentence without secrets."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def as_json(self) -> dict[str, str]:
        return {"code": self.code, "message": self.message[:2000]}


# ---------------------------------------------------------------------------------------------- files, time, checks


def at(path: str) -> Path:
    """An absolute path of the VM as a path of this machine."""
    return Path(ROOT + path)


INPUT = at("/etc/hublet/install.json")
VAR = at("/var/lib/hublet")
STATE = VAR / "install.json"
TASKS = VAR / "tasks"
RELOAD_OWED = VAR / "reload-owed"
PACKAGES = VAR / "packages.json"
NEXT_KEY = VAR / "next_host_key"
TLJH = at("/opt/tljh")
PASSWORDS = TLJH / "state" / "passwords.dbm"
SNIPPETS = TLJH / "config" / "jupyterhub_config.d"
INSTALLER_LOG = TLJH / "installer.log"
OUTPUT_LOG = at("/var/log/cloud-init-output.log")
HOST_KEY = at("/etc/ssh/ssh_host_ed25519_key")
AUTHORIZED_KEYS = at("/home/hublet/.ssh/authorized_keys")


def utc_now() -> str:
    """The VM's own clock, RFC 3339 in UTC; the control plane computes ages from this, not from its own clock."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def boot_id() -> str:
    return read_capped(Path("/proc/sys/kernel/random/boot_id"), 100).decode("ascii", "replace").strip()


def read_capped(path: Path, cap: int) -> bytes:
    """At most `cap` bytes of a file; empty when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(cap)
    except OSError:
        return b""


def write_atomically(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Whole or not at all, also across a power cut; never readable by others for a moment; a replaced file keeps its
    owner (sshd reads authorized_keys as the user it belongs to)."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        os.fchmod(file.fileno(), mode)
        with contextlib.suppress(FileNotFoundError):
            os.fchown(file.fileno(), path.stat().st_uid, path.stat().st_gid)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_json(path: Path, document: object) -> None:
    write_atomically(path, json.dumps(document, sort_keys=True).encode())


def read_json(path: Path, cap: int = 256 * KIB) -> dict[str, Any]:
    """The JSON object in a file; `{}` when there is none or it is not one."""
    try:
        document = json.loads(read_capped(path, cap) or b"{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def private_directory(path: Path) -> None:
    """Makes a directory only root can enter, also when something left it wider."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)


def text(source: dict[str, Any], name: str, pattern: "re.Pattern[str]") -> str:
    """A string member that matches the whole pattern, else BadInput."""
    value = source.get(name)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise AgentError("BadInput", f"{name} is missing or not well-formed.")
    return value


def texts(source: dict[str, Any], name: str, pattern: "re.Pattern[str]") -> list[str]:
    """A list of such strings; absent or null is an empty list."""
    values = source.get(name) or []
    if not isinstance(values, list) or len(values) > 500:
        raise AgentError("BadInput", f"{name} is not a list, or too long.")
    return [text({name: value}, name, pattern) for value in values]


def number(source: dict[str, Any], name: str, low: float, high: float, default: float | None = None) -> float:
    value = source.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise AgentError("BadInput", f"{name} is not a number from {low:g} to {high:g}.")
    return value


@contextlib.contextmanager
def locked(path: Path, wait_s: float) -> Iterator[int | None]:
    """Holds an exclusive lock for the block; yields its descriptor, or None when it was not free in `wait_s` seconds.
    A process that inherits the descriptor holds the lock too, until it ends: nothing to write down, nothing stale."""
    private_directory(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        yield descriptor if wait_until(lambda: try_lock(descriptor), wait_s) else None
    finally:
        os.close(descriptor)


def try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def wait_until(condition: Callable[[], bool], limit_s: float, every_s: float = 0.1) -> bool:
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(every_s)
    return True


# ------------------------------------------------------------------------------------------------- other programs


class Ran(NamedTuple):
    code: int  # EXIT_TIMEOUT when it was killed for its time limit, 127 when there is no such program
    output: str  # stdout and stderr together, the last 256 KiB


def child_environment() -> dict[str, str]:
    """cloud-init leaves HOME unset and pip and git want one; a program that asks a question would wait for ever."""
    environment = dict(os.environ)
    environment.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    environment.update(HOME=ROOT + "/root", LANG="C.UTF-8", DEBIAN_FRONTEND="noninteractive", NEEDRESTART_MODE="l")
    return environment


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Ends a program that leads its own session, and all it started there: first politely, then for good."""
    for ending, grace_s in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, ending)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)


def run(*argv: str, limit_s: float, cap: int = 256 * KIB) -> Ran:
    """Runs a program to its end or for `limit_s` seconds. Never raises for what the program does.

    umask 022: packages installed with the agent's own 077 would be unreadable to the hub's users.
    """
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=ROOT or "/",
            env=child_environment(),
            start_new_session=True,
            umask=0o022,
        )
    except OSError as error:
        return Ran(127, f"{argv[0]}: {error.strerror}")
    assert process.stdout is not None
    output, deadline = bytearray(), time.monotonic() + limit_s
    with process.stdout as pipe:
        while time.monotonic() < deadline:
            ended = process.poll() is not None
            # Not "until end of file": a service the program started may keep the pipe open for ever.
            if select.select([pipe], [], [], 0 if ended else 0.05)[0]:
                data = os.read(pipe.fileno(), 64 * KIB)
                output += data
                del output[:-cap]
                if data:
                    continue
                if not ended:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(max(0.0, deadline - time.monotonic()))
                    continue
            if ended:
                break
    code = process.poll()
    if code is None:
        kill_group(process)
        code = EXIT_TIMEOUT
    return Ran(code if code >= 0 else 128 - code, output.decode("utf-8", "replace"))


def must_run(failure: str, *argv: str, limit_s: float) -> str:
    """The program's output; `AgentError(failure)` with the end of that output when it does not end with 0."""
    ran = run(*argv, limit_s=limit_s)
    if ran.code != 0:
        how = f"did not end within {limit_s:g} s" if ran.code == EXIT_TIMEOUT else f"ended with exit code {ran.code}"
        raise AgentError(failure, f"{Path(argv[0]).name} {how}: {ran.output.strip()[-1200:]}")
    return ran.output


def say(line: str) -> None:
    """One line for cloud-init-output.log, where the control plane reads what installer.log never shows."""
    sys.stdout.write(f"hublet: {line}\n")
    sys.stdout.flush()


# ------------------------------------------------------------------------------------------------------------ apt


def apt_is_locked() -> bool:
    for name in ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock"):
        with contextlib.suppress(FileNotFoundError), at(name).open("ab") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the kind of lock apt and dpkg take
            except OSError:
                return True
    return False


@contextlib.contextmanager
def apt_to_ourselves(limit_s: float = APT_WAIT_S) -> Iterator[None]:
    """Keeps the daily apt jobs from starting, waits for one that runs (killing it would leave dpkg half done), and
    gives the timers back afterwards: they bring the security updates.

    DPkg::Lock::Timeout makes only `install` wait; `update` takes another lock and fails at once, hence the wait here.
    Not getting the lock is not an error of its own: apt-get says it better.
    """
    timers = ("apt-daily.timer", "apt-daily-upgrade.timer")
    run("systemctl", "stop", *timers, limit_s=30)
    try:
        if not wait_until(lambda: not apt_is_locked(), limit_s, 0.5):
            say(f"another program still holds the apt lock after {limit_s:g} s")
        yield
    finally:
        run("systemctl", "start", *timers, limit_s=30)


# ------------------------------------------------------------------------------------------- passwords and the hub


def password_db() -> Any:
    """TLJH's password file (FirstUseAuthenticator), opened for writing.

    The hub's Python is this Python (its venv is made from /usr/bin/python3), so both pick the same dbm flavour. The
    hub opens the file for a moment at each login; gdbm then refuses a second writer, so this tries for five seconds.
    """
    private_directory(PASSWORDS.parent)
    deadline = time.monotonic() + 5
    while True:
        try:
            return dbm.open(str(PASSWORDS), "c", 0o600)
        except dbm.error as error:
            if time.monotonic() >= deadline:
                raise AgentError("PasswordFile", f"The hub's password file cannot be opened: {error}") from None
        time.sleep(0.1)


def store_password(user: str, bcrypt_hash: str, *, keep: bool = False) -> None:
    """Effective at once, hub running or not. `keep` leaves a password that is already there."""
    with contextlib.closing(password_db()) as passwords:
        if not (keep and passwords.get(user.lower().encode())):
            passwords[user.lower().encode()] = bcrypt_hash.encode()


def forget_password(user: str) -> None:
    with contextlib.closing(password_db()) as passwords, contextlib.suppress(KeyError):
        del passwords[user.lower().encode()]


class Answer(NamedTuple):
    status: int
    body: Any
    location: str


def ask(port: int, method: str, path: str, token: str = "", body: object = None, limit_s: float = 5) -> Answer | None:
    """One HTTP request on the VM's loopback; None when nobody answers. At most 64 KiB are read."""
    import http.client  # half of the agent's start-up time, and most calls do not need it

    connection = http.client.HTTPConnection(LOOPBACK, PORTS.get(str(port), port), timeout=limit_s)
    headers = {"Content-Type": "application/json", **({"Authorization": f"token {token}"} if token else {})}
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        content = response.read(64 * KIB)
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    try:
        document = json.loads(content) if content else None
    except ValueError:
        document = None
    return Answer(response.status, document, response.getheader("Location", "") or "")


def hub_api() -> dict[str, Any] | None:
    """What `GET /hub/api` says through the proxy, as a visitor would get it; with HTTPS on, the proxy only redirects
    there, so then the hub itself is asked."""
    answer = ask(PROXY_PORT, "GET", "/hub/api", limit_s=3)
    if answer is not None and answer.location.startswith("https://"):
        answer = ask(HUB_PORT, "GET", "/hub/api", limit_s=3)
    if answer is None:
        return None
    version = answer.body.get("version") if isinstance(answer.body, dict) else None
    return {"status": answer.status, "version": version[:40] if isinstance(version, str) else None}


def hub_is_up() -> bool:
    answer = ask(HUB_PORT, "GET", "/hub/api", limit_s=3)
    return answer is not None and answer.status == 200


def call_hub(method: str, path: str, body: object = None, limit_s: float = 30) -> Answer:
    """One call with the acceptance token. Raises HubNotAnswering, or HubRefused for 401, 403 and 5xx."""
    token = read_capped(token_file(ACCEPTANCE), KIB).decode("ascii", "replace").strip()
    if not token:
        raise AgentError("NoAcceptanceToken", "The acceptance token is not on this VM: run configure first.")
    answer = ask(HUB_PORT, method, "/hub/api" + path, token, body, limit_s)
    if answer is None:
        raise AgentError("HubNotAnswering", "JupyterHub does not answer on the VM's loopback address.")
    if answer.status in (401, 403) or answer.status >= 500:
        why = answer.body.get("message") if isinstance(answer.body, dict) else None
        raise AgentError("HubRefused", f"JupyterHub answered {answer.status} to {method} {path}: {why}")
    return answer


# ------------------------------------------------------------------------------------------------------- installing


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


# ---------------------------------------------------------------------------------------------------- configuring


def parse_config(yaml: str) -> dict[str, Any]:
    """`tljh-config show` as {"limits.memory": "2G", "users.admin": ["a"], ...}.

    Reads the block style that TLJH writes (nested mappings, lists of scalars); a VM need not have a YAML library.
    """
    values: dict[str, Any] = {}
    keys: list[tuple[int, str]] = []
    for line in yaml[: 256 * KIB].splitlines():
        content = line.strip()
        indent = len(line) - len(line.lstrip(" "))
        if not content or content.startswith(("#", "---", "...", "{", "[")):
            continue
        if content == "-" or content.startswith("- "):
            while keys and keys[-1][0] > indent:
                keys.pop()
            values.setdefault(".".join(key for _, key in keys), []).append(scalar(content[1:]))
            continue
        while keys and keys[-1][0] >= indent:
            keys.pop()
        key, _, value = content.partition(":")
        keys.append((indent, str(scalar(key))))
        if value.strip():
            values[".".join(key for _, key in keys)] = scalar(value)
    return values


def scalar(source: str) -> Any:
    source = source.strip()
    if source[:1] == "'" and source[-1:] == "'" and len(source) > 1:
        return source[1:-1].replace("''", "'")
    if source == "[]":
        return []
    with contextlib.suppress(ValueError):
        return json.loads(source)  # numbers, true, false, null, "quoted"
    return source


class TljhConfig:
    """`tljh-config` made idempotent: it is not, and two at a time fail. Use inside `configuring()`."""

    def __init__(self) -> None:
        self.values = parse_config(must_run("TljhConfigFailed", "tljh-config", "show", limit_s=60))
        self.changed: list[str] = []

    def _run(self, *argv: str) -> None:
        must_run("TljhConfigFailed", "tljh-config", *argv, limit_s=60)

    def owe(self, what: str, unit: str = "hub") -> None:
        """Records a change and that a reload is due, on disk first: a crash before the reload must not lose it."""
        owed = set(read_json(RELOAD_OWED).get("units", [])) | {unit}
        write_json(RELOAD_OWED, {"units": sorted(owed)})
        if what not in self.changed:
            self.changed.append(what)

    def set(self, key: str, value: Any, unit: str = "hub") -> None:
        if self.values.get(key) == value:
            return
        self.owe(key, unit)
        # TLJH 2.0.0 takes only whole CPUs in its schema although the spawner takes fractions.
        flags = ["--no-validate"] if isinstance(value, float) and not value.is_integer() else []
        if isinstance(value, bool):
            value = str(value).lower()
        elif isinstance(value, float) and value.is_integer():
            value = int(value)
        self._run(*flags, "set", key, str(value))

    def unset(self, key: str, unit: str = "hub") -> None:
        if key in self.values:
            self.owe(key, unit)
            self._run("unset", key)

    def add(self, key: str, item: str, unit: str = "hub") -> None:
        if item not in (self.values.get(key) or []):
            self.owe(f"{key}:{item}", unit)
            self._run("add-item", key, item)

    def remove(self, key: str, item: str, unit: str = "hub") -> None:
        if item in (self.values.get(key) or []):
            self.owe(f"{key}:{item}", unit)
            self._run("remove-item", key, item)


@contextlib.contextmanager
def configuring() -> Iterator[TljhConfig]:
    """One configuration change at a time; reloads at the end when something changed now or in a run that died."""
    with locked(VAR / "config.lock", 2 * RELOAD_LIMIT_S) as lock:
        if lock is None:
            raise AgentError("Busy", "Another configuration task is still running on the VM.")
        config = TljhConfig()
        yield config
        units = read_json(RELOAD_OWED).get("units", [])
        if "proxy" in units:
            reload_hub("proxy")  # restarts the hub too, without waiting for it
        elif units:
            reload_hub("hub")
        RELOAD_OWED.unlink(missing_ok=True)


def reload_hub(unit: str) -> None:
    """Raises HubDidNotReload with the end of the hub's journal, where the reason is."""
    limit_s = number(read_json(INPUT), "reloadSeconds", 1, 600, RELOAD_LIMIT_S)
    ran = run("tljh-config", "reload", unit, limit_s=limit_s)
    if ran.code == 0 and wait_until(hub_is_up, min(HUB_UP_LIMIT_S, limit_s), 0.5):
        return
    journal = run("journalctl", "-u", "jupyterhub", "-n", "20", "--no-pager", "-o", "cat", limit_s=10).output
    why = ran.output.strip()[-300:] if ran.code not in (0, EXIT_TIMEOUT) else f"no answer within {limit_s:g} s"
    raise AgentError("HubDidNotReload", f"JupyterHub did not come back: {why}. {journal.strip()[-1200:]}")


def token_file(service: str) -> Path:
    return TLJH / "state" / f"{service}.token"


def snippet_file(service: str) -> Path:
    return SNIPPETS / f"50-{service}.py"


def snippet(service: str, scopes: list[str]) -> bytes:
    """Appends; assigning `c.JupyterHub.services` would silently remove TLJH's idle culler. The token stays apart, in
    a file of its own, so that the configuration can be shown to somebody."""
    # repr() of str is a Python literal for every string there is; the names and scopes are checked besides.
    return (
        f"# Written by Hublet: lets the service {service!r} use JupyterHub's API.\n"
        f"with open({str(token_file(service))!r}) as token_file:\n"
        f'    c.JupyterHub.services.append({{"name": {service!r}, "api_token": token_file.read().strip()}})\n'
        "c.JupyterHub.load_roles.append(\n"
        f'    {{"name": {service!r}, "services": [{service!r}], "scopes": {scopes!r}}}\n'
        ")\n"
    ).encode()


def service_files(service: dict[str, Any]) -> dict[Path, bytes]:
    name, token = text(service, "name", RE_SERVICE), text(service, "token", RE_TOKEN)
    scopes = texts(service, "scopes", RE_SCOPE)
    return {token_file(name): f"{token}\n".encode(), snippet_file(name): snippet(name, scopes)}


def write_service(config: TljhConfig, name: str, files: dict[Path, bytes]) -> None:
    for path, content in files.items():
        if read_capped(path, len(content) + 1) != content:
            config.owe(f"services:{name}")
            write_atomically(path, content)


def remove_service(config: TljhConfig, name: str) -> None:
    for path in (snippet_file(name), token_file(name)):
        if path.exists():
            config.owe(f"services:{name}")
            wipe(path)


def task_configure(source: dict[str, Any]) -> dict[str, Any]:
    """Makes the hub as asked. The same input again changes nothing and does not reload. People and packages that are
    there but not in the input stay; of our own services exactly the given ones stay."""
    limits = source.get("limits") or {}
    memory = text(limits, "memory", RE_MEMORY) if limits.get("memory") is not None else None
    cpu = number(limits, "cpu", 0.01, 1024) if limits.get("cpu") is not None else None
    idle = number(source, "idleMinutes", 1, 525600) if source.get("idleMinutes") is not None else None
    admin, users = text(source, "adminUser", RE_ADMIN), texts(source, "users", RE_USER)
    apt, pip = texts(source, "apt", RE_APT), texts(source, "pip", RE_PIP)
    services = {text(service, "name", RE_SERVICE): service_files(service) for service in source.get("services") or []}
    auth = source.get("authType") or "firstuse"
    if auth not in AUTH_CLASSES:
        raise AgentError("BadInput", "authType is none of " + ", ".join(sorted(AUTH_CLASSES)) + ".")

    with configuring() as config:
        for key, limit in (("limits.memory", memory), ("limits.cpu", cpu)):
            if limit is None:
                config.unset(key)
            else:
                config.set(key, limit)
        if idle is not None:
            # TLJH ends a server after ten silent minutes, also one whose cell computes; nobody who asks for an
            # hour of patience expects that.
            config.set("services.cull.timeout", int(max(600, 60 * idle)))
        if auth != "firstuse" or "auth.type" in config.values:
            config.set("auth.type", AUTH_CLASSES[auth])
        if auth in ("native", "tmp"):  # without it these let nobody in, administrators included
            config.set(f"auth.{AUTH_CLASSES[auth].rpartition('.')[2]}.allow_all", True)
        config.add("users.admin", admin)
        for user in users:
            config.add("users.allowed", user)

        private_directory(SNIPPETS)
        for name, files in services.items():
            write_service(config, name, files)
        for path in sorted(SNIPPETS.glob("50-hublet*.py")):
            name = path.stem.partition("-")[2]
            if name not in services:
                remove_service(config, name)

        if source.get("sharedFolder"):
            config.changed += make_shared_folder()
        config.changed += install_packages(apt, pip)
        if source.get("https"):
            set_https(config, source["https"])
    return {"changed": config.changed}


def make_shared_folder() -> list[str]:
    """/srv/scratch, writable by every hub user, linked from the home of each *new* user (TLJH: share-data guide)."""
    folder, link, changed = at("/srv/scratch"), at("/etc/skel/scratch"), []
    if not folder.exists():
        folder.mkdir(parents=True)
        changed.append("sharedFolder")
    try:
        shutil.chown(folder, "root", "jupyterhub-users")
    except (LookupError, PermissionError):
        if not ROOT:  # under a root prefix there are no such accounts
            raise
    folder.chmod(0o2775)
    if not link.is_symlink():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(folder)
        changed.append("sharedFolder:link")
    return changed


def install_packages(apt: list[str], pip: list[str]) -> list[str]:
    """Installs what our own record does not name yet. Names are arguments after `--`, never words of a shell."""
    record = read_json(PACKAGES)
    apt = [name for name in apt if name not in record.get("apt", [])]
    pip = [name for name in pip if name not in record.get("pip", [])]
    if apt:
        wait = ("-o", f"DPkg::Lock::Timeout={APT_WAIT_S}")
        with apt_to_ourselves():
            must_run("AptFailed", "apt-get", "update", "-q", limit_s=300)
            must_run("AptFailed", "apt-get", "install", "-y", "-q", *wait, "--", *apt, limit_s=900)
        write_json(PACKAGES, {**record, "apt": sorted({*record.get("apt", []), *apt})})
        record = read_json(PACKAGES)
    if pip:
        python = str(TLJH / "user/bin/python")
        quiet = ("--no-input", "--disable-pip-version-check", "--quiet")
        must_run("PipFailed", python, "-m", "pip", "install", *quiet, "--", *pip, limit_s=1200)
        write_json(PACKAGES, {**record, "pip": sorted({*record.get("pip", []), *pip})})
    return [f"apt:{name}" for name in apt] + [f"pip:{name}" for name in pip]


def task_https(source: dict[str, Any]) -> dict[str, Any]:
    with configuring() as config:
        set_https(config, source)
    return {"changed": bool(config.changed)}


def set_https(config: TljhConfig, source: dict[str, Any]) -> None:
    """Asks the proxy for a certificate for exactly this domain; a null domain turns HTTPS off again (a hub that gets
    no certificate would otherwise redirect its visitors to a warning page)."""
    domains = "https.letsencrypt.domains"
    if source.get("domain") is None:
        if config.values.get("https.enabled"):
            config.set("https.enabled", False, "proxy")
        return
    domain, email = text(source, "domain", RE_DOMAIN), text(source, "email", RE_EMAIL)
    for other in list(config.values.get(domains) or []):
        if other != domain:  # one certificate for both would fail with the one that fails
            config.remove(domains, str(other), "proxy")
    config.set("https.letsencrypt.email", email, "proxy")
    config.add(domains, domain, "proxy")
    if source.get("staging") or "https.letsencrypt.staging" in config.values:
        config.set("https.letsencrypt.staging", bool(source.get("staging")), "proxy")
    config.set("https.enabled", True, "proxy")


# ------------------------------------------------------------------------------------------------------ acceptance


def task_accept_prepare(source: dict[str, Any]) -> dict[str, Any]:
    """The hash first: a user without one belongs to whoever logs in first. A null hash leaves the password file alone
    (authenticators without passwords)."""
    user = text(source, "user", RE_USER)
    if source.get("passwordHash") is not None:
        store_password(user, text(source, "passwordHash", RE_HASH))
    answer = call_hub("POST", "/users", {"usernames": [user]})
    if answer.status not in (201, 409):
        raise AgentError("HubRefused", f"JupyterHub answered {answer.status} when asked to make a user.")
    return {}


def task_accept_clean(source: dict[str, Any]) -> dict[str, Any]:
    user = text(source, "user", RE_USER)

    def server_is_gone() -> bool:
        return call_hub("DELETE", f"/users/{user}/server").status in (204, 404)  # 202 and 400: still stopping

    if not wait_until(server_is_gone, 60, 1.0):
        raise AgentError("ServerDidNotStop", "The acceptance user's server did not stop within 60 s.")
    if call_hub("DELETE", f"/users/{user}").status not in (204, 404):
        raise AgentError("HubRefused", "JupyterHub did not delete the acceptance user.")
    forget_password(user)
    account = unix_account(user)
    run("pkill", "-KILL", "-u", account, limit_s=15)
    run("userdel", "--remove", account, limit_s=30)  # 6 = no such account: it is made at the first server start
    home = at(f"/home/{account}")
    if home.is_dir() and not home.is_symlink():
        shutil.rmtree(home)
    return {}


def unix_account(user: str) -> str:
    """TLJH's name for a hub user's account: 26 characters, then a piece of the hash (tljh/normalize.py)."""
    name = f"jupyter-{user}"
    return name if len(name) < 26 else f"{name[:26]}-{hashlib.sha256(name.encode()).hexdigest()[:5]}"


# --------------------------------------------------------------------------------------------------------- locking


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


def wipe(path: Path) -> None:
    """Overwrites and removes a file. (An SSD may keep old blocks; the host key is rotated for that reason.)"""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "wb") as file:  # on a descriptor this does not truncate
            about = os.fstat(descriptor)
            if stat.S_ISREG(about.st_mode) and about.st_size <= 8 * MIB:
                file.write(b"\0" * about.st_size)
                file.flush()
                os.fsync(descriptor)
    path.unlink(missing_ok=True)


CUSTOM_DATA_COPIES = (
    # obj.pkl is cloud-init's cached data source with the raw user data, from which the next boot would write
    # user-data.txt again. Without it cloud-init asks Azure once more, which no longer serves customData.
    *(f"var/lib/cloud/{where}/{name}" for where in ("instance", "instances/*")
      for name in ("user-data*", "cloud-config*", "obj.pkl")),
    "run/cloud-init/*sensitive*.json",
    "run/cloud-init/combined-cloud-config.json",
    "run/cloud-init/cloud.cfg",
    "var/lib/waagent/CustomData",
)  # fmt: skip


def scrub_secrets() -> None:
    """Removes the boot-time host key and the password hash from everything that had a copy of customData."""
    for pattern in CUSTOM_DATA_COPIES:
        for path in list(at("/").glob(pattern)):
            wipe(path)
    # Azure's provisioning document: cloud-init reads the rest of it at later boots, so only the data goes.
    for path in (at("/var/lib/waagent/ovf-env.xml"), at("/var/lib/cloud/seed/azure/ovf-env.xml")):
        document = read_capped(path, MIB)
        emptied = re.sub(rb"(<(?:\w+:)?CustomData>)[^<]*(</)", rb"\1\2", document)
        if emptied != document:
            wipe(path)
            write_atomically(path, emptied)
    source = read_json(INPUT)
    if source.get("adminPasswordHash"):
        wipe(INPUT)
        write_json(INPUT, {**source, "adminPasswordHash": None})


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


# ------------------------------------------------------------------------------------------------------------ verbs

TASK_FUNCTIONS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "reinstall": task_reinstall,
    "configure": task_configure,
    "https": task_https,
    "accept-prepare": task_accept_prepare,
    "accept-clean": task_accept_clean,
    "lock-prepare": task_lock_prepare,
    "lock-commit": task_lock_commit,
}


def part_of(path: Path, offset: int, cap: int) -> dict[str, Any]:
    """The file from a byte offset on. A file that shrank is read from its beginning: compare `offset` with the wish."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            offset = offset if offset <= size else 0
            file.seek(offset)
            data = file.read(cap)
    except OSError:
        return {"offset": 0, "size": 0, "data": ""}
    return {"offset": offset, "size": size, "data": base64.b64encode(data).decode()}


def cloud_init_state() -> str | None:
    run_dir = at("/run/cloud-init")
    result = read_json(run_dir / "result.json").get("v1")
    if isinstance(result, dict):
        return "error" if result.get("errors") else "done"
    if (run_dir / "status.json").exists():
        return "running"
    return "disabled" if (run_dir / "disabled").exists() else None


def verb_status(source: dict[str, Any]) -> dict[str, Any]:
    cap = int(number(source, "maxBytes", 1, 128 * KIB, 64 * KIB))
    return {
        "v": 1,
        "time": utc_now(),
        "install": install_state(),
        "log": part_of(INSTALLER_LOG, int(number(source, "logOffset", 0, 1 << 40, 0)), cap),
        "output": part_of(OUTPUT_LOG, int(number(source, "outputOffset", 0, 1 << 40, 0)), cap),
        "hubApi": hub_api(),
        "cloudInit": cloud_init_state(),
    }


def verb_task(source: dict[str, Any]) -> dict[str, Any]:
    """Starts the task unless its key is known, waits up to `waitSeconds` (at most 25) and reports."""
    name, key = source.get("name"), text(source, "key", RE_KEY)
    if not isinstance(name, str) or name not in TASK_FUNCTIONS:
        raise AgentError("UnknownTask", "There is no task of that name.")
    task_input = source.get("input") or {}
    if not isinstance(task_input, dict):
        raise AgentError("BadInput", "input is not an object.")
    private_directory(VAR)
    private_directory(TASKS)
    record, deadline = TASKS / f"{key}.json", time.monotonic() + number(source, "waitSeconds", 0, 25, 5)
    while True:
        found = read_json(record)
        if found.get("state") not in ("succeeded", "failed"):
            with locked(TASKS / f"{key}.lock", 0) as lock:
                if lock is not None:  # nobody runs it: it ended just now, or died, or was never begun
                    found = read_json(record) or begin_task(name, task_input, record)
                    if found["state"] == "running" and not found.pop("begun", False):
                        lost = AgentError("TaskLost", "The task's process is gone without a result (reboot or kill).")
                        found = {**found, "state": "failed", "error": lost.as_json(), "finishedAt": utc_now()}
                        write_json(record, found)
        if found.get("name", name) != name:
            raise AgentError("KeyReused", "That key belongs to another task.")
        if found.get("state") in ("succeeded", "failed") or time.monotonic() >= deadline:
            return {"state": found.get("state", "running"), "result": found.get("result"), "error": found.get("error")}
        time.sleep(0.1)


def begin_task(name: str, task_input: dict[str, Any], record: Path) -> dict[str, Any]:
    """Runs the task in a process of its own session, which inherits the lock and the input: a fork, so the input
    never touches a disk or an argument list."""
    state = {"v": 1, "name": name, "state": "running", "startedAt": utc_now(), "bootId": boot_id()}
    write_json(record, state)
    first = os.fork()
    if first == 0:
        os.setsid()  # away from the SSH session, whose end would take us with it
        if os.fork() == 0:
            run_task(name, task_input, record, state)
        os._exit(0)
    os.waitpid(first, 0)
    return {**state, "begun": True}


def run_task(name: str, task_input: dict[str, Any], record: Path, state: dict[str, Any]) -> None:
    """The detached process. Its streams go nowhere, or the SSH channel would wait for them; it never returns."""
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        state["pid"] = os.getpid()
        write_json(record, state)
        try:
            outcome: dict[str, Any] = {"state": "succeeded", "result": TASK_FUNCTIONS[name](task_input)}
        except AgentError as trouble:
            outcome = {"state": "failed", "error": without_secrets(trouble, task_input).as_json()}
        except Exception as trouble:
            error = AgentError("Internal", f"{type(trouble).__name__}: {trouble}")
            outcome = {"state": "failed", "error": without_secrets(error, task_input).as_json()}
        write_json(record, {**state, **outcome, "finishedAt": utc_now()})
    finally:
        os._exit(0)


def without_secrets(error: AgentError, task_input: dict[str, Any]) -> AgentError:
    """Replaces the input's secrets in a message that quotes what another program printed."""
    services = task_input.get("services")
    entries = [entry for entry in services if isinstance(entry, dict)] if isinstance(services, list) else []
    message = error.message
    for secret in [task_input.get("passwordHash"), *(entry.get("token") for entry in entries)]:
        if isinstance(secret, str) and secret:
            message = message.replace(secret, "***")
    return AgentError(error.code, message)


VERBS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"status": verb_status, "task": verb_task}


def read_input() -> dict[str, Any]:
    """One JSON object from stdin, at most 256 KiB, within 15 seconds. Nothing at all counts as `{}`."""

    def too_slow(*_: object) -> None:
        raise AgentError("BadInput", f"The input did not end within {STDIN_LIMIT_S} s.")

    signal.signal(signal.SIGALRM, too_slow)
    signal.alarm(STDIN_LIMIT_S)
    raw = sys.stdin.buffer.read(STDIN_CAP + 1)
    signal.alarm(0)
    if len(raw) > STDIN_CAP:
        raise AgentError("BadInput", f"The input is longer than {STDIN_CAP} bytes.")
    try:
        document = json.loads(raw or b"{}")
    except (ValueError, RecursionError):
        raise AgentError("BadInput", "The input is not JSON.") from None
    if not isinstance(document, dict):
        raise AgentError("BadInput", "The input is not a JSON object.")
    return document


def main(arguments: list[str]) -> int:
    os.umask(0o077)
    if arguments == ["install"]:
        return verb_install()
    words = arguments[1:] if arguments[:1] == ["ssh"] else arguments
    try:
        if len(words) != 1 or words[0] not in VERBS:
            raise AgentError("UnknownVerb", "Only these are understood here: " + ", ".join(sorted(VERBS)) + ".")
        answer, code = VERBS[words[0]](read_input()), 0
    except AgentError as error:
        answer, code = {"error": error.as_json()}, 1
    except Exception as error:
        answer, code = {"error": AgentError("Internal", type(error).__name__).as_json()}, 1
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
