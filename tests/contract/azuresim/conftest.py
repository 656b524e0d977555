"""The simulated Azure under test, in process and behind HTTPS."""

import pytest

from tests.contract.azuresim.recordings import SHARED

collect_ignore = [] if SHARED else ["test_recorded_traffic.py"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if SHARED is None:
        terminalreporter.write_line("azuresim: no recorded ARM traffic beside the checkout, so nothing to compare with")
