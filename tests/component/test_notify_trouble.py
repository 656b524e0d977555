"""Sinks that hang, fail or refuse for days, workers that die or race: who is told, what stays in the outbox, when it is
tried again."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.app import App
from shared.errors import ConcurrentUpdate, FatalError, HubletError, RetryableError, RowTooNew, UserError
from shared.hubs import deliveries, notify
from shared.hubs.deliveries import RETRY_AFTER_S
from shared.hubs.model import Notice
from shared.hubs.notify import SAVE_TRIES, deliver, redeliver
from shared.hubs.ports import Delivery, NoticeRef, Pending
from shared.hubs.visit import NOTICE_DELAY_S
from tests.component.test_notify import NOT_NOW, Deployment, watched
from tests.support.builders import HUB_ID, OWNER, a_notice
from tests.support.fake_sink import FakeSink
from tests.support.fake_storage import FakeOutbox
from tests.support.tape import Crash
from tests.support.world import CrashPlan

DAY = timedelta(days=1)
REFUSED = UserError("SinkGone", "It was deleted (410).")
STORAGE_DOWN = RetryableError("StorageUnavailable", "No answer.")
ID = f"{HUB_ID}.2"


class Hanging(FakeSink):
    """Never answers."""

    async def deliver(self, notice: Notice, target: str) -> None:
        await asyncio.Event().wait()


class HangingAtFirst(FakeSink):
    """Cannot say whom a notice is for."""

    async def targets(self, notice: Notice) -> list[str]:
        await asyncio.Event().wait()
        return []


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is real time, the only one here."""
    monkeypatch.setattr(notify, "SINK_LIMIT_S", 0.001)


async def a_deployment(*sinks: FakeSink) -> Deployment:
    here = Deployment(*sinks)
    await here.store()
    return here


def alerts(caplog: pytest.LogCaptureFixture, kind: str) -> list[dict[str, object]]:
    """The fields of each alert of this kind."""
    return [fields for fields in logged(caplog, "operator_alert") if fields["kind"] == kind]


def logged(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, object]]:
    """The fields of each line of this event."""
    return [vars(record)["hublet_fields"] for record in caplog.records if record.getMessage() == event]


# ---- not now


@pytest.mark.usefixtures("hasty")
async def test_a_sink_that_hangs_is_asked_again_later_and_the_others_are_told():
    here = await a_deployment(Hanging("chat"), FakeSink("console"))
    await deliver(here.app, here.ref)
    assert here.told == [[], [a_notice()]]
    assert here.pauses == [5.0]
    assert here.states["chat"].code == "SinkTimedOut"


@pytest.mark.usefixtures("hasty")
async def test_a_sink_that_cannot_say_whom_a_notice_is_for_is_asked_again_and_nobody_waits_for_it():
    here = await a_deployment(HangingAtFirst("chat"), FakeSink("console"))
    await deliver(here.app, here.ref)
    assert here.told == [[], [a_notice()]]
    assert here.states["chat:*"] == Delivery(
        tries=1, next_at=here.clock.now() + timedelta(seconds=5), code="SinkTimedOut"
    )
    mended = FakeSink("chat", targets=("a", "b"))
    here.app = here.app_with((mended, here.sinks[1]))
    await here.work()
    assert mended.told == [("a", ID), ("b", ID)]
    assert here.told[1] == [a_notice()]
    assert here.storage.outbox.rows == {}


async def test_a_sink_that_never_says_whom_a_notice_is_for_is_given_up_too(caplog: pytest.LogCaptureFixture):
    here = await a_deployment(FakeSink("chat"))
    here.sinks[0].tape.fail("sink.targets", STORAGE_DOWN, times=100)
    await deliver(here.app, here.ref)
    await here.work(5 * DAY)
    assert here.storage.outbox.rows == {}
    assert here.sinks[0].given_up == [], "there is nobody to give up"
    assert len(alerts(caplog, "NoticeGivenUp/chat")) == 1


def test_a_target_has_ten_seconds():
    assert notify.SINK_LIMIT_S == 10.0


@pytest.mark.parametrize("error", [ConcurrentUpdate("Conversation t-1"), RowTooNew("The row of the hub")])
async def test_what_says_nothing_about_the_target_is_no_refusal(error: HubletError):
    here = await a_deployment()
    here.sinks[0].tape.fail("sink.deliver", error)
    await deliver(here.app, here.ref)
    await here.work()
    assert here.told == [[a_notice()]]
    assert here.sinks[0].given_up == []


