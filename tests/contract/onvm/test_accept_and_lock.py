"""The acceptance user's life, and closing the door."""

import stat

import pytest

from tests.contract.onvm.machine import ACCEPTANCE_TOKEN, HASH, TOKEN, Machine

TUNNEL = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "C" * 43 + " hublet-tunnel"
NEW_PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "B" * 43


@pytest.fixture
def configured(machine: Machine) -> Machine:
    """As `configure` leaves a VM, in what matters here."""
    machine.write("/opt/tljh/config/config.yaml", "{}")
    for service, token in (("hublet", TOKEN), ("hublet-acceptance", ACCEPTANCE_TOKEN)):
        machine.write(f"/opt/tljh/state/{service}.token", token)
        machine.write(f"/opt/tljh/config/jupyterhub_config.d/50-{service}.py", "")
    return machine


def test_accept_prepare_sets_the_password_and_makes_the_user(configured: Machine) -> None:
    assert configured.task("accept-prepare", user="check", passwordHash=HASH)["result"] == {}
    assert configured.password("check") == HASH
    assert configured.hub.users == {"check"}


def test_accept_prepare_twice_is_fine(configured: Machine) -> None:
    configured.task("accept-prepare", "1", user="check", passwordHash=HASH)
    assert configured.task("accept-prepare", "2", user="check", passwordHash=HASH)["state"] == "succeeded"


def test_accept_prepare_without_a_password_leaves_the_password_file_alone(configured: Machine) -> None:
    configured.task("accept-prepare", user="check", passwordHash=None)
    assert list(configured.path("/opt/tljh/state").glob("passwords*")) == []
    assert configured.hub.users == {"check"}


def test_accept_prepare_needs_the_acceptance_token(machine: Machine) -> None:
    assert machine.task("accept-prepare", user="check", passwordHash=HASH)["error"]["code"] == "NoAcceptanceToken"


def test_a_token_the_hub_does_not_know_is_reported(configured: Machine) -> None:
    configured.hub.tokens.clear()
    error = configured.task("accept-prepare", user="check", passwordHash=HASH)["error"]
    assert error["code"] == "HubRefused"
    assert "Missing or invalid credentials" in error["message"]


@pytest.mark.parametrize("user", ["Check", "../x", "a/b", "a b", "", "-x", "x" * 65])
def test_accept_refuses_odd_names(configured: Machine, user: str) -> None:
    for task in ("accept-prepare", "accept-clean"):
        assert configured.task(task, user=user, passwordHash=HASH)["error"]["code"] == "BadInput"
    assert configured.calls("userdel") == []


def test_accept_clean_leaves_nothing_of_the_user(configured: Machine) -> None:
    configured.task("accept-prepare", "admin", user="jaydoe", passwordHash=HASH)
    configured.task("accept-prepare", user="check", passwordHash=HASH)
    configured.hub.servers.add("check")
    configured.write("/home/jupyter-check/notebook.ipynb", "{}")
    assert configured.task("accept-clean", user="check")["result"] == {}
    assert (configured.hub.users, configured.hub.servers) == ({"jaydoe"}, set())
    assert configured.password("check") == ""
    assert configured.calls("userdel") == [["--remove", "jupyter-check"]]
    assert not configured.path("/home/jupyter-check").exists()
    assert configured.password("jaydoe") == HASH


def test_accept_clean_twice_is_fine(configured: Machine) -> None:
    for key in ("1", "2"):
        assert configured.task("accept-clean", key, user="check")["state"] == "succeeded"


def test_long_names_get_tljhs_shortened_account(configured: Machine) -> None:
    configured.task("accept-clean", user="check-abcdefghijklmnopqrstuvwxyz")
    # first 26 characters and 5 hex digits of the SHA-256 of the whole (tljh/normalize.py)
    assert configured.calls("pkill")[0][-1] == "jupyter-check-abcdefghijkl-dd2ae"


def test_lock_prepare_gives_the_same_key_until_it_is_committed(configured: Machine) -> None:
    answers = [configured.task("lock-prepare", key)["result"] for key in ("1", "2")]
    assert answers == [{"hostPublicKey": NEW_PUBLIC}] * 2
    assert len(configured.calls("ssh-keygen")) == 1
    assert configured.read("/etc/ssh/ssh_host_ed25519_key") == "boot-time private key"


def test_lock_prepare_makes_a_half_made_pair_again(configured: Machine) -> None:
    configured.write("/var/lib/hublet/next_host_key.pub", NEW_PUBLIC + " of a private key that is not there")
    configured.task("lock-prepare")
    assert configured.read("/var/lib/hublet/next_host_key") == "new private key"


def test_lock_commit_needs_a_prepared_key_and_changes_nothing_else(configured: Machine) -> None:
    assert configured.task("lock-commit", tunnelPublicKey=None)["error"]["code"] == "NotPrepared"
    assert "installer" in configured.read("/home/hublet/.ssh/authorized_keys")
    assert ["restart", "ssh"] not in configured.calls("systemctl")


