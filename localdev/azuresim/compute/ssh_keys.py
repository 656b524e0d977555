"""Which SSH public keys Azure accepts for a Linux VM: RSA of at least 2048 bits, and Ed25519.

https://learn.microsoft.com/azure/virtual-machines/linux/mac-create-ssh-keys#supported-ssh-key-formats
"""

import base64
import binascii

_MIN_RSA_BITS = 2048


def acceptable(key: object) -> bool:
    """Whether the text is an OpenSSH public key of an accepted kind and length."""
    if not isinstance(key, str):
        return False
    parts = key.strip().split()
    if len(parts) < 2 or "\n" in key.strip():
        return False
    try:
        blob = base64.b64decode(parts[1], validate=True)
        fields = _fields(blob)
    except (binascii.Error, ValueError):
        return False
    if not fields or fields[0].decode("ascii", "replace") != parts[0]:
        return False
    match parts[0], fields[1:]:
        case "ssh-ed25519", [point]:
            return len(point) == 32
        case "ssh-rsa", [_, modulus]:
            return int.from_bytes(modulus).bit_length() >= _MIN_RSA_BITS
        case _:
            return False


def _fields(blob: bytes) -> list[bytes]:
    fields = []
    while blob:
        length = int.from_bytes(blob[:4])
        if len(blob) < 4 + length:
            raise ValueError("truncated")
        fields.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    return fields
