"""I8: no secret in rows, messages, notices, logs or customData (which may hold the boot-time host key and the admin's
hash). What a hub's secrets are is known here, because the fakes make the same ones for everybody."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from shared import log
from shared.adapters.storage import codec
from shared.hubs import messages
from shared.hubs.messages import DueBatch
from tests.support.fake_chance import ACCEPTANCE_PASSWORD, ADMIN_PASSWORD, ed25519_pair, quick_hash
from tests.support.fake_cloud import FakeCloud
from tests.support.fake_storage import FakeStorage


@cache
def _never() -> tuple[tuple[str, str], ...]:
    """What must stand nowhere: a piece of each secret that survives being quoted in JSON, and what it is of."""
    keys = {label: _middle(ed25519_pair(label).private) for label in ("host", "installer", "tunnel", "owner")}
    return (
        (ADMIN_PASSWORD, "the admin's password"),
        (ACCEPTANCE_PASSWORD, "the acceptance user's password"),
        (quick_hash(ADMIN_PASSWORD)[7:], "the admin's hash"),
        *((text, f"the {label} key") for label, text in keys.items()),
    )


def _middle(private_key: str) -> str:
    """A line of a key's body that is its own: the first ones are the same in all of them."""
    return private_key.splitlines()[3][:40]


def judge(storage: FakeStorage, cloud: FakeCloud, logged: list[str]) -> Iterator[str]:
    """`logged`: what was written to the log, when somebody listened."""
    for where, text in _texts(storage, logged):
        for secret, what in _never():
            if secret in text:
                yield f"I8: {what} is in {where}"
    in_custom_data = {"the host key", "the admin's hash"}
    for vm in cloud.vms():
        text = vm.plan.custom_data.decode("utf-8", "replace")
        for secret, what in _never():
            if what not in in_custom_data and secret in text:
                yield f"I8: {what} is in the customData of {vm.plan.name}"


def _texts(storage: FakeStorage, logged: list[str]) -> Iterator[tuple[str, str]]:
    for hub in storage.hubs.hubs.values():
        yield f"the row of {hub.id}", json.dumps(codec.to_json(type(hub), hub))
    for (_, hub_id), history in storage.hubs.history.items():
        yield f"the history of {hub_id}", repr(list(history.values()))
    for operation in storage.hubs.operations.values():
        yield f"operation {operation.id}", repr(operation)
    for pending in storage.hubs.outbox.values():
        yield f"notice {pending.notice.id}", repr(pending)
    for key, (text, _) in storage.cache.rows.items():
        yield f"cache row {key}", text
    for queued in storage.queue.sent:
        if not isinstance(queued.message, DueBatch):
            yield "a message", messages.encode(queued.message)
            break  # all are made by the same few lines
    for line in logged:
        yield "the log", line


class _Keeping(logging.Handler):
    """Formats as the app does, so that what the masking lets through is what is judged."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines
        self.setFormatter(log.RedactingFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))


@contextmanager
def listening(lines: list[str], *, when: bool) -> Iterator[None]:
    """Collects what is logged meanwhile, or (it costs a tenth of a run) keeps all logging off."""
    before = logging.root.manager.disable
    if not when:
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(before)
        return
    logger = logging.getLogger(log.LOGGER)
    handler, level, propagate = _Keeping(lines), logger.level, logger.propagate
    logging.disable(logging.NOTSET)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
        logging.disable(before)
