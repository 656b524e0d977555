"""The messages of a notice neither die out nor multiply."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.hubs.notify import deliver
from shared.hubs.ports import Delivery
from tests.support.builders import a_notice
from tests.support.fake_sink import FakeSink
from tests.support.notices import NOT_NOW, Deployment, a_deployment, an_audit


@pytest.mark.parametrize(("early_s", "again"), [(60.0, [60.0]), (61.0, [])])
async def test_a_message_up_to_a_minute_early_waits_and_one_that_is_earlier_is_a_copy(
    early_s: float, again: list[float]
):
    here = await a_deployment()
    (pending,) = here.storage.outbox.rows.values()
    later = here.clock.now() + timedelta(seconds=early_s)
    await here.storage.outbox.save(replace(pending, deliveries={"fake": Delivery(next_at=later)}))
    await deliver(here.app, here.ref)
    assert here.pauses == again


async def test_a_message_without_its_row_is_dropped_after_a_minute_and_not_before():
    here = Deployment()
    here.clock.advance(59.9)
    await deliver(here.app, here.ref)
    assert here.pauses == [5.0]
    here = Deployment()
    here.clock.advance(60)
    await deliver(here.app, here.ref)
    assert here.pauses == []


async def test_over_three_days_of_audits_and_copies_a_notice_has_few_messages():
    here = await a_deployment(FakeSink("chat"), FakeSink("hook", targets=tuple("abcdef")))
    for sink in here.sinks:
        sink.tape.fail("sink.deliver", NOT_NOW, times=10_000)
    for _ in range(5):
        await here.storage.notices.put(here.ref)
    most = []
    for _ in range(80):
        end = here.clock.now() + timedelta(hours=1)
        await here.work(timedelta(hours=1))
        here.clock.advance_to(max(end, here.clock.now()))
        await an_audit(here)
        await here.storage.notices.put(replace(here.ref, first_seen=here.clock.now()))  # and one more from somewhere
        most.append(len(here.storage.notices.waiting))
    assert max(most) <= 6
    assert max(most[2:]) <= 3
    await here.work()
    assert here.storage.outbox.rows == {}
    assert here.storage.notices.waiting == []
    assert len(here.storage.notices.sent) < 300


async def test_a_chain_whose_message_was_lost_goes_on_with_the_next_audit():
    here = await a_deployment()
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW, times=2)
    await deliver(here.app, here.ref)
    here.storage.notices.waiting.clear()
    here.clock.advance(timedelta(minutes=4))
    await an_audit(here)
    assert here.pauses == [], "it may be on its way still"
    here.clock.advance(timedelta(minutes=2))
    await an_audit(here)
    await here.work()
    assert here.told == [[a_notice()]]
