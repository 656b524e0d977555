"""What Slack and Teams signed is taken; whatever else arrives is not, and nothing raises."""

import base64
import hashlib
import hmac
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote_from_bytes, urlencode

import pytest
from slack_sdk.signature import Clock as SlackClock
from slack_sdk.signature import SignatureVerifier

from shared.chat.signatures import slack_signed, teams_fresh, teams_signed
from tests.support.clock import MONDAY_MORNING

# The worked example of https://docs.slack.dev/authentication/verifying-requests-from-slack
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
EXAMPLE_TIMESTAMP = "1531420618"
EXAMPLE_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
    b"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2F"
    b"hooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
EXAMPLE_SIGNATURE = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"

NOW = MONDAY_MORNING
STAMP = str(int(NOW.timestamp()))
TOKENS = tuple(base64.b64encode(letter * 32).decode() for letter in (b"a", b"b", b"c"))
CASES = 120_000
"""More than 10^5 of them forged; FEW in the inner loop."""
FEW = 5_000


def slack_signature(body: bytes, timestamp: str = STAMP, secret: str = SECRET) -> str:
    text = b"v0:" + timestamp.encode("utf-8", "surrogatepass") + b":" + body
    return "v0=" + hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def teams_signature(body: bytes, token: str = TOKENS[0]) -> str:
    key = base64.b64decode(token)
    return "HMAC " + base64.b64encode(hmac.new(key, body, hashlib.sha256).digest()).decode()


# ------------------------------------------------------------------ Slack


def test_slacks_own_example_is_taken():
    then = datetime.fromtimestamp(int(EXAMPLE_TIMESTAMP), UTC)
    assert slack_signed(SECRET, EXAMPLE_TIMESTAMP, EXAMPLE_SIGNATURE, EXAMPLE_BODY, then)
    assert not slack_signed(SECRET, EXAMPLE_TIMESTAMP, EXAMPLE_SIGNATURE, EXAMPLE_BODY + b"&", then)


@pytest.mark.parametrize(("seconds", "taken"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)])
def test_a_request_may_be_five_minutes_old_or_ahead(seconds: int, taken: bool):
    stamp = str(int(NOW.timestamp()) + seconds)
    assert slack_signed(SECRET, stamp, slack_signature(b"x", stamp), b"x", NOW) is taken


def test_a_fraction_of_a_second_too_old_is_too_old():
    at = NOW + timedelta(seconds=300, microseconds=1)
    assert not slack_signed(SECRET, STAMP, slack_signature(b"x"), b"x", at)


def test_without_a_secret_nothing_is_signed():
    assert not slack_signed("", STAMP, slack_signature(b"x", secret=""), b"x", NOW)


@pytest.mark.parametrize("stamp", [f" {STAMP}", f"+{STAMP}", f"0{STAMP}", f"{STAMP}.0", f"{STAMP}\n", "1_772_443_800"])
def test_a_timestamp_has_one_spelling(stamp: str):
    assert not slack_signed(SECRET, stamp, slack_signature(b"x", stamp), b"x", NOW)


@pytest.mark.parametrize("digits", ["٠١٢٣٤٥٦٧٨٩", "０１２３４５６７８９", "⁰¹²³⁴⁵⁶⁷⁸⁹"])
def test_digits_of_other_scripts_are_none(digits: str):
    stamp = STAMP.translate(str.maketrans("0123456789", digits))
    assert not slack_signed(SECRET, stamp, slack_signature(b"x", stamp), b"x", NOW)


class _Fixed(SlackClock):
    def now(self) -> float:
        return NOW.timestamp()


