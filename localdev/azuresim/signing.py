"""Signed addresses of long-running operations.

Since about 2023 ARM appends ``t`` (ticks), ``c`` (a certificate), ``s`` (signature) and ``h`` (hash) to every operation
address, which makes it about 3.4 KB long (recorded 2025: Azure/azure-service-operator
``v2/internal/controllers/recordings/Test_Resources_ResourceGroup_CRUD.yaml``).  Clients must follow it byte for byte.
Ours has the same parts and lengths; certificate and signature come from a secret of this process and are no real X.509.
"""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

from localdev.azuresim.envelope import Request, gateway_error

_CERTIFICATE_BYTES = 1950
_SIGNATURE_BYTES = 256
_TICKS_TO_UNIX_EPOCH = 621_355_968_000_000_000


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _stretch(key: bytes, seed: bytes, length: int) -> bytes:
    return hashlib.shake_256(hmac.digest(key, seed, "sha256")).digest(length)


class UrlSigner:
    """Signs operation addresses and refuses those that come back changed."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._certificate = _base64url(_stretch(secret, b"certificate", _CERTIFICATE_BYTES))

    def sign(self, path: str, query: str, now: datetime) -> str:
        """``path?query`` with the four parameters behind it."""
        ticks = _TICKS_TO_UNIX_EPOCH + int((now - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 10_000_000)
        unsigned = f"{path}?{query}&t={ticks}&c={self._certificate}"
        return f"{unsigned}&s={self._signature(unsigned)}&h={self._hash(unsigned)}"

    def check(self, request: Request) -> None:
        """Accept exactly what :meth:`sign` made.

        Raises:
            ArmError: 400 when the address was shortened, re-ordered or re-encoded on its way.
        """
        unsigned, separator, rest = f"{request.path}?{request.query}".partition("&s=")
        signature, _, digest = rest.partition("&h=")
        genuine = (
            bool(separator)
            and hmac.compare_digest(signature, self._signature(unsigned))
            and hmac.compare_digest(digest, self._hash(unsigned))
        )
        if not genuine:
            raise gateway_error(
                400,
                "InvalidAsyncOperationUri",
                "The asynchronous operation uri is not the one that was issued: follow it unchanged.",
            )

    def _signature(self, unsigned: str) -> str:
        return _base64url(_stretch(self._secret, unsigned.encode(), _SIGNATURE_BYTES))

    def _hash(self, unsigned: str) -> str:
        return _base64url(hashlib.sha256(self._secret + unsigned.encode()).digest())
