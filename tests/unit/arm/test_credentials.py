"""Which credential the settings choose, and what its failure is called."""

import asyncio

import pytest

from shared.adapters.arm.credentials import SCOPE, AppCredential
from shared.errors import RetryableError
from tests.support.builders import some_settings


async def chosen(**environment: str) -> str:
    return type(AppCredential(some_settings(**environment))._credential()).__name__


async def test_a_deployed_app_is_its_managed_identity():
    assert await chosen() == "ManagedIdentityCredential"


async def test_on_a_laptop_it_may_be_whoever_did_az_login():
    assert await chosen(HUBLET_CREDENTIAL="azure-cli") == "AzureCliCredential"


async def test_no_identity_is_trouble_of_the_identity_and_may_pass(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/nonexistent")  # no az here
    credential = AppCredential(some_settings(HUBLET_CREDENTIAL="azure-cli"))
    with pytest.raises(RetryableError) as caught:
        await credential.get_token(SCOPE)
    await credential.close()
    assert caught.value.code == "AzureIdentityUnavailable"


async def test_a_token_that_azure_did_not_take_is_asked_for_anew_unless_it_is_fresh(monkeypatch: pytest.MonkeyPatch):
    loop = asyncio.get_running_loop()
    credential = AppCredential(some_settings())
    first = credential._credential()
    await credential.forget()
    assert credential._credential() is first
    later = loop.time() + 61
    monkeypatch.setattr(loop, "time", lambda: later)
    await credential.forget()
    assert credential._credential() is not first
