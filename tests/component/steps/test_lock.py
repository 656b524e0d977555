"""The door is closed behind us, and seen to be closed."""

import pytest

from shared.errors import FatalError
from shared.hubs.model import StepName
from shared.hubs.ports import SshProbe
from shared.hubs.visit import Done
from tests.component.steps.bench import IP, StepBench
from tests.support.builders import a_spec
from tests.support.fake_machine import NEXT_HOST_KEY, WRONG_HOST_KEY
from tests.support.world import CrashPlan

OUR_ADDRESS = "198.51.100.7/32"
SECURE, PLAIN = "https://physics.example.org/", "http://physics.example.org/"


async def a_lock(
    url: str = SECURE, *, ssh_from: tuple[str, ...] = (), crash: CrashPlan | None = None, **environment: str
) -> StepBench:
    bench = StepBench(StepName.LOCK, crash=crash, environment=environment, url=url, spec=a_spec(ssh_from=ssh_from))
    await bench.make_group()
    return bench


def rules(bench: StepBench) -> dict[str, tuple[str, ...]]:
    (group,) = bench.world.cloud.groups.values()
    (nsg,) = group.nsgs.values()
    return {rule.name: rule.sources for rule in nsg.rules}


async def failure(bench: StepBench) -> FatalError:
    with pytest.raises(FatalError) as caught:
        await bench.to_end()
    return caught.value


# ---- the three ways a door is left


async def test_with_tls_port_22_is_closed_and_seen_closed():
    bench = await a_lock()
    await bench.to_end()
    assert bench.hub.ssh.port22 == "closed"
    assert bench.hub.ssh.closed_proven_at is not None
    assert set(rules(bench)) == {"web"}
    assert bench.machine.locked
    assert bench.machine.tunnel_key is None
    assert bench.visits <= 4


async def test_an_owners_network_keeps_its_way_in_and_we_do_not():
    bench = await a_lock(ssh_from=("203.0.113.0/24",))
    await bench.to_end()
    assert bench.hub.ssh.port22 == "sshFrom"
    assert bench.hub.ssh.closed_proven_at is not None
    assert rules(bench)["ssh-owner"] == ("203.0.113.0/24",)
    assert "ssh-hublet" not in rules(bench)


async def test_without_tls_a_key_that_can_only_tunnel_stays():
    bench = await a_lock(PLAIN)
    await bench.to_end()
    secrets = await bench.world.app.secrets.get(bench.hub.owner, bench.hub.id)
    assert secrets is not None
    assert bench.machine.tunnel_key == secrets.tunnel_public_key
    assert bench.hub.ssh.port22 == "controlPlane"
    assert bench.hub.ssh.closed_proven_at is None, "it is not closed, so nobody saw it closed"
    assert rules(bench)["ssh-hublet"] == (OUR_ADDRESS,)


async def test_only_the_new_host_key_is_trusted_afterwards():
    bench = await a_lock()
    await bench.to_end()
    assert bench.hub.host_public_keys == (NEXT_HOST_KEY,)
    assert bench.machine.host_key == NEXT_HOST_KEY


async def test_the_new_key_is_pinned_and_saved_before_it_is_in_force():
    bench = await a_lock()
    bench.machine.task_seconds["lock-commit"] = 60
    await bench.look()
    assert NEXT_HOST_KEY in bench.hub.host_public_keys
    assert len(bench.hub.host_public_keys) == 2
    assert bench.machine.host_key != NEXT_HOST_KEY


async def test_the_second_look_after_done_asks_nobody():
    bench = await a_lock()
    await bench.to_end()
    calls, writes, probes = len(bench.world.on_vm.calls), len(bench.world.cloud.writes), len(bench.world.on_vm.probes)
    assert await bench.look() == Done()
    assert len(bench.world.on_vm.calls) == calls
    assert len(bench.world.cloud.writes) == writes
    assert len(bench.world.on_vm.probes) == probes


async def test_the_network_is_changed_once_and_after_the_commit():
    bench = await a_lock()
    await bench.to_end()
    assert [call.verb for call in bench.world.cloud.writes].count("nsg") == 1
    assert bench.machine.effects == ["lock-prepare", "lock-commit"]


# ---- when answers get lost


async def test_a_commit_whose_answer_was_lost_is_recognised_by_the_machine_itself():
    bench = await a_lock()
    bench.machine.task_seconds["lock-commit"] = 0
    bench.machine.lose_answer("lock-commit")
    await bench.to_end()
    assert bench.hub.host_public_keys == (NEXT_HOST_KEY,)
    assert bench.machine.effects == ["lock-prepare", "lock-commit"]


