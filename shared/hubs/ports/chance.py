"""Randomness and keys."""

from typing import Protocol

from shared.hubs.model import Hub
from shared.hubs.ports.storage import HubSecrets


class Entropy(Protocol):
    """Randomness. `hub_suffix`: 6 characters of lower-case base32; `secret`: URL-safe, at least 128 bits."""

    def hub_suffix(self) -> str: ...
    def secret(self, bits: int = 256) -> str: ...
    def jitter(self) -> float:
        """Uniform in [0, 1)."""
        ...


class KeyMaker(Protocol):
    """Makes key pairs and password hashes (in a worker, never before a 202)."""

    async def make(self, hub: Hub, entropy: Entropy) -> HubSecrets: ...
