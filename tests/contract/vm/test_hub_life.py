"""The hub of an installed VM through configuration, use, a stop and HTTPS."""

import asyncio
import json
import secrets
import zipfile
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from tests.contract.vm.hub_client import Person
from tests.contract.vm.lab import ADMIN, FQDN, PASSWORD, Lab, execute, living

pytestmark = pytest.mark.asyncio(loop_scope="package")

CONFIGURATION: dict[str, Any] = {
    "limits": {"memory": "2G", "cpu": None},
    "users": [ADMIN],
    "adminUser": ADMIN,
    "authType": "firstuse",
    "sharedFolder": True,
    "idleRule": {"minutes": 30},
    "apt": ["jq"],
    "pip": [],
    "services": [
        {"name": "hublet", "token": "lasting-token-0123456789", "scopes": ["list:users", "read:servers"]},
        {
            "name": "hublet-acceptance",
            "token": "acceptance-token-0123456789",
            "scopes": ["admin:users", "admin:servers", "delete:users"],
        },
    ],
    "https": None,
}


def names(contents: dict[str, Any]) -> list[str]:
    return [entry["name"] for entry in contents["content"]]


async def test_configure_twice_changes_nothing_the_second_time(lab: Lab) -> None:
    changed = (await lab.task("configure", secrets.token_hex(4), **CONFIGURATION))["changed"]
    assert {"limits.memory", "apt:jq", "services:hublet"} <= set(changed)
    assert "Package: jq" in lab.disk("/var/lib/dpkg/status").read_text()
    assert (await lab.task("configure", secrets.token_hex(4), **CONFIGURATION))["changed"] == []

    # An acceptance user made with the service's token logs in and leaves nothing behind.
    user = "acceptance-7f3a"
    hashed = bcrypt.hashpw(b"throw-away password", bcrypt.gensalt(4)).decode()
    await lab.task("accept-prepare", secrets.token_hex(4), user=user, passwordHash=hashed)
    async with Person(lab.web, user) as person:
        assert await person.log_in("throw-away password") == 302
        await person.start_server()
    home = lab.disk(f"/home/jupyter-{user}")
    assert home.is_dir()
    await lab.task("accept-clean", secrets.token_hex(4), user=user)
    assert not home.exists()
    assert user not in lab.disk("/etc/passwd").read_text()
    async with Person(lab.web, user) as person:
        assert await person.log_in("throw-away password") == 403


def wheel(folder: Path) -> Path:
    """A package of one module."""
    path = folder / "hubletprobe-1.0-py3-none-any.whl"
    info = "hubletprobe-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hubletprobe.py", "ANSWER = 42\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: hubletprobe\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


async def test_files_and_password_survive_a_deallocation(lab: Lab) -> None:
    nonce = secrets.token_hex(8)
    package = {**CONFIGURATION, "pip": [wheel(lab.folder).as_uri()]}
    assert (await lab.task("configure", secrets.token_hex(4), **package))["changed"][-1].startswith("pip:")
    async with Person(lab.web, ADMIN) as owner:
        assert await owner.log_in(PASSWORD) == 302
        await owner.start_server()
        code = f"import hubletprobe; print(hubletprobe.ANSWER); open('kept.txt', 'w').write('{nonce}')"
        said = await owner.compute(code)
        assert said == "42\n"
        before = await owner.api("GET", "status")
        assert (await lab.ssh("sudo", "tljh-config", "reload"))[0] == 0
        assert (await owner.api("GET", "status"))["started"] == before["started"]

    await lab.runtime.deallocate(lab.spec.vm_id)
    assert living(lab.folder) == []
    assert lab.runtime.endpoints(lab.spec.vm_id) == {}

    await lab.runtime.start(lab.spec.vm_id)
    assert (await lab.installed())["hubApi"]["status"] == 200
    async with Person(lab.web, ADMIN) as owner:
        assert await owner.log_in("my own password") == 403
        assert await owner.log_in(PASSWORD) == 302
        await owner.start_server()
        assert "kept.txt" in names(await owner.api("GET", "contents"))
        assert (await owner.api("GET", "contents/kept.txt"))["content"] == nonce


async def test_https_shows_a_certificate_for_the_vms_name(lab: Lab) -> None:
    authority = lab.folder / "ca.pem"
    authority.write_text(lab.authority.pem)
    address, port = lab.endpoint(443)

    async def visit(*trust: str) -> tuple[int, str, str]:
        resolve = ("--resolve", f"{FQDN}:{port}:{address}")
        return await execute(["curl", "-fsS", "--max-time", "5", *trust, *resolve, f"https://{FQDN}:{port}/hub/api"])

    lab.rules.closed.add(443)
    arguments = {"domain": FQDN, "email": "owner@example.org", "staging": False}
    assert (await lab.task("https", secrets.token_hex(4), **arguments))["changed"] is True
    lab.rules.closed.clear()
    code, _, err = await visit("--cacert", str(authority))
    assert code == 60, err  # port 443 was closed while the authority looked: the default certificate stays
    assert "Timeout during connect" in lab.disk("/var/log/journal/traefik.log").read_text()

    assert (await lab.ssh("sudo", "tljh-config", "reload", "proxy"))[0] == 0
    async with asyncio.timeout(20):
        while (await visit("--cacert", str(authority)))[0] != 0:
            await asyncio.sleep(0.2)
    assert json.loads((await visit("--cacert", str(authority)))[1]) == {"version": "5.5.4"}
    head = (await execute(["curl", "-sSI", "--max-time", "5", f"{lab.web}/hub/api"]))[1]
    assert head.startswith("HTTP/1.1 301 ")
    assert "Location: https://" in head

    assert (await lab.task("https", secrets.token_hex(4), **arguments))["changed"] is False
    assert (await lab.task("https", secrets.token_hex(4), domain=None))["changed"] is True
