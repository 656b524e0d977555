"""The simulated tljh-config refuses and forgets what the real one did in our trials."""

import pytest

from localdev.azuresim.vm.programs import tljh_config
from localdev.azuresim.vm.programs.tljh_config import Refused, Usage, parse, parse_value
from localdev.azuresim.vm.programs.tljh_schema import problem


@pytest.mark.parametrize(
    ("text", "value"), [("12", 12), ("1.5", 1.5), ("true", True), ("False", False), ("none", "none"), ("4G", "4G")]
)
def test_values_are_guessed(text: str, value: object) -> None:
    assert parse_value(text) == value


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [
        ("limits.nosuch", "1", "Additional properties are not allowed ('nosuch' was unexpected)"),
        ("https.enabled", "maybe", "'maybe' is not of type 'boolean'"),
        ("http.port", "8081x", "'8081x' is not of type 'integer'"),
        ("limits.cpu", "0.5", "0.5 is not of type 'integer'"),
        ("limits.memory", "1073741824", "1073741824 is not of type 'string'"),
        ("user_environment.default_app", "rstudio", "'rstudio' is not one of ['jupyterlab', 'classic']"),
    ],
)
def test_known_sections_are_checked(key: str, text: str, words: str) -> None:
    assert problem(tljh_config.set_item({}, key, parse_value(text))) == words


@pytest.mark.parametrize(("key", "text"), [("limits.memory", "banana"), ("nosuch.key", "1"), ("limits.cpu", "2")])
def test_what_the_real_one_accepts_is_accepted(key: str, text: str) -> None:
    assert problem(tljh_config.set_item({}, key, parse_value(text))) is None


def test_a_name_of_digits_is_not_a_name() -> None:
    assert problem(tljh_config.add_item({}, "users.admin", parse_value("123"))) == "123 is not of type 'string'"


def test_adding_twice_makes_two() -> None:
    once = tljh_config.add_item({}, "users.admin", "ann")
    assert tljh_config.add_item(once, "users.admin", "ann") == {"users": {"admin": ["ann", "ann"]}}


def test_unset_drops_sections_that_became_empty() -> None:
    assert tljh_config.unset_item({"a": {"b": {"c": 1}}, "d": 2}, "a.b.c") == {"d": 2}


def test_removing_what_is_not_there_is_refused() -> None:
    with pytest.raises(Refused):
        tljh_config.remove_item({"users": {"admin": ["ann"]}}, "users.admin", "bob")
    with pytest.raises(Refused):
        tljh_config.unset_item({}, "a.b")


def test_no_validate_belongs_before_the_verb() -> None:
    assert not parse(("--no-validate", "set", "a", "b")).validate
    with pytest.raises(Usage):
        parse(("set", "--no-validate", "a", "b"))
    with pytest.raises(Usage):
        parse(())


@pytest.mark.parametrize(
    "https",
    [
        {"enabled": True},
        {"enabled": True, "letsencrypt": {"email": "a@b"}},
        {"enabled": True, "letsencrypt": {"domains": ["a"]}},
    ],
)
def test_half_an_https_configuration_is_refused(https: dict[str, object]) -> None:
    with pytest.raises(Refused):
        tljh_config.check_https({"https": https})


def test_a_whole_https_configuration_is_fine() -> None:
    tljh_config.check_https({"https": {"enabled": True, "letsencrypt": {"email": "a@b", "domains": ["c"]}}})
    tljh_config.check_https({"https": {"enabled": True, "tls": {"key": "/k", "cert": "/c"}}})
    tljh_config.check_https({})
