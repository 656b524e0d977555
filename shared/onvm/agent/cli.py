"""How the agent is called: words, one JSON document in, one out."""

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from shared.onvm.agent.errors import AgentError
from shared.onvm.agent.install import verb_install
from shared.onvm.agent.status import verb_status
from shared.onvm.agent.tasks import verb_task
from shared.onvm.agent.vm import KIB

STDIN_CAP = 256 * KIB
STDIN_LIMIT_S = 15
VERBS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"status": verb_status, "task": verb_task}


def read_input() -> dict[str, Any]:
    """One JSON object from stdin, at most 256 KiB, within 15 seconds. Nothing at all counts as `{}`."""

    def too_slow(*_: object) -> None:
        raise AgentError("BadInput", f"The input did not end within {STDIN_LIMIT_S} s.")

    signal.signal(signal.SIGALRM, too_slow)
    signal.alarm(STDIN_LIMIT_S)
    raw = sys.stdin.buffer.read(STDIN_CAP + 1)
    signal.alarm(0)
    if len(raw) > STDIN_CAP:
        raise AgentError("BadInput", f"The input is longer than {STDIN_CAP} bytes.")
    try:
        document = json.loads(raw or b"{}")
    except (ValueError, RecursionError):
        raise AgentError("BadInput", "The input is not JSON.") from None
    if not isinstance(document, dict):
        raise AgentError("BadInput", "The input is not a JSON object.")
    return document


def main(arguments: list[str]) -> int:
    os.umask(0o077)
    if arguments == ["install"]:
        return verb_install()
    words = arguments[1:] if arguments[:1] == ["ssh"] else arguments
    try:
        if len(words) != 1 or words[0] not in VERBS:
            raise AgentError("UnknownVerb", "Only these are understood here: " + ", ".join(sorted(VERBS)) + ".")
        answer, code = VERBS[words[0]](read_input()), 0
    except AgentError as error:
        answer, code = {"error": error.as_json()}, 1
    except Exception as error:
        answer, code = {"error": AgentError("Internal", type(error).__name__).as_json()}, 1
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    return code