async def test_a_bug_in_one_sink_is_that_sinks_alone_and_may_be_mended(caplog: pytest.LogCaptureFixture):
    here = await a_deployment(FakeSink("chat"), FakeSink("console"))
    here.sinks[0].tape.fail("sink.deliver", KeyError("secret text"), times=2)
    await deliver(here.app, here.ref)
    assert here.told == [[], [a_notice()]]
    assert here.states["chat"].code == "SinkFailed"
    await here.work()
    assert here.told == [[a_notice()], [a_notice()]]
    (first, _) = logged(caplog, "sink_failed")
    assert (first["sink"], first["error"]) == ("chat", "KeyError")
    assert "secret text" not in str(first)


async def test_a_target_whose_sink_is_no_longer_configured_is_done_with():
    here = await a_deployment(FakeSink("chat"), FakeSink("console"))
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW, times=3)
    await deliver(here.app, here.ref)
    here.app = here.app_with(here.sinks[1:])
    await here.work()
    assert here.storage.outbox.rows == {}
    assert here.told == [[], [a_notice()]]


async def test_a_sink_that_is_down_for_hours_and_back_hears_everything_once():
    here = Deployment(FakeSink("chat"), FakeSink("console"))
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW, times=10**6)
    for seq in range(2, 12):
        await here.store(a_notice(seq, at=here.clock.now()))
        await deliver(here.app, replace(here.ref, seq=seq, first_seen=here.clock.now()))
        await here.work(timedelta(seconds=1000))
    assert here.told[0] == []
    here.sinks[0].tape.forgive("sink.deliver")
    await here.work()
    assert sorted(notice.seq for notice in here.told[0]) == list(range(2, 12))
    assert sorted(notice.seq for notice in here.told[1]) == list(range(2, 12))
    assert here.storage.outbox.rows == {}
    assert here.storage.notices.waiting == []


# ---- given up


async def test_a_target_that_is_dead_is_given_up_after_three_days_and_the_operator_told(
    caplog: pytest.LogCaptureFixture,
):
    here = await a_deployment()
    sink = watched(here)
    sink.tape.fail("sink.deliver", NOT_NOW, times=1000)
    await deliver(here.app, here.ref)
    await here.work(10 * DAY)
    assert sink.pauses == [float(pause) for pause in RETRY_AFTER_S]
    assert timedelta(days=2.9) < sink.asked[-1] - a_notice().at <= 3 * DAY
    assert sink.given_up == [("", ID, "SinkUnavailable")]
    assert here.storage.outbox.rows == {}
    assert here.storage.notices.waiting == []
    (said,) = alerts(caplog, "NoticeGivenUp/fake")
    assert NOT_NOW.message in str(said["message"])
    assert (said["hub_id"], said["seq"], said["code"]) == (HUB_ID, 2, "SinkUnavailable")


@pytest.mark.parametrize("chance", [0.0, 0.999])
async def test_jitter_never_makes_it_more_than_three_days(chance: float):
    here = await a_deployment()
    sink = watched(here)
    here.chance.coming = [chance] * 100
    sink.tape.fail("sink.deliver", NOT_NOW, times=1000)
    await deliver(here.app, here.ref)
    await here.work(10 * DAY)
    assert timedelta(days=2.3) < sink.asked[-1] - a_notice().at <= 3 * DAY
    assert sink.given_up == [("", ID, "SinkUnavailable")]


@pytest.mark.parametrize(("earlier_s", "given_up"), [(0.0, True), (1.0, False)])
async def test_three_days_count_from_when_the_notice_was_made(earlier_s: float, given_up: bool):
    here = await a_deployment()
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW)
    here.clock.advance(3 * DAY - timedelta(seconds=earlier_s))
    await deliver(here.app, replace(here.ref, first_seen=here.clock.now()))
    assert (here.storage.outbox.rows == {}) is given_up
    assert bool(here.sinks[0].given_up) is given_up