def locked_machine(machine: Machine, tunnel: str | None = None) -> Machine:
    secrets = f"user data with {HASH} and boot-time private key"
    for path in (
        "/var/lib/cloud/instances/i-1/user-data.txt",
        "/var/lib/cloud/instances/i-1/user-data.txt.i",
        "/var/lib/cloud/instances/i-1/cloud-config.txt",
        "/var/lib/cloud/instances/i-1/obj.pkl",
        "/run/cloud-init/instance-data-sensitive.json",
        "/run/cloud-init/combined-cloud-config.json",
        "/var/lib/waagent/CustomData",
    ):
        machine.write(path, secrets)
    machine.path("/var/lib/cloud/instance").symlink_to(machine.path("/var/lib/cloud/instances/i-1"))
    machine.write("/var/lib/cloud/instances/i-1/vendor-data.txt", "")
    machine.write("/var/lib/waagent/ovf-env.xml", f"<x><ns1:CustomData>{secrets}</ns1:CustomData><User>a</User></x>")
    machine.task("lock-prepare")
    assert machine.task("lock-commit", tunnelPublicKey=tunnel) == {"state": "succeeded", "result": {}, "error": None}
    return machine


def test_lock_commit_leaves_no_secret_of_ours_on_the_disk(configured: Machine) -> None:
    machine = locked_machine(configured)
    for name, content in machine.files().items():
        assert b"boot-time private key" not in content, name
        assert ACCEPTANCE_TOKEN.encode() not in content, name
        if "passwords.dbm" not in name:  # the hub needs it there
            assert HASH.encode() not in content, name
    assert machine.read("/var/lib/waagent/ovf-env.xml") == "<x><ns1:CustomData></ns1:CustomData><User>a</User></x>"
    assert machine.path("/var/lib/cloud/instances/i-1/vendor-data.txt").exists()


def test_lock_commit_installs_the_prepared_host_key_and_restarts_ssh(configured: Machine) -> None:
    machine = locked_machine(configured)
    key = machine.path("/etc/ssh/ssh_host_ed25519_key")
    assert key.read_text() == "new private key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert machine.read("/etc/ssh/ssh_host_ed25519_key.pub").startswith(NEW_PUBLIC)
    assert machine.calls("systemctl")[-1] == ["restart", "ssh"]
    assert sorted(p.name for p in machine.path("/etc/ssh").iterdir()) == [key.name, key.name + ".pub"]
    assert not machine.path("/var/lib/hublet/next_host_key").exists()


def test_lock_commit_removes_the_acceptance_service_and_keeps_the_lasting_one(configured: Machine) -> None:
    machine = locked_machine(configured)
    assert machine.read("/opt/tljh/state/hublet.token").strip() == TOKEN
    assert not machine.path("/opt/tljh/config/jupyterhub_config.d/50-hublet-acceptance.py").exists()
    assert machine.calls("tljh-config")[-1] == ["reload", "hub"]


def test_lock_commit_shuts_our_own_key_out(configured: Machine) -> None:
    assert locked_machine(configured).read("/home/hublet/.ssh/authorized_keys") == ""


def test_lock_commit_can_leave_one_key_that_only_forwards(configured: Machine) -> None:
    keys = locked_machine(configured, TUNNEL).path("/home/hublet/.ssh/authorized_keys")
    options = 'restrict,port-forwarding,permitopen="127.0.0.1:15001",command="/bin/false"'
    assert keys.read_text() == f"{options} {TUNNEL}\n"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600


def test_lock_commit_again_changes_nothing(configured: Machine) -> None:
    machine = locked_machine(configured)
    before = {name: content for name, content in machine.files().items() if "hublet/tasks" not in name}
    assert machine.task("lock-commit", "again", tunnelPublicKey=None)["state"] == "succeeded"
    assert {name: content for name, content in machine.files().items() if "hublet/tasks" not in name} == before


@pytest.mark.parametrize("tunnel", ["", "ssh-rsa AAAA", TUNNEL + "\nssh-ed25519 AAAA", 'x" ' + TUNNEL, 7])
def test_lock_commit_refuses_a_key_that_is_none(configured: Machine, tunnel: object) -> None:
    configured.task("lock-prepare")
    assert configured.task("lock-commit", tunnelPublicKey=tunnel)["error"]["code"] == "BadInput"
    assert "installer" in configured.read("/home/hublet/.ssh/authorized_keys")
    assert configured.read("/etc/ssh/ssh_host_ed25519_key") == "boot-time private key"


def test_a_hub_that_does_not_reload_keeps_the_door_open(configured: Machine) -> None:
    configured.task("lock-prepare")
    configured.hub.up = False
    configured.write("/etc/hublet/install.json", '{"reloadSeconds": 1}')
    assert configured.task("lock-commit", "1", tunnelPublicKey=None)["error"]["code"] == "HubDidNotReload"
    assert "installer" in configured.read("/home/hublet/.ssh/authorized_keys")
    configured.hub.up = True
    assert configured.task("lock-commit", "2", tunnelPublicKey=None)["state"] == "succeeded"


def test_an_ssh_server_that_does_not_restart_keeps_the_door_open(configured: Machine) -> None:
    configured.task("lock-prepare")
    configured.stub("systemctl", "sys.exit(1 if 'ssh' in sys.argv else 0)")
    assert configured.task("lock-commit", tunnelPublicKey=None)["error"]["code"] == "SshRestartFailed"
    assert "installer" in configured.read("/home/hublet/.ssh/authorized_keys")
