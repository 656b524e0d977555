"""Randomness of the operating system."""

import secrets

_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
"""RFC 4648 base32 in lower case: fit for DNS labels and resource names, without 0/o and 1/l mistakes in digits."""

_SUFFIX_LENGTH = 6


class SystemEntropy:
    """`Entropy` from the module `secrets`."""

    def hub_suffix(self) -> str:
        """6 characters, 30 bits."""
        return "".join(secrets.choice(_BASE32) for _ in range(_SUFFIX_LENGTH))

    def secret(self, bits: int = 256) -> str:
        """URL-safe base64 of at least `bits` random bits, never fewer than 128."""
        return secrets.token_urlsafe((max(bits, 128) + 7) // 8)

    def jitter(self) -> float:
        return secrets.randbelow(1 << 53) / (1 << 53)