async def test_a_refusal_for_good_is_noted_by_the_sink_and_no_alert(caplog: pytest.LogCaptureFixture):
    here = await a_deployment(FakeSink("webhook", targets=("a", "b")))
    here.sinks[0].tape.fail("sink.deliver:a", REFUSED)
    await deliver(here.app, here.ref)
    assert here.sinks[0].given_up == [("a", ID, "SinkGone")]
    assert here.sinks[0].told == [("b", ID)]
    assert here.storage.outbox.rows == {}
    assert alerts(caplog, "NoticeGivenUp/webhook") == []
    (said,) = logged(caplog, "notice_refused")
    assert (said["sink"], said["code"]) == ("webhook", "SinkGone")


async def test_a_refusal_is_about_one_notice_and_the_sink_hears_the_next():
    here = await a_deployment()
    here.sinks[0].tape.fail("sink.deliver", FatalError("SinkRefused", "It answered 400."))
    await deliver(here.app, here.ref)
    await here.store(a_notice(3))
    await deliver(here.app, replace(here.ref, seq=3))
    assert here.told == [[a_notice(3)]]


async def test_a_giving_up_that_could_not_be_noted_is_done_again_and_holds_up_nobody():
    here = await a_deployment(FakeSink("webhook", targets=("a", "b")), FakeSink("console"))
    here.sinks[0].tape.fail("sink.deliver:a", REFUSED, times=2)
    here.sinks[0].tape.fail("sink.gave_up", STORAGE_DOWN)
    await deliver(here.app, here.ref)
    assert here.pauses == [1800.0]
    assert here.states["webhook:a"].code == "SinkGone"
    assert here.states["webhook:b"].next_at is None
    await here.work()
    assert here.sinks[0].given_up == [("a", ID, "SinkGone")]
    assert len(here.told[1]) == 1
    assert here.storage.outbox.rows == {}


@pytest.mark.parametrize("error", [FatalError("Broken", "It cannot be noted."), REFUSED])
async def test_a_giving_up_that_never_can_be_noted_is_over(error: HubletError):
    here = await a_deployment()
    here.sinks[0].tape.fail("sink.deliver", REFUSED)
    here.sinks[0].tape.fail("sink.gave_up", error)
    await deliver(here.app, here.ref)
    assert here.storage.outbox.rows == {}


class Broken(FakeSink):
    """Neither takes it nor notes that it did not."""

    async def deliver(self, notice: Notice, target: str) -> None:
        raise RetryableError("SinkUnavailable", "No answer.")

    async def gave_up(self, notice: Notice, target: str, error: HubletError) -> None:
        raise ValueError("a bug")


async def test_even_giving_up_ends_when_it_meets_trouble_for_days(caplog: pytest.LogCaptureFixture):
    here = await a_deployment(Broken())
    await deliver(here.app, here.ref)
    await here.work(10 * DAY)
    assert here.storage.outbox.rows == {}
    assert here.clock.now() - a_notice().at < deliveries.LET_GO_AFTER + timedelta(hours=1)
    assert len(logged(caplog, "notice_let_go")) == 1


@pytest.mark.parametrize(("sooner", "left"), [(timedelta(microseconds=1), 1), (timedelta(), 0)])
async def test_giving_up_that_cannot_be_noted_is_over_at_six_days(sooner: timedelta, left: int):
    here = await a_deployment(Broken())
    here.clock.advance_to(a_notice().at + deliveries.LET_GO_AFTER - sooner)
    await deliver(here.app, here.ref)
    assert len(here.storage.outbox.rows) == left


async def test_a_notice_whose_row_cannot_be_read_is_never_given_up():
    """Its age is not known; a message a day old is older than any pause."""
    here = await a_deployment()
    here.storage.tape.fail("outbox.get", STORAGE_DOWN)
    here.clock.advance(DAY)
    await deliver(here.app, here.ref)
    assert len(here.storage.outbox.rows) == 1
    assert here.storage.notices.waiting == []


# ---- storage


@pytest.mark.parametrize(("age_s", "again"), [(0.0, [5.0]), (300.0, [300.0]), (3599.0, [3599.0]), (3600.0, [])])
async def test_a_row_that_cannot_be_read_is_looked_at_ever_more_seldom_and_after_an_hour_by_the_audit(
    age_s: float, again: list[float]
):
    here = await a_deployment()
    here.storage.tape.fail("outbox.get", STORAGE_DOWN)
    here.clock.advance(age_s)
    await deliver(here.app, here.ref)
    assert here.pauses == again


