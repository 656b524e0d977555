"""The Bicep parses, and its settings are the app's real ones."""

import re
from dataclasses import fields
from pathlib import Path

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
