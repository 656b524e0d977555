"""Public keys as people paste them."""

import base64
import struct
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.ssh.keys import generate_key_pair, known_hosts_line
from shared.hubs.sshkey import InvalidPublicKey, PrivateKeySent, PublicKey, parse_public_key

PAIR = generate_key_pair("jay@laptop")


def rsa_line(bits: int) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def line_of(kind: str, *fields: bytes) -> str:
    blob = b"".join(struct.pack(">I", len(field)) + field for field in (kind.encode(), *fields))
    return f"{kind} {base64.b64encode(blob).decode()}"


def test_ed25519_key_is_read():
    key = parse_public_key(f"  {PAIR.public}\n")
    assert (key.type, key.bits, key.comment, key.line) == ("ssh-ed25519", 256, "jay@laptop", PAIR.public)


def test_fingerprint_is_the_one_ssh_keygen_prints():
    # computed with `ssh-keygen -lf`
    line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE8zC1HIfhVT84jCmQK0D3UuOgXOYh/fonFjLWU5aKwR admin@test"
    assert parse_public_key(line).fingerprint == "SHA256:BEjFOnkf/vIgPnyoygtgdcw7s2LVASBX4BkKl3MU6QQ"


def test_rsa_key_of_2048_bits_is_read():
    assert parse_public_key(rsa_line(2048)).bits == 2048


@pytest.mark.parametrize(
    "text",
    [
        PAIR.private,
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----",
        "PuTTY-User-Key-File-3: ssh-ed25519",
        f"my key is {PAIR.private}",
        PAIR.private.replace("\n", " "),
    ],
)
def test_a_private_key_is_told_apart_and_not_quoted(text: str):
    with pytest.raises(PrivateKeySent) as refused:
        parse_public_key(text)
    assert refused.value.code == "PrivateKeySent"
    assert "b3BlbnNza" not in str(refused.value)


def ecdsa_line() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


ED_BLOB = PAIR.public.split()[1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("   \n", "empty"),
        (f"{PAIR.public}\n{PAIR.public}", "one line"),
        (f"ssh-ed25519\n{ED_BLOB}", "one line"),
        (f"ssh-ed25519 {ED_BLOB} a\u2028b", "one line"),
        (f"ssh-ed25519 {ED_BLOB} a\x1b[31mb", "control"),
        (f'command="id" {PAIR.public}', "options"),
        (f"restrict {PAIR.public}", "options"),
        (f"no-pty,from=1.2.3.4 {PAIR.public}", "options"),
        (ecdsa_line(), "ECDSA"),
        ("sk-ssh-ed25519@openssh.com AAAA", "hardware"),
        ("ssh-dss AAAA", "DSA"),
        ("ssh-rsa1 AAAA", "begins with"),
        ("hello", "begins with"),
        ("ssh-ed25519", "damaged|something else"),
        ("ssh-ed25519 not-base64!", "not base64"),
        ("ssh-ed25519 ÄÄÄÄ", "not base64"),
        (f"ssh-ed25519 {ED_BLOB[:-4]}", "cut off"),
        (f"ssh-rsa {ED_BLOB}", "something else"),
        (line_of("ssh-ed25519", b"x" * 31), "length"),
        (line_of("ssh-ed25519", b"x" * 32, b"more"), "length"),
        (line_of("ssh-rsa", b"\x01\x00\x01", b"\x00" + b"\xff" * 128), "1024 bits"),
        (line_of("ssh-rsa", b"\x01\x00\x01", b"\x00" + b"\xff" * 4096), "at most"),
        (line_of("ssh-rsa", b"\x01\x00\x01", b"\xff" * 256), "damaged"),
        (line_of("ssh-rsa", b"\x02", b"\x00" + b"\xff" * 256), "damaged"),
        (line_of("ssh-rsa", b"\x01\x00\x01"), "damaged"),
        ("ssh-ed25519 " + "A" * 20000, "shorter than"),
    ],
)
def test_other_texts_are_refused_with_a_reason(text: str, words: str):
    with pytest.raises(InvalidPublicKey, match=words) as refused:
        parse_public_key(text)
    assert not isinstance(refused.value, PrivateKeySent)


def test_a_base64_text_with_spare_bits_is_refused():
    # the last character carries bits that no decoder looks at: two texts would be one key
    line = line_of("ssh-rsa", b"\x01\x00\x01", b"\x00" + b"\xff" * 257)
    assert line.endswith("==")
    assert parse_public_key(line).bits == 2056
    spoiled = line[:-3] + chr(ord(line[-3]) + 1) + "=="
    with pytest.raises(InvalidPublicKey, match="not base64"):
        parse_public_key(spoiled)


@given(st.text(max_size=300) | st.binary(max_size=200).map(lambda b: "ssh-ed25519 " + base64.b64encode(b).decode()))
def test_any_text_is_either_read_or_refused(text: str):
    try:
        assert isinstance(parse_public_key(text), PublicKey)
    except InvalidPublicKey as refused:
        assert refused.message


def test_validation_needs_no_cryptography_at_import():
    program = (
        "import sys, shared.hubs.sshkey, shared.adapters.ssh.keys;"
        "print([m for m in ('cryptography', 'asyncssh', 'bcrypt') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_generated_pairs_differ_and_fit_together():
    assert generate_key_pair().private != generate_key_pair().private
    assert PAIR.private.startswith("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    assert PAIR.private.endswith("\n")
    assert "PRIVATE" not in repr(PAIR)


@pytest.mark.parametrize(("port", "name"), [(22, "hub.example.org"), (2222, "[hub.example.org]:2222")])
def test_known_hosts_line_names_another_port(port: int, name: str):
    kind, blob = PAIR.public.split()[:2]
    assert known_hosts_line("hub.example.org", port, PAIR.public) == f"{name} {kind} {blob}"


def test_dsa_keys_are_refused_as_such():
    key = dsa.generate_private_key(1024)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    with pytest.raises(PrivateKeySent):
        parse_public_key(pem)
