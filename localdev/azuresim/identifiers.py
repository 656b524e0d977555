"""Identifiers the cloud makes up, drawn from the simulator's seeded generator."""

import random
import string
import uuid

_LETTERS = string.ascii_lowercase + string.digits


def new_guid(rng: random.Random) -> str:
    """A random UUID, lower case."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def new_hex(rng: random.Random, length: int = 32) -> str:
    """`length` random hexadecimal digits."""
    return f"{rng.getrandbits(length * 4):0{length}x}"


def new_suffix(rng: random.Random, length: int = 8) -> str:
    """`length` random lower-case letters and digits."""
    return "".join(rng.choice(_LETTERS) for _ in range(length))


def new_etag(rng: random.Random) -> str:
    """A weak ETag as Microsoft.Network writes it."""
    return f'W/"{new_guid(rng)}"'


def new_mac(rng: random.Random) -> str:
    """A MAC address as Microsoft.Network writes it."""
    return "00-0D-3A-" + "-".join(f"{rng.randrange(256):02X}" for _ in range(3))
