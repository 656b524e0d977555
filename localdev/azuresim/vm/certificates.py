"""The certificates a simulated VM's web server can show."""

import base64
import json
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from localdev.azuresim.vm import tljh_files
from localdev.azuresim.vm.context import HTTPS, INTERNET_PEER, Vm
from localdev.azuresim.vm.faults import FaultKind
from localdev.azuresim.vm.ports import IssuedCertificate

DEFAULT_NAME = "TRAEFIK DEFAULT CERT"
STAGING_NAME = "(STAGING) Simulated Encrypt"


class Refused(Exception):
    """The certificate authority did not issue; the text is what traefik's journal would carry."""


def self_signed(vm: Vm, name: str, *hosts: str) -> IssuedCertificate:
    """A certificate nobody trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = vm.clock.wall()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365))
    )
    if hosts:
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return IssuedCertificate(certificate.public_bytes(serialization.Encoding.PEM), private)


def issue(vm: Vm, domains: list[str], *, staging: bool) -> IssuedCertificate:
    """Play the ACME TLS-ALPN-01 order of traefik.

    Every domain must be the VM's own public name or stand for its address, and port 443 must be open to the Internet.
    Raises `Refused`.  The staging directory's certificates verify nowhere, as in reality.
    """
    if vm.faults.take(FaultKind.HTTPS_REFUSED):
        raise Refused(
            f"Unable to obtain ACME certificate for domains {','.join(domains)}: acme: error: 429 :: "
            "urn:ietf:params:acme:error:rateLimited :: too many certificates already issued"
        )
    for domain in domains:
        is_own_name = vm.spec.fqdn is not None and domain.lower() == vm.spec.fqdn.lower()
        if not is_own_name and vm.resolve(domain) != vm.address:
            raise Refused(
                f"Unable to obtain ACME certificate for domains {domain}: acme: error: 400 :: "
                f"urn:ietf:params:acme:error:dns :: no valid A records found for {domain}"
            )
        if not vm.inbound.allows(INTERNET_PEER, HTTPS):
            raise Refused(
                f"Unable to obtain ACME certificate for domains {domain}: acme: error: 400 :: "
                "urn:ietf:params:acme:error:connection :: Timeout during connect (likely firewall problem)"
            )
    return self_signed(vm, STAGING_NAME, *domains) if staging else vm.issue_certificate(domains)


def remember(vm: Vm, domains: list[str], *, staging: bool, issued: IssuedCertificate) -> None:
    """Keep the certificate on the VM's disk where traefik keeps it."""
    stored = {
        "letsencrypt": {
            "staging": staging,
            "Certificates": [
                {
                    "domain": {"main": domains[0], "sans": domains[1:]},
                    "certificate": base64.b64encode(issued.cert_pem).decode(),
                    "key": base64.b64encode(issued.key_pem).decode(),
                }
            ],
        }
    }
    vm.disk.write(tljh_files.ACME, json.dumps(stored, indent=2), 0o600)


def remembered(vm: Vm, domains: list[str], *, staging: bool) -> IssuedCertificate | None:
    """The certificate kept for exactly these domains, if any."""
    try:
        store = json.loads(vm.disk.text(tljh_files.ACME, "{}")).get("letsencrypt") or {}
        if store.get("staging") != staging:
            return None
        for entry in store.get("Certificates", []):
            if [entry["domain"]["main"], *entry["domain"]["sans"]] == domains:
                return IssuedCertificate(base64.b64decode(entry["certificate"]), base64.b64decode(entry["key"]))
    except (ValueError, KeyError, TypeError):
        return None
    return None