def test_slacks_own_library_says_the_same():
    peer = SignatureVerifier(SECRET, _Fixed())
    chance = random.Random(5)
    agreed = 0
    for _ in range(3000):
        body = chance.choice([EXAMPLE_BODY, a_form(chance), "text=ü+☃".encode()])  # theirs takes UTF-8 only
        stamp = str(int(NOW.timestamp()) + chance.choice([0, 1, -1, 299, 300, 301, -299, -300, -301, 10**6]))
        signature = slack_signature(
            chance.choice([body, body, body + b" "]), stamp, chance.choice([SECRET, SECRET, "z"])
        )
        theirs = peer.is_valid(body=body, timestamp=stamp, signature=signature)
        assert slack_signed(SECRET, stamp, signature, body, NOW) == theirs
        agreed += theirs
    assert agreed > 500


# ------------------------------------------------------------------ Teams


@pytest.mark.parametrize("token", TOKENS)
def test_any_of_the_tokens_signs(token: str):
    assert teams_signed(TOKENS, teams_signature(b"{}", token), b"{}")


def test_a_token_of_nobody_here_does_not_sign():
    other = base64.b64encode(b"z" * 32).decode()
    assert not teams_signed(TOKENS, teams_signature(b"{}", other), b"{}")
    assert not teams_signed((), teams_signature(b"{}"), b"{}")


@pytest.mark.parametrize("token", ["", "not base64!", "ÄÖÜ", base64.b64encode(b"short").decode()])
def test_a_token_that_is_none_signs_nothing(token: str):
    for key in (b"", token.encode(), b"short"):
        signed = "HMAC " + base64.b64encode(hmac.new(key, b"{}", hashlib.sha256).digest()).decode()
        assert not teams_signed((token,), signed, b"{}")
    assert teams_signed((token, TOKENS[0]), teams_signature(b"{}"), b"{}")


@pytest.mark.parametrize(("bytes_", "signs"), [(15, False), (16, True)])
def test_a_token_has_at_least_sixteen_bytes(bytes_: int, signs: bool):
    token = base64.b64encode(b"a" * bytes_).decode()
    assert teams_signed((token,), teams_signature(b"{}", token), b"{}") is signs


@pytest.mark.parametrize("stray", ["\n", " ", "-", "!"])
def test_a_token_with_a_stray_character_is_none_although_a_lenient_reader_sees_the_key(stray: str):
    token = TOKENS[0][:10] + stray + TOKENS[0][10:]
    assert not teams_signed((token,), teams_signature(b"{}"), b"{}")


def test_every_token_is_tried_whichever_fits(monkeypatch: pytest.MonkeyPatch):
    compared: list[str] = []
    real = hmac.compare_digest

    def watched(wanted: str, given: str) -> bool:
        compared.append(wanted)
        return real(wanted, given)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    for token in TOKENS:
        assert teams_signed(TOKENS, teams_signature(b"{}", token), b"{}")
    assert len(compared) == 9


@pytest.mark.parametrize(
    ("timestamp", "fresh"),
    [
        ("2026-03-02T09:30:00Z", True),
        ("2026-03-02T09:30:00.1234567Z", True),
        ("2026-03-02T10:34:59.999+01:00", True),
        ("2026-03-02T09:35:00Z", True),
        ("2026-03-02T09:25:00Z", True),
        ("2026-03-02T09:35:00.5Z", False),
        ("2026-03-02T09:24:59Z", False),
        ("2026-03-02T09:30:00", False),
        ("2026-03-02 09:30:00Z", False),
        ("20260302T093000Z", False),
        ("2026-02-31T09:30:00Z", False),
        ("0001-01-01T00:00:00+23:59", False),
        ("9999-12-31T23:59:59-23:59", False),
        ("２０２６-03-02T09:30:00Z", False),
        ("2026-03-02T09:30:00Z\n", False),
        ("", False),
        (None, False),
        (1772443800, False),
        (["2026-03-02T09:30:00Z"], False),
    ],
)
def test_an_activity_is_fresh_by_its_own_time(timestamp: object, fresh: bool):
    assert teams_fresh({"timestamp": timestamp}, NOW) is fresh


def test_an_activity_without_a_time_is_not_fresh():
    assert not teams_fresh({}, NOW)


