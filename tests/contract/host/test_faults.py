"""Faults between a Functions host and the real queue (docs/faults.md): F12."""

import os
import signal
import time

from tests.contract.host.conftest import Lab
from tests.contract.host.test_queues import left, made, runs
from tests.support.wait import eventually


async def test_f12_a_message_that_somebody_else_has_by_now_is_theirs_and_the_host_goes_on(lab: Lab) -> None:
    """The host is frozen past its lease; another one takes the message meanwhile: the receipt is stale (400, 404)."""
    queue = made(lab.queue())
    host = lab.host("--lease-seconds", "2")
    queue.send_message("sleep 1")
    await eventually(lambda: runs(lab) == [(1, "sleep 1")])
    os.kill(host.child.process.pid, signal.SIGSTOP)
    try:
        deadline, theirs = time.monotonic() + 15, None
        while theirs is None and time.monotonic() < deadline:
            theirs = queue.receive_message(visibility_timeout=60)
            time.sleep(0.1)
    finally:
        os.kill(host.child.process.pid, signal.SIGCONT)
    assert theirs is not None
    await eventually(lambda: (1, "done") in runs(lab))
    queue.send_message("ok")
    await eventually(lambda: (1, "ok") in runs(lab))
    assert left(queue) == 1, "it was not deleted under the one who holds it"
    queue.delete_message(theirs)
    assert not lab.notes("poisoned")


async def test_f12_a_message_that_is_gone_when_its_work_is_done_is_no_trouble(lab: Lab) -> None:
    queue = made(lab.queue())
    lab.host()
    queue.send_message("sleep 1")
    await eventually(lambda: runs(lab) == [(1, "sleep 1")])
    queue.clear_messages()
    await eventually(lambda: (1, "done") in runs(lab))
    queue.send_message("ok")
    await eventually(lambda: (1, "ok") in runs(lab))
    assert not lab.notes("poisoned")
