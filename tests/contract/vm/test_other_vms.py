"""VMs that fail, are locked, are killed, or live on the one address macOS has."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import asyncssh
import pytest

from tests.contract.vm.conftest import MakeLab
from tests.contract.vm.lab import Keys, Lab, asked, cloud_config, execute, install_json, living, public

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def ended(lab: Lab, attempt: int) -> dict[str, object]:
    async with asyncio.timeout(40):
        while True:
            if lab.runtime.endpoints(lab.spec.vm_id) and lab.disk("/var/lib/hublet/install.json").exists():
                install = dict((await lab.agent("status"))["install"])
                if install["attempt"] == attempt and install["state"] == "finished":
                    return install
            await asyncio.sleep(0.1)


async def output(lab: Lab) -> str:
    return (await lab.ssh("sudo", "cat", "/var/log/cloud-init-output.log"))[1]


async def test_installs_fail_as_recorded_and_a_retry_succeeds(make_lab: MakeLab) -> None:
    lab = await make_lab(faults={"apt-lock": 1})
    assert (await ended(lab, 1))["exitCode"] == 1
    assert "E: Could not get lock /var/lib/apt/lists/lock" in await output(lab)
    log = (await lab.ssh("sudo", "cat", "/opt/tljh/installer.log"))[1]
    assert log.splitlines()[-1].endswith("Installing Python, venv, pip, and git via apt-get...")
    assert (await lab.ssh("cloud-init", "status"))[0] == 1

    expected = {
        "version": (1, "Exception: No version matching 9.9.9 found"),
        "pip-spec": (1, "fatal: repository 'https://github.com/nosuch/nosuch.git/' not found"),
        "disk-full": (1, "No space left on device"),
        "killed": (137, ""),
        "network": (69, "(6) Could not resolve host"),
    }
    for number, (kind, (code, text)) in enumerate(expected.items(), start=2):
        lab.runtime.inject_fault(kind, 1, lab.spec.vm_id)
        await lab.agent("task", name="reinstall", key=f"again-{number}", input={}, waitSeconds=0)
        assert (await ended(lab, number))["exitCode"] == code, kind
        assert text in await output(lab), kind

    lab.runtime.inject_fault("hub-crash", 1, lab.spec.vm_id)
    await lab.agent("task", name="reinstall", key="crash", input={}, waitSeconds=0)
    assert (await ended(lab, 7))["exitCode"] == 0
    assert (await lab.ssh("sudo", "tail", "-n", "1", "/opt/tljh/installer.log"))[1].endswith("Done!\n")
    async with asyncio.timeout(40):
        while "NRestarts=0" in (await lab.ssh("sudo", "systemctl", "show", "jupyterhub", "-p", "NRestarts"))[1]:
            await asyncio.sleep(0.2)
    assert "is not valid" in (await lab.ssh("sudo", "journalctl", "-u", "jupyterhub"))[1]
    assert (await lab.agent("status"))["hubApi"]["status"] == 404
    await lab.runtime.close()


async def test_a_silent_installer_runs_into_the_agents_limit(make_lab: MakeLab) -> None:
    limited = {
        "path": "/etc/hublet/install.json",
        "permissions": "0600",
        "content": install_json(timeoutSeconds=2).decode(),
    }
    files = cloud_config(Keys())["write_files"]
    lab = await make_lab(config={"write_files": [files[0], limited]}, faults={"hang": 1})
    assert (await ended(lab, 1))["exitCode"] == 124
    await lab.runtime.close()


async def test_lock_changes_the_host_key_and_shuts_the_installer_out(make_lab: MakeLab) -> None:
    lab = await make_lab()
    await ended(lab, 1)
    tunnel = asyncssh.generate_private_key("ssh-ed25519")
    prepared = (await lab.task("lock-prepare", "prepare"))["hostPublicKey"]
    await lab.task("lock-commit", "commit", tunnelPublicKey=public(tunnel))

    code, _, err = await lab.ssh("whoami")
    assert code == 255
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in err
    lab.keys.host = asyncssh.import_public_key(prepared)
    assert (await lab.ssh("whoami"))[0] == 0
    assert (await lab.ssh("status", user="hublet"))[0] == 255

    lab.keys.installer = tunnel
    assert (await lab.ssh("status", user="hublet"))[0] == 1  # /bin/false
    request = b"GET /hub/api HTTP/1.0\r\n\r\n"
    through = lab.ssh_command("hublet", tunnel, "-W", "127.0.0.1:15001")
    async with asyncio.timeout(40):
        while '"version"' not in await asked(through, request):
            await asyncio.sleep(0.3)
    other = lab.ssh_command("hublet", tunnel, "-W", "127.0.0.1:80")
    assert (await execute(other, request))[0] == 255
    await lab.runtime.close()


async def test_customdata_that_is_not_yaml_is_ignored_in_silence(make_lab: MakeLab) -> None:
    lab = await make_lab(data=b"#cloud-config\nusers: [default\nruncmd:\n - [x]\n")
    machine = lab.runtime.machine(lab.spec.vm_id)
    assert machine is not None
    await machine.settled()
    assert not lab.disk("/usr/local/lib/hublet").exists()
    assert json.loads(lab.disk("/run/cloud-init/result.json").read_text())["v1"]["errors"] == []
    lab.keys.host = asyncssh.read_private_key(lab.disk("/etc/ssh/ssh_host_ed25519_key"))
    code, out, _ = await lab.ssh("sudo", "cat", "/var/log/cloud-init-output.log")
    assert (code, "Failed loading yaml blob" in out) == (0, True)
    await lab.runtime.close()


async def test_an_agent_that_is_not_ours_is_not_run(make_lab: MakeLab) -> None:
    keys = Keys()
    files = cloud_config(keys)["write_files"]
    files[0] = {"path": files[0]["path"], "permissions": "0755", "content": "import os; os.system('touch /tmp/x')"}
    lab = await make_lab(config={"write_files": files})
    machine = lab.runtime.machine(lab.spec.vm_id)
    assert machine is not None
    await machine.settled()
    code, _, err = await lab.ssh("status", user="hublet")
    assert (code, "not the agent of this project" in err) == (126, True)
    assert (await lab.ssh("cloud-init", "status"))[0] == 1
    await lab.runtime.close()


async def test_a_vm_on_the_one_address_of_macos_has_shifted_ports(make_lab: MakeLab) -> None:
    lab = await make_lab(own_addresses=False)
    assert (await lab.installed())["hubApi"]["status"] == 200
    assert {address for address, _ in lab.runtime.endpoints(lab.spec.vm_id).values()} == {"127.0.0.1"}
    code, out, _ = await execute(["curl", "-sS", "--max-time", "5", f"{lab.web}/hub/api"])
    assert (code, json.loads(out)) == (0, {"version": "5.5.4"})
    await lab.runtime.close()


async def test_a_killed_simulator_leaves_no_process(tmp_path: Path) -> None:
    program = """
import asyncio, sys
from pathlib import Path
from tests.contract.vm.lab import *
async def main():
    keys, state = Keys(), Path(sys.argv[1])
    vms = runtime(state / "vms", Authority())
    given = spec(keys, custom_data(cloud_config(keys)))
    await vms.create(given, await vms.reserve_address(given.vm_id), Rules())
    await asyncio.sleep(3600)
asyncio.run(main())
"""
    simulator = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(tmp_path), env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    )
    try:
        async with asyncio.timeout(40):
            while len(set(living(tmp_path)) - {simulator.pid}) < 3:  # the agent, the proxy and the hub
                await asyncio.sleep(0.1)
        simulator.send_signal(signal.SIGKILL)
        await simulator.wait()
        async with asyncio.timeout(10):
            while living(tmp_path):
                await asyncio.sleep(0.05)
    finally:
        if simulator.returncode is None:
            simulator.kill()
            await simulator.wait()
