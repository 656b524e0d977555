"""Keys, passwords and tokens of a new hub."""

import re

import bcrypt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

from shared.adapters.entropy import SystemEntropy
from shared.adapters.keys import PASSWORD_ALPHABET, OpenSshKeyMaker, password
from shared.hubs.ports import HubSecrets
from tests.support.builders import a_hub, a_spec
from tests.support.fake_chance import FakeEntropy

UPLOADED = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHlvdXJzIGlzIHRoaXMgb25lIG5vdCBvdXJzIQ== jay@laptop"


@pytest.fixture
async def made() -> HubSecrets:
    return await OpenSshKeyMaker(bcrypt_rounds=4).make(a_hub(), FakeEntropy())


@pytest.mark.parametrize("name", ["host", "installer", "tunnel", "owner"])
def test_private_and_public_keys_belong_together(made: HubSecrets, name: str):
    private = load_ssh_private_key(getattr(made, f"{name}_private_key").encode(), None)
    public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    assert getattr(made, f"{name}_public_key").split()[:2] == public.split()
    assert public.startswith("ssh-ed25519 ")


def test_every_pair_is_another_one(made: HubSecrets):
    publics = {made.host_public_key, made.installer_public_key, made.tunnel_public_key, made.owner_public_key}
    assert len({public.split()[1] for public in publics}) == 4


async def test_an_owner_with_a_key_of_their_own_gets_none_from_us():
    hub = a_hub(spec=a_spec(ssh_public_key=UPLOADED))
    made = await OpenSshKeyMaker(bcrypt_rounds=4).make(hub, FakeEntropy())
    assert made.owner_private_key is None
    assert made.owner_public_key == UPLOADED


def test_the_hashes_are_of_the_passwords(made: HubSecrets):
    assert made.admin_password is not None
    assert made.admin_password_hash.startswith("$2b$")
    assert bcrypt.checkpw(made.admin_password.encode(), made.admin_password_hash.encode())
    assert bcrypt.checkpw(made.acceptance_password.encode(), made.acceptance_password_hash.encode())
    assert made.admin_password != made.acceptance_password


def test_the_acceptance_user_is_ours_and_tokens_differ(made: HubSecrets):
    assert re.fullmatch(r"hublet-check-[a-z2-7]{6}", made.acceptance_user)
    assert made.hub_token != made.acceptance_token
    assert len(made.hub_token) >= 43


async def test_two_hubs_share_nothing():
    maker = OpenSshKeyMaker(bcrypt_rounds=4)
    one, other = await maker.make(a_hub(), SystemEntropy()), await maker.make(a_hub(), SystemEntropy())
    for name in HubSecrets.__dataclass_fields__:
        if name not in ("handed_out", "handed_to", "etag", "carried"):
            assert getattr(one, name) != getattr(other, name), name


def test_a_password_is_long_and_cannot_be_misread():
    seen = {password(SystemEntropy()) for _ in range(200)}
    assert len(seen) == 200
    assert all(len(text) >= 20 for text in seen)
    assert set("".join(seen)) == set(PASSWORD_ALPHABET)
    assert not set("lIoO01:") & set(PASSWORD_ALPHABET)


def test_secrets_do_not_show_in_a_representation(made: HubSecrets):
    shown = repr(made)
    for value in (made.admin_password, made.hub_token, made.acceptance_token, made.acceptance_password):
        assert value is not None
        assert value not in shown
    assert "PRIVATE KEY" not in shown
    assert "$2b$" not in shown


def test_system_entropy_keeps_its_promises():
    entropy = SystemEntropy()
    assert all(re.fullmatch("[a-z2-7]{6}", entropy.hub_suffix()) for _ in range(50))
    assert len(entropy.secret(8)) >= 22
    assert re.fullmatch("[A-Za-z0-9_-]{43}", entropy.secret(256))
    assert all(0 <= entropy.jitter() < 1 for _ in range(100))
