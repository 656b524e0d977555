"""Progress and causes of failure, read from recorded installs."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.hubs.install_log import InstallProgress, classify_failure, plain_text, progress

DATA = Path(__file__).parents[1] / "data" / "tljh"
SUCCESS = (DATA / "installer-success.log").read_text()
STAMP = "2026-11-23 00:13:07,212 "


def recorded(name: str) -> str:
    return (DATA / name).read_text()


def test_nothing_written_yet():
    assert progress("") == InstallProgress("waiting", 0, "Waiting for the installer to start")


def test_recorded_install_never_goes_backwards_and_ends_done():
    lines = SUCCESS.splitlines(keepends=True)
    seen = [progress("".join(lines[: count + 1])) for count in range(len(lines))]
    percents = [found.percent for found in seen]
    assert percents == sorted(percents)
    assert percents[0] == 5
    assert not any(found.done for found in seen[:-1])
    assert seen[-1].done
    assert seen[-1].percent == 99


@pytest.mark.parametrize(
    ("line", "phase", "percent"),
    [
        ("Existing TLJH installation not detected, installing...", "begin", 5),
        ("Existing TLJH installation detected, upgrading...", "begin", 5),
        ("Setting up virtual environment at /opt/tljh/hub", "venv", 18),
        ("Installing TLJH installer...", "tljh", 22),
        ("Upgrading TLJH installer...", "tljh", 22),
        ("installing packages from user_requirements_txt_url", "requirements", 33),
        ("Installing packages from user_requirements_txt_url", "requirements", 33),
        ("Downloading conda installer https://x", "conda-download", 36),
        ("Reinstalling conda==24.7.1, mamba==1.5.9 to ensure a consistent environment", "user-environment", 35),
        ("Installing 3 apt packages collected from plugins: a b c", "plugins", 97),
        ("Done!", "done", 99),
    ],
)
def test_line_names_its_phase(line: str, phase: str, percent: int):
    found = progress(f"{STAMP}{line}\n")
    assert (found.phase, found.percent) == (phase, percent)


def test_waiting_for_the_hub_counts_the_tries():
    found = progress(f"{STAMP}Waiting for JupyterHub to come up (7/20 tries)\n")
    assert (found.phase, found.message) == ("hub-start", "Waiting for JupyterHub to come up (try 7 of 20)")


def test_an_old_done_above_a_second_run_does_not_count():
    second_run = f"{STAMP}Existing TLJH installation detected, upgrading...\n"
    assert progress(SUCCESS + second_run).phase == "begin"
    assert progress(SUCCESS + second_run + SUCCESS.partition("\n")[2]).done


def test_output_of_a_failed_command_is_no_progress():
    assert progress(f"{STAMP}Upgrading pip...\nDone!\nSetting up JupyterHub...\n").phase == "pip"


def test_terminal_codes_and_direction_marks_are_removed():
    text = "\x1b[31mred\x1b[0m\x1b]0;title\x07 a\x00b\u202ec\u2066d\r\nnext\tline\x9b"
    assert plain_text(text) == "red0;title abcd\nnext\tline"


BEGINS = "hublet: installing TLJH, attempt 1\n"


@pytest.mark.parametrize(
    ("log", "output", "exit_code", "code", "retryable"),
    [
        ("installer-failure-no-packages.log", "output-failure-no-packages.log", 1, "AptMirrorUnavailable", True),
        ("installer-failure-pip-spec.log", "output-failure-pip-spec.log", 1, "GitHubRepositoryMissing", False),
        ("installer-failure-version.log", "output-failure-version.log", 1, "UnknownTljhVersion", False),
        ("installer-failure-pycurl-build.log", "", 1, "PipBuildFailed", False),
        ("installer-failure-bad-admin-name.log", "journal-failure-bad-admin-name.log", 0, "BadAdminName", False),
        ("installer-failure-bad-admin-name.log", "", 0, "HubDidNotStart", True),
        ("", "output-failure-admin-colons.log", 1, "BadAdminName", False),
        ("", "output-failure-no-network.log", 69, "NetworkUnavailable", True),
    ],
)
def test_recorded_failures_are_named(log: str, output: str, exit_code: int, code: str, retryable: bool):
    log_tail = recorded(log) if log else ""
    output_tail = BEGINS + recorded(output) if output else ""
    failure = classify_failure(log_tail, output_tail, exit_code)
    assert (failure.code, failure.retryable) == (code, retryable)


@pytest.mark.parametrize(
    ("words", "exit_code", "code"),
    [
        ("hublet: attempt 1 ended with exit code 65: installer checksum mismatch: expected a, got b", 65,
         "InstallerChecksumMismatch"),
        ("hublet: attempt 1 ended with exit code 69: the installer could not be downloaded (curl exit code 22)", 69,
         "InstallerDownloadFailed"),
        ("The Littlest JupyterHub currently supports Ubuntu or Debian Linux only", 1, "UnsupportedSystem"),
        ("The Littlest JupyterHub requires Ubuntu 22.04 or higher", 1, "UnsupportedSystem"),
        ("bootstrap.py must be run with at least Python 3.9, found 3.8", 1, "UnsupportedSystem"),
        ("Unsupported architecture: riscv64. TLJH only supports aarch64,x86_64", 1, "UnsupportedArchitecture"),
        ("Systemd is required to run TLJH", 1, "SystemdMissing"),
        ("OSError: [Errno 28] No space left on device", 1, "DiskFull"),
        ("Ran apt-get update with exit code 100\nE: You don't have enough free space in /var", 1, "DiskFull"),
        ("[ 95.1] Out of memory: Killed process 1187 (pip)", 1, "OutOfMemory"),
        ("subprocess died with <Signals.SIGKILL: 9>.", 1, "OutOfMemory"),
        ("", 137, "OutOfMemory"),
        ("Ran apt-get update with exit code 100\nE: Could not get lock /var/lib/apt/lists/lock. It is held by process",
         1, "AptLocked"),
        ("E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?", 1,
         "AptLocked"),
        ("E: dpkg was interrupted, you must manually run 'dpkg --configure -a'", 1, "DpkgInterrupted"),
        ("Ran apt-get install --yes python3 with exit code 100\nE: Sub-process returned an error", 1, "AptFailed"),
        ("Ran apt-get install --yes python3 with exit code 100\nE: Unable to locate package python3-venv", 1,
         "AptMirrorUnavailable"),
        ("Ran /opt/tljh/user/bin/python -m pip install --no-cache-dir --upgrade --requirement https://x/r.txt with "
         "exit code 1\nERROR: No matching distribution found for nosuch", 1, "RequirementsFailed"),
        ("Ran /opt/tljh/user/bin/python -m pip install --no-cache-dir --requirement https://x/r.txt with exit code 1\n"
         "Failed to establish a new connection", 1, "RequirementsFailed"),
        ("fatal: unable to access 'https://github.com/jupyterhub/the-littlest-jupyterhub.git/': Could not resolve host",
         1, "GitHubUnreachable"),
        ("requests.exceptions.HTTPError: 503 Server Error for url: https://github.com/traefik/traefik/x", 1,
         "GitHubUnreachable"),
        ("requests.exceptions.ConnectionError: HTTPSConnectionPool(host='github.com', port=443): Max retries", 1,
         "GitHubUnreachable"),
        ("Exception: sha256sum hash mismatch! Downloaded file corrupted", 1, "DownloadCorrupted"),
        ("Exception: Checksum failed https://github.com/traefik: a != b", 1, "DownloadCorrupted"),
        ("Found non-empty directory that is not a conda install in /opt/tljh/user", 1, "HalfInstalled"),
        ("Ran /opt/tljh/hub/bin/python -m pip install x with exit code 1\nERROR: something else", 1, "PipFailed"),
        ("Ran /opt/tljh/hub/bin/python -m pip install x with exit code 1\nReadTimeoutError(", 1, "NetworkUnavailable"),
        ("Temporary failure in name resolution", 1, "NetworkUnavailable"),
        ("Exception: Installation failed: JupyterHub did not start in 20s", 1, "HubDidNotStart"),
        ("", 124, "InstallerTimeout"),
        ("", 78, "BadInstallInput"),
        ("", None, "InstallLost"),
        ("", 1, "InstallerFailed"),
        ("Something nobody has seen before", 3, "InstallerFailed"),
    ],
)  # fmt: skip
def test_documented_causes_are_named(words: str, exit_code: int | None, code: str):
    failure = classify_failure("", f"{BEGINS}{words}\n", exit_code)
    assert failure.code == code
    assert failure.sentence.endswith(".")
    assert failure.fix.endswith(".")


def test_causes_of_an_earlier_attempt_do_not_count():
    earlier = BEGINS + "OSError: [Errno 28] No space left on device\n"
    later = "hublet: installing TLJH, attempt 2\nSystemd is required to run TLJH\n"
    assert classify_failure("", earlier + later, 1).code == "SystemdMissing"
    earlier_log = f"{STAMP}Existing TLJH installation not detected, installing...\nNo space left on device\n"
    later_log = f"{STAMP}Existing TLJH installation detected, upgrading...\n"
    assert classify_failure(earlier_log + later_log, "", 1).code == "InstallerFailed"


def test_sentences_never_quote_what_the_vm_wrote():
    failure = classify_failure("", f"{BEGINS}<script>alert(1)</script> Ran apt-get with exit code 1", 1)
    assert "<" not in failure.sentence + failure.fix


@given(st.text(), st.text(), st.none() | st.integers())
def test_any_text_gets_an_answer(log: str, output: str, exit_code: int | None):
    assert 0 <= progress(log).percent <= 99
    assert classify_failure(log, output, exit_code).code


@pytest.mark.parametrize(
    "unit",
    ["\x1b[", "\x1b[0;", "Ran ", " with exit code ", "(1/20 tries)", "\n", STAMP + "\n", "Existing TLJH installation",
     "hublet: installing TLJH, attempt ", "\x00", "\u202e"],
)  # fmt: skip
def test_hostile_repetition_is_read_in_linear_time(unit: str):
    text = unit * (2_000_000 // len(unit))
    began = time.process_time()
    progress(text)
    classify_failure(text, text, 1)
    assert time.process_time() - began < 2  # quadratic work on two megabytes would take minutes
