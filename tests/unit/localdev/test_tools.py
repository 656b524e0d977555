"""Small decisions of ./dev: packages, node, ports, settings."""

import json
from pathlib import Path

import pytest

from localdev import func_host, paths
from localdev.azurite import connection_string, read_endpoints
from localdev.cli import TIERS
from localdev.processes import ChildFailed
from localdev.setup import node_major
from localdev.stack import Secrets, app_settings, write_private
from localdev.testing import PACKAGES, TEN_THOUSAND_LIVES, lanes_of, missing_packages, read_packages

FACTS = {
    "arm": "https://127.0.0.1:1",
    "sim": "https://127.0.0.1:1/_sim",
    "ca": "/ca.pem",
    "identityEndpoint": "http://127.0.0.1:2/msi/token",
    "identityHeader": "h",
    "prices": "https://127.0.0.1:1/prices",
    "subscriptionId": "s",
    "bootstrapUrl": "https://127.0.0.1:1/_sim/bootstrap.py",
    "bootstrapSha256": "0" * 64,
    "egressAddress": "127.77.0.2",
    "clockFile": "/run/clock-offset",
}


def test_every_line_of_our_package_list_names_command_and_tiers() -> None:
    packages = {package.name: package for package in read_packages(PACKAGES.read_text(encoding="utf-8"))}
    assert {"openssh-client", "cloud-init", "shellcheck", "chromium", "azure-cli"} <= packages.keys()
    assert all(package.command and package.tiers for package in packages.values())


def test_a_missing_package_is_found_for_the_tiers_that_need_it() -> None:
    packages = read_packages("no-such-package # no-such-command-anywhere: e2e\n# a comment\n\n")
    assert [package.name for package in missing_packages(packages, ["unit", "e2e"])] == ["no-such-package"]
    assert missing_packages(packages, ["unit"]) == []


def test_a_package_line_without_its_command_is_refused() -> None:
    with pytest.raises(ValueError, match="curl"):
        read_packages("curl\n")


def test_every_tier_is_in_one_lane_and_what_only_computes_steps_back() -> None:
    lanes = lanes_of(TIERS)
    where = [arg for lane in lanes for arg in lane.argv if arg.startswith("tests/")]
    assert sorted(where) == sorted([*(f"tests/{tier}" for tier in TIERS), TEN_THOUSAND_LIVES])
    assert [f"--ignore={TEN_THOUSAND_LIVES}" in lane.argv for lane in lanes if lane.name == "simulated"] == [True]
    assert (paths.ROOT / TEN_THOUSAND_LIVES).exists()
    assert {lane.name: lane.nice for lane in lanes} == {"e2e": 0, "contract": 0, "lives": 19, "simulated": 19}


def test_a_lane_has_the_wanted_tiers_and_the_keyword() -> None:
    [lane] = lanes_of(["component"], "idle and not crash")
    assert lane.argv[3:] == ("tests/component", "-k", "idle and not crash")


@pytest.mark.parametrize(("text", "major"), [("v20.20.2\n", 20), ("v8.1.0", 8), ("", 0), ("what", 0)])
def test_node_versions(text: str, major: int) -> None:
    assert node_major(text) == major


def test_azurite_is_ready_when_all_three_services_listen() -> None:
    lines = [f"Azurite {name} service is successfully listening at http://127.0.0.1:{port}" for name, port in
             (("Blob", 1), ("Queue", 2), ("Table", 3))]  # fmt: skip
    assert read_endpoints("\n".join(lines[:2])) is None
    endpoints = read_endpoints("\n".join(lines))
    assert endpoints is not None
    assert "QueueEndpoint=http://127.0.0.1:2/devstoreaccount1;" in connection_string(endpoints)


def test_the_apps_settings_come_from_the_simulator() -> None:
    made = Secrets.make()
    settings = app_settings("storage", FACTS, made, 10.0)
    assert settings["HUBLET_EGRESS_CIDRS"] == "127.77.0.2/32"
    assert settings["HUBLET_REACH_ENDPOINT"] == "https://127.0.0.1:1/_sim/reach"
    assert settings["HUBLET_POLL_SCALE"] == "10"
    assert settings["HUBLET_CLOCK_OFFSET_FILE"] == "/run/clock-offset"
    assert settings["HUBLET_ADMIN_TOKEN"] == made.admin_token
    assert all(isinstance(value, str) for value in settings.values())


def test_local_settings_of_a_person_are_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "local.settings.json"
    func_host.write_local_settings(file, {"A": "1"})
    func_host.write_local_settings(file, {"A": "2"})
    assert json.loads(file.read_text(encoding="utf-8"))["Values"] == {"A": "2"}
    write_private(file, {"Values": {"A": "mine"}})
    with pytest.raises(ChildFailed, match="not made by"):
        func_host.write_local_settings(file, {"A": "3"})
    assert json.loads(file.read_text(encoding="utf-8"))["Values"] == {"A": "mine"}