async def test_storage_may_wish_for_a_longer_pause():
    here = await a_deployment()
    here.storage.tape.fail("outbox.get", RetryableError("StorageBusy", "Busy.", retry_after_s=90))
    await deliver(here.app, here.ref)
    assert here.pauses == [90.0]


async def all_done(here: Deployment) -> None:
    """A row that says so, and is still there: its worker died before it removed it."""
    (pending,) = here.storage.outbox.rows.values()
    await here.storage.outbox.save(replace(pending, deliveries={"fake": Delivery(next_at=None)}))


async def test_a_row_that_is_done_with_and_cannot_be_removed_is_removed_later():
    here = await a_deployment()
    await all_done(here)
    here.storage.tape.fail("outbox.done", STORAGE_DOWN, times=2)
    await deliver(here.app, here.ref)
    assert here.pauses == [5.0]
    await here.work()
    assert here.storage.outbox.rows == {}
    assert here.told == [[]]


async def test_a_row_that_is_done_with_and_was_put_in_again_meanwhile_is_left_to_whoever_did():
    here = await a_deployment()
    await all_done(here)
    here.storage.tape.fail("outbox.done", ConcurrentUpdate("Notice"))
    await deliver(here.app, here.ref)
    assert len(here.storage.outbox.rows) == 1
    assert here.pauses == []


async def test_without_a_sink_a_notice_leaves_the_outbox():
    here = await a_deployment()
    here.app = here.app_with(())
    await deliver(here.app, here.ref)
    assert here.storage.outbox.rows == {}
    assert here.pauses == []


class Choosing(FakeSink):
    """A notice is for the target that it names."""

    async def targets(self, notice: Notice) -> list[str]:
        return [notice.message]


async def test_a_sink_is_asked_whom_this_very_notice_is_for():
    sink = Choosing()
    here = Deployment(sink)
    await here.store(a_notice(message="somebody"))
    await deliver(here.app, here.ref)
    assert sink.told == [("somebody", ID)]


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


async def test_while_storage_takes_no_writes_nobody_is_told_again_and_again():
    """For twelve hours, with an audit every hour; the others hear it some twenty times and not 8,640."""
    here = await a_deployment(FakeSink("chat"), FakeSink("console"))
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW, times=10_000)
    here.storage.tape.fail("outbox.save", STORAGE_DOWN, times=10_000)
    await deliver(here.app, here.ref)
    most = 0
    for _ in range(12):
        end = here.clock.now() + timedelta(hours=1)
        await here.work(timedelta(hours=1))
        here.clock.advance_to(max(end, here.clock.now()))
        most = max(most, len(here.storage.notices.waiting))
        await an_audit(here)
    assert len(here.told[1]) < 30
    assert most <= 2
    here.storage.tape.forgive("outbox.save")
    here.sinks[0].tape.forgive("sink.deliver")
    await here.work()
    assert len(here.told[0]) == 1
    assert here.storage.outbox.rows == {}


async def test_a_save_whose_answer_was_lost_tells_nobody_again():
    here = await a_deployment(FakeSink("chat"), FakeSink("console"))
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW)
    here.storage.tape.lose_answer("outbox.save", STORAGE_DOWN)
    await deliver(here.app, here.ref)
    await here.work()
    assert here.told == [[a_notice()], [a_notice()]]


async def test_when_the_queue_takes_no_message_the_row_is_saved_and_the_message_tried_again():
    here = await a_deployment(FakeSink("chat"), FakeSink("console"))
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW)
    here.storage.tape.fail("notices.put", STORAGE_DOWN)
    await deliver(here.app, here.ref)
    assert here.pauses == [5.0]
    await here.work()
    assert here.told == [[a_notice()], [a_notice()]]


async def test_when_the_queue_takes_no_message_at_all_the_host_keeps_this_one_and_nobody_is_told_again():
    here = await a_deployment(FakeSink("chat"), FakeSink("console"))
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW)
    here.storage.tape.fail("notices.put", STORAGE_DOWN, times=3)
    with pytest.raises(RetryableError):
        await deliver(here.app, here.ref)
    here.clock.advance(30)
    await deliver(here.app, here.ref)  # the host brings it after 30 s
    assert here.told == [[a_notice()], [a_notice()]]
    assert here.storage.outbox.rows == {}


