"""Whom security rules let in."""

import ipaddress
from typing import Any

import pytest

from localdev.azuresim.envelope import ArmError
from localdev.azuresim.network.rules import DEFAULT_RULES, Peer, Rule, check_conflicts, decide
from tests.support.azure_requests import rule

EGRESS, PERSON = "127.77.0.2", "127.0.0.1"


def parsed(name: str = "ssh", priority: int = 100, **changes: Any) -> Rule:
    return Rule.parse(rule(name, priority, **changes), "/nsg")


def peer(address: str = EGRESS, port: int = 22) -> Peer:
    return Peer(
        address=ipaddress.ip_address(address),
        port=port,
        target=ipaddress.ip_address("10.0.0.4"),
        virtual_network=(ipaddress.ip_network("10.0.0.0/16"),),
    )


def lets_in(*rules: Rule, address: str = EGRESS, port: int = 22) -> bool:
    return decide((*rules, *DEFAULT_RULES), peer(address, port))


def test_default_rules_let_nobody_in_from_outside() -> None:
    assert not lets_in()
    assert not lets_in(address=PERSON, port=80)


def test_default_rules_let_the_network_itself_in() -> None:
    assert lets_in(address="10.0.3.7", port=5432)


def test_rule_for_one_address_lets_only_that_one_in() -> None:
    assert lets_in(parsed())
    assert not lets_in(parsed(), address=PERSON)
    assert not lets_in(parsed(), port=80)


@pytest.mark.parametrize("source", ["*", "Internet", "0.0.0.0/0", "127.0.0.0/8", "127.0.0.1"])
def test_source_that_contains_a_person(source: str) -> None:
    assert lets_in(parsed(sourceAddressPrefix=source), address=PERSON)


@pytest.mark.parametrize("tag", ["AzureCloud", "AzureCloud.eastus", "AzureCloud.germanywc", "AzureCloud.switzerlandn"])
def test_azure_cloud_is_the_control_plane_and_nobody_else(tag: str) -> None:
    assert lets_in(parsed(sourceAddressPrefix=tag))
    assert not lets_in(parsed(sourceAddressPrefix=tag), address=PERSON)


@pytest.mark.parametrize("tag", ["VirtualNetwork", "AzureLoadBalancer", "Storage", "Sql.EastUS"])
def test_other_tags_contain_neither(tag: str) -> None:
    assert not lets_in(parsed(sourceAddressPrefix=tag))
    assert not lets_in(parsed(sourceAddressPrefix=tag), address=PERSON)


def test_internet_is_not_the_network_itself() -> None:
    deny = parsed(sourceAddressPrefix="Internet", access="Deny", destinationPortRange="*")
    assert not lets_in(deny, address=PERSON)
    assert lets_in(deny, address="10.0.0.9")


def test_lowest_priority_decides_whatever_the_order() -> None:
    deny, allow = parsed("no", 200, access="Deny"), parsed("yes", 100)
    assert lets_in(deny, allow)
    assert not lets_in(parsed("yes", 200), parsed("no", 100, access="Deny"))


@pytest.mark.parametrize(("ports", "port"), [("22", 22), ("20-25", 22), ("*", 443), ("0-65535", 1)])
def test_port_and_range(ports: str, port: int) -> None:
    assert lets_in(parsed(destinationPortRange=ports), port=port)


def test_plural_fields_count_like_singular_ones() -> None:
    web = parsed(
        sourceAddressPrefix=None,
        sourceAddressPrefixes=["10.9.0.0/16", "127.0.0.1/32"],
        destinationPortRange=None,
        destinationPortRanges=["80", "443-444"],
    )
    assert [lets_in(web, address=PERSON, port=port) for port in (80, 443, 444, 445)] == [True, True, True, False]


@pytest.mark.parametrize("change", [{"direction": "Outbound"}, {"protocol": "Udp"}, {"sourcePortRange": "1024"}])
def test_rule_about_something_else_does_not_let_in(change: dict[str, Any]) -> None:
    assert not lets_in(parsed(**change))


def test_rule_for_another_destination_does_not_let_in() -> None:
    assert not lets_in(parsed(destinationAddressPrefix="10.0.9.0/24"))
    assert lets_in(parsed(destinationAddressPrefix="10.0.0.0/24"))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"destinationPortRange": "66600"}, "SecurityRuleInvalidPortRange"),
        ({"destinationPortRange": "25-22"}, "SecurityRuleInvalidPortRange"),
        ({"destinationPortRange": "ssh"}, "SecurityRuleInvalidPortRange"),
        ({"sourceAddressPrefix": "10.0.0.0/42"}, "SecurityRuleInvalidAddressPrefix"),
        ({"sourceAddressPrefix": "AzureCloud.atlantis"}, "SecurityRuleInvalidAddressPrefix"),
        ({"sourceAddressPrefix": "AzureCloud.germanywestcentral"}, "SecurityRuleInvalidAddressPrefix"),
        ({"priority": 99}, "SecurityRuleInvalidPriority"),
        ({"priority": 4097}, "SecurityRuleInvalidPriority"),
        ({"access": None}, "InvalidRequestFormat"),
    ],
)
def test_bad_rule_is_refused(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(ArmError) as refused:
        parsed(**changes)
    assert (refused.value.status, refused.value.code, refused.value.details) == (400, code, [])


def test_two_rules_of_one_direction_need_two_priorities() -> None:
    with pytest.raises(ArmError) as refused:
        check_conflicts([parsed("a"), parsed("b")])
    assert refused.value.code == "SecurityRuleConflict"
    check_conflicts([parsed("a"), parsed("b", direction="Outbound")])
