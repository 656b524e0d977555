"""The verb `task`: long work, detached from the SSH session that asked for it, once per key."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shared.onvm.agent.acceptance import task_accept_clean, task_accept_prepare
from shared.onvm.agent.checks import RE_KEY, number, text
from shared.onvm.agent.clock import boot_id, utc_now
from shared.onvm.agent.configure import task_configure
from shared.onvm.agent.errors import AgentError
from shared.onvm.agent.files import private_directory, read_json, write_json
from shared.onvm.agent.https import task_https
from shared.onvm.agent.install import task_reinstall
from shared.onvm.agent.lock import task_lock_commit, task_lock_prepare
from shared.onvm.agent.vm import TASKS, VAR
from shared.onvm.agent.waiting import locked

TASK_FUNCTIONS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "reinstall": task_reinstall,
    "configure": task_configure,
    "https": task_https,
    "accept-prepare": task_accept_prepare,
    "accept-clean": task_accept_clean,
    "lock-prepare": task_lock_prepare,
    "lock-commit": task_lock_commit,
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
        time.sleep(0.02)


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
