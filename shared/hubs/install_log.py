"""Reads what TLJH's installer writes: how far it is, and why it failed. Pure; the texts come from the VM and may say
anything, so they are capped, stripped of control characters, matched with plain substrings, and never quoted back.

Phases: bootstrap/bootstrap.py and tljh/installer.py of github.com/jupyterhub/the-littlest-jupyterhub at 2.0.0; their
lines are `2026-11-23 00:13:07,212 message`, everything else in installer.log is output of a command that failed.
Percentages follow the durations of recorded installs, see tests/data/tljh/.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

_CAP = 512 * 1024
_ANSI = re.compile(r"\x1b(?:\[[0-?]{0,32}[ -/]{0,8}[@-~]|[@-Z\\-_])")
_STAMP = re.compile(r"^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2},[0-9]{3} ")
_TRIES = re.compile(r"\(([0-9]{1,2})/20 tries\)")
_CONTROLS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)))
del _CONTROLS[ord("\n")], _CONTROLS[ord("\t")]

_BEGINNING = "Existing TLJH installation"
_ATTEMPT = "hublet: installing TLJH, attempt "  # the agent's own line


@dataclass(frozen=True, slots=True)
class InstallProgress:
    """`percent` 0..100 of the installer alone; 99 = the installer says `Done!`, which is not yet a hub that answers."""

    phase: str
    percent: int
    message: str

    @property
    def done(self) -> bool:
        return self.phase == DONE


@dataclass(frozen=True, slots=True)
class _Phase:
    marker: str
    name: str
    percent: int
    message: str


WAITING, DONE = "waiting", "done"
# In the order of a fresh install. A marker is looked for at the beginning of a line's message.
_PHASES = (
    _Phase(_BEGINNING, "begin", 5, "The installer has started"),
    _Phase("Setting up hub environment...", "hub-environment", 6, "Preparing the hub's environment"),
    _Phase("Installing Python, venv, pip, and git via apt-get...", "system-packages", 8, "Installing system packages"),
    _Phase("Setting up virtual environment at ", "venv", 18, "Making the hub's Python environment"),
    _Phase("Upgrading pip...", "pip", 20, "Updating pip"),
    _Phase("Selected TLJH_BOOTSTRAP_DEV=yes...", "pip", 21, "Updating pip"),
    _Phase("Installing TLJH installer...", "tljh", 22, "Downloading TLJH"),
    _Phase("Upgrading TLJH installer...", "tljh", 22, "Downloading TLJH"),
    _Phase("Running TLJH installer...", "tljh-installer", 30, "TLJH's own installer has started"),
    _Phase("Setting up admin users", "admins", 31, "Setting up the administrator"),
    _Phase("Granting passwordless sudo to JupyterHub admins...", "admins", 32, "Setting up the administrator"),
    _Phase("nstalling packages from user_requirements_txt_url", "requirements", 33, "Installing your requirements"),
    _Phase("Setting up user environment...", "user-environment", 34, "Preparing the users' environment"),
    _Phase("Downloading & setting up user environment...", "user-environment", 35, "Preparing the users' environment"),
    _Phase("Reinstalling conda==", "user-environment", 35, "Preparing the users' environment"),
    _Phase("Downloading conda installer ", "conda-download", 36, "Downloading conda"),
    _Phase("Downloaded conda installer ", "conda", 42, "Installing conda and JupyterLab; this takes a while"),
    _Phase("Setting up JupyterHub...", "jupyterhub", 70, "Installing JupyterHub"),
    _Phase("Downloading traefik ", "proxy", 88, "Downloading the web proxy"),
    _Phase("Waiting for JupyterHub to come up ", "hub-start", 93, "Waiting for JupyterHub to come up"),
)
_FINISHED = _Phase("Done!", DONE, 99, "TLJH is installed")
_NOTHING_YET = InstallProgress(WAITING, 0, "Waiting for the installer to start")


def progress(text: str) -> InstallProgress:
    """How far the last run in this installer.log is. Re-runs append, so an old `Done!` may stand above."""
    found = _NOTHING_YET
    for line in last_run(plain_text(text)).split("\n"):
        stamp = _STAMP.match(line)
        if stamp is None:
            continue  # output of a failed command, which may contain any words
        message = line[stamp.end() :]
        if message.rstrip() == _FINISHED.marker:
            return InstallProgress(DONE, _FINISHED.percent, _FINISHED.message)
        for phase in _PHASES:
            if message.startswith((phase.marker, "I" + phase.marker, "i" + phase.marker)):
                found = InstallProgress(phase.name, phase.percent, phase.message)
        if " collected from plugins: " in message:
            found = InstallProgress("plugins", 97, "Installing what the plugins ask for")
        tries = _TRIES.search(message, 0, 200)
        if tries and found.phase == "hub-start":
            found = InstallProgress(found.phase, found.percent, f"{found.message} (try {int(tries[1])} of 20)")
    return found


def plain_text(text: str) -> str:
    """The last 512 KiB without terminal codes, control and direction-changing characters; tabs and line ends stay."""
    return _ANSI.sub("", text[-_CAP:].replace("\r\n", "\n").replace("\r", "\n")).translate(_CONTROLS)


def last_run(log: str) -> str:
    """installer.log from the last `Existing TLJH installation` line on; all of it when there is none."""
    at = log.rfind(_BEGINNING)
    return log if at < 0 else log[log.rfind("\n", 0, at) + 1 :]


@dataclass(frozen=True, slots=True)
class InstallFailure:
    """`code` is stable; `sentence` and `fix` are public. `retryable`: a second try in the same VM may well succeed."""

    code: str
    sentence: str
    fix: str
    retryable: bool


@dataclass(frozen=True, slots=True)
class _Evidence:
    """`failed_commands`: lines `Ran <command> with exit code <n>`; TLJH writes one only for a command that failed."""

    text: str
    failed_commands: tuple[str, ...]
    exit_code: int | None

    def has(self, *words: str) -> bool:
        return any(word in self.text for word in words)

    def command(self, *words: str) -> bool:
        return any(all(word in line for word in words) for line in self.failed_commands)


_AGAIN = "Nothing to do: it is tried once more by itself. If it fails again, retry the hub later."
_WE_MUST = "Tell whoever runs this service."

_OWN_CHECKSUM = InstallFailure(
    "InstallerChecksumMismatch",
    "The downloaded installer is not the one this service was made for, so it was not run.",
    _WE_MUST,
    False,
)
_DISK = InstallFailure("DiskFull", "The VM's disk is full.", "Create the hub with a larger osDiskGiB.", False)
_MEMORY = InstallFailure(
    "OutOfMemory", "The VM ran out of memory.", "Create the hub with a size that has more memory.", False
)
_SYSTEM = InstallFailure(
    "UnsupportedSystem", "TLJH does not support this operating system.", "Use Ubuntu 22.04 or 24.04.", False
)
_MACHINE = InstallFailure(
    "UnsupportedArchitecture", "TLJH does not support this processor.", "Use an x86-64 or arm64 size.", False
)
_SYSTEMD = InstallFailure("SystemdMissing", "TLJH finds no systemd on this image.", "Use Ubuntu 22.04 or 24.04.", False)
_ADMIN = InstallFailure(
    "BadAdminName", "JupyterHub refuses the administrator's name.", "Create the hub with another adminUser.", False
)
_VERSION = InstallFailure("UnknownTljhVersion", "There is no such version of TLJH.", _WE_MUST, False)
_REQUIREMENTS = InstallFailure(
    "RequirementsFailed",
    "The packages of your requirements file could not be installed.",
    "Check that packages.requirementsUrl can be fetched and names packages that exist; the log has pip's words.",
    False,
)
_APT_LOCK = InstallFailure("AptLocked", "Another program kept the package manager busy.", _AGAIN, True)
_DPKG = InstallFailure("DpkgInterrupted", "The package manager was interrupted earlier.", _AGAIN, True)
_APT_MIRROR = InstallFailure("AptMirrorUnavailable", "Ubuntu's package servers could not be reached.", _AGAIN, True)
_APT = InstallFailure("AptFailed", "A system package could not be installed.", _AGAIN, True)
_REPOSITORY = InstallFailure("GitHubRepositoryMissing", "TLJH's source is not where it should be.", _WE_MUST, False)
_GITHUB = InstallFailure("GitHubUnreachable", "GitHub could not be reached or refused the download.", _AGAIN, True)
_CORRUPT = InstallFailure("DownloadCorrupted", "A downloaded file was damaged.", _AGAIN, True)
_HALF = InstallFailure("HalfInstalled", "An earlier try left a half-made environment.", _AGAIN, True)
_PIP_BUILD = InstallFailure(
    "PipBuildFailed", "A Python package could not be built or found.", "The log names the package.", False
)
_NO_DOWNLOAD = InstallFailure("InstallerDownloadFailed", "The installer could not be downloaded.", _AGAIN, True)
_NETWORK = InstallFailure("NetworkUnavailable", "The VM could not reach the internet.", _AGAIN, True)
_PIP = InstallFailure("PipFailed", "Python packages could not be installed.", _AGAIN, True)
_NO_HUB = InstallFailure("HubDidNotStart", "TLJH is installed, but JupyterHub does not answer.", _AGAIN, True)
_TIMEOUT = InstallFailure("InstallerTimeout", "The installer took too long and was stopped.", _AGAIN, True)
_LOST = InstallFailure(
    "InstallLost", "The VM restarted or was stopped in the middle of the installation.", _AGAIN, True
)
_INPUT = InstallFailure("BadInstallInput", "The VM was given an installation order it cannot read.", _WE_MUST, False)
_UNKNOWN = InstallFailure(
    "InstallerFailed", "The installer failed for a reason that is not known here.", "See the installer log.", True
)

# The first that holds wins: a cause before its symptoms, a named thing before "network".
_RULES: tuple[tuple[InstallFailure, Callable[[_Evidence], bool]], ...] = (
    (_OWN_CHECKSUM, lambda e: e.has("installer checksum mismatch: expected")),
    (_DISK, lambda e: e.has("No space left on device", "You don't have enough free space", "[Errno 28]")),
    (
        _MEMORY,
        lambda e: (
            e.has("Out of memory: Killed process", "died with <Signals.SIGKILL: 9>", "Cannot allocate memory")
            or e.has("with exit code -9", "with exit code 137", "\nMemoryError")
            or e.exit_code == 137
        ),
    ),
    (
        _SYSTEM,
        lambda e: e.has(
            "currently supports Ubuntu or Debian Linux only",
            "The Littlest JupyterHub requires Ubuntu",
            "The Littlest JupyterHub requires Debian",
            "bootstrap.py must be run with at least Python",
        ),
    ),
    (_MACHINE, lambda e: e.has("Unsupported architecture: ", "Error. Platform: ")),
    (_SYSTEMD, lambda e: e.has("Systemd is required to run TLJH")),
    (_ADMIN, lambda e: e.has("too many values to unpack") and e.has("ensure_admins")),
    (_ADMIN, lambda e: e.has("ValueError: username ", "Invalid username: ")),
    (_VERSION, lambda e: e.has("Exception: No version matching ")),
    (_APT_LOCK, lambda e: e.has("Could not get lock /var/lib", "Unable to acquire the dpkg frontend lock")),
    (_APT_LOCK, lambda e: e.has("Unable to lock directory /var/lib/apt") or e.has("Unable to lock the administration")),
    (_DPKG, lambda e: e.has("dpkg was interrupted, you must manually run")),
    (
        _APT_MIRROR,
        lambda e: (
            e.command("apt-get")
            and e.has(
                "\nErr:",
                "Failed to fetch",
                "no longer has a Release file",
                "does not have a Release file",
                "Temporary failure resolving",
                "Unable to locate package",
                "has no installation candidate",
            )
        ),
    ),
    (_APT, lambda e: e.command("apt-get") or e.command("add-apt-repository")),
    (_REQUIREMENTS, lambda e: e.command("pip install", "/user/bin/", " http")),
    (_REQUIREMENTS, lambda e: e.has("Failed to install requirements for user env from")),
    (_CORRUPT, lambda e: e.has("sha256sum hash mismatch! Downloaded file corrupted", "Exception: Checksum failed ")),
    (_REPOSITORY, lambda e: e.has("fatal: repository 'https://github.com") and e.has("not found")),
    (_GITHUB, lambda e: e.has("unable to access 'https://github.com", "for url: https://github.com/")),
    (_GITHUB, lambda e: e.has("HTTPSConnectionPool(host='github.com'", "githubusercontent.com', port=443)")),
    (_HALF, lambda e: e.has("Found non-empty directory that is not a conda install")),
    (
        _PIP_BUILD,
        lambda e: e.has(
            "Failed building wheel for", "failed-wheel-build-for-install", "No matching distribution found for",
            "ResolutionImpossible", "Failed to build installable wheels",
        ),
    ),
    (_NO_DOWNLOAD, lambda e: e.has("the installer could not be downloaded (curl")),
    (
        _NETWORK,
        lambda e: e.has(
            "Temporary failure in name resolution", "Could not resolve host", "Network is unreachable",
            "Name or service not known", "Failed to establish a new connection", "Connection timed out",
            "ReadTimeoutError", "ConnectTimeoutError",
        ),
    ),
    (_PIP, lambda e: e.command("pip install")),
    (_NO_HUB, lambda e: e.has("JupyterHub did not start in 20s") or e.exit_code == 0),
    (_TIMEOUT, lambda e: e.exit_code == 124),
    (_INPUT, lambda e: e.exit_code == 78),
    (_LOST, lambda e: e.exit_code is None),
)  # fmt: skip


def classify_failure(log_tail: str, output_tail: str, exit_code: int | None) -> InstallFailure:
    """Why the last run failed. `log_tail`: end of installer.log; `output_tail`: end of cloud-init-output.log, the only
    place for tracebacks and for what went wrong before TLJH's own installer ran; `exit_code` as the agent recorded it
    (124 = time limit, 128 + n = signal, None = the process vanished). Always answers."""
    output = plain_text(output_tail)
    begin = max(output.rfind(_ATTEMPT), 0)
    text = f"{output[begin:]}\n{last_run(plain_text(log_tail))}"
    commands = tuple(line for line in text.split("\n") if "Ran " in line and " with exit code " in line)
    evidence = _Evidence(text, commands, exit_code)
    return next((failure for failure, holds in _RULES if holds(evidence)), _UNKNOWN)
