"""Codes that confirm a deletion: shown to one user for one hub, good for ten minutes."""

import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.chat.confirm import LIFE_MINUTES, code_for, is_right
from shared.hubs.ports import ChatUser
from shared.settings import SealKey
from tests.support.clock import MONDAY_MORNING as NOW

NEW, OLD = SealKey("k2", b"B" * 32), SealKey("k1", b"A" * 32)
USER = ChatUser("slack", "T1", "U1")
HUB = "physics-ab2cd3"
MINUTE = timedelta(minutes=1)


def test_a_code_is_the_start_of_an_hmac_of_user_hub_and_minute_under_a_key_of_its_own():
    """Written out once more: another way to make codes would refuse those that were shown by the release before."""
    derived = hmac.digest(NEW.key, b"hublet chat: confirm a deletion", "sha256")
    said = f"slack.T1.U1\0{HUB}\0{int(NOW.timestamp()) // 60}".encode()
    wanted = base64.b32encode(hmac.new(derived, said, hashlib.sha256).digest()).decode()[:4]
    assert code_for([NEW, OLD], USER, HUB, NOW) == wanted
    assert code_for([NEW], USER, HUB, NOW + timedelta(seconds=59.9)) == wanted, "the same within its minute"


def test_a_code_is_good_to_the_end_of_its_tenth_minute():
    assert LIFE_MINUTES == 10
    code = code_for([NEW], USER, HUB, NOW)
    good = [minute for minute in range(-2, 14) if is_right([NEW], USER, HUB, code, NOW + minute * MINUTE)]
    assert good == list(range(10))
    assert is_right([NEW], USER, HUB, code, NOW + 10 * MINUTE - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("user", "hub_id"),
    [
        (replace(USER, platform="teams"), HUB),
        (replace(USER, team="T2"), HUB),
        (replace(USER, user="U2"), HUB),
        (USER, "physics-ab2cd4"),
    ],
)
def test_a_code_is_for_one_user_and_one_hub(user: ChatUser, hub_id: str):
    assert not is_right([NEW], user, hub_id, code_for([NEW], USER, HUB, NOW), NOW)


def test_codes_by_an_older_key_are_good_as_long_as_it_is_listed():
    by_old = code_for([OLD], USER, HUB, NOW)
    assert by_old != code_for([NEW, OLD], USER, HUB, NOW), "the newest key signs"
    assert is_right([NEW, OLD], USER, HUB, by_old, NOW + 9 * MINUTE)
    assert not is_right([NEW], USER, HUB, by_old, NOW)


def test_a_code_may_be_typed_in_small_letters_and_with_the_digits_it_never_has():
    minutes = (NOW + number * MINUTE for number in range(500))
    codes = {at: code_for([NEW], USER, HUB, at) for at in minutes}
    at, code = next((at, code) for at, code in codes.items() if "O" in code and "I" in code)
    for typed in (code.lower(), code.replace("O", "0"), code.replace("I", "1")):
        assert is_right([NEW], USER, HUB, typed, at)
    assert not set("01") & set("".join(codes.values()))


@pytest.mark.parametrize("typed", ["", "A", "ABCDE", "ÄÖÜß", "....", " "])
def test_any_other_text_is_wrong(typed: str):
    assert not is_right([NEW], USER, HUB, typed, NOW)
    assert not is_right([NEW], USER, HUB, code_for([NEW], USER, HUB, NOW) + typed + " ", NOW)