async def test_storage_that_cannot_remove_it_is_asked_again():
    here = await a_deployment()
    here.storage.tape.fail("outbox.done", STORAGE_DOWN, times=2)
    await deliver(here.app, here.ref)
    assert here.pauses == [5.0]
    await here.work()
    assert here.storage.outbox.rows == {}


# ---- two workers, and workers that die


class Meeting(FakeSink):
    """Each that is asked waits until so many are."""

    def __init__(self, name: str, people: int) -> None:
        super().__init__(name)
        self._barrier = asyncio.Barrier(people)

    async def deliver(self, notice: Notice, target: str) -> None:
        await self._barrier.wait()
        await super().deliver(notice, target)


async def test_two_workers_with_the_same_message_tell_everybody_at_most_twice():
    here = await a_deployment(Meeting("chat", 2), FakeSink("console"))
    await asyncio.gather(deliver(here.app, here.ref), deliver(here.app, here.ref))
    await here.work()
    assert [len(told) for told in here.told] == [2, 2]
    assert here.storage.outbox.rows == {}


async def test_of_two_workers_one_that_was_taken_counts_and_messages_do_not_multiply():
    here = await a_deployment(Meeting("chat", 2), FakeSink("console"))
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW)  # the first of the two meets it
    await asyncio.gather(deliver(here.app, here.ref), deliver(here.app, here.ref))
    assert len(here.pauses) <= 1
    await here.work()
    assert [len(told) for told in here.told] == [1, 2]
    assert here.storage.outbox.rows == {}
    assert here.storage.notices.waiting == []


class Overtaken(FakeSink):
    """While it is asked, another worker has time for a whole visit."""

    meanwhile: Callable[[], Awaitable[None]]

    async def deliver(self, notice: Notice, target: str) -> None:
        await self.meanwhile()
        await super().deliver(notice, target)


async def test_a_worker_whose_row_another_has_removed_meanwhile_leaves_no_trace():
    sink, better = Overtaken("chat"), FakeSink("chat")
    sink.tape.fail("sink.deliver", NOT_NOW)
    here = await a_deployment(sink)
    sink.meanwhile = lambda: deliver(here.app_with((better,)), here.ref)
    await deliver(here.app, here.ref)
    assert here.storage.outbox.rows == {}
    await here.work()
    assert here.storage.notices.waiting == []
    assert (len(sink.delivered), len(better.delivered)) == (0, 1)


async def test_a_worker_that_loses_every_race_has_its_message_to_go_on_with(caplog: pytest.LogCaptureFixture):
    here = await a_deployment()
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW)
    here.storage.tape.fail("outbox.save", ConcurrentUpdate("Notice"), times=SAVE_TRIES)
    await deliver(here.app, here.ref)
    assert len(logged(caplog, "notice_lost_race")) == 1
    assert len(here.pauses) == 1
    await here.work()
    assert len(here.told[0]) == 1
    assert here.storage.outbox.rows == {}


async def test_two_workers_whose_targets_fail_both_go_on_with_one_state():
    here = await a_deployment(Meeting("chat", 2))
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW, times=2)
    await asyncio.gather(deliver(here.app, here.ref), deliver(here.app, here.ref))
    assert here.states["chat"].tries == 1
    assert len(here.pauses) == 2
    here.app = here.app_with((FakeSink("chat"),))
    await here.work()
    assert here.storage.outbox.rows == {}


def some_trouble() -> tuple[FakeSink, ...]:
    """One that takes it, one that is down twice, one of whose targets refuses for good."""
    sinks = (FakeSink("console"), FakeSink("chat"), FakeSink("hook", targets=("a", "b")))
    sinks[1].tape.fail("sink.deliver", NOT_NOW, times=2)
    sinks[2].tape.fail("sink.deliver:b", REFUSED, times=100)
    return sinks


def dying(here: Deployment, *plans: CrashPlan) -> App:
    """A process that dies at the planned points."""

    def wrap(port: object, name: str) -> object:
        for plan in plans:
            port = plan.wrap(port, name)
        return port

    ports = {name: wrap(getattr(here.storage, name), name) for name in ("outbox", "notices", "cache")}
    return here.app_with([wrap(sink, sink.name) for sink in here.sinks], **ports)  # type: ignore[misc]


