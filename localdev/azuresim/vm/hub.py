"""The unit ``jupyterhub``: a real JupyterHub with the configuration found on the VM's disk, or its small stand-in.

At most a few hubs start at the same time over all VMs of a simulator (`start_slots`), because each start costs several
seconds of one core.  A hub that ends is started again after a pause (systemd would do it at once, and a crash loop
would then take a whole core of the machine).
"""

import asyncio
import json
import os
import signal

from localdev.azuresim.vm import journal, tljh_files
from localdev.azuresim.vm.context import HUB_API, PROXY_API, Vm
from localdev.azuresim.vm.processes import MachineOff, Process, here, journal_file, null_input

RESTART_PAUSE_S = 2.0
STOP_LIMIT_S = 10.0
START_SLOT_LIMIT_S = 90.0
"""A start that takes longer gives its slot to the next one."""


class HubUnit:
    """The VM's JupyterHub."""

    name = "jupyterhub"

    def __init__(self, vm: Vm, start_slots: asyncio.Semaphore, *, small: bool = False) -> None:
        """`small`: the stand-in of ``small_hub.py`` instead of JupyterHub."""
        self.restarts = 0
        self._small = small
        self._vm = vm
        self._slots = start_slots
        self._process: Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    def state(self) -> str:
        """``active`` from the start request on, as systemd says of a simple service, even between two crashes."""
        return "active" if self._keeper is not None else "inactive"

    def main_pid(self) -> int:
        """The hub's process id."""
        return self._process.pid if self._process is not None and not self._process.ended else 0

    async def start(self) -> None:
        """Begin to run the hub; returns at once."""
        if self._keeper is None:
            self.restarts = 0
            self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """End the hub; the users' servers keep running (TLJH has them in units of their own)."""
        await self._forget()
        process, self._process = self._process, None
        if process is None or process.ended:
            return
        process.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_LIMIT_S):
                await process.wait()
        except TimeoutError:
            process.signal(signal.SIGKILL)
            await process.wait()
        journal.note(self._vm, self.name, "Stopped jupyterhub.service.")

    async def power_off(self) -> None:
        """The VM went off."""
        await self._forget()
        self._process = None

    async def _forget(self) -> None:
        if self._keeper is not None:
            keeper, self._keeper = self._keeper, None
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)

    async def _keep(self) -> None:
        while True:
            try:
                process = await self._launch()
            except MachineOff:
                return
            code = await process.wait()
            journal.note(
                self._vm, self.name, f"jupyterhub.service: Main process exited, code=exited, status={code}/FAILURE"
            )
            self.restarts += 1
            await asyncio.sleep(RESTART_PAUSE_S)
            journal.note(
                self._vm,
                self.name,
                f"jupyterhub.service: Scheduled restart job, restart counter is at {self.restarts}.",
            )

    async def _launch(self) -> Process:
        """Start the hub and hold a start slot until it answers, ends or takes too long."""
        async with self._slots:
            clock = asyncio.get_running_loop().time
            began = clock()
            self._process = process = await self._spawn()
            journal.note(self._vm, self.name, "Started jupyterhub.service.")
            while not process.ended and clock() - began < START_SLOT_LIMIT_S:
                if await answers(self._vm):
                    self._vm.log("hub_up", vm=self._vm.spec.name, seconds=round(clock() - began, 2))
                    break
                await asyncio.sleep(0.1)
            return process

    async def _spawn(self) -> Process:
        vm = self._vm
        settings = vm.directory / "hub.json"
        settings.write_text(json.dumps(hub_settings(vm)))
        config = vm.disk.write(
            tljh_files.HUB_CONFIG,
            "# What TLJH's own tljh/jupyterhub_config.py does is done by the simulator's module.\n"
            "import importlib.util\n"
            f"spec = importlib.util.spec_from_file_location('hub_config', {str(here('hub_config.py'))!r})\n"
            "module = importlib.util.module_from_spec(spec)\n"
            "spec.loader.exec_module(module)\n"
            f"module.configure(get_config(), load_subconfig, {str(settings)!r})\n",
        )
        env = vm.environment() | {
            "PATH": f"{vm.disk.root}/opt/tljh/user/bin:{vm.tools.hubenv}/bin:/usr/bin:/bin",
            "JUPYTER_PREFER_ENV_PATH": "1",
            "PYTHONPATH": str(here("user_site")),
            "PYTHONUNBUFFERED": "1",
        }
        real = ["-m", "jupyterhub", "-f", str(config)]
        log, nothing = journal_file(vm.disk.path(journal.file_of(self.name))), null_input()
        try:
            return await vm.processes.spawn(
                [str(vm.tools.python), *([str(here("small_hub.py")), str(settings)] if self._small else real)],
                env=env,
                cwd=vm.disk.directory(tljh_files.STATE, 0o700),
                stdin=nothing,
                stdout=log,
                stderr=log,
            )
        finally:
            os.close(log)
            os.close(nothing)


def hub_settings(vm: Vm) -> dict[str, object]:
    """What `hub_config.py` needs to know beside the VM's own files."""
    return {
        "root": str(vm.disk.root),
        "address": vm.address,
        "hubPort": vm.local_ports[HUB_API],
        "proxyApi": f"http://{vm.address}:{vm.local_ports[PROXY_API]}",
        "proxySecret": vm.disk.text(tljh_files.PROXY_SECRET).strip(),
        "hubenv": str(vm.tools.hubenv),
        "bin": str(vm.bin),
        "userSite": str(vm.disk.path(tljh_files.USER_SITE)),
        "siteHook": str(here("user_site")),
        "jupyterConfig": str(here("jupyter_config")),
        "asRoot": os.geteuid() == 0,
    }


async def answers(vm: Vm) -> bool:
    """Whether the hub's API says 200 on the VM's loopback."""
    base = str(tljh_files.at(_config(vm), "base_url", default="/")).strip("/")
    path = f"/{base}/hub/api" if base else "/hub/api"
    return await status_of(vm.address, vm.local_ports[HUB_API], path) == 200


def _config(vm: Vm) -> dict[str, object]:
    try:
        return tljh_files.load(vm.disk)
    except tljh_files.BadConfig:
        return {}


async def status_of(address: str, port: int, path: str) -> int:
    """HTTP status of a GET, 0 when nothing answers within 5 s."""
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(address, port)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
                line = (await reader.readline()).split()
                return int(line[1]) if len(line) > 1 and line[1].isdigit() else 0
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.LimitOverrunError, ValueError):
        return 0
