"""Which names, tags and keys Azure accepts."""

import base64
import struct

import pytest

from localdev.azuresim import names
from localdev.azuresim.compute.ssh_keys import acceptable
from tests.support.azure_requests import ED25519


@pytest.mark.parametrize("name", ["hublet-a1", "a", "A.b_(c)-d", "x" * 90])
def test_group_name_is_accepted(name: str) -> None:
    assert names.GROUP_NAME.fullmatch(name)


@pytest.mark.parametrize("name", ["", "ends.", "with space", "x" * 91, "a/b", "a?b"])
def test_group_name_is_refused(name: str) -> None:
    assert not names.GROUP_NAME.fullmatch(name)


@pytest.mark.parametrize("name", ["demo-ab12cd-a1-vm", "v", "VM1", "x" * 64])
def test_vm_name_is_accepted(name: str) -> None:
    assert names.VM_NAME.fullmatch(name)


@pytest.mark.parametrize("name", ["", "a_b", "a b", "ends-", "ends.", "x" * 65, "a@b"])
def test_vm_name_is_refused(name: str) -> None:
    assert not names.VM_NAME.fullmatch(name)


@pytest.mark.parametrize("label", ["abc", "a-b", "demo-ab12cd", "x" * 63])
def test_dns_label_is_accepted(label: str) -> None:
    assert names.DNS_LABEL.fullmatch(label)


@pytest.mark.parametrize("label", ["ab", "1abc", "Abc", "abc-", "a_b", "x" * 64])
def test_dns_label_is_refused(label: str) -> None:
    assert not names.DNS_LABEL.fullmatch(label)


@pytest.mark.parametrize("name", ["azureuser", "jaydoe", "_x"])
def test_admin_name_is_accepted(name: str) -> None:
    assert names.admin_name_allowed(name)


@pytest.mark.parametrize("name", ["admin", "Root", "guest", "1", "", "a b", "video"])
def test_admin_name_is_refused(name: str) -> None:
    assert not names.admin_name_allowed(name)


def test_fifty_tags_are_the_most() -> None:
    assert names.problem_with_tags({f"t{n}": "v" for n in range(50)}) is None
    assert names.problem_with_tags({f"t{n}": "v" for n in range(51)}) is not None


@pytest.mark.parametrize("tags", [{"": "v"}, {"a/b": "v"}, {"a%": "v"}, {"x" * 513: "v"}, {"a": "v" * 257}])
def test_bad_tag_is_refused(tags: dict[str, str]) -> None:
    assert names.problem_with_tags(tags)


def ssh_key(kind: str, *fields: bytes) -> str:
    blob = b"".join(struct.pack(">I", len(field)) + field for field in (kind.encode(), *fields))
    return f"{kind} {base64.b64encode(blob).decode()} someone"


def rsa(bits: int) -> str:
    modulus = (1 << (bits - 1)) | 1
    return ssh_key("ssh-rsa", b"\x01\x00\x01", b"\x00" + modulus.to_bytes(bits // 8))


@pytest.mark.parametrize("key", [ED25519, rsa(2048), rsa(4096), ED25519.rpartition(" ")[0]])
def test_ssh_key_is_accepted(key: str) -> None:
    assert acceptable(key)


@pytest.mark.parametrize(
    "key",
    [
        "",
        None,
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        rsa(1024),
        ssh_key("ecdsa-sha2-nistp256", b"nistp256", b"\x04" * 65),
        ED25519.replace("ssh-ed25519", "ssh-rsa", 1),
        ED25519 + "\n" + ED25519,
        "-----BEGIN OPENSSH PRIVATE KEY-----",
    ],
)
def test_ssh_key_is_refused(key: object) -> None:
    assert not acceptable(key)
