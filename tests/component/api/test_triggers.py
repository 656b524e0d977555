"""Queue and timer functions: good messages reach the domain, bad ones never crash a worker."""

import json

import azure.functions as func
import pytest

from functions import poison_queue, tick_timer, work_queue
from shared.hubs.messages import encode
from shared.hubs.states import HubState
from tests.component.api.hubs import sent
from tests.support.builders import a_message
from tests.support.world import World


def function(module, world: World):
    app = func.FunctionApp()
    app.register_functions(module.blueprint(lambda: world.app))
    (only,) = app.get_functions()
    return only.get_user_function(), json.loads(only.get_raw_bindings()[0])


def a_delivery(body: bytes) -> func.QueueMessage:
    return func.QueueMessage(id="m-1", body=body)


async def test_a_message_advances_its_hub(world: World):
    hub = await world.create()
    message = sent(world)[0]
    work, binding = function(work_queue, world)
    assert (binding["queueName"], binding["connection"]) == ("hub-work", "AzureWebJobsStorage")
    await work(a_delivery(encode(message).encode()))
    assert world.storage.hubs.only_hub().pass_number > hub.pass_number


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"not json",
        b"[]",
        b"{}",
        b'{"v":2}',
        b"[" * 4000,
        b"x" * 70_000,
        json.dumps({"v": 1, "owner": "x", "name": "../..", "hubId": "a", "generation": 1, "pass": 1}).encode(),
        encode(a_message(owner="nobody")).encode(),
    ],
    ids=["empty", "bytes", "text", "list", "nothing", "version", "deep", "large", "malformed", "foreign"],
)
@pytest.mark.parametrize("module", [work_queue, poison_queue])
async def test_a_bad_message_is_acknowledged_and_changes_nothing(world: World, module, body: bytes):
    hub = await world.create()
    handler, _ = function(module, world)
    world.clock.advance(120)  # past the time a message may wait for its row
    await handler(a_delivery(body))
    assert world.storage.hubs.only_hub() == hub


async def test_a_poisoned_message_fails_its_hub_with_the_cause(world: World):
    await world.create()
    message = sent(world)[0]
    handler, binding = function(poison_queue, world)
    assert binding["queueName"] == "hub-work-poison"
    await handler(a_delivery(encode(message).encode()))
    hub = world.storage.hubs.only_hub()
    assert hub.state is HubState.FAILED
    assert hub.reason is not None


async def test_the_timer_queues_what_is_due(world: World):
    await world.create()
    world.storage.queue.waiting.clear()
    world.clock.advance(120)
    handler, binding = function(tick_timer, world)
    assert binding["schedule"] == "0 * * * * *"

    class Timer(func.TimerRequest):
        past_due = True

    await handler(Timer())
    assert len(world.storage.queue.waiting) == 1
