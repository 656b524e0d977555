"""Which credential the settings choose, and what its failure is called."""

import pytest

from shared.adapters.arm.credentials import SCOPE, AppCredential
from shared.errors import RetryableError
from tests.support.builders import some_settings


def chosen(**environment: str) -> str:
    return type(AppCredential(some_settings(**environment))._credential()).__name__


def test_a_deployed_app_is_its_managed_identity():
    assert chosen() == "ManagedIdentityCredential"


def test_on_a_laptop_it_may_be_whoever_did_az_login():
    assert chosen(HUBLET_CREDENTIAL="azure-cli") == "AzureCliCredential"


async def test_no_identity_is_trouble_of_the_identity_and_may_pass(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/nonexistent")  # no az here
    credential = AppCredential(some_settings(HUBLET_CREDENTIAL="azure-cli"))
    with pytest.raises(RetryableError) as caught:
        await credential.get_token(SCOPE)
    await credential.close()
    assert caught.value.code == "AzureIdentityUnavailable"
