"""Sealed texts open where they belong and nowhere else."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.storage.sealing import Sealer
from shared.errors import FatalError
from shared.settings import SealKey

OLD, NEW = SealKey("old", b"o" * 32), SealKey("new-2", b"n" * 32)
HUB, FIELD = "physics-ab2cd3", "admin_password"


def seal(text: str = "secret", key: SealKey = NEW) -> str:
    return Sealer([key]).seal(text, hub_id=HUB, field=FIELD)


def unseal(sealed: str, *keys: SealKey, hub_id: str = HUB, field: str = FIELD) -> str:
    return Sealer(keys or [NEW]).open(sealed, hub_id=hub_id, field=field)


@given(st.text(), st.text(), st.text())
def test_what_was_sealed_opens(text: str, hub_id: str, field: str):
    sealer = Sealer([NEW])
    assert sealer.open(sealer.seal(text, hub_id=hub_id, field=field), hub_id=hub_id, field=field) == text


def test_a_sealed_text_names_its_key_and_shows_nothing_else():
    sealed = seal("correct-horse-battery")
    assert sealed.startswith("v1:new-2:")
    assert b"correct" not in base64.urlsafe_b64decode(sealed.split(":")[2])


def test_the_same_text_is_never_sealed_the_same_way_twice():
    assert seal() != seal()


def test_sealing_uses_the_newest_key_and_opening_the_one_named():
    assert Sealer([NEW, OLD]).seal("x", hub_id=HUB, field=FIELD).startswith("v1:new-2:")
    assert unseal(seal(key=OLD), NEW, OLD) == "secret"


def test_a_key_that_is_no_longer_listed_is_named_as_the_cause():
    with pytest.raises(FatalError, match="SealKeyUnknown"):
        unseal(seal(key=OLD), NEW)


def test_a_key_that_was_replaced_under_the_same_id_opens_nothing():
    with pytest.raises(FatalError, match="SealBroken"):
        unseal(seal(), SealKey("new-2", b"x" * 32))


@pytest.mark.parametrize(
    "place", [{"hub_id": "physics-zzzzzz"}, {"field": "hub_token"}, {"hub_id": HUB + "a", "field": FIELD[1:]}]
)
def test_a_sealed_text_opens_in_its_own_hub_and_field_only(place: dict[str, str]):
    with pytest.raises(FatalError, match="SealBroken"):
        unseal(seal(), **place)


def test_hub_and_field_cannot_be_shifted_into_each_other():
    sealed = Sealer([NEW]).seal("x", hub_id="ab", field="c")
    with pytest.raises(FatalError, match="SealBroken"):
        unseal(sealed, hub_id="a", field="bc")


@pytest.mark.parametrize("position", range(34))
def test_a_single_changed_bit_is_found(position: int):
    version, key_id, encoded = seal().split(":")
    raw = bytearray(base64.urlsafe_b64decode(encoded))
    raw[position] ^= 1
    with pytest.raises(FatalError, match="SealBroken"):
        unseal(f"{version}:{key_id}:{base64.urlsafe_b64encode(raw).decode()}")


@pytest.mark.parametrize(
    "sealed", ["", "secret", "v1:new-2:", "v1:new-2:AAAA", "v1:new-2:ä", "v2:new-2:AAAA", "v1:new-2:!!!!", "v1:new-2"]
)
def test_what_never_was_sealed_does_not_open(sealed: str):
    with pytest.raises(FatalError, match="SealBroken"):
        unseal(sealed)


def test_the_error_shows_neither_text_nor_key():
    with pytest.raises(FatalError) as caught:
        unseal(seal("correct-horse-battery"), hub_id="other")
    assert "correct-horse" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_without_a_key_nothing_can_be_sealed():
    with pytest.raises(FatalError, match="NoSealKey"):
        Sealer([])
