"""Bad input: told clearly, all of it at once, as problem+json; nothing is written and nothing is billed."""

import base64
import json
from typing import Any

import asyncssh
import pytest
from azure.storage.queue import QueueServiceClient
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.e2e.api import Api
from tests.e2e.environment import Environment
from tests.support.wait import eventually


def weak_rsa() -> str:
    return _openssh(rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key())


def elliptic() -> str:
    return _openssh(ec.generate_private_key(ec.SECP256R1()).public_key())


def _openssh(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> str:
    return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


# ------------------------------------------------------------------ one mistake


@pytest.mark.parametrize(
    ("document", "pointer", "code"),
    [
        ({"nmae": "x"}, "/nmae", "UnknownField"),
        ({"https": {"mdoe": "none"}}, "/https/mdoe", "UnknownField"),
        ({"name": 7}, "/name", "WrongType"),
        ({"people": "12"}, "/people", "WrongType"),
        ({"packages": ["cowsay"]}, "/packages", "WrongType"),
        ({"sharedFolder": "yes"}, "/sharedFolder", "WrongType"),
        ({"name": "Bio-101"}, "/name", "InvalidName"),
        ({"name": "-bio"}, "/name", "InvalidName"),
        ({"name": "bio-"}, "/name", "InvalidName"),
        ({"name": "b" * 31}, "/name", "InvalidName"),
        ({"name": "bio_101"}, "/name", "InvalidName"),
        ({"name": "../etc"}, "/name", "InvalidName"),
        ({"adminUser": "root"}, "/adminUser", "ReservedName"),
        ({"adminUser": "admin"}, "/adminUser", "ReservedName"),
        ({"adminUser": "ubuntu"}, "/adminUser", "ReservedName"),
        ({"adminUser": "hublet"}, "/adminUser", "ReservedName"),
        ({"adminUser": "Jay Doe"}, "/adminUser", "InvalidName"),
        ({"adminUser": "jay:doe"}, "/adminUser", "InvalidName"),
        ({"users": ["ada", "a/b"]}, "/users/1", "InvalidName"),
        ({"users": ["123"]}, "/users/0", "InvalidName"),
        ({"size": "Standard_M416ms_v2"}, "/size", "SizeNotAllowed"),
        ({"size": "Standard_Nonsense"}, "/size", "SizeNotAllowed"),
        ({"region": "southafricanorth"}, "/region", "RegionNotAllowed"),
        ({"region": "atlantis"}, "/region", "RegionNotAllowed"),
        ({"people": 900}, "/people", "SizeOrPeople"),
        ({"sshPublicKey": "ssh-ed25519 AAAA"}, "/sshPublicKey", "InvalidSshPublicKey"),
        ({"sshPublicKey": "not a key"}, "/sshPublicKey", "InvalidSshPublicKey"),
        ({"sshPublicKey": weak_rsa()}, "/sshPublicKey", "InvalidSshPublicKey"),
        ({"sshPublicKey": elliptic()}, "/sshPublicKey", "InvalidSshPublicKey"),
        ({"packages": {"requirementsUrl": "http://example.org/r.txt"}}, "/packages/requirementsUrl", "InvalidUrl"),
        ({"packages": {"requirementsUrl": "file:///etc/passwd"}}, "/packages/requirementsUrl", "InvalidUrl"),
        ({"packages": {"requirementsUrl": "https://169.254.169.254/x"}}, "/packages/requirementsUrl", "InvalidUrl"),
        ({"packages": {"requirementsUrl": "https://u:p@example.org/"}}, "/packages/requirementsUrl", "InvalidUrl"),
        ({"packages": {"apt": ["cowsay; reboot"]}}, "/packages/apt/0", "InvalidPackage"),
        ({"packages": {"apt": ["-o=x"]}}, "/packages/apt/0", "InvalidPackage"),
        ({"packages": {"pip": ["--index-url=https://x"]}}, "/packages/pip/0", "InvalidPackage"),
        ({"packages": {"pip": ["git+https://example.org/x"]}}, "/packages/pip/0", "InvalidPackage"),
        ({"sshFrom": ["10.0.0.0/33"]}, "/sshFrom/0", "InvalidCidr"),
        ({"sshFrom": ["10.0.0.1/24"]}, "/sshFrom/0", "InvalidCidr"),
        ({"sshFrom": ["home"]}, "/sshFrom/0", "InvalidCidr"),
        ({"sshFrom": ["0.0.0.0/0"]}, "/sshFrom/0", "CidrTooWide"),
        ({"sshFrom": ["*"]}, "/sshFrom/0", "CidrTooWide"),
        ({"sshFrom": ["Internet"]}, "/sshFrom/0", "CidrTooWide"),
        ({"schedule": {"timeZone": "Europe/Berlin", "stop": "25:00"}}, "/schedule/stop", "InvalidTime"),
        ({"schedule": {"timeZone": "Europe/Berlin", "stop": "0 19 * * *"}}, "/schedule/stop", "InvalidTime"),
        ({"schedule": {"timeZone": "Mars/Olympus", "stop": "19:00"}}, "/schedule/timeZone", "UnknownTimeZone"),
        ({"schedule": {"timeZone": "../../etc/passwd", "stop": "19:00"}}, "/schedule/timeZone", "UnknownTimeZone"),
        ({"schedule": {"stop": "19:00"}}, "/schedule/timeZone", "MissingField"),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, "/expiresAt", "InThePast"),
        ({"expiresAt": "tomorrow"}, "/expiresAt", "InvalidTime"),
        ({"osDiskGiB": 8}, "/osDiskGiB", "OutOfRange"),
        ({"tags": {"hublet-hub": "mine"}}, "/tags/hublet-hub", "InvalidTag"),
        ({"limits": {"memory": "512G"}}, "/limits/memory", "Contradiction"),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else "",
)
def test_a_mistake_is_named_by_place_and_code(
    nothing_happens: None, mallory: Api, document: dict[str, Any], pointer: str, code: str
) -> None:
    answer = mallory.call("POST", "/hubs", document)
    assert answer.status == 400
    assert answer.code == "InvalidRequest"
    assert answer.mistakes() == {pointer: code}


def test_all_mistakes_are_told_at_once(nothing_happens: None, mallory: Api) -> None:
    document = {
        "colour": "blue",
        "name": "Bio 101",
        "adminUser": "root",
        "size": "Standard_Nonsense",
        "region": "atlantis",
        "people": "many",
        "sshPublicKey": "not a key",
        "sshFrom": ["127.0.0.1/32", "0.0.0.0/0", "nowhere"],
        "osDiskGiB": 1,
        "https": {"mode": "sometimes"},
        "packages": {"requirementsUrl": "http://example.org", "apt": ["a b"], "pip": ["x", "-r"]},
        "schedule": {"timeZone": "Mars/Olympus", "stop": "late"},
        "expiresAt": "2020-01-01T00:00:00Z",
    }
    assert mallory.call("POST", "/hubs", document).mistakes() == {
        "/colour": "UnknownField",
        "/name": "InvalidName",
        "/adminUser": "ReservedName",
        "/size": "SizeNotAllowed",
        "/region": "RegionNotAllowed",
        "/people": "WrongType",
        "/sshPublicKey": "InvalidSshPublicKey",
        "/sshFrom/1": "CidrTooWide",
        "/sshFrom/2": "InvalidCidr",
        "/osDiskGiB": "OutOfRange",
        "/https/mode": "InvalidValue",
        "/packages/requirementsUrl": "InvalidUrl",
        "/packages/apt/0": "InvalidPackage",
        "/packages/pip/1": "InvalidPackage",
        "/schedule/timeZone": "UnknownTimeZone",
        "/schedule/stop": "InvalidTime",
        "/expiresAt": "InThePast",
    }


@pytest.mark.parametrize("where", ["sshPublicKey", "name", "unknown"])
def test_a_private_key_is_refused_and_written_nowhere(
    nothing_happens: None, environment: Environment, mallory: Api, where: str
) -> None:
    private = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    answer = mallory.call("POST", "/hubs", {where: private})
    assert answer.status == 400
    assert answer.code == "PrivateKeySent"
    assert answer.mistakes() == {f"/{where}": "PrivateKeySent"}
    secret = private.splitlines()[2]
    assert secret.encode() not in answer.body
    assert secret not in environment.stack.host.log_text()


def test_a_size_that_azure_does_not_offer_is_found_before_anything_is_made(
    nothing_happens: None, environment: Environment, mallory: Api
) -> None:
    wish = {"name": "nowhere", "region": "germanywestcentral"}
    offered = mallory.call("GET", "/sizes?region=germanywestcentral").json()["value"]
    unavailable = [size["name"] for size in offered if not size["available"]]
    assert unavailable
    for name in unavailable:
        answer = mallory.call("POST", "/hubs?validateOnly=true", {**wish, "size": name})
        assert (answer.status, answer.code) == (409, "SizeNotAvailable")
    assert environment.azure.belonging_to("nowhere") == set()


def test_validate_only_checks_everything_and_makes_nothing(nothing_happens: None, mallory: Api) -> None:
    good = mallory.call("POST", "/hubs?validateOnly=true", {"name": "fine", "people": 5})
    assert good.status == 200, good
    assert good.json()["size"]
    bad = mallory.call("POST", "/hubs?validateOnly=true", {"name": "Not Fine"})
    assert bad.mistakes() == {"/name": "InvalidName"}
    unclear = mallory.call("POST", "/hubs?validateOnly=perhaps", {})
    assert (unclear.status, unclear.code) == (400, "InvalidParameter")


# ------------------------------------------------------------------ twice


def test_a_name_twice_and_a_key_for_two_requests_make_one_hub(environment: Environment) -> None:
    api = environment.caller("twice")
    key = {"Idempotency-Key": "3f0c1d9a-one"}
    first = api.call("POST", "/hubs", {"name": "once"}, headers=key)
    again = api.call("POST", "/hubs", {"name": "once"}, headers=key)
    other = api.call("POST", "/hubs", {"name": "another"}, headers=key)
    taken = api.call("POST", "/hubs", {"name": "once"})
    assert (first.status, again.status) == (202, 202)
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["idempotent-replayed"] == "true"
    assert (other.status, other.code) == (422, "IdempotencyKeyReused")
    assert (taken.status, taken.code) == (409, "HubAlreadyExists")
    assert api.names() == ["once"]
    assert api.call("DELETE", "/hubs/once").status == 202
    api.until_gone("once")


def test_another_owners_hub_is_the_same_404_as_none(environment: Environment, mallory: Api) -> None:
    owner = environment.caller("somebody")
    hub = owner.create({"name": "private"})
    told = []
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/log"),
        ("POST", "/ssh-key"),
        ("POST", "/admin-password"),
    ):
        for reference in ("private", hub["id"], "no-such-hub", "no-such-hub-abcdef"):
            answer = mallory.call(method, f"/hubs/{reference}{path}")
            assert (answer.status, answer.code) == (404, "HubNotFound")
            said = answer.json()
            told.append({k: str(said[k]).replace(reference, "<it>") for k in said if k != "requestId"})
            told[-1]["instance"] = told[-1]["instance"].removesuffix(path)
    assert all(one == told[0] for one in told), told
    assert owner.hub("private")["goal"] == "running"
    assert owner.call("DELETE", "/hubs/private").status == 202
    owner.until_gone("private")


