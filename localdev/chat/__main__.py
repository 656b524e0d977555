"""``python -m localdev.chat``: the pretended Slack and Teams as a process of ``./dev up``."""

import argparse
import asyncio
import json
import os
import signal
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path

from localdev.chat.server import ChatServer
from shared.clock import Clock, OffsetClock, SystemClock

_LOOK_S = 0.02


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m localdev.chat", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="loopback address to bind")
    parser.add_argument("--port", type=int, default=0, help="0: chosen by the system")
    parser.add_argument("--state-dir", type=Path, required=True, help="takes a CA of its own when --cert is missing")
    parser.add_argument("--ready-file", type=Path, required=True, help="written when listening")
    parser.add_argument("--clock-file", type=Path, help="holds how many seconds the clock is ahead of the wall's")
    parser.add_argument("--after", type=Path, metavar="FILE", help="begin when this is there: then the certificate is")
    parser.add_argument("--ca", type=Path, help="who signed --cert (PEM), for the ready file")
    parser.add_argument("--cert", type=Path, help="server certificate with its chain (PEM)")
    parser.add_argument("--key", type=Path, help="its key (PEM)")
    options = parser.parse_args(argv)
    if len({options.ca is None, options.cert is None, options.key is None}) > 1:
        parser.error("--ca, --cert and --key go together")
    return options


def _certificate(options: argparse.Namespace) -> tuple[Path, Path, Path]:
    """CA, certificate and key: the given ones, or new ones."""
    if options.cert is not None:
        return options.ca, options.cert, options.key
    from localdev.azuresim.clock import WallClock
    from localdev.azuresim.tls import CertificateAuthority

    names = sorted({options.host, "127.0.0.1", "localhost"})
    return CertificateAuthority(WallClock()).write_server_files(options.state_dir, names)


async def _run(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    while options.after is not None and not options.after.exists():
        if stop.is_set():
            return
        await asyncio.sleep(_LOOK_S)
    ca, certificate, key = _certificate(options)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    clock: Clock = OffsetClock(options.clock_file) if options.clock_file else SystemClock()
    server = ChatServer(clock)
    try:
        await server.start(context, options.host, options.port)
        _write_private(options.ready_file, {**server.facts(), "ca": str(ca.resolve())})
        await stop.wait()
    finally:
        await server.close()


def _write_private(file: Path, content: Mapping[str, str]) -> None:
    """In place at once, mode 0600: it holds secrets."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{os.getpid()}")
    part.touch(mode=0o600)
    part.write_text(json.dumps(content, indent=2))
    part.replace(file)


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT."""
    asyncio.run(_run(_arguments(argv)))


if __name__ == "__main__":
    main()
