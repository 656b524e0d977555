"""customData: the parsed document is the intended object, whatever the names, and the same bytes every time."""

import base64
import gzip
import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.ssh.keys import generate_key_pair
from shared.onvm.bundle import agent_bytes
from shared.steps.cloud_init import (
    AGENT_PATH,
    CUSTOM_DATA_LIMIT,
    FORCED_COMMAND,
    CloudInit,
    CustomDataTooLarge,
    InstallPlan,
    build_custom_data,
    cloud_config,
    custom_data_sha256,
)
from tests.support.often import examples

HOST, INSTALLER = generate_key_pair("host"), generate_key_pair("hublet-installer")


def a_cloud_init(**changes: Any) -> CloudInit:
    plan = InstallPlan(
        admin_user="jaydoe",
        admin_password_hash="$2b$12$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
        tljh_version="2.0.0",
        bootstrap_url="https://example.org/bootstrap.py",
        bootstrap_sha256="0" * 64,
    )
    whole = CloudInit(
        agent=agent_bytes(),
        host_private_key=HOST.private,
        host_public_key=HOST.public,
        installer_public_key=INSTALLER.public,
        install=plan,
    )
    return replace(whole, **changes)


def parsed(data: bytes) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(data)
    return document


def files(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {file["path"]: file for file in document["write_files"]}


def test_document_is_one_cloud_config_and_parses_to_the_intended_object():
    data = build_custom_data(a_cloud_init())
    assert data.startswith(b"#cloud-config\n")
    assert parsed(data) == cloud_config(a_cloud_init())


def test_only_top_level_keys_that_cloud_init_knows():
    # cloud-init ignores an unknown key without a word, so a typo would be a VM that never installs
    assert parsed(build_custom_data(a_cloud_init())).keys() == {
        "ssh_deletekeys",
        "ssh_keys",
        "users",
        "write_files",
        "runcmd",
    }


def test_host_key_is_ours_and_ends_with_a_newline():
    keys = parsed(build_custom_data(a_cloud_init(host_private_key=HOST.private.rstrip("\n"))))["ssh_keys"]
    assert keys == {"ed25519_private": HOST.private, "ed25519_public": HOST.public}


def test_agent_arrives_byte_for_byte():
    file = files(parsed(build_custom_data(a_cloud_init())))[AGENT_PATH]
    assert gzip.decompress(base64.b64decode(file["content"])) == agent_bytes()
    assert (file["owner"], file["permissions"], file["encoding"]) == ("root:root", "0755", "gz+b64")


def test_install_json_is_what_the_agent_reads_and_root_only():
    file = files(parsed(build_custom_data(a_cloud_init())))["/etc/hublet/install.json"]
    assert file["permissions"] == "0600"
    assert json.loads(file["content"]) == {
        "v": 1,
        "adminUser": "jaydoe",
        "adminPasswordHash": "$2b$12$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
        "tljhVersion": "2.0.0",
        "bootstrapUrl": "https://example.org/bootstrap.py",
        "bootstrapSha256": "0" * 64,
        "requirementsUrl": None,
        "plugins": [],
        "timeoutSeconds": 1500,
    }


def test_commands_are_lists():
    assert parsed(build_custom_data(a_cloud_init()))["runcmd"] == [[AGENT_PATH, "install"]]


def test_our_account_has_no_password_and_may_run_the_agent_only():
    default, ours = parsed(build_custom_data(a_cloud_init()))["users"]
    assert default == "default"
    assert ours["lock_passwd"] is True
    assert ours["sudo"] == f"ALL=(root) NOPASSWD: {AGENT_PATH}"
    (key,) = ours["ssh_authorized_keys"]
    assert key == (
        'restrict,command="sudo -n /usr/local/lib/hublet/agent ssh \\"$SSH_ORIGINAL_COMMAND\\"" ' + INSTALLER.public
    )


def test_forced_command_quotes_what_the_caller_sends():
    assert FORCED_COMMAND.endswith(' "$SSH_ORIGINAL_COMMAND"')


nasty = st.text(max_size=60) | st.sampled_from(
    ["$(id)", "`id`", "a\nruncmd: [x]", "'; rm -rf /; '", "{{ v }}", "#cloud-config", "!!python/object:x", "*a", "&a b",
     "yes", "1e3", "null", "- x", "a: b", "\u2028", "\x85", "\ud7ff", "🙂", "\t", "\\", '"', "%YAML"]
)  # fmt: skip


@given(admin=nasty, url=nasty, plugins=st.lists(nasty, max_size=4), comment=nasty)
@settings(max_examples=examples(150))
def test_no_name_can_change_the_document(admin: str, url: str, plugins: list[str], comment: str):
    wanted = a_cloud_init(agent=b"x", host_public_key=f"ssh-ed25519 AAAA {comment}")
    plan = replace(wanted.install, admin_user=admin, requirements_url=url, plugins=tuple(plugins))
    wanted = replace(wanted, install=plan)
    data = build_custom_data(wanted)
    document = parsed(data)
    assert document == cloud_config(wanted)
    assert document["runcmd"] == [[AGENT_PATH, "install"]]
    order = json.loads(files(document)["/etc/hublet/install.json"]["content"])
    assert (order["adminUser"], order["requirementsUrl"], order["plugins"]) == (admin, url, plugins)
    assert data == build_custom_data(wanted)
    assert data.isascii()


def test_same_input_gives_the_same_bytes_and_digest():
    one, other = build_custom_data(a_cloud_init()), build_custom_data(a_cloud_init())
    assert one == other
    assert custom_data_sha256(one) == hashlib.sha256(one).hexdigest()


def test_everything_together_stays_below_40_kib():
    assert len(build_custom_data(a_cloud_init())) < 40 * 1024


def test_what_does_not_fit_is_refused():
    plan = replace(a_cloud_init().install, plugins=tuple("x" * 90 for _ in range(700)))
    with pytest.raises(CustomDataTooLarge, match=str(CUSTOM_DATA_LIMIT)):
        build_custom_data(a_cloud_init(install=plan))


def test_secrets_are_hidden_in_representations():
    shown = repr(a_cloud_init())
    assert "PRIVATE KEY" not in shown
    assert "$2b$" not in shown