# ------------------------------------------------------------------ foreign queue messages


async def test_foreign_messages_on_the_work_queue_stop_nobody(environment: Environment) -> None:
    api = environment.caller("bystander")
    hub = api.create({"name": "bystander"})
    own = {
        "v": 1,
        "owner": "bystander",
        "name": "bystander",
        "hubId": hub["id"],
        "generation": 1,
        "pass": 1,
        "firstSeen": "2026-01-01T00:00:00Z",
    }
    unreadable = [
        "not json",
        "{}",
        "[]",
        "null",
        '"text"',
        "7",
        "[" * 5000,
        "x" * 60_000,
        "\u2603 & <tag/>",
        json.dumps({**own, "v": "1"}),
        json.dumps({**own, "pass": "1"}),
        json.dumps({**own, "generation": -1}),
        json.dumps({**own, "hubId": "../../x-aaaaaa"}),
        json.dumps({**own, "extra": 1}),
        json.dumps({**own, "firstSeen": "yesterday"}),
        base64.b64encode(json.dumps(own).encode()).decode(),
    ]
    foreign = [
        json.dumps({**own, "hubId": "bystander-zzzzzz"}),
        json.dumps({**own, "generation": 99}),
        json.dumps({**own, "pass": 99}),
        json.dumps({**own, "owner": "nobody", "name": "ghost", "hubId": "ghost-aaaaaa"}),
    ]
    with QueueServiceClient.from_connection_string(environment.stack.storage) as queues:
        work = queues.get_queue_client("hub-work")
        refused = {work.send_message(text).id for text in unreadable}
        dropped = {work.send_message(text).id for text in foreign}
        going_on = api.until_stage("bystander", "network", "machine", "boot", "install")
        assert (going_on["generation"], going_on["goal"]) == (1, "running")

        def both_are_done_with() -> bool:
            seen = told(environment)
            return refused <= set(seen["message_unreadable"]) and dropped <= set(seen["message_dropped"])

        await eventually(both_are_done_with, 30)
        assert api.call("DELETE", "/hubs/bystander").status == 202
        api.until_gone("bystander")
        assert "hub-work-poison" not in [queue.name for queue in queues.list_queues()]
    assert environment.stack.host.running
    every = [message for messages in told(environment).values() for message in messages]
    assert [message for message in refused | dropped if every.count(message) != 1] == []  # none ever came back
    assert environment.azure.belonging_to(hub["id"]) == set()


def told(environment: Environment) -> dict[str, list[str | None]]:
    """Ids of the messages that the worker's log says it did not act on, by event."""
    lines = [json.loads(line) for line in environment.stack.host.log_text().splitlines() if line.startswith("{")]
    events = ("message_unreadable", "message_dropped")
    return {event: [line["message_id"] for line in lines if line["event"] == event] for event in events}
