"""`./dev up`: everything from nothing, a hub called `demo`, and how to use it."""

import asyncio
import fcntl
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from localdev import func_host, paths
from localdev.demo import DEMO, DEMO_REQUEST, DemoFailed, HubApi, describe, follow
from localdev.ports import wanted_port
from localdev.processes import ChildFailed, Children
from localdev.progress import Display, LineDisplay, TerminalDisplay
from localdev.setup import ensure_all
from localdev.stack import (
    Secrets,
    Stack,
    app_settings,
    await_chat,
    chat_settings,
    empty,
    join,
    launch_chat,
    start_host,
    start_storage_and_simulator,
    write_private,
)

_READY_LIMIT_S = 900.0
"""For the demo hub. An installed environment takes about a minute; a busy two-core machine a few."""

_CHECK_S = 1.0

_STOPS_SOON = ("--drain-seconds", "1")
"""What a worker is doing at Ctrl-C is thrown away with everything else, so nobody waits for its end."""


@dataclass(frozen=True)
class UpOptions:
    """See `./dev up --help`. `port` None: 7071, or any when that is taken. `state`: where everything of it is kept."""

    once: bool = False
    demo: bool = True
    func: bool = False
    time_scale: float = 10.0
    port: int | None = None
    state: Path = paths.STATE

    @property
    def run(self) -> Path:
        return self.state / paths.RUN.name

    @property
    def session(self) -> Path:
        return self.state / paths.SESSION.name


def up(options: UpOptions) -> int:
    """0 after Ctrl-C (or when ready, with `once`), 1 with the cause on stderr. Leaves no child and no port behind."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # `kill` ends as Ctrl-C does; and a script's background job starts with SIGINT ignored.
        signal.signal(number, signal.default_int_handler)
    try:
        with _alone(options), Children(options.run) as children:
            try:
                _run(options, children)
            except KeyboardInterrupt:
                if options.once:
                    print("dev: interrupted before the hub was ready", file=sys.stderr)
                    return 1
            finally:
                for number in (signal.SIGINT, signal.SIGTERM):
                    # Only stopping matters now, and it is bounded: a second Ctrl-C must not leave children behind.
                    signal.signal(number, signal.SIG_IGN)
                print("stopping ...", file=sys.stderr, flush=True)
                options.session.unlink(missing_ok=True)
    except (ChildFailed, DemoFailed) as error:
        print(f"dev: {error}", file=sys.stderr)
        return 1
    return 0


def _run(options: UpOptions, children: Children) -> None:
    started = time.monotonic()
    stack = _start(options, children)
    write_private(options.session, stack.session(os.getpid()))
    print(f"up after {time.monotonic() - started:.0f} s: {stack.api}   (logs: {options.run})", flush=True)
    if options.demo:
        _make_demo(options, stack, children)
    else:
        _print_use(stack, None)
    if options.once:
        return
    print("\nCtrl-C stops everything.", flush=True)
    never = threading.Event()
    while not never.wait(_CHECK_S):
        _check(children)


def _start(options: UpOptions, children: Children) -> Stack:
    node = ensure_all()
    folder = options.run / "data"
    empty(folder)
    func = func_host.find() if options.func else None
    port = wanted_port(options.port, paths.DEFAULT_PORT)
    print("starting Azurite, simulated Azure, pretended chats and the Functions host ...", flush=True)
    launched = launch_chat(children, folder)
    storage, simulator = start_storage_and_simulator(children, node, folder, time_scale=options.time_scale)
    made = Secrets.make()
    chat = await_chat(launched)
    settings = app_settings(storage, simulator.facts, made, options.time_scale) | chat_settings(chat.facts, port)
    if func:
        host, api = func_host.start(children, func, settings, port=port)
    else:
        host, api = start_host(children, options.run, settings, port=port, host_args=_STOPS_SOON)
    return join(storage, simulator, settings, host, api, chat)


def _make_demo(options: UpOptions, stack: Stack, children: Children) -> None:
    """Raises DemoFailed when the hub ends in another state than ready."""
    hub, password = asyncio.run(_demo(stack, children))
    if hub.get("state") != "ready":
        raise DemoFailed(f"the hub {DEMO} is not ready: {describe(hub)}. Logs: {options.run}")
    print(f"\nThe hub {DEMO} is ready.\n")
    print(f"  open      {hub.get('url')}")
    if password:
        print(f"  log in    {password['adminUser']}  {password['password']}   (kept ten minutes, then erased)")
    _print_use(stack, hub)


async def _demo(stack: Stack, children: Children) -> tuple[dict[str, Any], dict[str, Any] | None]:
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        api = HubApi(session, stack.api, stack.token)
        await api.create(DEMO_REQUEST)
        hub = await follow(api, DEMO, _display(), lambda: _check(children), _READY_LIMIT_S)
        password = await api.admin_password(DEMO) if hub.get("state") == "ready" else None
        return hub, password


def _display() -> Display:
    if sys.stdout.isatty():
        return TerminalDisplay(sys.stdout, shutil.get_terminal_size().columns)
    return LineDisplay(sys.stdout)


def _print_use(stack: Stack, hub: dict[str, Any] | None) -> None:
    hub_name = "bio101" if hub else "demo"
    body = f'{{"name": "{hub_name}", "https": {{"mode": "none"}}}}'
    print(f"  API       {stack.api}")
    print(f"  token     {stack.token}")
    print(f"  next hub  curl -sS {stack.api}/hubs -H 'Authorization: Bearer {stack.token}' \\")
    print(f"              -H 'Content-Type: application/json' -d '{body}'")
    print('  chat      ./dev chat link admin; ./dev chat slack "/hub list"   (pretended Slack and Teams)', flush=True)


def _check(children: Children) -> None:
    """Raises ChildFailed when something that should run has ended."""
    dead = children.first_dead()
    if dead is not None:
        raise dead.failure(f"ended with code {dead.process.returncode}")


@contextmanager
def _alone(options: UpOptions) -> Iterator[None]:
    """One `up` per state folder: they would share logs and session. Raises ChildFailed."""
    options.run.mkdir(parents=True, exist_ok=True)
    with (options.state / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ChildFailed(f"another ./dev up runs in this folder; its addresses are in {options.session}") from None
        yield
