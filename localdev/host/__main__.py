"""`python -m localdev.host`: one host instance. SIGTERM or SIGINT stops it gracefully; SIGKILL loses only time."""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from localdev.host.report import set_up_logging
from localdev.host.run import Host, bind, platform_environment
from localdev.host.settings import HTTP_RESPONSE_LIMIT_S, HostJson, HostOptions, SettingsError
from localdev.host.worker import IndexingError
from shared.clock import SystemClock


def parse(argv: Sequence[str]) -> tuple[HostOptions, dict[str, str]]:
    """The options and the app settings of `--env-file`. Exits with a usage message on a wrong command line."""
    parser = argparse.ArgumentParser(prog="python -m localdev.host", description=__doc__)
    parser.add_argument("--app-dir", type=Path, default=Path(), help="folder with function_app.py and host.json")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port, see --ready-file")
    parser.add_argument("--env-file", type=Path, help="app settings, a JSON object of strings")
    parser.add_argument("--ready-file", type=Path, help='written when serving: {"url", "pid"}')
    parser.add_argument("--lease-seconds", type=float, default=600.0, help="queue message lease (Azure: 600)")
    parser.add_argument("--drain-seconds", type=float, default=10.0, help="how long running functions may end at stop")
    parser.add_argument("--http-limit-seconds", type=float, default=HTTP_RESPONSE_LIMIT_S)
    parser.add_argument("--tick-seconds", type=float, help="run every timer in this rhythm instead of its schedule")
    parser.add_argument("--timer", action="append", default=[], metavar="NAME=SECONDS", help="one timer's rhythm")
    args = parser.parse_args(argv)
    overrides: dict[str, float] = {"*": args.tick_seconds} if args.tick_seconds else {}
    try:
        for text in args.timer:
            name, _, seconds = text.partition("=")
            overrides[name] = float(seconds)
        settings = read_settings(args.env_file) if args.env_file else {}
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if args.lease_seconds < 1 or any(seconds <= 0 for seconds in overrides.values()):
        parser.error("a lease lasts at least 1 s, and a rhythm is positive")
    options = HostOptions(
        app_dir=args.app_dir,
        port=args.port,
        address=args.address,
        ready_file=args.ready_file,
        lease_s=args.lease_seconds,
        drain_s=args.drain_seconds,
        http_limit_s=args.http_limit_seconds,
        timer_overrides_s=overrides,
    )
    return options, settings


def read_settings(path: Path) -> dict[str, str]:
    """A JSON object of strings, or a whole `local.settings.json` (its `Values` count). Raises SettingsError."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    values = raw.get("Values", raw) if isinstance(raw, dict) else None
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise SettingsError(f"{path}: not a JSON object of strings")
    return dict(values)


async def serve(options: HostOptions, settings: dict[str, str]) -> int:
    """0 after a graceful stop, 1 when the app cannot be served."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        host_json = HostJson.read(options.app_dir)
        set_up_logging(host_json.log_level)
        server = bind(options.address, options.port)
        os.environ.update(platform_environment(options.address, server.getsockname()[1]) | settings)
        await Host(options, host_json, server, SystemClock()).run(stop)
    except (SettingsError, IndexingError, OSError) as error:
        print(f"localdev.host: {error}", file=sys.stderr)
        return 1
    return 0


def main() -> int:
    options, settings = parse(sys.argv[1:])
    return asyncio.run(serve(options, settings))


if __name__ == "__main__":
    sys.exit(main())
