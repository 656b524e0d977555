"""What a machine says is made fit to be kept: no terminal codes, no secrets, no endless lines."""

import pytest

from shared.steps.install_pace import LONGEST_PAUSE_S, REFERENCE_S, SHORTEST_PAUSE_S, pause_s, seconds_left
from shared.steps.text import one_line, plain, redacted, tail


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("a\rb\r\nc", "a\nb\nc"),
        ("nul\x00 bell\x07 csi\x9b", "nul bell csi"),
        ("abc\u202edef\u2028ghi", "abcdefghi"),
        ("tab\tand\nline", "tab\tand\nline"),
    ],
)
def test_control_characters_and_terminal_codes_go(said: str, kept: str):
    assert plain(said) == kept


@pytest.mark.parametrize(
    ("said", "secret"),
    [
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1\n-----END OPENSSH PRIVATE KEY-----", "b3BlbnNzaC1"),
        ("-----BEGIN PRIVATE KEY-----\ncut off in the middle", "cut off in the middle"),
        ("hash $2b$12$abcdefghijklmnopqrstuuNotARealHashEither12345678901234", "NotARealHash"),
        ("GET https://user:hunter22@example.org/x", "hunter22"),
        ("GET https://ghp_token123@example.org/x", "ghp_token123"),
        ("Authorization: token 0123456789abcdef0123", "0123456789abcdef0123"),
        ("https://x.blob.core.windows.net/r.txt?sv=1&sig=AbC%2F123", "AbC%2F123"),
        ("key hlt_abc123_secretsecretsecret used", "secretsecret"),
        ("a value nobody could guess: zufall-zufall", "zufall-zufall"),
    ],
)
def test_secrets_go(said: str, secret: str):
    assert secret not in redacted(said, ["zufall-zufall", "", "a"])


def test_a_tail_is_redacted_before_it_is_cut():
    text = "https://user:" + "p" * 150 + "@example.org"
    assert "ppp" not in tail(text, limit=60)


def test_lines_are_short_and_one():
    assert one_line("a\nb\t c") == "a b c"
    assert len(one_line("x" * 1000, 50)) == 50
    assert tail("1\n2\n\n3", lines=2) == "2\n3"


def test_a_slow_machine_is_expected_to_stay_slow():
    assert seconds_left(70, 152.5, 152.5) == pytest.approx(REFERENCE_S - 152.5)
    assert seconds_left(70, 305.0, 305.0) == pytest.approx(2 * (REFERENCE_S - 152.5))


@pytest.mark.parametrize("percent", [-5, 0, 8, 33, 70, 99, 100, 10_000])
@pytest.mark.parametrize("elapsed", [0.0, 50.0, 1e9])
@pytest.mark.parametrize("began", [0.0, 1e9])
def test_every_pause_is_sane_whatever_the_machine_says(percent: int, elapsed: float, began: float):
    assert SHORTEST_PAUSE_S <= pause_s(max(percent, 0), began, elapsed) <= max(LONGEST_PAUSE_S, 0.12 * elapsed)
