"""Which URLs may be called, and which addresses they may lead to."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.addresses import MAX_URL, METADATA, NotAllowed, check_address, check_all, destination, hidden_ipv4
from tests.unit.sinks.url_tricks import ALLOWED, PRIVATE_4, PRIVATE_6, PRIVATE_ANSWERS, URLS, tunnels

LISTED = ("hooks.corp", "127.0.0.1:8443", "[::1]:8443", "localhost", "Printer:9443", "10.0.0.7")


def test_the_table_of_tricks_is_long():
    assert len(URLS) >= 300


@pytest.mark.parametrize("url", URLS)
def test_a_url_that_tricks_is_refused_and_not_quoted(url: str):
    with pytest.raises(NotAllowed) as caught:
        destination(url, ())
    assert len(url) < 12 or url not in caught.value.why


@pytest.mark.parametrize("url", ALLOWED)
def test_an_ordinary_url_is_taken(url: str):
    assert destination(url, ()).port == 443


@pytest.mark.parametrize("answers", PRIVATE_ANSWERS)
def test_one_private_answer_refuses_all(answers: tuple[str, ...]):
    with pytest.raises(NotAllowed):
        check_all(answers, exempt=False)


def test_public_answers_are_kept_in_their_order():
    found = check_all(["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"], exempt=False)
    assert [address.version for address in found] == [4, 6]


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("HTTPS://Hooks.Example.ORG/A?B=C", "https://hooks.example.org/A?B=C"),
        ("https://hooks.example.org:443?x", "https://hooks.example.org/?x"),
        ("https://hooks.example.org", "https://hooks.example.org/"),
        ("https://[2606:2800:0:0:0:0:0:1]/", "https://[2606:2800::1]/"),
        ("https://h.example.org/a/../%2e/b//c?d=%2F", "https://h.example.org/a/../%2e/b//c?d=%2F"),
    ],
)
def test_a_url_has_one_normal_form_in_which_path_and_query_stay(url: str, normal: str):
    assert destination(url, ()).url == normal


def test_a_url_may_be_so_long_and_no_longer():
    start = "https://hooks.example.org/"
    assert len(destination(start.ljust(2048, "x"), ()).url) == MAX_URL == 2048
    with pytest.raises(NotAllowed, match="2048"):
        destination(start.ljust(2049, "x"), ())


def test_a_port_of_its_own_stays_in_the_normal_form():
    assert destination("https://hooks.corp:9000/x", LISTED).url == "https://hooks.corp:9000/x"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://93.184.215.14/", IPv4Address("93.184.215.14")),
        ("https://[2606:2800::1]/", IPv6Address("2606:2800::1")),
        ("https://hooks.example.org/", None),
    ],
)
def test_a_host_that_is_an_address_needs_no_name_look_up(url: str, address):
    assert destination(url, ()).address == address


@pytest.mark.parametrize("host", ["127.0.0.1.", "1.", "0x7f.", "hooks.example.1", "127.1"])
def test_what_others_read_as_an_address_is_said_to_be_one(host: str):
    with pytest.raises(NotAllowed, match="four decimal numbers"):
        destination(f"https://{host}/", ())


def test_a_destination_does_not_show_its_path():
    assert "secret" not in repr(destination("https://hooks.example.org/secret?sig=secret", ()))


# ---- listed hosts


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.corp/",
        "https://HOOKS.corp:9000/",
        "https://127.0.0.1:8443/",
        "https://[::1]:8443/",
        "https://localhost:1/",
        "https://printer:9443/",
        "https://10.0.0.7/",
        "https://10.0.0.7:8080/",
    ],
)
def test_listed_hosts_may_be_private_and_at_another_port(url: str):
    assert destination(url, LISTED).exempt


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.corp/",
        "https://user@hooks.corp/",
        "https://x.hooks.corp/",
        "https://hooks.corp.evil.example:8443/",
        "https://127.0.0.1/",
        "https://127.0.0.1:8444/",
        "https://2130706433:8443/",
        "https://127.1:8443/",
        "https://[::ffff:127.0.0.1]:8443/",
        "https://[::1]/",
        "https://printer/",
        "https://localhost.:1/",
        "https://hooks.corp:0/",
        "https://hooks.corp:65536/",
    ],
)
def test_a_list_allows_what_it_names_and_nothing_near_it(url: str):
    with pytest.raises(NotAllowed):
        destination(url, LISTED)


@pytest.mark.parametrize("address", sorted(METADATA, key=str), ids=str)
def test_the_clouds_own_services_are_reached_by_nobody(address):
    with pytest.raises(NotAllowed, match="cloud"):
        check_all([str(address)], exempt=True)
    shown = f"[{address}]" if address.version == 6 else str(address)
    with pytest.raises(NotAllowed, match="cloud"):
        destination(f"https://{shown}/", (shown,))


def test_a_listed_name_may_have_private_addresses():
    assert len(check_all(["10.0.0.1", "fd00::1", "127.0.0.1"], exempt=True)) == 3


# ---- addresses


@pytest.mark.parametrize("text", [*PRIVATE_4, *PRIVATE_6])
def test_what_is_not_public_is_refused(text: str):
    with pytest.raises(NotAllowed):
        check_address(ip_address(text))


@pytest.mark.parametrize("text", ["1.1.1.1", "8.8.8.8", "93.184.215.14", "223.255.255.1", "2603:1030::1", "2a00::1"])
def test_what_is_public_is_not_refused(text: str):
    check_address(ip_address(text))


@given(st.ip_addresses(v=4))
def test_however_an_address_is_wrapped_it_is_no_better_than_itself(address: IPv4Address):
    wrapped = list(tunnels(address))
    assert {hidden_ipv4(six) for six in wrapped} == {address}
    for six in wrapped:
        if not refused(six):
            assert not refused(address)


@pytest.mark.parametrize(
    ("six", "four"),
    [
        ("::", None),
        ("::1", None),
        ("::2", "0.0.0.2"),
        ("::5db8:d70e", "93.184.215.14"),
        ("::ffff:ffff", "255.255.255.255"),
        ("::1:0:0", None),
        ("0:0:1::", None),
    ],
)
def test_an_ipv4_compatible_address_leads_to_its_last_four_bytes(six: str, four: str | None):
    assert hidden_ipv4(IPv6Address(six)) == (None if four is None else IPv4Address(four))


@given(st.ip_addresses())
def test_nothing_that_python_calls_private_is_taken(address):
    if address.is_private or address.is_multicast or address.is_link_local or address.is_loopback:
        assert refused(address) or hidden_ipv4(address) is not None


def refused(address) -> bool:
    try:
        check_address(address)
    except NotAllowed:
        return True
    return False