async def test_being_refused_by_a_machine_with_the_old_key_is_not_a_commit():
    bench = await a_lock()
    bench.machine.task_seconds["lock-commit"] = 10_000
    await bench.look()
    bench.machine.installer_key = "somebody else's"
    with pytest.raises(AssertionError, match="not done"):
        await bench.to_end(limit=20)
    assert set(bench.troubles) == {"SshAuthenticationRefused"}
    assert not bench.hub.step(StepName.LOCK).data.get("committed")


async def test_a_machine_that_restarts_ssh_is_waited_for():
    bench = await a_lock()
    bench.machine.task_seconds["lock-commit"] = 20
    await bench.look()
    bench.machine.unreachable_for(10)
    await bench.to_end()
    assert bench.troubles == []
    assert bench.machine.locked


@pytest.mark.parametrize("task", ["lock-prepare", "lock-commit"])
async def test_a_task_that_fails_is_tried_three_times(task: str):
    bench = await a_lock()
    bench.machine.fail_task(task, "TaskLost", "gone", times=2)
    await bench.to_end()
    assert bench.machine.effects.count(task) == 3
    other = await a_lock()
    other.machine.fail_task(task, "SshRestartFailed", "gone", times=9)
    assert (await failure(other)).code == "LockFailed"
    assert other.machine.effects.count(task) == 3


# ---- hostile machines


@pytest.mark.parametrize(
    "key",
    [
        "",
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAB",
        "ssh-ed25519 AAAA",
        "ssh-ed25519 " + "A" * 68,
        NEXT_HOST_KEY + " comment",
        NEXT_HOST_KEY + "\n" + WRONG_HOST_KEY,
        None,
        7,
    ],
)
async def test_what_is_no_ed25519_key_is_never_trusted(key: object):
    bench = await a_lock()
    before = bench.hub.host_public_keys
    bench.machine.next_host_key = key  # type: ignore[assignment]
    assert (await failure(bench)).code == "UntrustedHostKey"
    assert bench.hub.host_public_keys == before or len(bench.hub.host_public_keys) == 1


async def test_a_machine_that_shows_another_key_than_it_promised_fails():
    bench = await a_lock(PLAIN)

    async def probe(host: str, port: int, *, timeout_s: float = 10.0) -> SshProbe:
        return SshProbe(banner=True, host_public_key=WRONG_HOST_KEY)

    bench.world.on_vm.probe = probe  # type: ignore[method-assign]
    assert (await failure(bench)).code == "UntrustedHostKey"


# ---- the proof


async def test_a_port_that_stays_open_fails_the_hub():
    bench = await a_lock()
    bench.world.on_vm.port_open = lambda host: True
    assert (await failure(bench)).code == "PortStillOpen"
    assert bench.hub.ssh.closed_proven_at is None


async def test_a_network_that_is_slow_to_follow_is_waited_for():
    bench = await a_lock()
    follows_at = [bench.world.clock.now()]
    bench.world.on_vm.port_open = lambda host: (
        not bench.machine.locked or ((bench.world.clock.now() - follows_at[0]).total_seconds() < 60)
    )
    await bench.to_end()
    assert bench.hub.ssh.port22 == "closed"
    assert bench.hub.ssh.closed_proven_at is not None
    assert (bench.hub.ssh.closed_proven_at - follows_at[0]).total_seconds() >= 60


async def test_a_tunnel_that_does_not_answer_fails_the_hub():
    bench = await a_lock(PLAIN)
    bench.world.on_vm.port_open = lambda host: not bench.machine.locked
    assert (await failure(bench)).code == "LockFailed"


@pytest.mark.parametrize("egress", [OUR_ADDRESS, ""], ids=["pinned", "not-pinned"])
async def test_an_owners_network_that_contains_us_proves_the_new_key_instead(egress: str):
    bench = await a_lock(ssh_from=("198.51.100.0/24",), HUBLET_EGRESS_CIDRS=egress)
    bench.world.on_vm.port_open = lambda host: True
    await bench.to_end()
    assert bench.hub.ssh.port22 == "sshFrom"
    assert bench.hub.ssh.closed_proven_at is None
    assert bench.hub.host_public_keys == (NEXT_HOST_KEY,)


# ---- crashes


@pytest.mark.parametrize("url", [SECURE, PLAIN])
async def test_a_worker_that_dies_anywhere_ends_with_a_locked_machine(url: str):
    counted = CrashPlan()
    await (await a_lock(url, crash=counted)).to_end()
    assert counted.points > 20
    for at in range(counted.points):
        bench = await a_lock(url, crash=CrashPlan(at))
        await bench.to_end()
        assert bench.crashes
        assert bench.machine.locked
        assert bench.machine.effects == ["lock-prepare", "lock-commit"], bench.crashes
        assert bench.hub.host_public_keys == (NEXT_HOST_KEY,), bench.crashes
        assert bench.hub.ssh.port22 == ("closed" if url == SECURE else "controlPlane"), bench.crashes
        assert IP in bench.world.on_vm.probes