# ------------------------------------------------------------------ generated


@dataclass(frozen=True)
class Request:
    """What arrives. `whole`: as it was signed."""

    body: bytes
    stamp: str | None
    signature: str | None
    whole: bool = True


WORDS = ("status", "create bio101 for 12", "stop", "link", "", "café ☃ 🎈", "a&b=c;d", "100%", "x" * 3000, "two\nlines")


def a_form(chance: random.Random) -> bytes:
    fields = [
        ("team_id", f"T{chance.randrange(10**9)}"),
        ("user_id", f"U{chance.randrange(10**9)}"),
        ("command", "/hub"),
        ("text", chance.choice(WORDS)),
        ("trigger_id", f"{chance.randrange(10**12)}.{chance.randrange(10**9)}"),
    ]
    return urlencode(fields).encode()


def other_bytes(body: bytes, chance: random.Random) -> bytes:
    """The same request for a lenient reader, or nearly the same one, in other bytes."""
    pairs = parse_qsl(body.decode(), keep_blank_values=True)
    ways: list[Callable[[], bytes]] = [
        lambda: urlencode(chance.sample(pairs, len(pairs))).encode(),
        lambda: body.replace(b"+", b"%20"),
        lambda: body.replace(b"%20", b"+"),
        lambda: body.replace(b"%2F", b"%2f"),
        lambda: body.replace(b"%2F", b"/"),
        lambda: body.decode().encode("utf-16"),
        lambda: b"\xef\xbb\xbf" + body,
        lambda: body.upper(),
        lambda: body.swapcase(),
        lambda: body + chance.choice([b"&", b"\x00", b"\n", b" ", b"&text=delete+physics", body]),
        lambda: b"&" + body,
        lambda: body[: chance.randrange(len(body))],
        lambda: body[chance.randrange(1, len(body)) :],
        lambda: b"",
        lambda: chance.randbytes(len(body)),
        lambda: flipped(body, chance),
        lambda: quote_from_bytes(body).encode(),
        lambda: b":" + body,
        lambda: body * chance.choice([2, 50]),
    ]
    return chance.choice(ways)()


def flipped(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data))
    return data[:place] + bytes([data[place] ^ (1 << chance.randrange(8))]) + data[place + 1 :]


def other_text(text: str, chance: random.Random) -> str | None:
    """Another spelling of a header's value, or another value."""
    place = chance.randrange(len(text))
    ways: list[str | None] = [
        None,
        "",
        text.upper(),
        text.title(),
        text[:place],
        text[place:],
        text + chance.choice(["\n", " ", "\x00", "0", ",", f",{text}", "=", "\r\nX: y"]),
        chance.choice([" ", "\t", "\x00", "v0="]) + text,
        text[:place] + "\x00" + text[place:],
        text[:place] + chance.choice("0123456789abcdefghij") + text[place + 1 :],
        text.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")),
        text.replace("0", "O"),
        f'"{text}"',
        text * chance.choice([2, 3000]),
        "\ud800" + text,
    ]
    return chance.choice(ways)


