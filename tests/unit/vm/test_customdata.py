"""customData is understood as cloud-init understood it on a real boot."""

import base64
import gzip

import pytest

from localdev.azuresim.vm import customdata
from localdev.azuresim.vm.customdata import File, ModuleFailed, User, Warned


def config(text: str) -> dict[str, object]:
    return customdata.read(f"#cloud-config\n{text}".encode()).config


def test_a_cloud_config_is_read() -> None:
    assert config("runcmd: [[a, b]]") == {"runcmd": [["a", "b"]]}


@pytest.mark.parametrize("lead", ["\n\n", "  ", "\r\n"])
def test_leading_blanks_and_windows_line_ends_do_not_matter(lead: str) -> None:
    assert customdata.read(f"{lead}#cloud-config\r\na: 1\r\nb: 2\r\n".encode()).config == {"a": 1, "b": 2}


def test_gzip_is_unpacked() -> None:
    assert customdata.read(gzip.compress(b"#cloud-config\na: 1")).config == {"a": 1}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"#cloud-config\na: [1\n", "Failed loading yaml blob"),
        (b"#cloud-config\n\ta: 1\n", "Failed loading yaml blob"),
        (b"#cloud-config\n- a\n", "but got list instead"),
        (b"#cloud-config\n", "empty cloud config"),
        (b"runcmd: [a]\n", "Unhandled non-multipart"),
        (base64.b64encode(b"#cloud-config\na: 1"), "Unhandled non-multipart"),
        (b"\x1f\x8bgarbage", "Failed to gunzip"),
    ],
)
def test_what_cannot_be_understood_is_an_empty_configuration_and_a_warning(data: bytes, words: str) -> None:
    read = customdata.read(data)
    assert read.config == {}
    assert words in "\n".join(read.warnings)


def test_nothing_is_nothing() -> None:
    assert customdata.read(b"") == customdata.UserData()


def test_files_are_decoded_in_all_spellings() -> None:
    packed = base64.b64encode(gzip.compress(b"x")).decode()
    plain = base64.b64encode(b"x").decode()
    for encoding, content in (("gz+b64", packed), ("gzip+base64", packed), ("b64", plain), ("base64", plain)):
        entry = {"path": "/f", "encoding": encoding, "content": content, "permissions": "0600"}
        assert list(customdata.files({"write_files": [entry]}, deferred=False)) == [
            File("/f", b"x", 0o600, "root:root", append=False)
        ]


def test_permissions_are_octal_text_or_a_number() -> None:
    given = config("write_files: [{path: /a, permissions: '0755'}, {path: /b, permissions: 0750}, {path: /c}]")
    entries = [entry for entry in customdata.files(given, deferred=False) if isinstance(entry, File)]
    assert [entry.mode for entry in entries] == [0o755, 0o750, 0o644]


def test_a_file_without_a_path_is_skipped_with_a_warning() -> None:
    first, second = customdata.files({"write_files": [{"content": "x"}, {"path": "/y"}]}, deferred=False)
    assert isinstance(first, Warned)
    assert isinstance(second, File)


def test_an_undecodable_file_stops_the_module_there() -> None:
    entries = customdata.files(
        {"write_files": [{"path": "/a"}, {"path": "/b", "encoding": "b64", "content": "x"}]}, deferred=False
    )
    assert isinstance(next(entries), File)
    with pytest.raises(ModuleFailed):
        next(entries)


def test_deferred_files_come_later() -> None:
    given = {"write_files": [{"path": "/now"}, {"path": "/late", "defer": True}]}
    assert [entry.path for entry in customdata.files(given, deferred=True) if isinstance(entry, File)] == ["/late"]


def test_the_default_user_is_made_only_when_it_is_named_or_nothing_is() -> None:
    assert list(customdata.users({})) == ["default"]
    assert list(customdata.users({"users": [{"name": "ann", "sudo": "ALL", "ssh_authorized_keys": ["k"]}]})) == [
        User("ann", sudo=("ALL",), keys=("k",))
    ]
    assert isinstance(next(iter(customdata.users({"users": 7}))), Warned)


@pytest.mark.parametrize("entry", [False, {"echo status": "done"}, 7, None])
def test_one_wrong_command_and_none_runs(entry: object) -> None:
    with pytest.raises(ModuleFailed, match="Failed to shellify"):
        customdata.commands({"runcmd": [["a"], entry]})


def test_host_keys_are_generated_only_when_none_is_given() -> None:
    assert customdata.generates_host_keys({})
    assert not customdata.generates_host_keys({"ssh_genkeytypes": []})
    given = {"ssh_keys": {"ed25519_private": "p", "ed25519_public": "q", "nonsense": "r"}}
    assert not customdata.generates_host_keys(given)
    assert customdata.host_keys(given) == {"ssh_host_ed25519_key": "p", "ssh_host_ed25519_key.pub": "q"}
