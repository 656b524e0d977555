"""The unit ``traefik``: configurable-http-proxy behind the VM's ports 80 and 443.

traefik itself is not in the package sources this project is limited to.  What differs from it: a target that is down
gives 503 where traefik gives 502, requests by address get the same certificate as by name, and changing the
certificate restarts the proxy (its routes are put back).
"""

import asyncio
import json
import os
import secrets
import signal
from typing import Any

import aiohttp

from localdev.azuresim.vm import certificates, journal, tljh_files
from localdev.azuresim.vm.context import HTTP, HTTPS, PROXY_API, Vm
from localdev.azuresim.vm.gate import EVERYBODY, Gate, forwarder, redirector
from localdev.azuresim.vm.ports import IssuedCertificate
from localdev.azuresim.vm.processes import MachineOff, Process, journal_file, null_input
from localdev.azuresim.vm.units import UnitFailed
from localdev.ports import unused_port

START_LIMIT_S = 30.0
ISSUE_S = 4.0
"""How long an ACME order takes; TLJH users see the certificate a few seconds after ``reload proxy``."""


class ProxyUnit:
    """The VM's web server."""

    name = "traefik"

    def __init__(self, vm: Vm) -> None:
        self.restarts = 0
        self._vm = vm
        self._process: Process | None = None
        self._gates: list[Gate] = []
        self._routes: dict[str, Any] = {}
        self._issuing: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()

    def state(self) -> str:
        """Whether the proxy runs."""
        return "active" if self._process is not None and not self._process.ended else "inactive"

    def main_pid(self) -> int:
        """The proxy's process id."""
        return self._process.pid if self._process is not None and not self._process.ended else 0

    def secret(self) -> str:
        """The token of the proxy's own API; made once and kept on the disk."""
        found = self._vm.disk.text(tljh_files.PROXY_SECRET).strip()
        if not found:
            found = secrets.token_hex(32)
            self._vm.disk.directory(tljh_files.STATE, 0o700)
            self._vm.disk.write(tljh_files.PROXY_SECRET, found, 0o600)
        return found

    async def start(self) -> None:
        """Start the proxy, put its routes back and open the web ports.

        With Let's Encrypt domains configured the default certificate is shown until one is issued in the background.
        """
        async with self._changing:
            await self._start()

    async def _start(self) -> None:
        if self.state() == "active":
            return
        config = tljh_files.load(self._vm.disk)
        if not tljh_files.at(config, "https", "enabled", default=False):
            await self._run(None)
            return
        domains = [str(domain) for domain in tljh_files.at(config, "https", "letsencrypt", "domains", default=[])]
        staging = bool(tljh_files.at(config, "https", "letsencrypt", "staging", default=False))
        shown = self._manual(config)
        if shown is None and domains:
            shown = certificates.remembered(self._vm, domains, staging=staging)
        await self._run(shown or certificates.self_signed(self._vm, certificates.DEFAULT_NAME))
        if shown is None and domains:
            self._issuing = asyncio.create_task(self._issue(domains, staging=staging))

    async def stop(self) -> None:
        """Close the web ports and end the proxy; its routes are kept for the next start."""
        await self._forget_issuing()
        async with self._changing:
            await self._halt()

    async def power_off(self) -> None:
        """The VM went off; so did the routes."""
        await self._forget_issuing()
        await self._close_gates()
        self._process = None
        self._routes = {}

    def _manual(self, config: dict[str, Any]) -> IssuedCertificate | None:
        key = tljh_files.at(config, "https", "tls", "key", default="")
        cert = tljh_files.at(config, "https", "tls", "cert", default="")
        if not key or not cert:
            return None
        try:
            return IssuedCertificate(self._vm.disk.read(str(cert)), self._vm.disk.read(str(key)))
        except OSError as error:
            journal.note(self._vm, self.name, f"Unable to append certificate to store: {error.strerror}")
            return None

    async def _issue(self, domains: list[str], *, staging: bool) -> None:
        try:
            await self._vm.pace.wait(ISSUE_S)
            issued = certificates.issue(self._vm, domains, staging=staging)
            certificates.remember(self._vm, domains, staging=staging, issued=issued)
            async with self._changing:
                await self._halt()
                await self._run(issued)
        except certificates.Refused as refused:
            journal.note(self._vm, self.name, str(refused))
        except (UnitFailed, MachineOff) as error:
            journal.note(self._vm, self.name, f"restart with the new certificate failed: {error}")

    async def _forget_issuing(self) -> None:
        if self._issuing is not None and self._issuing is not asyncio.current_task():
            self._issuing.cancel()
            await asyncio.gather(self._issuing, return_exceptions=True)
            self._issuing = None

    async def _run(self, certificate: IssuedCertificate | None) -> None:
        vm = self._vm
        inner = unused_port(vm.address)
        argv = [
            vm.tools.node,
            str(vm.tools.node_modules / "configurable-http-proxy" / "bin" / "configurable-http-proxy"),
            *("--ip", vm.address, "--port", str(inner)),
            *("--api-ip", vm.address, "--api-port", str(vm.local_ports[PROXY_API])),
            *("--log-level", "warn"),
        ]
        if certificate is not None:
            key, cert = vm.directory / "proxy.key", vm.directory / "proxy.crt"
            key.touch(0o600)
            key.write_bytes(certificate.key_pem)
            cert.write_bytes(certificate.cert_pem)
            argv += ["--ssl-key", str(key), "--ssl-cert", str(cert)]
        env = {"CONFIGPROXY_AUTH_TOKEN": self.secret(), "HUBLET_ROOT": str(vm.disk.root), "PATH": "/usr/bin:/bin"}
        log, nothing = journal_file(vm.disk.path(journal.file_of(self.name))), null_input()
        try:
            self._process = await vm.processes.spawn(
                argv, env=env, cwd=vm.directory, stdin=nothing, stdout=log, stderr=log
            )
        finally:
            os.close(log)
            os.close(nothing)
        await self._wait_until_up(self._process)
        await self._restore_routes()
        self._open_gates(inner, secure=certificate is not None)

    def _open_gates(self, inner: int, *, secure: bool) -> None:
        vm = self._vm
        web = forwarder(vm.address, inner)
        handlers = {HTTP: redirector(vm.ports[HTTPS]), HTTPS: web} if secure else {HTTP: web}
        for port, handler in handlers.items():
            self._gates.append(Gate(vm.address, vm.ports[port], port, vm.inbound, handler))
            self._gates.append(Gate(vm.address, vm.local_ports[port], port, EVERYBODY, handler))
        for gate in self._gates:
            gate.open()

    async def _close_gates(self) -> None:
        gates, self._gates = self._gates, []
        for gate in gates:
            await gate.close()

    async def _halt(self) -> None:
        await self._close_gates()
        if self._process is None:
            return
        if not self._process.ended:
            await self._save_routes()
            self._process.signal(signal.SIGTERM)
            await self._process.wait()
        self._process = None

    @property
    def _api(self) -> str:
        return f"http://{self._vm.address}:{self._vm.local_ports[PROXY_API]}/api/routes"

    async def _wait_until_up(self, process: Process) -> None:
        try:
            async with asyncio.timeout(START_LIMIT_S):
                while not process.ended:
                    try:
                        _, writer = await asyncio.open_connection(self._vm.address, self._vm.local_ports[PROXY_API])
                        writer.close()
                        return
                    except OSError:
                        await asyncio.sleep(0.05)
        except TimeoutError:
            pass
        raise UnitFailed("traefik.service: Failed to start")

    async def _save_routes(self) -> None:
        try:
            async with self._session() as session, session.get(self._api) as answer:
                self._routes = json.loads(await answer.text())
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return

    async def _restore_routes(self) -> None:
        async with self._session() as session:
            for path, route in self._routes.items():
                data = {key: value for key, value in route.items() if key != "last_activity"}
                async with session.post(self._api + path, json=data) as answer:
                    await answer.read()

    def _session(self) -> aiohttp.ClientSession:
        headers = {"Authorization": f"token {self.secret()}"}
        return aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=5))
