"""One host instance, put together: worker, HTTP front, queue pumps, timers."""

import asyncio
import json
import os
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any
from uuid import uuid4

import aiohttp
from aiohttp import web

from localdev.host import report
from localdev.host.admin import AdminApi
from localdev.host.backoff import PollingBackoff
from localdev.host.blobs import HostBlobs
from localdev.host.functions import Function, HttpTrigger, QueueTrigger, TimerTrigger
from localdev.host.http import HttpFront
from localdev.host.ncrontab import Every, Ncrontab, Schedule
from localdev.host.queues import POISON_SUFFIX, QueueItem, QueuePump, queue_client
from localdev.host.report import log
from localdev.host.routes import Match, RouteTable
from localdev.host.settings import HostJson, HostOptions, SettingsError, StorageAccount
from localdev.host.timers import TimerListener, timer_json
from localdev.host.worker import Outcome, Worker, json_datum, text_datum
from shared.clock import Clock

STORAGE_SETTING = "AzureWebJobsStorage"
VERSION = "4.0.0-hublet"


def bind(address: str, port: int) -> socket.socket:
    """A listening socket, bound before the app is imported: its address is an app setting (`WEBSITE_HOSTNAME`)."""
    server = socket.create_server((address, port), backlog=128)
    server.setblocking(False)
    return server


def platform_environment(address: str, port: int) -> dict[str, str]:
    """What `func start` adds to the app settings."""
    return {
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "FUNCTIONS_EXTENSION_VERSION": "~4",
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "WEBSITE_HOSTNAME": f"{address}:{port}",
    }


@dataclass(frozen=True)
class Invoker:
    """Runs functions and reports each run."""

    worker: Worker

    async def http(self, match: Match, value: Any, trace_parent: str) -> Outcome:
        return await self.worker.invoke(match.function, value, trace_parent=trace_parent)

    async def queue(self, function: Function, queue: str, item: QueueItem) -> bool:
        outcome = await self._timed(
            function, f"queue {queue} try {item.dequeue_count}", text_datum(item.text), item.metadata
        )
        return outcome.ok

    async def timer(self, function: Function, value: str) -> None:
        past_due = " past due" if json.loads(value)["IsPastDue"] else ""
        await self._timed(function, f"timer{past_due}", json_datum(value), {})

    async def by_hand(self, function: Function, text: str) -> None:
        """What `POST /admin/functions/{name}` starts."""
        if isinstance(function.trigger, TimerTrigger):
            await self.timer(function, timer_json(None, past_due=False))
        else:
            empty = json_datum("null")
            metadata = dict.fromkeys(("InsertionTime", "ExpirationTime", "NextVisibleTime"), empty)
            metadata |= {"Id": text_datum(str(uuid4())), "PopReceipt": text_datum(""), "DequeueCount": json_datum("1")}
            await self._timed(function, "by hand", text_datum(text), metadata)

    async def _timed(self, function: Function, what: str, value: Any, metadata: dict[str, Any]) -> Outcome:
        loop = asyncio.get_running_loop()
        started = loop.time()
        outcome = await self.worker.invoke(function, value, metadata)
        took = timedelta(seconds=loop.time() - started)
        report.invocation(function.name, what, took, "ok" if outcome.ok else f"FAILED {outcome.error}")
        return outcome


def schedule_for(function: Function, trigger: TimerTrigger, overrides_s: Mapping[str, float]) -> Schedule:
    """The override for this timer or for all, else its expression. Raises SettingsError."""
    seconds = overrides_s.get(function.name, overrides_s.get("*"))
    return Every(seconds) if seconds else Ncrontab.parse(trigger.schedule)


