"""A hub with `idleMinutes` and a real JupyterHub: it stays while a kernel computes, stops when nobody works, and comes
back as it was."""

from tests.e2e.life import COMPUTES_S, NOTES, Lived


def test_a_silent_computing_kernel_keeps_the_hub_up(lived: Lived):
    assert lived.idle.worked_s >= COMPUTES_S
    assert lived.idle.worked == {"ready"}


def test_when_everything_has_ended_the_hub_is_stopped_and_azure_shows_it_deallocated(lived: Lived):
    stopped = lived.idle.stopped
    assert (stopped["state"], stopped["goal"], stopped["stopReason"]) == ("stopped", "stopped", "idle")
    assert lived.idle.power_stopped == "deallocated"
    assert stopped["nextStop"] is None


def test_every_decision_about_idleness_is_in_the_history_with_its_numbers(lived: Lived):
    looks = [event["message"] for event in lived.idle.events if event["kind"] == "idle"]
    assert any("1 person" in said and "stays" in said for said in looks), looks
    assert any("No server has run for" in said and "stops" in said for said in looks), looks
    assert all("limit 1 min" in said for said in looks), looks


def test_people_were_warned_before_the_idle_stop(lived: Lived):
    kinds = [event["kind"] for event in lived.idle.events]
    stopping = next(event for event in lived.idle.events if event["to"] == "stopping")
    assert "warning" in kinds
    assert kinds.index("warning") < lived.idle.events.index(stopping)
    assert stopping["actor"] == "idle rule"


def test_a_stopped_hub_costs_its_disk_and_address_only(lived: Lived):
    cost = lived.idle.cost_stopped
    assert 0 < cost["perHourNow"] < 0.02 < cost["perMonthIfLeftOn"]
    assert cost["parts"]["vm"]["soFar"] >= 0


def test_a_stopped_hub_has_no_stop_to_move(lived: Lived):
    assert lived.idle.extend_while_stopped == "HubIsStopped"


def test_start_brings_back_the_same_hub(lived: Lived):
    before, again = lived.idle.ready, lived.idle.again
    assert lived.idle.power_again == "running"
    assert {key: again[key] for key in ("id", "url", "ip", "fqdn", "knownHosts", "adminUser")} == {
        key: before[key] for key in ("id", "url", "ip", "fqdn", "knownHosts", "adminUser")
    }
    assert lived.idle.login_again == 302, "the same password"
    assert lived.idle.notes_again == NOTES, "the same files"


def test_stop_and_start_are_operations_that_ended_well(lived: Lived):
    told = {name: (one["kind"], one["status"]) for name, one in lived.idle.operations.items()}
    assert told == {"stop": ("stop", "Succeeded"), "start": ("start", "Succeeded")}
