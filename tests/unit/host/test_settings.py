"""host.json, connection strings, bindings and the command line."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from localdev.host.__main__ import parse
from localdev.host.functions import QueueTrigger, TimerTrigger, is_disabled, read_function
from localdev.host.settings import HostJson, HostOptions, SettingsError, StorageAccount, parse_timespan
from localdev.paths import ROOT


def write_host_json(folder: Path, **changes: Any) -> Path:
    (folder / "host.json").write_text(json.dumps({"version": "2.0", **changes}), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00:00:02", timedelta(seconds=2)),
        ("1.02:03:04", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("00:00:00.2000000", timedelta(milliseconds=200)),
    ],
)
def test_time_spans(text: str, expected: timedelta) -> None:
    assert parse_timespan(text) == expected


def test_our_own_host_json_says_what_the_design_says() -> None:
    read = HostJson.read(ROOT)
    assert read.route_prefix == "api"
    assert read.function_timeout == timedelta(minutes=10)
    assert not read.queues.base64
    assert read.queues.max_polling_interval == timedelta(seconds=2)
    assert read.queues.visibility_timeout == timedelta(seconds=30)
    assert read.queues.max_dequeue_count == 5


def test_an_empty_host_json_has_the_platforms_defaults(tmp_path: Path) -> None:
    read = HostJson.read(write_host_json(tmp_path))
    assert (read.queues.batch_size, read.queues.new_batch_threshold) == (16, 8)
    assert read.queues.base64
    assert read.queues.max_polling_interval == timedelta(minutes=1)


@pytest.mark.parametrize(
    ("queues", "named"),
    [
        ({"batchSize": 33}, "batchSize"),
        ({"messageEncoding": "utf8"}, "messageEncoding"),
        ({"maxPollingInterval": "2 s"}, "maxPollingInterval"),
        ({"maxPollingInterval": "00:00:00.050"}, "maxPollingInterval"),
    ],
)
def test_a_wrong_queue_option_is_named(tmp_path: Path, queues: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        HostJson.read(write_host_json(tmp_path, extensions={"queues": queues}))


def test_a_folder_without_host_json_is_not_an_app(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="not a Functions app"):
        HostJson.read(tmp_path)


def test_development_storage_is_the_emulator_on_its_usual_ports() -> None:
    account = StorageAccount.parse("UseDevelopmentStorage=true")
    assert account.queue == "http://127.0.0.1:10001/devstoreaccount1"
    assert "TableEndpoint=" in account.connection_string


def test_endpoints_of_a_cloud_account_are_derived() -> None:
    account = StorageAccount.parse("AccountName=a;AccountKey=k==;EndpointSuffix=core.windows.net")
    assert (account.blob, account.key) == ("https://a.blob.core.windows.net", "k==")


def test_a_connection_string_without_a_key_is_refused() -> None:
    with pytest.raises(SettingsError, match="AccountKey"):
        StorageAccount.parse("AccountName=a")


def test_binding_properties_take_app_settings() -> None:
    raw = json.dumps({"type": "queueTrigger", "name": "msg", "queueName": "%Q%-poison", "connection": "C"})
    assert read_function("f", "1", [raw], {"Q": "work"}).trigger == QueueTrigger("msg", "work-poison", "C")
    with pytest.raises(SettingsError, match="'Q'"):
        read_function("f", "1", [raw], {})


def test_use_monitor_is_on_unless_it_is_false() -> None:
    raw = {"type": "timerTrigger", "name": "t", "schedule": "0 * * * * *"}
    assert read_function("f", "1", [json.dumps(raw)], {}).trigger == TimerTrigger("t", "0 * * * * *", False, True)


def test_a_binding_nobody_serves_is_refused_at_start() -> None:
    trigger = {"type": "queueTrigger", "name": "msg", "queueName": "q"}
    output = {"type": "blob", "name": "out", "direction": "OUT"}
    with pytest.raises(SettingsError, match="'blob'"):
        read_function("f", "1", [json.dumps(trigger), json.dumps(output)], {})


def test_the_command_line(tmp_path: Path) -> None:
    env = tmp_path / "env.json"
    env.write_text('{"Values": {"A": "b"}}', encoding="utf-8")
    argv = ["--env-file", str(env), "--lease-seconds", "3", "--tick-seconds", "2", "--timer", "sweep=7"]
    options, settings = parse(argv)
    assert settings == {"A": "b"}
    assert options.lease_s == 3
    assert options.timer_overrides_s == {"*": 2.0, "sweep": 7.0}


@pytest.mark.parametrize("argv", [["--lease-seconds", "0"], ["--timer", "sweep"], ["--env-file", "nowhere.json"]])
def test_a_wrong_command_line_ends_with_usage(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(argv)
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(("lease_s", "lock_s"), [(600.0, 60), (30.0, 30), (2.0, 15)])
def test_a_timers_lock_lasts_as_long_as_storage_allows(lease_s: float, lock_s: int) -> None:
    assert HostOptions(app_dir=Path(), lease_s=lease_s).lock_s == lock_s


def test_instances_of_one_folder_share_their_host_id() -> None:
    options = HostOptions(app_dir=ROOT)
    assert options.host_id({}) == HostOptions(app_dir=ROOT, port=7).host_id({})
    assert options.host_id({"AzureFunctionsWebHost__hostid": "mine"}) == "mine"


@pytest.mark.parametrize(
    ("value", "disabled"), [("1", True), ("true", True), ("True", True), ("0", False), ("", False)]
)
def test_a_function_is_disabled_by_its_app_setting(value: str, disabled: bool) -> None:
    assert is_disabled("work_queue", {"AzureWebJobs.work_queue.Disabled": value}) is disabled
    assert not is_disabled("work_queue", {"AzureWebJobs.notify_queue.Disabled": value})
