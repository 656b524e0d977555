"""Machines of several hubs at once: each is reached by its own address or name, while its VM runs."""

from shared.errors import RetryableError
from shared.hubs.ports import Activity, HubAccess, TlsCheck
from tests.support.fake_cloud import FakeCloud, FakeVm
from tests.support.fake_machine import FakeMachine
from tests.support.fake_vm import FakeHubApi, FakeHubHttp, FakeOnVm


class Machines:
    """Finds the VM, and what runs on it, by a host or a URL."""

    def __init__(self, cloud: FakeCloud, on_vm: FakeOnVm) -> None:
        self._cloud = cloud
        self._on_vm = on_vm
        on_vm.port_open = self.lets_control_plane_in

    def vm(self, host: str) -> FakeVm | None:
        """By public address or DNS name."""
        for vm in self._cloud.vms():
            if host in (vm.ip, f"{vm.plan.dns_label}.{vm.plan.region}.cloudapp.azure.com"):
                return vm
        return None

    def running(self, host: str) -> FakeMachine | None:
        """What runs there, if it runs."""
        vm = self.vm(host)
        if vm is None or vm.power != "running":
            return None
        return self._on_vm.machines.get(vm.ip)

    def lets_control_plane_in(self, host: str) -> bool:
        vm = self.vm(host)
        if vm is None or vm.power != "running":
            return False
        nsg = self._cloud.nsg(vm.plan.group, vm.plan.nsg_name)
        return nsg is not None and any(rule.name == "ssh-hublet" for rule in nsg.rules)


def _host(url: str) -> str:
    return url.split("//", 1)[-1].split("/", 1)[0].split(":", 1)[0]


class SimHubHttp(FakeHubHttp):
    """`HubHttp`, of the machine the URL leads to."""

    def __init__(self, on_vm: FakeOnVm, machines: Machines) -> None:
        super().__init__(on_vm)
        self._machines = machines
        self._url = ""

    async def api_version(self, url: str) -> str | None:
        self._called("api_version")
        machine = self._machines.running(_host(url))
        return "5.5.4" if machine is not None and machine.installed and machine.hub_answers else None

    async def tls(self, fqdn: str) -> TlsCheck:
        self._called("tls")
        if self._machines.running(fqdn) is None:
            return TlsCheck(ok=False, reason="port 443 does not answer (ConnectionRefusedError)")
        return TlsCheck(ok=True)

    async def start_server(self, url: str, user: str, password: str) -> bool:
        self._url = url
        return await super().start_server(url, user, password)

    async def compute_in_kernel(self, url: str, user: str, password: str, expression: str) -> str:
        self._url = url
        return await super().compute_in_kernel(url, user, password, expression)

    def _log_in(self, user: str) -> FakeMachine:
        machine = self._machines.running(_host(self._url))
        if machine is None:
            raise RetryableError("HubUnreachable", "The hub does not answer.")
        machine.settle()
        if user in machine.hub_users and user in machine.passwords:
            return machine
        raise RetryableError("HubLoginRefused", "The hub refused the login.")


class SimHubApi(FakeHubApi):
    """`HubApi`, of the machine the access leads to."""

    def __init__(self, on_vm: FakeOnVm, machines: Machines) -> None:
        super().__init__(on_vm)
        self._machines = machines

    async def activity(self, access: HubAccess) -> Activity:
        host = access.tunnel.host if access.tunnel else _host(access.url)
        if self._machines.running(host) is None:
            raise RetryableError("HubUnreachable", "The hub does not answer.")
        return await super().activity(access)
