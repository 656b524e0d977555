"""apt beside the VM's own daily apt jobs."""

import contextlib
import fcntl
from collections.abc import Iterator

from shared.onvm.agent.programs import run, say
from shared.onvm.agent.vm import at
from shared.onvm.agent.waiting import wait_until

SAY_EVERY_S = 60  # who follows the install takes five minutes without a word for a hang
APT_WAIT_S = 300  # unattended-upgrades of a fresh image takes minutes; apt-get itself would not wait at all


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
        waited = 0.0
        while not wait_until(lambda: not apt_is_locked(), min(SAY_EVERY_S, limit_s - waited), 0.5):
            waited += min(SAY_EVERY_S, limit_s - waited)
            say(f"another program still holds the apt lock after {waited:g} s")
            if waited >= limit_s:
                break
        yield
    finally:
        run("systemctl", "start", *timers, limit_s=30)
