"""What happens to hubs after `ready`, in the order in which it happened: one environment, whose clock is moved.

It waits most of the time, so it runs beside the other tests (see conftest)."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tests.contract.vm.hub_client import Person
from tests.e2e.api import Api
from tests.e2e.azure import Azure
from tests.e2e.environment import Environment, running_environment
from tests.e2e.people import visitor

TICK_S = 2
HOST_ARGS = ("--tick-seconds", str(TICK_S))
IDLE_MINUTES = 1
COMPUTES_S = 170
"""Longer than it takes until an idle hub of this rule is stopped at the latest: 40 s until a kernel is idle, 60 s until
its server looks, 33 s until JupyterHub sees it, 20 s of grace, a few looks."""

STOPPED_WITHIN_S = 260.0
BERLIN = ZoneInfo("Europe/Berlin")
CLASS = {"timeZone": "Europe/Berlin", "start": "08:30", "stop": "19:00", "days": ["mon", "tue", "wed", "thu", "fri"]}
NOTES = "what nobody may lose"


@dataclass
class IdleHub:
    """`worked`: states seen while a kernel computed; `power_...`: what Azure showed."""

    ready: dict[str, Any] = field(default_factory=dict)
    worked: set[str] = field(default_factory=set)
    worked_s: float = 0.0
    stopped: dict[str, Any] = field(default_factory=dict)
    stopped_after_s: float = 0.0
    power_stopped: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    cost_stopped: dict[str, Any] = field(default_factory=dict)
    extend_while_stopped: str = ""
    again: dict[str, Any] = field(default_factory=dict)
    power_again: str = ""
    login_again: int = 0
    notes_again: str = ""
    operations: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """One look at the hub of the weekend. `at`: what the moved clock showed, in Berlin."""

    at: datetime
    hub: dict[str, Any]
    power: str


@dataclass
class Weekend:
    looks: dict[str, Seen] = field(default_factory=dict)
    auto_shutdown: dict[str, Any] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Lived:
    """What was seen. `log`: the host's."""

    idle: IdleHub = field(default_factory=IdleHub)
    weekend: Weekend = field(default_factory=Weekend)
    log: str = ""


def live(folder: Path) -> Lived:
    lived = Lived()
    with running_environment(folder, host_args=HOST_ARGS) as environment:
        api = environment.caller("jaydoe")
        api.create({"name": "idle", "idleMinutes": IDLE_MINUTES})
        lived.idle.ready = api.until_ready("idle")
        try:
            asyncio.run(_idle(environment, api, lived.idle))
            api.call("DELETE", "/hubs/idle")
            api.create({"name": "class"})
            api.until_gone("idle")
            api.until_ready("class")
            _weekend(environment, api, lived.weekend)
        finally:
            lived.log = environment.stack.host.log_text()[-20_000:]
    return lived


# ------------------------------------------------------------------ nobody works


async def _idle(environment: Environment, api: Api, seen: IdleHub) -> None:
    password = api.call("POST", "/hubs/idle/admin-password").json()["password"]
    admin, vm = seen.ready["adminUser"], vm_of(seen.ready)
    async with visitor(seen.ready["url"], admin) as person:
        assert await person.log_in(password) == 302
        await person.start_server()
        await person.api("PUT", "contents/notes.txt", {"type": "file", "format": "text", "content": NOTES})
        await person.begin(f"import time; time.sleep({COMPUTES_S})")
    began = time.monotonic()
    while time.monotonic() - began < COMPUTES_S:  # the browser is closed, the kernel is silent
        seen.worked.add(api.hub("idle")["state"])
        await asyncio.sleep(2)
    seen.worked_s = time.monotonic() - began
    seen.stopped = _until(api, "idle", lambda hub: hub["state"] == "stopped", STOPPED_WITHIN_S)
    seen.stopped_after_s = time.monotonic() - began - seen.worked_s
    seen.power_stopped = power_of(environment.azure, *vm)
    seen.cost_stopped = api.call("GET", "/hubs/idle/cost").json()
    seen.extend_while_stopped = api.call("POST", "/hubs/idle/extend", {"hours": 1}).code
    seen.operations["stop"] = api.call("GET", f"/operations/{seen.stopped['id']}.{seen.stopped['generation']}").json()
    started = api.call("POST", "/hubs/idle/start")
    assert started.status == 202, started
    seen.again = _until(api, "idle", lambda hub: hub["state"] == "ready", 120)
    seen.operations["start"] = api.call("GET", f"/operations/{seen.again['id']}.{seen.again['generation']}").json()
    seen.power_again = power_of(environment.azure, *vm)
    async with visitor(seen.again["url"], admin) as person:
        seen.login_again = await person.log_in(password)
        await person.start_server()
        seen.notes_again = (await _notes(person))["content"]
    seen.events = api.call("GET", "/hubs/idle/events").json()["value"]


