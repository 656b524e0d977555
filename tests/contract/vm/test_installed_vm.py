"""A VM whose customData installed TLJH: what the owner, the installer's key and a stranger find."""

import asyncio
import json

import pytest

from tests.contract.vm.hub_client import Person
from tests.contract.vm.lab import ADMIN, PASSWORD, Lab, execute

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_installer_log_ends_in_done(lab: Lab) -> None:
    code, out, _ = await lab.ssh("sudo", "cat", "/opt/tljh/installer.log")
    assert code == 0
    assert out.splitlines()[0].endswith("Existing TLJH installation not detected, installing...")
    assert out.splitlines()[-1].endswith(" Done!")


async def test_installer_log_is_for_root_only(lab: Lab) -> None:
    code, _, err = await lab.ssh("cat", "/opt/tljh/installer.log")
    assert (code, err) == (1, "cat: /opt/tljh/installer.log: Permission denied\n")


async def test_status_comes_from_the_agent(lab: Lab) -> None:
    status = await lab.agent("status")
    assert status["install"]["state"] == "finished"
    assert status["install"]["exitCode"] == 0
    assert status["cloudInit"] == "done"


async def test_hub_answers_on_the_loopback_of_a_vm_whose_web_ports_are_closed(lab: Lab) -> None:
    lab.rules.closed |= {80, 443}
    assert (await lab.agent("status"))["hubApi"] == {"status": 200, "version": "5.5.4"}


async def test_hub_answers_at_the_web_port(lab: Lab) -> None:
    code, out, _ = await execute(["curl", "-sS", "--max-time", "5", f"{lab.web}/hub/api"])
    assert (code, json.loads(out)) == (0, {"version": "5.5.4"})


@pytest.mark.parametrize("port", [22, 80])
async def test_a_refused_peer_is_hung_up_on_before_a_byte(lab: Lab, port: int) -> None:
    lab.rules.refused.add(("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(*lab.endpoint(port))
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


async def test_rules_are_asked_at_every_connection(lab: Lab) -> None:
    lab.rules.closed.add(22)
    assert (await lab.ssh("whoami"))[0] == 255
    lab.rules.closed.clear()
    assert await lab.ssh("whoami") == (0, "azureuser\n", "")


@pytest.mark.parametrize(
    ("fault", "words"),
    [("ssh-refused", "Connection "), ("ssh-wrong-key", "REMOTE HOST IDENTIFICATION HAS CHANGED")],
)
async def test_ssh_faults_strike_as_often_as_told(lab: Lab, fault: str, words: str) -> None:
    lab.runtime.inject_fault(fault, 1, lab.spec.vm_id)
    code, _, err = await lab.ssh("whoami")
    assert code == 255
    assert words in err
    assert (await lab.ssh("whoami"))[0] == 0


async def test_a_half_open_ssh_port_says_nothing(lab: Lab) -> None:
    lab.runtime.inject_fault("ssh-silent", 1, lab.spec.vm_id)
    reader, writer = await asyncio.open_connection(*lab.endpoint(22))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.5)
    writer.close()


async def test_the_installers_key_reaches_the_agents_verbs_only(lab: Lab) -> None:
    code, out, _ = await lab.ssh("cat /etc/passwd", user="hublet")
    assert (code, json.loads(out)["error"]["code"]) == (1, "UnknownVerb")
    code, _, err = await execute(
        lab.ssh_command("hublet", lab.keys.installer, "-W", f"127.0.0.1:{15001}"), b"GET / HTTP/1.0\r\n\r\n"
    )
    assert code == 255
    assert "prohibited" in err


async def test_the_owners_key_does_not_log_in_as_hublet(lab: Lab) -> None:
    code, _, err = await execute(lab.ssh_command("hublet", lab.keys.owner, "status"))
    assert code == 255
    assert "Permission denied" in err


@pytest.mark.parametrize(
    "command",
    ["touch /x", "python3 -c pass", "cat /etc/passwd; id", "echo $(id)", "sudo sh", "sudo -u x id", "scp -t ."],
)
async def test_what_is_not_listed_is_not_available(lab: Lab, command: str) -> None:
    code, out, err = await lab.ssh(command)
    assert (code, out) == (127, "")
    assert err.endswith(": not available in a simulated VM\n")


async def test_paths_do_not_leave_the_disk(lab: Lab) -> None:
    outside = lab.folder / "outside"
    outside.write_text("secret of the machine")
    lab.disk("/srv").mkdir(exist_ok=True)
    lab.disk("/srv").joinpath("link").symlink_to(outside)
    up = "/.." * 20
    for path in (f"{up}{outside}", "/srv/link", str(outside)):
        code, out, err = await lab.ssh("sudo", "cat", path)
        assert (code, out) == (1, ""), path
        assert "No such file" in err


async def test_the_prompt_takes_listed_commands(lab: Lab) -> None:
    script = b"whoami\ncd /opt/tljh\nls\nnosuch\nexit 3\n"
    command = lab.ssh_command("azureuser", lab.keys.owner)
    code, out, err = await execute([*command[:1], "-tt", *command[1:]], script)
    assert code == 3
    assert "azureuser@demo-vm:~$ " in out
    assert "installer.log" in out
    assert "nosuch: not available in a simulated VM" in out + err


async def test_first_visitor_does_not_own_the_admin_account(lab: Lab) -> None:
    async with Person(lab.web, ADMIN) as stranger:
        assert await stranger.log_in("my own password") == 403
    async with Person(lab.web, "nobody") as stranger:
        assert await stranger.log_in("my own password") == 403
    async with Person(lab.web, ADMIN) as owner:
        assert await owner.log_in(PASSWORD) == 302


async def test_tljh_config_is_the_owners_by_sudo(lab: Lab) -> None:
    code, out, _ = await lab.ssh("sudo tljh-config show")
    assert (code, out.splitlines()[:3]) == (0, ["users:", "  admin:", f"  - {ADMIN}"])
    assert (await lab.ssh("tljh-config show"))[0] == 1
    code, _, err = await lab.ssh("sudo tljh-config set limits.nosuch 1")
    assert (code, err.splitlines()[0]) == (
        1,
        "Config validation error: Additional properties are not allowed ('nosuch' was unexpected).",
    )
