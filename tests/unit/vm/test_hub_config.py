"""JupyterHub's configuration follows TLJH's rules."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from localdev.azuresim.vm import hub_config


class Section:
    """A traitlets section: attributes appear when they are set; lists can be appended to."""

    def __init__(self) -> None:
        self.services: list[dict[str, Any]] = []
        self.load_roles: list[dict[str, Any]] = []


class Config:
    """A traitlets configuration object."""

    sections: defaultdict[str, Section]

    def __init__(self) -> None:
        object.__setattr__(self, "sections", defaultdict(Section))

    def __getattr__(self, name: str) -> Section:
        return self.sections[name]

    def __getitem__(self, name: str) -> Section:
        return self.sections[name]


def users(config: dict[str, Any]) -> Config:
    c = Config()
    hub_config.apply_users(c, config)
    hub_config.apply_authenticator(c, config, Path("/opt/tljh"))
    return c


def test_everybody_the_hub_knows_may_log_in_by_default() -> None:
    c = users({"users": {"admin": ["ann"]}})
    assert vars(c.Authenticator)["allow_all"] is True
    assert vars(c.Authenticator)["admin_users"] == {"ann"}
    assert vars(c.FirstUseAuthenticator)["create_users"] is False


def test_a_list_of_allowed_users_ends_that() -> None:
    assert "allow_all" not in vars(users({"users": {"allowed": ["ann"]}}).Authenticator)


def test_another_authenticator_lets_nobody_in_by_itself() -> None:
    c = users({"auth": {"type": "nativeauthenticator.NativeAuthenticator"}})
    assert "allow_all" not in vars(c.Authenticator)
    c = users({"auth": {"type": "native", "NativeAuthenticator": {"allow_all": True, "none": None}}})
    assert vars(c.NativeAuthenticator)["allow_all"] is True
    assert "none" not in vars(c.NativeAuthenticator)


def test_traits_of_the_default_are_merged() -> None:
    c = users({"auth": {"FirstUseAuthenticator": {"min_password_length": 12}}})
    assert vars(c.FirstUseAuthenticator)["create_users"] is False
    assert vars(c.FirstUseAuthenticator)["min_password_length"] == 12


def test_a_lower_case_class_stops_the_hub() -> None:
    with pytest.raises(ValueError, match=r"auth\.dummy"):
        users({"auth": {"dummy": {"password": "x"}}})


def test_the_culler_runs_unless_switched_off() -> None:
    c = Config()
    hub_config.apply_culler(c, {"services": {"cull": {"timeout": 1800}}})
    assert "--timeout=1800" in c.JupyterHub.services[0]["command"]
    c = Config()
    hub_config.apply_culler(c, {"services": {"cull": {"enabled": False}}})
    assert c.JupyterHub.services == []


def test_long_names_get_short_accounts() -> None:
    assert hub_config.account_name("ann") == "jupyter-ann"
    long = hub_config.account_name("a-name-that-is-really-long")
    assert long.startswith("jupyter-a-name-that-is-rea-")
    assert len(long) == 32
