"""``python -m localdev.azuresim``: the simulated Azure as a process of ``./dev up``."""

import argparse
import asyncio
import hashlib
import json
import logging
import os
import secrets
import signal
from collections.abc import Sequence
from pathlib import Path

from localdev.azuresim.app import Server
from localdev.azuresim.clock import OffsetFile, WallClock
from localdev.azuresim.simulator import Simulator
from localdev.azuresim.tls import CertificateAuthority
from localdev.azuresim.vm.ports import EGRESS_ADDRESS, NullVmRuntime, VmRuntime

_PROJECT = Path(__file__).resolve().parents[2]
_BOOTSTRAP = Path(__file__).parent / "vm" / "bootstrap.py"


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m localdev.azuresim", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="loopback address to bind")
    parser.add_argument("--port", type=int, default=0, help="0: chosen by the system")
    parser.add_argument("--state-dir", type=Path, required=True, help="certificates and VM disks")
    parser.add_argument("--ready-file", type=Path, required=True, help="written when listening")
    parser.add_argument("--clock-file", type=Path, help="kept at how many seconds the clock is ahead of the wall's")
    parser.add_argument("--time-scale", type=float, default=1.0, help="speeds up durations, never the clock")
    parser.add_argument("--seed", type=int, default=None, help="of durations and names; random by default")
    parser.add_argument("--no-vms", action="store_true", help="virtual machines are records only")
    parser.add_argument(
        "--hub", choices=("real", "small"), default="real", help="small: a stand-in for JupyterHub, for many hubs"
    )
    parser.add_argument("--hubenv", type=Path, default=_PROJECT / ".localdev" / "hubenv", help="JupyterHub's venv")
    parser.add_argument(
        "--node-modules", type=Path, default=_PROJECT / "localdev" / "node" / "node_modules", help="npm's packages"
    )
    return parser.parse_args(argv)


def _runtime(options: argparse.Namespace, authority: CertificateAuthority, clock: WallClock) -> VmRuntime:
    if options.no_vms:
        return NullVmRuntime()
    # Loaded only when VMs run: it brings SSH and process handling along.
    from localdev.azuresim.vm.runtime import LocalVmRuntime

    return LocalVmRuntime(
        options.state_dir / "vms",
        options.hubenv,
        options.node_modules,
        authority.issue,
        clock,
        logging.getLogger("azuresim.vm"),
        small_hubs=options.hub == "small",
    )


def _write_atomically(path: Path, content: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.touch(mode=0o600)
    unfinished.write_text(json.dumps(content, indent=2))
    unfinished.replace(path)


async def _run(options: argparse.Namespace) -> None:
    clock = WallClock(options.time_scale, OffsetFile(options.clock_file) if options.clock_file else None)
    authority = CertificateAuthority(clock)
    options.state_dir.mkdir(parents=True, exist_ok=True)
    bootstrap = _BOOTSTRAP.read_bytes() if _BOOTSTRAP.exists() else b""
    simulator = Simulator(
        clock=clock,
        seed=secrets.randbits(32) if options.seed is None else options.seed,
        runtime=_runtime(options, authority, clock),
        identity_secret=secrets.token_urlsafe(32),
        bootstrap=bootstrap,
    )
    server = Server(simulator, authority, options.state_dir)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await server.start(options.host, options.port)
        _write_atomically(
            options.ready_file,
            {
                "arm": server.arm_url,
                "sim": f"{server.arm_url}/_sim",
                "ca": str(server.ca_file.resolve()),
                "identityEndpoint": server.identity_url,
                "identityHeader": simulator.identity_secret,
                "prices": f"{server.arm_url}/api/retail/prices",
                "subscriptionId": simulator.services.subscription_id,
                "tenantId": simulator.services.tenant_id,
                "bootstrapUrl": f"{server.arm_url}/_sim/bootstrap.py",
                "bootstrapSha256": hashlib.sha256(bootstrap).hexdigest(),
                "egressAddress": EGRESS_ADDRESS,
                "clockFile": str(options.clock_file.resolve()) if options.clock_file else "",
            },
        )
        await stop.wait()
    finally:
        await server.close()


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then stop everything that was started."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(_run(_arguments(argv)))


if __name__ == "__main__":
    main()
