"""The parts of the model that turn a run into figures."""

import random
from datetime import timedelta

import pytest

from localdev.bench.model.clock import START, VirtualClock
from localdev.bench.model.machine import Nature
from localdev.bench.model.prices import idle_month, price
from localdev.bench.model.storage import Bill, counted_storage
from localdev.bench.model.timeline import ACCEPT, Gap, Timeline, by_cause
from shared.hubs.dispatch import work_message
from tests.support.builders import a_hub, an_accept
from tests.support.fake_machine import RECORDED


def at(seconds: float):
    return START + timedelta(seconds=seconds)


def timeline(*work: tuple[str, float, float]) -> Timeline:
    made = Timeline(START)
    for name, begin, end in work:
        made.add(name, at(begin), at(end))
    return made


def test_overhead_is_the_time_in_which_nothing_was_under_way():
    gaps = timeline(("nsg", 3, 6), ("vnet", 7, 12)).gaps(at(14))
    assert gaps == [Gap(ACCEPT, at(0), at(3)), Gap("nsg", at(6), at(7)), Gap("vnet", at(12), at(14))]
    assert by_cause(gaps) == {ACCEPT: 3.0, "nsg": 1.0, "vnet": 2.0}


def test_work_beside_other_work_adds_nothing():
    gaps = timeline(("vm", 0, 60), ("look", 61, 62), ("install", 60, 300)).gaps(at(301))
    assert gaps == [Gap("install", at(300), at(301))]


def test_work_that_nobody_waited_for_does_not_count():
    assert timeline(("a", 0, 5), ("late", 20, 30)).gaps(at(5)) == []


def test_a_message_that_was_not_picked_up_counts_only_inside_a_gap():
    made = timeline(("a", 0, 10))
    made.pick_ups = [(at(8), at(9)), (at(9), at(12)), (at(13), at(13))]
    assert made.picked_up_late(made.gaps(at(14))) == 2.0


async def test_what_is_due_happens_at_its_own_moment():
    clock, seen = VirtualClock(), []
    due = [at(5), at(2)]
    clock.happens_next = lambda: due[-1] if due else None

    async def happen() -> None:
        due.pop()
        seen.append(clock.now())

    clock.happen = happen
    await clock.pass_to(at(10))
    assert seen == [at(2), at(5)]
    assert clock.now() == at(10)


async def test_a_transaction_is_one_request_and_bills_each_entity():
    bill = Bill()
    _, ports = counted_storage(VirtualClock(), bill)
    quota, _ = await ports["hubs"].admission("jaydoe@example.com", None)
    accept = an_accept(a_hub())
    await ports["hubs"].create(accept, quota, None)
    assert bill.requests == {"hubs.admission": 1, "hubs.create": 1}
    assert bill.entities == 1 + len(accept.events) + len(accept.operations) + 1
    assert bill.tables == 1 + bill.entities


async def test_queue_delays_are_whole_seconds_rounded_up():
    storage, ports = counted_storage(VirtualClock(), Bill())
    await ports["queue"].put(work_message(a_hub(), START), delay_s=1.2)
    assert storage.queue.next_visible_at() == at(2)


def test_counting_anew_leaves_what_was_taken_alone():
    bill = Bill()
    bill.table("hubs.commit", billed=3, entities=3)
    bill.queue("queue.put")
    taken = bill.taken()
    bill.queue("queue.put")
    assert (taken.tables, taken.queues, taken.entities, taken.total_requests) == (3, 1, 3, 2)
    assert (bill.tables, bill.queues, bill.total_requests) == (0, 1, 1)


def test_prices_follow_the_table():
    bill = Bill()
    bill.table("hubs.commit", billed=10_000)
    for _ in range(10_000):
        bill.queue("queue.put")
    assert price(bill) == pytest.approx(0.00436)
    assert idle_month(1, 2.0) == pytest.approx(0.52, abs=0.01)


def test_machines_differ_and_the_same_seed_gives_the_same_one():
    one, again, other = (Nature.draw(random.Random(seed)) for seed in (1, 1, 2))
    assert one == again
    assert one.install != other.install
    assert len(one.install) == len(RECORDED)
    assert list(one.install) == sorted(one.install)
    assert 150 < one.script.length_s < 400