async def _notes(person: Person) -> Any:
    return await person.api("GET", "contents/notes.txt?content=1&type=file&format=text")


# ------------------------------------------------------------------ a weekend


def _weekend(environment: Environment, api: Api, seen: Weekend) -> None:
    """From Friday evening to Monday morning, by moving the clock that app and Azure share."""
    azure = environment.azure
    clock = MovedClock(azure)
    friday = _next_friday(clock.now())

    def look(name: str, until: Callable[[dict[str, Any]], bool]) -> None:
        hub = _until(api, "class", until, 120)
        seen.looks[name] = Seen(clock.now().astimezone(BERLIN), hub, power_of(azure, *vm_of(hub)))

    clock.move_to(friday.replace(hour=18, minute=20))
    answer = api.call("PATCH", "/hubs/class", {"schedule": CLASS})
    assert answer.status == 200, answer
    look("friday 18:20", lambda hub: hub["nextStop"] is not None)
    clock.move_to(friday.replace(hour=18, minute=31))
    _until_event(api, "warning")
    seen.auto_shutdown = auto_shutdown_of(azure, seen.looks["friday 18:20"].hub)
    extended = api.call("POST", "/hubs/class/extend", {"hours": 1})
    assert extended.status == 200, extended
    clock.move_to(friday.replace(hour=19, minute=5))
    time.sleep(3 * TICK_S)  # long enough to be stopped, if it were
    look("friday 19:05", lambda hub: True)
    clock.move_to(friday.replace(hour=20, minute=0, second=10))
    look("friday 20:00", lambda hub: hub["state"] == "stopped")
    for name, days, hour, minute in (("saturday", 1, 12, 0), ("sunday", 2, 19, 30), ("monday 08:29", 3, 8, 29)):
        clock.move_to((friday + timedelta(days=days)).replace(hour=hour, minute=minute))
        time.sleep(3 * TICK_S)
        look(name, lambda hub: True)
    clock.move_to((friday + timedelta(days=3)).replace(hour=8, minute=30, second=10))
    look("monday 08:30", lambda hub: hub["state"] == "ready")
    seen.events = api.call("GET", "/hubs/class/events").json()["value"]


class MovedClock:
    """The simulator's, which the app follows."""

    def __init__(self, azure: Azure) -> None:
        self._azure = azure

    def now(self) -> datetime:
        return datetime.fromisoformat(self._azure.simulator("clock")["now"]).astimezone(UTC)

    def move_to(self, moment: datetime) -> None:
        seconds = (moment - self.now()).total_seconds()
        assert seconds > 0, moment
        self._azure.simulator("clock", {"advance_s": seconds})


def _next_friday(now: datetime) -> datetime:
    """One that has not come yet, whatever the day is, at the beginning of a minute: 08:29 is a minute before 08:30."""
    local = now.astimezone(BERLIN).replace(second=0, microsecond=0)
    return local + timedelta(days=(4 - local.weekday()) % 7 or 7)


# ------------------------------------------------------------------ looks


def vm_of(hub: dict[str, Any]) -> tuple[str, str]:
    return f"hublet-{hub['id']}-a1", f"{hub['id']}-a1-vm"


def power_of(azure: Azure, group: str, name: str) -> str:
    view = azure.compute.virtual_machines.instance_view(group, name)
    codes = [str(status.code) for status in view.statuses or []]
    return next((code.partition("/")[2] for code in codes if code.startswith("PowerState/")), "")


def auto_shutdown_of(azure: Azure, hub: dict[str, Any]) -> dict[str, Any]:
    """Azure's own daily shutdown of the hub's machine, by the SDK for any resource."""
    group, vm = vm_of(hub)
    machine = str(azure.compute.virtual_machines.get(group, vm).id)
    inside = machine.partition("/providers/")[0]
    path = f"{inside}/providers/Microsoft.DevTestLab/schedules/shutdown-computevm-{vm}"
    found = azure.resources.resources.get_by_id(path, api_version="2018-09-15")
    document: dict[str, Any] = found.as_dict()
    return document


def _until(api: Api, name: str, wanted: Callable[[dict[str, Any]], bool], limit_s: float) -> dict[str, Any]:
    deadline = time.monotonic() + limit_s
    while not wanted(hub := api.hub(name)):
        events = api.call("GET", f"/hubs/{name}/events").json()["value"][-8:]
        assert time.monotonic() < deadline, (hub, events)
        time.sleep(1)
    return hub


def _until_event(api: Api, kind: str, limit_s: float = 60) -> None:
    deadline = time.monotonic() + limit_s
    while not any(event["kind"] == kind for event in api.call("GET", "/hubs/class/events").json()["value"]):
        assert time.monotonic() < deadline, kind
        time.sleep(1)
