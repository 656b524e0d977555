"""authorized_keys lines mean what sshd(8) says."""

import asyncssh
import pytest

from localdev.azuresim.vm import authorized_keys

KEY = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()


def options(line: str) -> dict[str, object]:
    keys = authorized_keys.load(line)
    assert keys is not None
    found = keys.validate(asyncssh.import_public_key(KEY), "h", "127.0.0.1")
    assert found is not None
    return dict(found)


def test_a_bare_key_has_no_limits() -> None:
    assert options(KEY) == {}


def test_restrict_takes_everything_and_gives_back_what_is_named() -> None:
    everything = {f"no-{name}" for name in authorized_keys.RESTRICTED}
    assert set(options(f"restrict {KEY}")) == everything
    assert set(options(f"restrict,port-forwarding,pty {KEY}")) == everything - {"no-port-forwarding", "no-pty"}


def test_a_forced_command_keeps_its_quotes() -> None:
    found = options(f'restrict,command="sudo -n /a ssh \\"$SSH_ORIGINAL_COMMAND\\"" {KEY} comment here')
    assert found[authorized_keys.FORCED] == ['sudo -n /a ssh "$SSH_ORIGINAL_COMMAND"']


def test_permitopen_is_kept() -> None:
    found = options(f'restrict,port-forwarding,permitopen="127.0.0.1:15001",command="/bin/false" {KEY}')
    assert found["permitopen"] == {("127.0.0.1", 15001)}


@pytest.mark.parametrize(
    "line", ["# comment", "nonsense", f"unknown-option {KEY}", f'command="x {KEY}', "ssh-ed25519 AAAA"]
)
def test_unusable_lines_are_ignored(line: str) -> None:
    assert authorized_keys.load(line) is None
    assert authorized_keys.load(f"{line}\n{KEY}\n") is not None
