"""Links to action pages: what was signed is read, and nothing else ever is."""

import base64
import hashlib
import hmac
import json
import random
import string
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.chat.action_links import LIFE, LONGEST, MAX_TOKEN, ActionLink, read, sign, url
from shared.chat.card import Verb
from shared.settings import SealKey
from tests.support.clock import MONDAY_MORNING

NEW, OLD = SealKey("k2", b"B" * 32), SealKey("k1", b"A" * 32)
LINK = ActionLink(
    verb=Verb.SNOOZE,
    hub_id="physics-ab2cd3",
    owner="jaydoe@example.com",
    deadline="2026-01-05T18:00:00+00:00",
    expires_at=MONDAY_MORNING + timedelta(hours=12),
    nonce="0123456789abcdef0123456789abcdef",
)
ALPHABET = string.ascii_letters + string.digits + "-_"


@pytest.mark.parametrize("verb", list(Verb))
def test_what_was_signed_is_read(verb: Verb) -> None:
    link = replace(LINK, verb=verb, via="Teams ünïcode")
    token = sign([NEW, OLD], link)
    assert read([NEW, OLD], token, MONDAY_MORNING) == link
    assert set(token) <= set(ALPHABET + ".")
    assert len(token) < 500


def test_the_newest_key_signs_and_every_listed_one_is_taken() -> None:
    older = sign([OLD], LINK)
    assert (older.split(".")[0], sign([NEW, OLD], LINK).split(".")[0]) == ("k1", "k2")
    assert read([NEW, OLD], older, MONDAY_MORNING) == LINK
    assert read([NEW], older, MONDAY_MORNING) is None


def test_another_key_of_the_same_name_reads_nothing() -> None:
    assert read([SealKey("k2", b"C" * 32)], sign([NEW], LINK), MONDAY_MORNING) is None


def test_a_token_of_one_key_under_the_name_of_another_is_forged() -> None:
    _, payload, mac = sign([NEW], LINK).split(".")
    assert read([NEW, OLD, SealKey("k3", NEW.key)], f"k3.{payload}.{mac}", MONDAY_MORNING) is None


def test_the_seal_key_itself_signs_nothing() -> None:
    signed = sign([NEW], LINK).rpartition(".")[0]
    mac = base64.urlsafe_b64encode(hmac.digest(NEW.key, signed.encode(), hashlib.sha256)).decode().rstrip("=")
    assert read([NEW], f"{signed}.{mac}", MONDAY_MORNING) is None


def test_a_token_is_signed_as_it_is_written_down() -> None:
    """HKDF (RFC 5869, no salt, one block) by hand: links in old messages must not change their meaning."""
    extracted = hmac.digest(b"\0" * 32, NEW.key, "sha256")
    derived = hmac.digest(extracted, b"hublet action link v1\x01", "sha256")
    signed, _, mac = sign([NEW], LINK).rpartition(".")
    assert mac == base64.urlsafe_b64encode(hmac.digest(derived, signed.encode(), "sha256")).decode().rstrip("=")
    assert json.loads(base64.urlsafe_b64decode(signed.partition(".")[2] + "==")) == [
        *(1, "snooze", "physics-ab2cd3", "jaydoe@example.com", "2026-01-05T18:00:00+00:00"),
        int(LINK.expires_at.timestamp()),
        *("0123456789abcdef0123456789abcdef", "Teams"),
    ]


@pytest.mark.parametrize(("after_s", "valid"), [(-1, True), (0, False), (1, False)])
def test_a_link_ends_at_its_moment(after_s: int, valid: bool) -> None:
    token = sign([NEW], LINK)
    assert (read([NEW], token, LINK.expires_at + timedelta(seconds=after_s)) is not None) == valid


def test_a_link_expires_in_whole_seconds_never_later_than_asked() -> None:
    late = replace(LINK, expires_at=MONDAY_MORNING + timedelta(seconds=5, milliseconds=900))
    found = read([NEW], sign([NEW], late), MONDAY_MORNING)
    assert found is not None
    assert found.expires_at == MONDAY_MORNING + timedelta(seconds=5)


def test_a_link_too_long_for_an_address_is_not_made() -> None:
    with pytest.raises(ValueError, match="too long"):
        sign([NEW], replace(LINK, owner="x" * 900))


def test_a_link_whose_parts_are_longer_than_any_reader_takes_is_not_made() -> None:
    """Below 1 KB, and no token all the same: what is signed can be read."""
    longest = max(n for n in range(400, 600) if fits(n))
    assert read([NEW], sign([NEW], replace(LINK, owner="x" * longest)), MONDAY_MORNING) is not None
    assert not any(fits(n) for n in range(longest + 1, longest + 60))


def fits(owner: int) -> bool:
    try:
        token = sign([NEW], replace(LINK, owner="x" * owner))
    except ValueError:
        return False
    return len(token) <= MAX_TOKEN