class Host:
    """Start with `run`; it returns after `stop` was set and everything has ended."""

    def __init__(self, options: HostOptions, host_json: HostJson, server: socket.socket, clock: Clock) -> None:
        self._options = options
        self._host_json = host_json
        self._server = server
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Raises SettingsError or IndexingError before anything is served."""
        options = self._options
        worker = await Worker.load(options.app_dir, self._host_json.function_timeout)
        invoker = Invoker(worker)
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(aiohttp.ClientSession(trust_env=False))
            pumps = [pump for function in worker.functions if (pump := self._pump(function, invoker)) is not None]
            for pump in pumps:
                stack.push_async_callback(pump.close)
            timers = await self._timers(worker, invoker, session)
            runner = await self._start_http(worker, invoker)
            try:
                loops = [asyncio.create_task(pump.run(stop)) for pump in pumps]
                loops += [asyncio.create_task(timer.run(stop)) for timer in timers]
                self._announce(worker)
                await self._until_stopped(stop, loops)
                # No new work from here on; what runs may end.
                await asyncio.gather(*loops, *(pump.drain(options.drain_s) for pump in pumps), runner.cleanup())
            finally:
                await runner.cleanup()

    async def _until_stopped(self, stop: asyncio.Event, loops: list[asyncio.Task[None]]) -> None:
        """A pump or timer that ends by itself is a bug of ours: the host stops and says why."""
        waiter = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait({waiter, *loops}, return_when=asyncio.FIRST_COMPLETED)
        if waiter not in done:
            waiter.cancel()
        stop.set()
        for task in done:
            if task is not waiter:
                task.result()

    def _pump(self, function: Function, invoker: Invoker) -> QueuePump | None:
        trigger = function.trigger
        if not isinstance(trigger, QueueTrigger):
            return None
        account = self._account(trigger.connection)
        has_poison = not trigger.queue.endswith(POISON_SUFFIX)

        async def handle(item: QueueItem) -> bool:
            return await invoker.queue(function, trigger.queue, item)

        return QueuePump(
            queue=queue_client(account.connection_string, trigger.queue),
            poison=queue_client(account.connection_string, trigger.queue + POISON_SUFFIX) if has_poison else None,
            options=self._host_json.queues,
            lease_s=self._options.lease_s,
            backoff=PollingBackoff(self._host_json.queues.max_polling_interval, Random()),
            handler=handle,
        )

    async def _timers(self, worker: Worker, invoker: Invoker, session: aiohttp.ClientSession) -> list[TimerListener]:
        functions = [function for function in worker.functions if isinstance(function.trigger, TimerTrigger)]
        if not functions:
            return []
        blobs = HostBlobs(self._account(STORAGE_SETTING), session, self._clock)
        await blobs.ensure_container()
        return [self._timer(function, invoker, blobs) for function in functions]

    def _timer(self, function: Function, invoker: Invoker, blobs: HostBlobs) -> TimerListener:
        trigger = function.trigger
        assert isinstance(trigger, TimerTrigger)

        async def fire(value: str) -> None:
            await invoker.timer(function, value)

        return TimerListener(
            name=function.name,
            schedule=schedule_for(function, trigger, self._options.timer_overrides_s),
            run_on_startup=trigger.run_on_startup,
            use_monitor=trigger.use_monitor,
            blobs=blobs,
            host_id=self._options.host_id(os.environ),
            lock_s=self._options.lock_s,
            clock=self._clock,
            fire=fire,
        )

    def _account(self, setting: str) -> StorageAccount:
        value = os.environ.get(setting)
        if not value:
            raise SettingsError(f"the app setting {setting} is not set")
        return StorageAccount.parse(value)

    async def _start_http(self, worker: Worker, invoker: Invoker) -> web.AppRunner:
        routes = RouteTable(worker.functions, self._host_json.route_prefix)
        front = HttpFront(routes, invoker.http, self._options.http_limit_s)
        by_name = {function.name: function for function in worker.functions}
        admin = AdminApi(by_name, invoker.by_hand, self._options.host_id(os.environ), VERSION, self._clock)
        application = front.application(admin.routes())
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=self._options.drain_s)
        await runner.setup()
        await web.SockSite(runner, self._server).start()
        return runner

    def _announce(self, worker: Worker) -> None:
        address, port = self._server.getsockname()[:2]
        base = f"http://{address}:{port}"
        prefix = f"/{self._host_json.route_prefix}" if self._host_json.route_prefix else ""
        for function in sorted(worker.functions, key=lambda function: function.name):
            trigger = function.trigger
            if isinstance(trigger, HttpTrigger):
                methods = ",".join(sorted(trigger.methods)) if trigger.methods else "*"
                log.info("%-24s %s %s%s/%s", function.name, methods, base, prefix, trigger.route.lstrip("/"))
            elif isinstance(trigger, QueueTrigger):
                log.info("%-24s queue %s", function.name, trigger.queue)
            else:
                log.info("%-24s timer %s", function.name, trigger.schedule)
        ready = self._options.ready_file
        if ready is not None:
            part = ready.with_name(ready.name + ".part")
            part.write_text(json.dumps({"url": base, "pid": os.getpid()}), encoding="utf-8")
            part.replace(ready)
