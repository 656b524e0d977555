import base64

import pytest

from localdev import docs
from shared.settings import Settings, SettingsError

GOOD = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "HUBLET_ADMIN_TOKEN": "a" * 32,
    "HUBLET_SEAL_KEYS": "k1:" + base64.b64encode(b"k" * 32).decode(),
    "HUBLET_HTTPS_EMAIL": "hubs@example.org",
    "HUBLET_SUBSCRIPTION_ID": "11111111-2222-3333-4444-555555555555",
}


def test_a_complete_environment_is_read():
    settings = Settings.from_env(GOOD)
    assert settings.size == "Standard_D2s_v3"
    assert settings.tljh_version == "2.0.0"
    assert len(settings.tljh_bootstrap_sha256) == 64


def test_every_problem_is_reported_at_once_and_no_value_is_shown():
    secret = "hunter2-but-short"
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"HUBLET_SEAL_KEYS": f"k1:{secret}", "HUBLET_ADMIN_TOKEN": secret, "HUBLET_POLL_SCALE": "0"})
    problems = "\n".join(caught.value.problems)
    for name in ("HUBLET_SEAL_KEYS", "HUBLET_ADMIN_TOKEN", "HUBLET_POLL_SCALE", "HUBLET_SUBSCRIPTION_ID"):
        assert name in problems
    assert secret not in problems


@pytest.mark.parametrize("wrong", ["{key}:new", "{key}", "new={key}", "new:{key}:{key}", "k1:{key},{key}:old"])
def test_a_seal_key_in_the_wrong_place_is_not_shown(wrong: str):
    key = base64.b64encode(b"\xfekey-of-all-secrets-of-all-hubs\xfe").decode()
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({**GOOD, "HUBLET_SEAL_KEYS": wrong.format(key=key)})
    assert "HUBLET_SEAL_KEYS" in str(caught.value.problems)
    assert key[:12] not in str(caught.value.problems)


@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "::/0"])
def test_the_whole_world_is_no_egress_address(cidr: str):
    with pytest.raises(SettingsError, match="whole world"):
        Settings.from_env({**GOOD, "HUBLET_EGRESS_CIDRS": cidr})


def test_https_by_default_needs_a_contact_address():
    environ = {**GOOD, "HUBLET_HTTPS_EMAIL": ""}
    with pytest.raises(SettingsError, match="HUBLET_HTTPS_EMAIL"):
        Settings.from_env(environ)
    assert Settings.from_env({**environ, "HUBLET_HTTPS_DEFAULT_MODE": "none"}).https_email == ""


def test_secrets_do_not_show_in_a_repr_of_a_seal_key():
    assert "kkkk" not in repr(Settings.from_env(GOOD).seal_keys)


def test_identity_based_storage_needs_no_connection_string():
    environ = {**GOOD, "AzureWebJobsStorage__tableServiceUri": "https://x.table.core.windows.net"}
    del environ["AzureWebJobsStorage"]
    assert Settings.from_env(environ).storage == ""


def test_generated_documents_are_fresh():
    assert docs.stale() == [], "run ./dev docs"
