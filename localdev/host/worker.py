"""Microsoft's Python runtime library, called without gRPC: index an app, invoke its functions.

The library (`azure-functions-runtime`, what the Python 3.13 worker in Azure runs) has an entry without protobuf,
`native_invocation`; for indexing it wants a few message classes by name, which are plain attribute bags here. Its
registry is module-level, so a process hosts one app.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import azure_functions_runtime as runtime
from azure_functions_runtime import native_invocation
from azure_functions_runtime.bindings.datumdef import Datum

from localdev.host.functions import Function, is_disabled, read_function


class IndexingError(RuntimeError):
    """The app could not be imported or indexed; the text carries the library's message and traceback."""


class _StatusResult(SimpleNamespace):
    Failure = 0
    Success = 1


class _BindingInfo(SimpleNamespace):
    undefined = 0
    out = 1
    inout = 2


def _messages() -> SimpleNamespace:
    names = (
        "WorkerInitResponse",
        "WorkerMetadata",
        "FunctionMetadataResponse",
        "RpcFunctionMetadata",
        "RpcException",
        "RpcRetryOptions",
    )
    bags = {name: type(name, (SimpleNamespace,), {}) for name in names}
    return SimpleNamespace(StatusResult=_StatusResult, BindingInfo=_BindingInfo, **bags)


@dataclass(frozen=True)
class Outcome:
    """How one invocation ended; `value` is the runtime's Datum of `$return` or None, `error` a short text."""

    ok: bool
    value: Any = None
    error: str = ""


def text_datum(text: str) -> Any:
    return Datum(text, "string")


def json_datum(text: str) -> Any:
    """`text` is already JSON."""
    return Datum(text, "json")


def bytes_datum(data: bytes) -> Any:
    return Datum(data, "bytes")


def http_datum(value: dict[str, Any]) -> Any:
    return Datum(value, "http")


@dataclass(frozen=True)
class Worker:
    """An indexed app."""

    functions: tuple[Function, ...]
    function_timeout: timedelta | None

    @classmethod
    async def load(cls, app_dir: Path, function_timeout: timedelta | None) -> "Worker":
        """Imports `function_app.py` of `app_dir` with the present environment. Call once per process.

        Raises IndexingError, and SettingsError for bindings this host does not serve.
        """
        root = str(app_dir.resolve())
        sys.path.insert(0, root)
        runtime.start_threadpool_executor()
        init = SimpleNamespace(capabilities={}, function_app_directory=root)
        request = SimpleNamespace(
            request=SimpleNamespace(worker_init_request=init),
            properties={"host": "127.0.0.1", "protos": _messages()},
        )
        answer = await runtime.worker_init_request(request)
        if answer.result.status != _StatusResult.Success:
            failure = answer.result.exception
            raise IndexingError(f"{failure.message}\n{failure.stack_trace}")
        listing = await runtime.functions_metadata_request(request)
        if not listing.function_metadata_results:
            raise IndexingError(f"no functions found in {root}/function_app.py")
        functions = tuple(
            read_function(entry.name, entry.function_id, entry.raw_bindings, os.environ)
            for entry in listing.function_metadata_results
            if not is_disabled(entry.name, os.environ)
        )
        return cls(functions, function_timeout)

    async def invoke(
        self, function: Function, value: Any, metadata: dict[str, Any] | None = None, *, trace_parent: str = ""
    ) -> Outcome:
        """Runs one function; never raises for what the function does.

        `async def` handlers run on this loop, others in the runtime's thread pool, as in Azure. After `functionTimeout`
        the outcome is a failure (Azure would also restart the worker process; a thread here just runs on).
        """
        inputs: Sequence[tuple[str, Any]] = [(function.trigger.param, value)]
        limit = self.function_timeout.total_seconds() if self.function_timeout else None
        try:
            async with asyncio.timeout(limit):
                ok, returned, _outputs, error, _trace = await native_invocation.invocation_request_native(
                    str(uuid4()), function.function_id, inputs, metadata or {}, trace_parent=trace_parent
                )
        except TimeoutError:
            return Outcome(ok=False, error=f"functionTimeout of {self.function_timeout} exceeded")
        return Outcome(ok=bool(ok), value=returned, error=str(error or ""))
