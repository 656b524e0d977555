"""A certificate that verifies, or plain HTTP with a named reason."""

from dataclasses import replace

import pytest

from shared.errors import FatalError, RetryableError
from shared.hubs.model import HttpsMode, HttpsSpec, StepName
from shared.hubs.ports import Endpoint, TlsCheck
from shared.hubs.visit import Done
from tests.component.steps.bench import FQDN, StepBench
from tests.support.builders import a_spec
from tests.support.fake_vm import FakeReach
from tests.support.often import EVERY
from tests.support.world import CrashPlan

OWN = "hub.example.org"


def a_https(
    mode: HttpsMode = HttpsMode.AUTO,
    domain: str | None = None,
    *,
    crash: CrashPlan | None = None,
    email: str = "hubs@example.org",
    **environment: str,
) -> StepBench:
    spec = a_spec(https=HttpsSpec(mode=mode, domain=domain))
    return StepBench(
        StepName.HTTPS,
        crash=crash,
        environment={"HUBLET_HTTPS_EMAIL": email, "HUBLET_HTTPS_DEFAULT_MODE": "none", **environment},
        spec=spec,
    )


def conditions(bench: StepBench) -> dict[str, str]:
    return {condition.type: condition.message for condition in bench.hub.conditions}


async def test_without_https_the_url_is_plain_http_on_the_azure_name():
    bench = a_https(HttpsMode.NONE)
    assert await bench.to_end() == 1
    assert bench.hub.url == f"http://{FQDN}/"
    assert bench.world.on_vm.calls == []
    assert conditions(bench) == {}, "it was asked for: no condition"


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        (Endpoint(address="127.77.1.4", port=80), "http://127.77.1.4/"),
        (Endpoint(address="127.0.0.1", port=20080), "http://127.0.0.1:20080/"),
    ],
)
async def test_where_names_are_looked_up_plain_http_shows_the_socket(endpoint: Endpoint, url: str):
    bench = a_https(HttpsMode.NONE)
    bench.world.app = replace(bench.world.app, reach=FakeReach({(FQDN, 80): endpoint}))
    await bench.to_end()
    assert bench.hub.url == url


async def test_https_keeps_its_name_and_shows_a_moved_port():
    bench = a_https()
    bench.world.app = replace(
        bench.world.app, reach=FakeReach({(FQDN, 443): Endpoint(address="127.0.0.1", port=20443)})
    )
    await bench.to_end()
    assert bench.hub.url == f"https://{FQDN}:20443/"


async def test_a_certificate_that_comes_soon_makes_an_https_url():
    bench = a_https()
    bench.world.hub_http.certificate_looks = 3
    await bench.to_end()
    assert bench.hub.url == f"https://{FQDN}/"
    assert bench.machine.https_domain == FQDN
    assert conditions(bench) == {}
    assert bench.visits <= 6


async def test_the_owners_domain_comes_first():
    bench = a_https(domain=OWN)
    await bench.to_end()
    assert bench.hub.url == f"https://{OWN}/"
    assert bench.world.hub_http.tls_calls == [OWN]


async def test_a_domain_that_gets_no_certificate_is_followed_by_the_azure_name():
    bench = a_https(domain=OWN)
    original = bench.world.hub_http.tls

    async def only_azure(fqdn: str) -> TlsCheck:
        check = await original(fqdn)
        return check if fqdn == FQDN else replace(check, ok=False, reason="unknown authority")

    bench.world.hub_http.tls = only_azure  # type: ignore[method-assign]
    await bench.to_end()
    assert bench.hub.url == f"https://{FQDN}/"
    assert f"No certificate for {OWN}: unknown authority" in bench.told


async def test_no_certificate_within_ten_minutes_is_a_named_condition_not_a_failure():
    bench = a_https()
    bench.world.hub_http.certificate_looks = None
    began = bench.world.clock.now()
    await bench.to_end()
    assert bench.hub.url == f"http://{FQDN}/"
    assert "the proxy's own default certificate" in conditions(bench)["HttpsRefused"]
    assert "HttpsRefused" in bench.told
    assert bench.machine.https_domain is None, "left on, HTTPS would send visitors to a warning"
    assert 600 <= (bench.world.clock.now() - began).total_seconds() <= 680
    assert bench.visits <= 40


async def test_the_time_limit_follows_the_poll_scale():
    bench = a_https(HUBLET_POLL_SCALE="20")
    bench.world.hub_http.certificate_looks = None
    began = bench.world.clock.now()
    await bench.to_end()
    assert (bench.world.clock.now() - began).total_seconds() <= 70


async def test_without_a_contact_address_nobody_is_asked_for_a_certificate():
    bench = a_https(email="")
    await bench.to_end()
    assert bench.hub.url == f"http://{FQDN}/"
    assert "contact address" in conditions(bench)["HttpsRefused"]
    assert bench.world.on_vm.calls == []


async def test_a_machine_that_cannot_configure_https_says_why():
    bench = a_https()
    bench.machine.fail_task("https", "TljhConfigFailed", "Both email and domains must be set for letsencrypt")
    await bench.to_end()
    assert "Both email and domains" in conditions(bench)["HttpsRefused"]


async def test_a_task_lost_in_a_reboot_is_begun_again():
    bench = a_https()
    bench.machine.fail_task("https", "TaskLost", times=2)
    await bench.to_end()
    assert bench.hub.url == f"https://{FQDN}/"
    assert bench.machine.effects == ["https"] * 3


async def test_a_machine_that_can_neither_serve_nor_stop_https_fails():
    bench = a_https()
    bench.machine.fail_task("https", "HubDidNotReload", times=99)
    with pytest.raises(FatalError) as caught:
        await bench.to_end()
    assert caught.value.code == "HttpsStuck"


async def test_a_look_at_tls_that_breaks_is_one_more_look():
    bench = a_https()
    bench.world.hub_http.fail_next("tls", RetryableError("HubUnreachable", "no"), times=2)
    await bench.to_end()
    assert bench.hub.url == f"https://{FQDN}/"
    assert bench.troubles == []


async def test_a_condition_of_an_earlier_try_goes_away():
    bench = a_https()
    hub = bench.hub
    from shared.hubs.model import Condition

    bench.world.storage.hubs.seed(
        hub.with_condition(Condition(type="HttpsRefused", message="rate limit", since=hub.created_at))
    )
    await bench.to_end()
    assert conditions(bench) == {}


async def test_the_second_look_after_done_asks_nobody():
    for mode in HttpsMode:
        bench = a_https(mode)
        await bench.to_end()
        calls, looks = len(bench.world.on_vm.calls), len(bench.world.hub_http.calls)
        assert await bench.look() == Done()
        assert (len(bench.world.on_vm.calls), len(bench.world.hub_http.calls)) == (calls, looks)


@pytest.mark.parametrize("looks", [1, None])
@EVERY
async def test_a_worker_that_dies_anywhere_ends_with_the_same_address(looks: int | None, every: int):
    def make(plan: CrashPlan) -> StepBench:
        bench = a_https(crash=plan, HUBLET_POLL_SCALE="60")
        bench.world.hub_http.certificate_looks = looks
        return bench

    counted = CrashPlan()
    await make(counted).to_end()
    for at in range(0, counted.points, every):
        bench = make(CrashPlan(at))
        await bench.to_end()
        assert bench.hub.url == (f"http://{FQDN}/" if looks is None else f"https://{FQDN}/"), bench.crashes
        assert bench.machine.effects == (["https", "https"] if looks is None else ["https"]), bench.crashes
        assert len(bench.hub.conditions) == (1 if looks is None else 0)
