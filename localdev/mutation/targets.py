"""What is mutated, and the tests that must notice. Data."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """`path`: the module that is mutated, in the whole or only its `functions`. `tests`: files or folders, quick ones:
    they alone judge it."""

    name: str
    group: str
    path: str
    tests: tuple[str, ...]
    functions: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        return self.path.removesuffix(".py").replace("/", ".")


_STATES, _RETRY, _SCHEDULER, _CLASSES, _OUTBOX = "state-machine", "retry", "scheduler", "classification", "outbox"
_TRUST = "trust"

_AGENDA = ("tests/unit/test_agenda.py", "tests/unit/test_agenda_weeks.py")

TARGETS: tuple[Target, ...] = (
    Target("states", _STATES, "shared/hubs/states.py", ("tests/unit/test_states.py",)),
    Target("decide", _STATES, "shared/hubs/decide.py", ("tests/unit/test_decide.py",)),
    Target("dispatch", _STATES, "shared/hubs/dispatch.py", ("tests/unit/test_dispatch.py",)),
    Target("deadlines", _STATES, "shared/hubs/deadlines.py", ("tests/unit/test_deadlines.py",)),
    Target("goals", _STATES, "shared/hubs/goals.py", ("tests/unit/test_goals.py",)),
    Target("long_operation", _RETRY, "shared/hubs/long_operation.py", ("tests/unit/test_long_operation.py",)),
    Target("write_budget", _RETRY, "shared/hubs/write_budget.py", ("tests/unit/gate",)),
    Target("gate_state", _RETRY, "shared/hubs/gate_state.py", ("tests/unit/gate",)),
    Target(
        "course_retry",
        _RETRY,
        "shared/hubs/course.py",
        ("tests/unit/test_retry.py",),
        ("retry_delay_s", "_retry_later", "_not_now"),
    ),
    Target("agenda", _SCHEDULER, "shared/hubs/agenda.py", _AGENDA),
    Target("schedule", _SCHEDULER, "shared/hubs/schedule.py", ("tests/unit/test_schedule.py",)),
    Target(
        "errors",
        _CLASSES,
        "shared/adapters/arm/errors.py",
        ("tests/unit/arm/test_errors.py", "tests/unit/arm/test_classification.py"),
    ),
    Target("ladder", _CLASSES, "shared/hubs/ladder.py", ("tests/unit/test_ladder.py",)),
    Target("notify", _OUTBOX, "shared/hubs/notify.py", ("tests/component/notify",)),
    Target("deliveries", _OUTBOX, "shared/hubs/deliveries.py", ("tests/unit/test_deliveries.py",)),
    Target("signatures", _TRUST, "shared/chat/signatures.py", ("tests/unit/chat/test_signatures.py",)),
    Target("action_links", _TRUST, "shared/chat/action_links.py", ("tests/unit/chat/test_action_links.py",)),
    Target("confirm", _TRUST, "shared/chat/confirm.py", ("tests/unit/chat/test_confirm.py",)),
    Target(
        "standard_webhooks",
        _TRUST,
        "shared/adapters/notify/standard_webhooks.py",
        ("tests/unit/sinks/test_standard_webhooks.py",),
    ),
    Target("addresses", _TRUST, "shared/adapters/addresses.py", ("tests/unit/sinks/test_addresses.py",)),
)

NAMES = (*dict.fromkeys(target.group for target in TARGETS), *(target.name for target in TARGETS))
"""What may be asked for."""


def chosen(names: Sequence[str]) -> tuple[Target, ...]:
    """The targets of these names and groups, in the table's order; all without a name."""
    return tuple(target for target in TARGETS if not names or target.group in names or target.name in names)