def test_what_is_signed_is_written_in_as_few_bytes_as_can_be() -> None:
    """Addresses are shown to people; and a name in another script is no six characters for each letter."""
    payload = sign([NEW], replace(LINK, owner="grüße@example.com")).split(".")[1]
    written = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode()
    assert "grüße@example.com" in written
    assert written == json.dumps(json.loads(written), ensure_ascii=False, separators=(",", ":"))


def test_a_link_about_no_deadline_lives_half_a_day_and_none_longer_than_its_use_is_remembered_for_sure() -> None:
    assert (timedelta(hours=12), timedelta(hours=24)) == (LIFE, LONGEST)


def test_the_address_is_below_the_api() -> None:
    assert url("https://hublet.example.org", "k1.a.b") == "https://hublet.example.org/api/chat/actions/k1.a.b"


# ---- tampering


def tampered(token: str, chance: random.Random) -> str:
    """One small change: a character replaced, removed, added, two exchanged; a part cut, moved, doubled, changed."""
    at = chance.randrange(len(token))
    match chance.randrange(9):
        case 0:
            return token[:at] + chance.choice(ALPHABET + ".=+/% \n\x00é") + token[at + 1 :]
        case 1:
            return token[:at] + token[at + 1 :]
        case 2:
            return token[:at] + chance.choice(ALPHABET + ".=") + token[at:]
        case 3:
            other = chance.randrange(len(token))
            letters = list(token)
            letters[at], letters[other] = letters[other], letters[at]
            return "".join(letters)
        case 4:
            return token[:at]
        case 5:
            return token + chance.choice(["=", ".", "A", "\n", " ", "%00", token])
        case 6:
            parts = token.split(".")
            chance.shuffle(parts)
            return ".".join(parts)
        case 7:
            return chance.choice([token.upper(), token.lower(), token.swapcase(), token[::-1]])
        case _:
            key_id, payload, mac = token.split(".")
            fields = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            place = chance.randrange(len(fields))
            fields[place] = chance.choice(["start", "stop", "x", 2, 2**40, None, "mallory", ""])
            changed = base64.urlsafe_b64encode(json.dumps(fields, separators=(",", ":")).encode()).decode().rstrip("=")
            return f"{key_id}.{changed}.{mac}"


def test_of_twenty_thousand_changed_tokens_none_is_taken() -> None:
    chance = random.Random(5)
    keys = [NEW, OLD]
    tokens = [sign([key], replace(LINK, verb=verb, nonce=f"{n:032x}")) for key in keys for verb in Verb for n in (1, 2)]
    genuine = set(tokens)
    tried = 0
    while tried < 20_000:
        token = tampered(chance.choice(tokens), chance)
        if token in genuine:
            continue
        tried += 1
        assert read(keys, token, MONDAY_MORNING) is None, token


def test_no_other_last_character_says_the_same_bytes() -> None:
    """43 characters hold 258 bits: four ways to write one MAC, of which one is canonical."""
    token = sign([NEW], LINK)
    taken = [letter for letter in ALPHABET if read([NEW], token[:-1] + letter, MONDAY_MORNING) is not None]
    assert taken == [token[-1]]


def signed_by_us(fields: object) -> str:
    """A token with a right MAC over other fields: what another release might have signed."""
    from shared.chat.action_links import _encode, _mac

    signed = f"{NEW.id}.{_encode(json.dumps(fields).encode())}"
    return f"{signed}.{_encode(_mac(NEW, signed))}"


RIGHT = [1, "stop", "physics-ab2cd3", "jaydoe", "", 4_000_000_000, "n", "Teams"]


@pytest.mark.parametrize(
    "fields",
    [
        [2, *RIGHT[1:]],
        [1, "explode", *RIGHT[2:]],
        [1, 5, *RIGHT[2:]],
        [*RIGHT[:2], None, *RIGHT[3:]],
        [*RIGHT[:5], "4000000000", *RIGHT[6:]],
        [*RIGHT[:5], True, *RIGHT[6:]],
        [*RIGHT[:5], 10**30, *RIGHT[6:]],
        [*RIGHT[:5], 1.5, *RIGHT[6:]],
        RIGHT[:-1],
        [*RIGHT, "more"],
        {},
        None,
        "text",
    ],
)
def test_fields_of_another_release_are_no_link_and_no_error(fields: object) -> None:
    assert read([NEW], signed_by_us(RIGHT), MONDAY_MORNING) is not None
    assert read([NEW], signed_by_us(fields), MONDAY_MORNING) is None


@given(st.text(max_size=MAX_TOKEN + 10))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert read([NEW, OLD], text, MONDAY_MORNING) is None
    assert read([NEW, OLD], f"k1.{text}.{'A' * 43}", MONDAY_MORNING) is None