def forged_for_slack(good: Request, chance: random.Random) -> Request:
    """Near to one that is whole. Now and then it is the same: a body without a space has no other spelling of it."""
    body, stamp, signature = good.body, good.stamp or "", good.signature or ""
    stale = str(int(NOW.timestamp()) + chance.choice([-1, 1]) * chance.choice([301, 302, 3600, 10**6, 10**9]))
    version = chance.choice(["v1", "V0", "v00"])
    ways: list[Callable[[], Request]] = [
        lambda: replace(good, body=other_bytes(body, chance)),
        lambda: replace(good, body=other_bytes(body, chance)),
        lambda: replace(good, signature=other_text(signature, chance)),
        lambda: replace(good, stamp=other_text(stamp, chance)),
        lambda: replace(good, stamp=str(int(stamp) + chance.choice([-1, 1, 60]))),
        lambda: Request(body, stale, slack_signature(body, stale)),
        lambda: replace(good, signature=slack_signature(body, stamp, "another secret")),
        lambda: replace(good, signature=signature.replace("v0", version)),
        lambda: replace(good, signature=signature[3:]),
        lambda: replace(good, signature="v0=" + hashlib.sha256(body).hexdigest()),
        lambda: replace(good, signature="v0=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()),
        lambda: replace(good, stamp=signature, signature=stamp),
    ]
    return replace(chance.choice(ways)(), whole=False)


def slack_requests(seed: int) -> Iterator[Request]:
    """One whole request for each nine that are not."""
    chance = random.Random(seed)
    for number in range(CASES):
        body, stamp = a_form(chance), str(int(NOW.timestamp()) + chance.randint(-300, 300))
        good = Request(body, stamp, slack_signature(body, stamp))
        yield from [good] if number % 10 == 0 else differing(good, forged_for_slack(good, chance))


def differing(good: Request, forged: Request) -> list[Request]:
    return [] if replace(forged, whole=True) == good else [forged]


def forged_for_teams(good: Request, token: str, chance: random.Random) -> Request:
    body, signature = good.body, good.signature or ""
    scheme = chance.choice(["Bearer", "hmac", "HMAC HMAC", ""])
    strange = base64.b64encode(chance.randbytes(32)).decode()
    ways: list[Callable[[], Request]] = [
        lambda: replace(good, body=json_in_other_bytes(body, chance)),
        lambda: replace(good, body=json_in_other_bytes(body, chance)),
        lambda: replace(good, signature=other_text(signature, chance)),
        lambda: replace(good, signature=teams_signature(body, strange)),
        lambda: replace(good, signature=signature.replace("HMAC", scheme)),
        lambda: replace(good, signature="HMAC " + hmac.new(b"a" * 32, body, hashlib.sha256).hexdigest()),
        lambda: replace(good, signature=with_stray_bits(signature)),
        lambda: replace(good, signature=signed_with_the_text_itself(body, token)),
    ]
    return replace(chance.choice(ways)(), whole=False)


def teams_requests(seed: int) -> Iterator[Request]:
    chance = random.Random(seed)
    for number in range(CASES):
        body = b'{"type":"message","text":"<at>Hublet</at> ' + a_form(chance) + b'"}'
        token = chance.choice(TOKENS)
        good = Request(body, None, teams_signature(body, token))
        yield from [good] if number % 10 == 0 else differing(good, forged_for_teams(good, token, chance))


def json_in_other_bytes(body: bytes, chance: random.Random) -> bytes:
    ways = [
        body.decode().encode("utf-16"),
        b"\xef\xbb\xbf" + body,
        body.replace(b":", b": "),
        body[:-1] + b',"text":"delete physics"}',
        body + b"\n",
        body[: chance.randrange(len(body))],
        b"",
        body.swapcase(),
        body.replace(b"<", b"\\u003c"),
        flipped(body, chance),
        body * 40,
        body.replace(b"text", b"te\x00xt", 1),
    ]
    return chance.choice(ways)


def with_stray_bits(signature: str) -> str:
    """The same 32 bytes for every decoder that is not strict: the last two bits of base64 stand for nothing."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = alphabet[alphabet.index(signature[-2]) ^ 1]
    return signature[:-2] + last + "="


def signed_with_the_text_itself(body: bytes, token: str) -> str:
    """The mistake of who forgets that the token is base64."""
    return "HMAC " + base64.b64encode(hmac.new(token.encode(), body, hashlib.sha256).digest()).decode()


def judged(requests: Iterator[Request], verify: Callable[[Request], bool]) -> tuple[int, int, int]:
    """How many forged ones were taken, whole ones were refused, and there were in all."""
    taken = refused = seen = 0
    for request in requests:
        seen += 1
        verdict = verify(request)
        taken += verdict and not request.whole
        refused += request.whole and not verdict
    return taken, refused, seen


def is_found(requests: Iterator[Request], weak: Callable[[Request], bool]) -> bool:
    """Whether a forged one is taken; what comes after the first one proves nothing more."""
    return any(weak(request) and not request.whole for request in requests)


def by_slack(request: Request) -> bool:
    return slack_signed(SECRET, request.stamp, request.signature, request.body, NOW)


def by_teams(request: Request) -> bool:
    return teams_signed(TOKENS, request.signature, request.body)


@pytest.mark.slow
def test_of_many_forged_slack_requests_none_is_taken_and_every_whole_one_is():
    taken, refused, seen = judged(slack_requests(1), by_slack)
    assert (taken, refused) == (0, 0)
    assert seen - CASES // 10 > 100_000


@pytest.mark.slow
def test_of_many_forged_teams_requests_none_is_taken_and_every_whole_one_is():
    taken, refused, seen = judged(teams_requests(1), by_teams)
    assert (taken, refused) == (0, 0)
    assert seen - CASES // 10 > 100_000


@pytest.mark.parametrize(("requests", "verify"), [(slack_requests, by_slack), (teams_requests, by_teams)])
def test_of_some_others_none_is_taken_and_every_whole_one_is(
    requests: Callable[[int], Iterator[Request]],
    verify: Callable[[Request], bool],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(f"{__name__}.CASES", FEW)
    assert judged(requests(2), verify)[:2] == (0, 0)


# ---- the generator catches what is weak


def no_window(request: Request) -> bool:
    if not (request.stamp and request.signature and request.stamp.isascii()):
        return False
    return slack_signature(request.body, request.stamp) == request.signature


def lenient_about_case(request: Request) -> bool:
    return by_slack(replace(request, signature=(request.signature or "").lower()))


def lenient_about_space(request: Request) -> bool:
    return by_slack(replace(request, signature=(request.signature or "").strip()))


def of_the_parsed_form(request: Request) -> bool:
    try:
        pairs = parse_qsl(request.body.decode(), keep_blank_values=True)
    except ValueError:
        return False
    return by_slack(replace(request, body=urlencode(pairs).encode()))


def of_a_prefix(request: Request) -> bool:
    wanted = slack_signature(request.body, "".join(c for c in request.stamp or "" if c in "0123456789"))
    return bool(request.signature) and wanted.startswith(request.signature or "-")


@pytest.mark.parametrize(
    "weak", [no_window, lenient_about_case, lenient_about_space, of_the_parsed_form, of_a_prefix, lambda _: True]
)
def test_a_weak_slack_verifier_is_found(weak: Callable[[Request], bool], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(f"{__name__}.CASES", FEW)
    assert is_found(slack_requests(1), weak)


def of_decoded_bytes(request: Request) -> bool:
    scheme, _, encoded = (request.signature or "").partition(" ")
    try:
        given = base64.b64decode(encoded)
    except ValueError:
        return False
    return scheme == "HMAC" and any(
        given == hmac.new(base64.b64decode(token), request.body, hashlib.sha256).digest() for token in TOKENS
    )


def any_scheme(request: Request) -> bool:
    return by_teams(replace(request, signature="HMAC " + (request.signature or "").rpartition(" ")[2]))


def without_order_mark(request: Request) -> bool:
    return by_teams(replace(request, body=request.body.removeprefix(b"\xef\xbb\xbf")))


@pytest.mark.parametrize("weak", [of_decoded_bytes, any_scheme, without_order_mark, lambda _: True])
def test_a_weak_teams_verifier_is_found(weak: Callable[[Request], bool], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(f"{__name__}.CASES", FEW)
    assert is_found(teams_requests(1), weak)


def test_a_verifier_that_refuses_everything_is_found_too(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(f"{__name__}.CASES", FEW)
    assert judged(slack_requests(1), lambda _: False)[1] >= CASES // 10
