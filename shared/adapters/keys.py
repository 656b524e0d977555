"""Keys, passwords and tokens of a new hub. Made in a worker, never on the way to a 202."""

import asyncio
import hashlib

from shared.adapters.ssh.keys import KeyPair, generate_key_pair
from shared.hubs.model import Hub
from shared.hubs.ports import Entropy, HubSecrets

PASSWORD_ALPHABET = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # noqa: S105  an alphabet
"""Letters and digits without those that look alike (l 1 I, o O 0); no ':', because TLJH's `--admin name:password` and
many a password file end a field there."""

PASSWORD_LENGTH = 24
"""139 bits; far below the 72 bytes that bcrypt takes (https://pypi.org/project/bcrypt/)."""

BCRYPT_ROUNDS = 12
"""2^12 rounds, the library's default: about a quarter of a second."""

ACCEPTANCE_PREFIX = "hublet-check-"


class OpenSshKeyMaker:
    """`KeyMaker` with ed25519 pairs in OpenSSH's format and bcrypt hashes. Each call makes other ones."""

    def __init__(self, *, bcrypt_rounds: int = BCRYPT_ROUNDS) -> None:
        self._rounds = bcrypt_rounds

    async def make(self, hub: Hub, entropy: Entropy) -> HubSecrets:
        """Half a second of computing, in threads. An owner who sent a public key gets no pair from us."""
        admin_password, acceptance_password = password(entropy), password(entropy)
        pairs, admin_hash, acceptance_hash = await asyncio.gather(
            asyncio.to_thread(_pairs, hub),
            asyncio.to_thread(_hash, admin_password, self._rounds),
            asyncio.to_thread(_hash, acceptance_password, self._rounds),
        )
        owner = pairs.get("owner")
        return HubSecrets(
            host_private_key=pairs["host"].private,
            host_public_key=pairs["host"].public,
            installer_private_key=pairs["installer"].private,
            installer_public_key=pairs["installer"].public,
            tunnel_private_key=pairs["tunnel"].private,
            tunnel_public_key=pairs["tunnel"].public,
            owner_private_key=owner.private if owner else None,
            owner_public_key=owner.public if owner else hub.spec.ssh_public_key or "",
            admin_password=admin_password,
            admin_password_hash=admin_hash,
            hub_token=entropy.secret(256),
            acceptance_token=entropy.secret(256),
            acceptance_user=f"{ACCEPTANCE_PREFIX}{entropy.hub_suffix()}",
            acceptance_password=acceptance_password,
            acceptance_password_hash=acceptance_hash,
        )


def password(entropy: Entropy) -> str:
    """PASSWORD_LENGTH characters of PASSWORD_ALPHABET.

    512 random bits, hashed to one number and written in base 56: the bias is below 2^-370.
    """
    number = int.from_bytes(hashlib.sha512(entropy.secret(512).encode()).digest())
    characters = []
    for _ in range(PASSWORD_LENGTH):
        number, index = divmod(number, len(PASSWORD_ALPHABET))
        characters.append(PASSWORD_ALPHABET[index])
    return "".join(characters)


def _pairs(hub: Hub) -> dict[str, KeyPair]:
    names = ["host", "installer", "tunnel"]
    if hub.spec.ssh_public_key is None:
        names.append("owner")
    return {name: generate_key_pair(f"hublet-{name}@{hub.id}") for name in names}


def _hash(text: str, rounds: int) -> str:
    import bcrypt

    return bcrypt.hashpw(text.encode("ascii"), bcrypt.gensalt(rounds, prefix=b"2b")).decode("ascii")
