"""The queue pump against real Azurite."""

import asyncio

from azure.storage.queue import QueueClient

from tests.contract.host.conftest import Lab
from tests.support.wait import eventually


def made(queue: QueueClient) -> QueueClient:
    queue.create_queue()
    return queue


def left(queue: QueueClient) -> int:
    return int(queue.get_queue_properties().approximate_message_count or 0)


def runs(lab: Lab) -> list[tuple[int, str]]:
    """(dequeue count, message) of each run so far, oldest first."""
    split = [line.split(" ", 2) for line in lab.notes("work")]
    return [(int(count), text) for _pid, count, text in split]


async def test_a_message_is_handled_once_and_deleted(lab: Lab) -> None:
    queue = made(lab.queue())
    lab.host()
    queue.send_message("ok")
    await eventually(lambda: runs(lab) == [(1, "ok")])
    await eventually(lambda: left(queue) == 0)


async def test_a_failing_message_is_retried_and_then_moves_to_the_poison_queue(lab: Lab) -> None:
    queue = made(lab.queue())
    lab.host()
    queue.send_message("fail")
    await eventually(lambda: lab.notes("poisoned") == ["fail"])
    assert runs(lab) == [(1, "fail"), (2, "fail")]
    assert left(queue) == 0


async def test_a_queue_made_after_the_host_started_is_found(lab: Lab) -> None:
    lab.host()
    made(lab.queue()).send_message("ok")
    await eventually(lambda: runs(lab) == [(1, "ok")])


async def test_a_delayed_message_runs_when_it_is_due_and_not_before(lab: Lab) -> None:
    queue = made(lab.queue())
    lab.host()
    queue.send_message("ok late", visibility_timeout=2)
    queue.send_message("ok early")
    await eventually(lambda: runs(lab) == [(1, "ok early")])
    await asyncio.sleep(0.5)
    assert runs(lab) == [(1, "ok early")]
    await eventually(lambda: (1, "ok late") in runs(lab))


async def test_a_lease_is_renewed_while_the_function_runs(lab: Lab) -> None:
    queue = made(lab.queue())
    for _ in range(2):
        lab.host("--lease-seconds", "2")
    queue.send_message("sleep 5")
    await eventually(lambda: (1, "done") in runs(lab))
    await eventually(lambda: left(queue) == 0)
    assert runs(lab) == [(1, "sleep 5"), (1, "done")]


async def test_a_message_of_a_killed_host_is_taken_over_when_its_lease_ends(lab: Lab) -> None:
    queue = made(lab.queue())
    first = lab.host("--lease-seconds", "2")
    queue.send_message("sleep 3")
    await eventually(lambda: runs(lab) == [(1, "sleep 3")])
    first.child.kill()
    lab.host("--lease-seconds", "2")
    await eventually(lambda: (2, "done") in runs(lab))
    await eventually(lambda: left(queue) == 0)


async def test_a_graceful_stop_lets_a_running_message_end(lab: Lab) -> None:
    queue = made(lab.queue())
    host = lab.host()
    queue.send_message("sleep 1")
    await eventually(lambda: runs(lab) == [(1, "sleep 1")])
    await asyncio.to_thread(host.child.stop, 10)
    assert host.child.process.returncode == 0
    assert runs(lab) == [(1, "sleep 1"), (1, "done")]
    assert left(queue) == 0


async def test_two_hosts_share_a_queue_and_run_each_message_once(lab: Lab) -> None:
    queue = made(lab.queue())
    for _ in range(2):
        lab.host()
    texts = [f"sleep 0.{index % 3}" for index in range(24)]
    for text in texts:
        queue.send_message(text)
    await eventually(lambda: sum(text == "done" for _, text in runs(lab)) == len(texts), 20)
    assert sorted(text for count, text in runs(lab) if text != "done") == sorted(texts)
    assert len({line.split()[0] for line in lab.notes("work")}) == 2
