"""The managed identity endpoint, and what ARM makes of the tokens it gave out.

Protocol of App Service and Functions (``IDENTITY_ENDPOINT`` and ``IDENTITY_HEADER``):
https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference.  The older form
(``secret`` header, api-version 2017-09-01) is what the Azure CLI up to 2.7x sends.
"""

import base64
import hmac
import json
import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from localdev.azuresim.clock import Clock
from localdev.azuresim.envelope import ArmError, Request, Response, gateway_error
from localdev.azuresim.identifiers import new_guid

#: Managed identity tokens are good for 24 hours.
LIFETIME = timedelta(hours=24)

_VERSIONS = ("2017-09-01", "2019-08-01")


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass(frozen=True)
class Principal:
    """Who a token speaks for."""

    object_id: str
    audience: str
    expires: datetime


class ManagedIdentity:
    """Issues RS256 tokens and recognises its own.  They live by the wall's clock, as the SDKs that keep them do."""

    def __init__(self, clock: Clock, rng: random.Random, tenant_id: str, secret: str) -> None:
        self._clock = clock
        self._tenant = tenant_id
        self._secret = secret
        self._object_id = new_guid(rng)
        self._client_id = new_guid(rng)
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._issued: dict[str, Principal] = {}

    def issue(self, resource: str, lifetime: timedelta = LIFETIME) -> tuple[str, datetime]:
        """A token for `resource` and when it expires."""
        now = self._clock.wall()
        expires = now + lifetime
        claims = {
            "aud": resource,
            "iss": f"https://sts.windows.net/{self._tenant}/",
            "iat": int(now.timestamp()),
            "nbf": int(now.timestamp()),
            "exp": int(expires.timestamp()),
            "appid": self._client_id,
            "idtyp": "app",
            "oid": self._object_id,
            "sub": self._object_id,
            "tid": self._tenant,
            "ver": "1.0",
        }
        head = {"typ": "JWT", "alg": "RS256", "kid": "azuresim"}
        signed = ".".join(_part(json.dumps(piece, separators=(",", ":")).encode()) for piece in (head, claims))
        token = f"{signed}.{_part(self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"
        self._issued = {t: p for t, p in self._issued.items() if p.expires > now}
        self._issued[token] = Principal(self._object_id, resource, expires)
        return token, expires

    def answer(self, request: Request) -> Response:
        """``GET /msi/token``: 401 for a wrong secret, 400 for a bad question, else a token."""
        given = request.header("x-identity-header") or request.header("secret") or ""
        if not hmac.compare_digest(given.encode(), self._secret.encode()):
            return Response(401, {"statusCode": 401, "message": "The identity header is missing or wrong."})
        query = request.parameters()
        if query.get("api-version") not in _VERSIONS or not query.get("resource"):
            return Response(400, {"statusCode": 400, "message": "Give resource and a known api-version."})
        named = query.get("client_id", query.get("clientid", self._client_id))
        if named != self._client_id or query.get("principal_id", self._object_id) != self._object_id:
            return Response(
                400, {"statusCode": 400, "message": "No User Assigned or Delegated Managed Identity found."}
            )
        token, expires = self.issue(query["resource"])
        body = {
            "access_token": token,
            "expires_on": str(int(expires.timestamp())),
            "resource": query["resource"],
            "token_type": "Bearer",
            "client_id": self._client_id,
        }
        return Response(200, body)

    def recognise(self, request: Request) -> Principal:
        """Who sends this request to ARM.

        Raises:
            ArmError: 401 with ``WWW-Authenticate``: no token, not one of ours, for something else, or expired.
        """
        kind, _, token = (request.header("authorization") or "").partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            raise self._refusal("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
        principal = self._issued.get(token.strip())
        if principal is None:
            raise self._refusal("InvalidAuthenticationToken", "The access token is invalid.")
        if "storage" in principal.audience or "vault" in principal.audience:
            raise self._refusal(
                "InvalidAuthenticationTokenAudience",
                f"The access token has been obtained for wrong audience or resource '{principal.audience}'.",
            )
        if principal.expires <= self._clock.wall():
            raise self._refusal(
                "ExpiredAuthenticationToken",
                f"The access token expiry UTC time '{principal.expires:%m/%d/%Y %I:%M:%S %p}' is earlier than current "
                f"UTC time '{self._clock.wall():%m/%d/%Y %I:%M:%S %p}'.",
            )
        return principal

    def _refusal(self, code: str, message: str) -> ArmError:
        challenge = (
            f'Bearer authorization_uri="https://login.windows.net/{self._tenant}", error="invalid_token", '
            f'error_description="{message}"'
        )
        return gateway_error(401, code, message, headers={"WWW-Authenticate": challenge})
