"""The hub's password file."""

import contextlib
import dbm
import time
from typing import Any

from shared.onvm.agent.errors import AgentError
from shared.onvm.agent.files import private_directory
from shared.onvm.agent.vm import PASSWORDS


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
