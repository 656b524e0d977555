"""Run as a module: a web hook's receiver on loopback HTTPS, which answers at once, or never (`/silent`), and remembers
what came. In a process of its own, so that its memory and its certificate are not the app's; on two ports, because who
sends limits its connections to one of them."""

import argparse
import asyncio
import json
import ssl
import time
from collections import defaultdict
from pathlib import Path

from aiohttp import web

SILENT = "/silent"
ARRIVED = "/arrived"


class Receiver:
    """`arrivals`: path -> (id, seconds since the epoch) of each delivery."""

    def __init__(self) -> None:
        self.arrivals: dict[str, list[tuple[str, float]]] = defaultdict(list)

    async def take(self, request: web.Request) -> web.Response:
        at = time.time()
        await request.read()
        if request.path == SILENT:
            await asyncio.sleep(3600)
        if "webhook-id" in request.headers and "webhook-signature" not in request.headers:
            return web.Response(status=401)
        self.arrivals[request.path].append((request.headers.get("webhook-id", ""), at))
        return web.Response(status=204)

    async def arrived(self, request: web.Request) -> web.Response:
        return web.json_response(self.arrivals)


async def serve(certificate: Path, ready: Path) -> None:
    receiver, context = Receiver(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    app = web.Application()
    app.add_routes([web.get(ARRIVED, receiver.arrived), web.post("/{any}", receiver.take)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    for _ in range(2):
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    ports = [address[1] for address in runner.addresses]
    part = ready.with_suffix(".part")
    part.write_text(json.dumps({"ports": ports}), encoding="utf-8")
    part.replace(ready)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--ready-file", type=Path, required=True)
    args = parser.parse_args()
    asyncio.run(serve(args.certificate, args.ready_file))


if __name__ == "__main__":
    main()
