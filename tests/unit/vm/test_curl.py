"""curl's arguments."""

import pytest

from localdev.azuresim.vm.programs.curl import Usage, parse, parse_config


def test_short_flags_may_be_joined() -> None:
    request = parse(("-fsSLo", "/tmp/x", "https://h/p"))
    assert request.flags == {"-f", "-s", "-S", "-L"}
    assert (request.values["output"], request.urls) == ("/tmp/x", ["https://h/p"])


def test_the_agents_download_is_understood() -> None:
    request = parse(
        ("-fsSL", "--proto", "=https", "--retry", "5", "--retry-connrefused", "--connect-timeout", "20",
         "--max-time", "300", "--max-filesize", "2097152", "-o", "/x", "https://h/p")
    )  # fmt: skip
    assert request.urls == ["https://h/p"]
    assert request.values["max-time"] == "300"


def test_headers_and_data_keep_their_order() -> None:
    request = parse(("-H", "A: 1", "-HB: 2", "-d", "x=1", "--data-binary", "@-", "u"))
    assert request.headers == ["A: 1", "B: 2"]
    assert request.data == [("data", "x=1"), ("data", "@-")]


def test_a_config_file_is_arguments() -> None:
    assert parse_config('# c\nheader = "Authorization: token \\"t\\""\nsilent\nurl = "http://h"\n') == (
        "--header", 'Authorization: token "t"', "--silent", "--url", "http://h",
    )  # fmt: skip


@pytest.mark.parametrize("arguments", [("--upload-file", "x"), ("-o",), ("-Z", "u")])
def test_other_arguments_are_refused(arguments: tuple[str, ...]) -> None:
    with pytest.raises(Usage):
        parse(arguments)
