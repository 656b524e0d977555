"""Key pairs for a VM's host, our installer, the tunnel and owners without a key of their own.

Made in a worker, never on the way to a 202. `cryptography` is imported when a key is made, not before.
"""

from dataclasses import dataclass, field

from shared.hubs.sshkey import PublicKey, parse_public_key

__all__ = ["KeyPair", "PublicKey", "generate_key_pair", "known_hosts_line", "parse_public_key"]


@dataclass(frozen=True, slots=True)
class KeyPair:
    """`private` is an OpenSSH PEM without a passphrase, ending with a newline; `public` one line with the comment."""

    private: str = field(repr=False)
    public: str


def generate_key_pair(comment: str = "") -> KeyPair:
    """A new ed25519 pair from the operating system's randomness; each call makes another one."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode("ascii")
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")
    return KeyPair(private.rstrip("\n") + "\n", f"{public} {comment}".rstrip())


def known_hosts_line(host: str, port: int, public_key: str) -> str:
    """One line of a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT). Raises InvalidPublicKey."""
    key = parse_public_key(public_key)
    name = host if port == 22 else f"[{host}]:{port}"
    return f"{name} {' '.join(key.line.split()[:2])}"