async def lived(*plans: CrashPlan) -> tuple[Deployment, int]:
    """A whole delivery; what dies comes back after ten minutes, as the host does it. Returns how often it died."""
    here = await a_deployment(*some_trouble())
    await here.storage.notices.put(here.ref)
    here.app, deaths = dying(here, *plans), 0
    for hours in range(6):
        end = here.clock.now() + timedelta(hours=1)
        while (at := here.storage.notices.next_visible_at()) is not None and at <= end:
            here.clock.advance_to(max(at, here.clock.now()))
            ref = here.storage.notices.take()
            assert ref is not None
            try:
                await deliver(here.app, ref)
            except Crash:
                deaths += 1
                await here.storage.notices.put(ref, delay_s=600)
            assert len(here.storage.notices.waiting) <= 2 + deaths
        here.clock.advance_to(max(end, here.clock.now()))
        if hours < 5:
            await an_audit(here)
    return here, deaths


def nothing_lost(here: Deployment, deaths: int) -> None:
    told = [(sink.name, target) for sink in here.sinks for target, _ in sink.told]
    assert set(told) == {("console", ""), ("chat", ""), ("hook", "a")}
    assert max(told.count(one) for one in set(told)) <= 1 + deaths
    assert {given for sink in here.sinks for given in sink.given_up} == {("b", ID, "SinkGone")}
    assert here.storage.outbox.rows == {}
    assert here.storage.notices.waiting == []


async def test_a_death_at_any_call_of_a_delivery_loses_nothing_and_tells_nobody_more_than_once_more():
    counted = CrashPlan()
    nothing_lost(*await lived(counted))
    assert counted.points > 30
    for point in range(counted.points):
        plan = CrashPlan(point)
        here, deaths = await lived(plan)
        assert deaths == 1, plan.where
        nothing_lost(here, deaths)


@pytest.mark.parametrize(("every", "then_every"), [(11, 23), pytest.param(5, 9, marks=pytest.mark.slow)])
async def test_two_deaths_at_any_two_calls_lose_nothing_and_tell_nobody_more_than_twice_more(
    every: int, then_every: int
):
    counted = CrashPlan()
    await lived(counted)
    seen = set()
    for point in range(0, counted.points, every):
        for other in range(point + 1, counted.points + 20, then_every):
            here, deaths = await lived(CrashPlan(point), CrashPlan(other))
            seen.add(deaths)
            nothing_lost(here, deaths)
    assert 2 in seen


# ---- messages neither die out nor multiply


async def an_audit(here: Deployment) -> None:
    """As far as it is about notices."""
    now = here.clock.now()
    for pending in await here.storage.outbox.older_than(now - timedelta(minutes=5)):
        ref = NoticeRef(owner=OWNER, hub_id=HUB_ID, seq=pending.notice.seq, first_seen=now)
        await here.storage.notices.put(ref)


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


# ---- again on request


async def test_what_was_removed_can_be_delivered_again_to_one_target():
    here = await a_deployment(FakeSink("console"), FakeSink("hook", targets=("a", "b")))
    await deliver(here.app, here.ref)
    here.clock.advance(20 * DAY)
    await redeliver(here.app, a_notice(), "hook:a")
    assert here.storage.tape.writes[-2:] == ["notices.put", "outbox.put"], "message first"
    assert await here.work() == 1
    assert here.sinks[1].told == [("a", ID), ("b", ID), ("a", ID)]
    assert len(here.told[0]) == 1
    assert here.storage.outbox.rows == {}


async def test_a_redelivery_has_three_days_of_its_own():
    here = await a_deployment()
    sink = watched(here)
    await deliver(here.app, here.ref)
    here.clock.advance(20 * DAY)
    asked_at = here.clock.now()
    sink.asked.clear()
    sink.tape.fail("sink.deliver", NOT_NOW, times=10_000)
    await redeliver(here.app, a_notice(), "fake")
    await here.work(10 * DAY)
    assert len(sink.asked) == 1 + len(RETRY_AFTER_S)
    assert sink.asked[-1] - asked_at <= 3 * DAY
    assert sink.given_up == [("", ID, "SinkUnavailable")]


