"""SSH public keys as people paste them: parsed and judged with the standard library only, before anything is spent.

Formats: RFC 4253 section 6.6 (ssh-rsa), RFC 8709 (ssh-ed25519), one line as in sshd(8) AUTHORIZED_KEYS FILE FORMAT.
Azure takes RSA of at least 2048 bits and ed25519 for Linux VMs, no ECDSA and no hardware-backed `sk-` types
(https://learn.microsoft.com/azure/virtual-machines/linux/mac-create-ssh-keys).
"""

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass

MAX_LENGTH = 16 * 1024
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 16384


class InvalidPublicKey(ValueError):
    """Not a key we can use. `code` is stable, `message` is a public sentence; neither quotes what was sent."""

    code = "InvalidSshPublicKey"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class PrivateKeySent(InvalidPublicKey):
    """Somebody pasted the secret half. It must not be stored or logged, and its owner should replace it."""

    code = "PrivateKeySent"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """`line` is the key as one authorized_keys line; `fingerprint` as `ssh-keygen -l` prints it."""

    type: str
    bits: int
    comment: str
    fingerprint: str
    line: str


def parse_public_key(text: str) -> PublicKey:
    """Reads one public key. Raises PrivateKeySent or InvalidPublicKey; never anything else, whatever the text."""
    if "PRIVATE KEY" in text or text.lstrip().startswith(("PuTTY-User-Key-File", "-----BEGIN RSA", "-----BEGIN DSA")):
        raise PrivateKeySent(
            "This is a private key. Send the public half (the file that ends in .pub), and replace this key: "
            "it has left your computer."
        )
    if len(text) > MAX_LENGTH:
        raise InvalidPublicKey(f"An SSH public key is shorter than {MAX_LENGTH} characters.")
    line = text.strip()
    if not line:
        raise InvalidPublicKey("The SSH public key is empty.")
    if len(line.splitlines()) > 1:
        raise InvalidPublicKey("Send one SSH public key, on one line.")
    if not line.isprintable():
        raise InvalidPublicKey("The SSH public key contains control characters.")
    kind, _, rest = line.partition(" ")
    encoded, _, comment = rest.strip().partition(" ")
    _check_type(kind)
    blob = _decode(encoded)
    fields = _fields(blob)
    if not fields or fields[0] != kind.encode("ascii"):
        raise InvalidPublicKey(f"The SSH public key says {kind}, but its content is something else.")
    bits = _ed25519_bits(fields) if kind == "ssh-ed25519" else _rsa_bits(fields)
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")
    comment = comment.strip()
    return PublicKey(kind, bits, comment, f"SHA256:{digest}", f"{kind} {encoded} {comment}".rstrip())


def _check_type(kind: str) -> None:
    if kind in ("ssh-ed25519", "ssh-rsa"):
        return
    if kind == "ssh-dss":
        raise InvalidPublicKey("DSA keys are no longer secure. Use ssh-ed25519.")
    if kind.startswith(("ecdsa-", "sk-")):
        raise InvalidPublicKey("Azure takes ssh-ed25519 and ssh-rsa keys only, not ECDSA or hardware-backed ones.")
    if "=" in kind or "," in kind or kind in ("restrict", "no-pty", "cert-authority"):
        raise InvalidPublicKey("Send the key alone, without options in front of it.")
    raise InvalidPublicKey("This is not an SSH public key: it begins with ssh-ed25519 or ssh-rsa.")


def _decode(encoded: str) -> bytes:
    try:
        blob = base64.b64decode(encoded.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        raise InvalidPublicKey("The SSH public key is damaged: its middle part is not base64.") from None
    # Spare bits after the last character would make two texts of one key.
    if base64.b64encode(blob).decode("ascii") != encoded:
        raise InvalidPublicKey("The SSH public key is damaged: its middle part is not base64.")
    return blob


def _fields(blob: bytes) -> list[bytes]:
    """The length-prefixed strings of the blob (RFC 4251 section 5)."""
    fields: list[bytes] = []
    at = 0
    while at < len(blob):
        if at + 4 > len(blob):
            raise InvalidPublicKey("The SSH public key is cut off.")
        (length,) = struct.unpack_from(">I", blob, at)
        if at + 4 + length > len(blob):
            raise InvalidPublicKey("The SSH public key is cut off.")
        fields.append(blob[at + 4 : at + 4 + length])
        at += 4 + length
    return fields


def _ed25519_bits(fields: list[bytes]) -> int:
    if len(fields) != 2 or len(fields[1]) != 32:
        raise InvalidPublicKey("The ed25519 public key has the wrong length.")
    return 256


def _rsa_bits(fields: list[bytes]) -> int:
    if len(fields) != 3:
        raise InvalidPublicKey("The RSA public key is damaged.")
    exponent, modulus = (int.from_bytes(field, "big", signed=True) for field in fields[1:])
    if exponent < 3 or exponent % 2 == 0 or modulus <= 0:
        raise InvalidPublicKey("The RSA public key is damaged.")
    bits = modulus.bit_length()
    if bits < MIN_RSA_BITS:
        raise InvalidPublicKey(f"This RSA key has {bits} bits; at least {MIN_RSA_BITS} are needed. Use ssh-ed25519.")
    if bits > MAX_RSA_BITS:
        raise InvalidPublicKey(f"This RSA key has {bits} bits; at most {MAX_RSA_BITS} are taken.")
    return bits
