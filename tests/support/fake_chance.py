"""Randomness and keys that repeat: the same seed gives the same run."""

import base64
import hashlib
import random
from dataclasses import dataclass, replace
from functools import cache

from shared.hubs.model import Hub
from shared.hubs.ports import Entropy, HubSecrets

BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
ADMIN_PASSWORD = "kunstvoll-Abend-57"
ACCEPTANCE_PASSWORD = "probe-Lauf-2348"


class FakeEntropy:
    """An `Entropy` from a seed."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)

    def hub_suffix(self) -> str:
        return "".join(self._random.choice(BASE32) for _ in range(6))

    def secret(self, bits: int = 256) -> str:
        return base64.urlsafe_b64encode(self._random.randbytes((bits + 7) // 8)).decode().rstrip("=")

    def jitter(self) -> float:
        return self._random.random()


@dataclass(frozen=True)
class KeyPair:
    private: str
    public: str


@cache
def ed25519_pair(label: str) -> KeyPair:
    """A working key pair that depends on the label only: for tests, anybody can compute it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(label.encode()).digest())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return KeyPair(private.decode(), public.decode())


@cache
def quick_hash(password: str) -> str:
    """A real bcrypt hash of the cheapest cost, the same every time."""
    import bcrypt

    return bcrypt.hashpw(password.encode(), b"$2b$04$abcdefghijklmnopqrstuu").decode()


class FakeKeyMaker:
    """A `KeyMaker` whose keys work and are the same for every hub. `made` lists the hub ids it was asked for."""

    def __init__(self) -> None:
        self.made: list[str] = []

    async def make(self, hub: Hub, entropy: Entropy) -> HubSecrets:
        self.made.append(hub.id)
        host, installer, tunnel, owner = (ed25519_pair(label) for label in ("host", "installer", "tunnel", "owner"))
        secrets = HubSecrets(
            host_private_key=host.private,
            host_public_key=host.public,
            installer_private_key=installer.private,
            installer_public_key=installer.public,
            tunnel_private_key=tunnel.private,
            tunnel_public_key=tunnel.public,
            owner_private_key=owner.private,
            owner_public_key=owner.public,
            admin_password=ADMIN_PASSWORD,
            admin_password_hash=quick_hash(ADMIN_PASSWORD),
            hub_token=entropy.secret(),
            acceptance_token=entropy.secret(),
            acceptance_user=f"hublet-check-{entropy.hub_suffix()}",
            acceptance_password=ACCEPTANCE_PASSWORD,
            acceptance_password_hash=quick_hash(ACCEPTANCE_PASSWORD),
        )
        if hub.spec.ssh_public_key is None:
            return secrets
        return replace(secrets, owner_private_key=None, owner_public_key=hub.spec.ssh_public_key)
