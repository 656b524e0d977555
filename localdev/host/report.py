"""What a person watching the host sees on stderr: one line per invocation, warnings, tracebacks."""

import logging
import sys
import time
from datetime import timedelta

log = logging.getLogger("localdev.host")

_LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "information": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "none": logging.CRITICAL + 10,
}


def set_up_logging(level: str) -> None:
    """`level` as in host.json. The app's own records go to the same stream, in its own form if it installs one."""
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS.get(level.lower(), logging.INFO))
    log.handlers[:] = [handler]
    log.propagate = False
    log.setLevel(logging.INFO)
    for chatty in ("azure", "aiohttp.access", "asyncio", "asyncssh"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def invocation(function: str, what: str, took: timedelta, outcome: str) -> None:
    """`what`: trigger in a few words; `outcome`: `ok`, a status code, or why it failed."""
    log.info("%-24s %-34s %6.0f ms  %s", function, what, took / timedelta(milliseconds=1), outcome)
