"""The VM's own clock, and which boot this is."""

import time
from pathlib import Path

from shared.onvm.agent.files import read_capped


def utc_now() -> str:
    """The VM's own clock, RFC 3339 in UTC; the control plane computes ages from this, not from its own clock."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def boot_id() -> str:
    return read_capped(Path("/proc/sys/kernel/random/boot_id"), 100).decode("ascii", "replace").strip()