async def test_a_redelivery_while_it_is_pending_asks_at_once_and_begins_anew():
    here = await a_deployment(FakeSink("console"), FakeSink("hook", targets=("a", "b")))
    here.sinks[1].tape.fail("sink.deliver:a", NOT_NOW, times=5)
    await deliver(here.app, here.ref)
    await here.work(timedelta(minutes=30))
    assert here.states["hook:a"].tries == 4
    await redeliver(here.app, a_notice(), "hook:a")
    now = here.clock.now()
    assert here.states["hook:a"] == Delivery(next_at=now, since=now)
    await here.work(timedelta(seconds=2))
    assert here.states["hook:a"].tries == 1
    await here.work()
    assert here.sinks[1].told == [("b", ID), ("a", ID)]
    assert here.storage.outbox.rows == {}
    assert here.storage.notices.waiting == []


async def test_two_requests_for_the_same_deliver_it_at_most_twice():
    here = await a_deployment()
    await deliver(here.app, here.ref)
    await asyncio.gather(*(redeliver(here.app, a_notice(), "fake") for _ in range(2)))
    await here.work()
    assert 2 <= len(here.told[0]) <= 3
    assert {notice.id for notice in here.told[0]} == {ID}
    assert here.storage.outbox.rows == {}


async def test_a_redelivery_of_what_nobody_has_looked_at_yet_leaves_nobody_out():
    here = await a_deployment(FakeSink("console"), FakeSink("hook", targets=("a", "b")))
    await redeliver(here.app, a_notice(), "hook:a")
    await here.work()
    assert sorted(here.sinks[1].told) == [("a", ID), ("b", ID)]
    assert len(here.told[0]) == 1


class Interrupted(FakeSink):
    """While it is asked, somebody asks for the notice to be delivered again."""

    here: Deployment
    asked = False

    async def deliver(self, notice: Notice, target: str) -> None:
        await super().deliver(notice, target)
        if not self.asked:
            self.asked = True
            await redeliver(self.here.app, notice, "hook")


async def test_a_redelivery_in_the_middle_of_a_visit_is_not_lost_and_nobody_else_hears_again():
    sink = Interrupted("hook")
    here = await a_deployment(sink, FakeSink("console"))
    sink.here = here
    await deliver(here.app, here.ref)
    await here.work()
    assert sink.told == [("", ID), ("", ID)]
    assert len(here.told[1]) == 1
    assert here.storage.outbox.rows == {}


async def test_a_row_that_changes_all_the_time_is_busy():
    here = await a_deployment()
    here.storage.tape.fail("outbox.save", ConcurrentUpdate("Notice"), times=4)
    with pytest.raises(RetryableError, match="Busy") as caught:
        await redeliver(here.app, a_notice(), "fake")
    assert caught.value.retry_after_s == 5
    assert here.storage.tape.count("outbox.save") == 0
    here.storage.tape.fail("outbox.save", ConcurrentUpdate("Notice"), times=3)
    await redeliver(here.app, a_notice(), "fake")  # the fourth try counts


class Blinking(FakeOutbox):
    """Does not see the row at the first look: somebody puts it in right after."""

    looked = False

    async def get(self, owner: str, hub_id: str, seq: int) -> Pending | None:
        found = await super().get(owner, hub_id, seq)
        first, self.looked = not self.looked, True
        return None if first else found


async def test_a_row_that_somebody_else_puts_in_at_the_same_moment_is_changed():
    here = await a_deployment(FakeSink("hook", targets=("a", "b")))
    app = here.app_with(here.sinks, outbox=Blinking(here.storage.hubs, here.storage.tape))
    await redeliver(app, a_notice(), "hook:a")
    assert set(here.states) == {"hook:*", "hook:a"}


async def test_the_message_of_a_redelivery_waits_for_its_row_as_every_other():
    here = await a_deployment()
    await redeliver(here.app, a_notice(), "fake")
    assert here.pauses == [NOTICE_DELAY_S]


async def test_a_row_that_is_removed_and_comes_back_is_found_in_the_end():
    here = await a_deployment()
    (pending,) = here.storage.outbox.rows.values()
    here.storage.tape.fail("outbox.save", ConcurrentUpdate("Notice"))
    await redeliver(here.app, a_notice(), "fake")
    (again,) = here.storage.outbox.rows.values()
    assert again.etag != pending.etag
    assert isinstance(again, Pending)
