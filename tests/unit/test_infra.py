"""The Bicep parses, and its settings are the app's real ones."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from pycep import BicepParser

from shared.settings import Settings

BICEP = Path(__file__).parent.parent.parent / "infra" / "main.bicep"
PLATFORM = {
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__clientId",
    "AzureWebJobsStorage__blobServiceUri",
}


def app_settings() -> set[str]:
    return set(re.findall(r"\{ name: '((?:AzureWebJobs|AZURE_|HUBLET_)\w+)'", BICEP.read_text()))


def test_the_bicep_parses():
    parsed = BicepParser().parse(text=BICEP.read_text())
    assert {"storage", "identity", "app"} <= set(parsed["resources"])


def test_every_app_setting_in_the_bicep_is_one_the_app_reads():
    known = {spec.metadata["name"] for spec in fields(Settings)}
    assert app_settings() - PLATFORM <= known


def test_the_bicep_sets_everything_that_has_no_default():
    required = {spec.metadata["name"] for spec in fields(Settings) if spec.metadata["default"] is None}
    assert required <= app_settings()


def test_storage_is_reached_by_identity_only():
    assert "allowSharedKeyAccess: false" in BICEP.read_text()
    assert "AzureWebJobsStorage'" not in BICEP.read_text()


SECRETS = {
    "HUBLET_ADMIN_TOKEN",
    "HUBLET_SEAL_KEYS",
    "HUBLET_SLACK_SIGNING_SECRET",
    "HUBLET_SLACK_BOT_TOKEN",
    "HUBLET_TEAMS_SECURITY_TOKENS",
    "HUBLET_TEAMS_WEBHOOKS",
}
CHAT = (SECRETS | {"HUBLET_PUBLIC_URL", "HUBLET_TIME_ZONE", "HUBLET_SINK_HOSTS"}) - {
    "HUBLET_ADMIN_TOKEN",
    "HUBLET_SEAL_KEYS",
}


def parameters() -> dict[str, tuple[list[str], str | None]]:
    """Decorators and default of each parameter."""
    return {
        found["name"]: (re.findall(r"^@(\w+)", found["decorators"], re.MULTILINE), found["default"])
        for found in re.finditer(
            r"(?P<decorators>(?:^@.*\n)*)^param (?P<name>\w+) \w+(?: = (?P<default>.*))?$",
            BICEP.read_text(),
            re.MULTILINE,
        )
    }


def parameter_of(setting: str) -> str:
    found = re.search(rf"\{{ name: '{setting}', value: (\w+) \}}", BICEP.read_text())
    assert found, f"{setting} is not set from a parameter"
    return found[1]


@pytest.mark.parametrize("setting", sorted(SECRETS))
def test_a_secret_setting_comes_from_a_secure_parameter(setting: str):
    assert "secure" in parameters()[parameter_of(setting)][0]


@pytest.mark.parametrize("setting", sorted(CHAT))
def test_chat_is_set_by_parameters_that_may_be_left_out(setting: str):
    [default] = [spec.metadata["default"] for spec in fields(Settings) if spec.metadata["name"] == setting]
    assert parameters()[parameter_of(setting)][1] == f"'{default}'"


def test_no_secret_is_put_out():
    outputs = re.findall(r"^output .*$", BICEP.read_text(), re.MULTILINE)
    assert outputs
    assert not [line for line in outputs if any(parameter_of(secret) in line for secret in SECRETS)]
