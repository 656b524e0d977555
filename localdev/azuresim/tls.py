"""The simulator's own certificate authority."""

import ipaddress
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from localdev.azuresim.clock import Clock
from localdev.azuresim.vm.ports import IssuedCertificate

#: A day of slack, for clients whose clock is behind.
_EARLIER = timedelta(days=1)
_CA_LIFETIME = timedelta(days=3650)
_LEAF_LIFETIME = timedelta(days=90)


class CertificateAuthority:
    """Signs server certificates; made anew with every start, so trusting it is harmless once the simulator is gone.

    They are valid by the wall's clock: their readers know no other.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Hublet simulated Azure CA")])
        now = clock.wall()
        self._certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _EARLIER)
            .not_valid_after(now + _CA_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def pem(self) -> bytes:
        """The CA's certificate, for ``REQUESTS_CA_BUNDLE`` and ``connection_verify``."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, names: Sequence[str]) -> IssuedCertificate:
        """A server certificate for DNS names and IP addresses, valid for 90 days; each call makes a new key."""
        if not names:
            raise ValueError("a certificate needs at least one name")
        key = ec.generate_private_key(ec.SECP256R1())
        now = self._clock.wall()
        certificate = (
            x509.CertificateBuilder()
            # A common name holds 64 characters; what counts is the alternative names.
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])]))
            .issuer_name(self._certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _EARLIER)
            .not_valid_after(now + _LEAF_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        return IssuedCertificate(
            cert_pem=certificate.public_bytes(serialization.Encoding.PEM) + self.pem,
            key_pem=key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )

    def write_server_files(self, directory: Path, names: Sequence[str]) -> tuple[Path, Path, Path]:
        """Write ``ca.pem``, ``server.pem`` and ``server.key`` (mode 0600) and return their paths."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        issued = self.issue(names)
        ca, certificate, key = (directory / name for name in ("ca.pem", "server.pem", "server.key"))
        ca.write_bytes(self.pem)
        certificate.write_bytes(issued.cert_pem)
        key.touch(mode=0o600)
        key.chmod(0o600)
        key.write_bytes(issued.key_pem)
        return ca, certificate, key


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
