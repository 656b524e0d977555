"""Code in a real notebook kernel, over the same HTTP and WebSocket calls that JupyterLab makes.

https://jupyter-server.readthedocs.io/en/stable/developers/rest-api.html and
https://jupyter-client.readthedocs.io/en/stable/messaging.html (messages as JSON text frames).
"""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from shared.adapters.web import Browser, unusable
from shared.errors import RetryableError

if TYPE_CHECKING:
    import aiohttp

MESSAGE_CAP = 1 << 20
MESSAGES = 500
OUTPUT_CAP = 64 * 1024
START_LIMIT_S = 25.0
"""Starting a kernel answers when its process is there; on a busy machine that takes long."""

_KERNEL_ID = re.compile(r"[0-9a-fA-F-]{36}")
_MESSAGE_ID = "hublet-1"
_SESSION = "hublet"


async def run_in_kernel(browser: Browser, base: str, code: str) -> str:
    """What `code` prints. The browser is logged in to the hub; `base` is `/user/<name>`. The kernel is removed again.

    Raises RetryableError `HubServerFailed` when the server does not answer, `HubKernelFailed` when the code fails.
    """
    page = await browser.visit(f"{base}/lab")  # logs in to the server itself, by way of the hub's OAuth
    if page.status != 200:
        raise RetryableError("HubServerFailed", f"The user's server answers with status {page.status}.")
    started = await browser.request("POST", f"{base}/api/kernels", json={}, api=True, limit_s=START_LIMIT_S)
    if started.status != 201:
        raise RetryableError("HubKernelFailed", f"A notebook kernel did not start (status {started.status}).")
    kernel = started.json()
    kernel_id = kernel.get("id") if isinstance(kernel, dict) else None
    if not isinstance(kernel_id, str) or not _KERNEL_ID.fullmatch(kernel_id):
        raise unusable("a kernel without an id")
    try:
        return await _execute(browser, f"{base}/api/kernels/{kernel_id}", code)
    finally:
        with suppress(RetryableError):
            await browser.request("DELETE", f"{base}/api/kernels/{kernel_id}", api=True, limit_s=5.0)


async def _execute(browser: Browser, path: str, code: str) -> str:
    import aiohttp

    url = f"{browser.origin.replace('http', 'ws', 1)}{path}/channels?session_id={_SESSION}"
    try:
        async with browser.session.ws_connect(
            url,
            origin=browser.origin,
            max_msg_size=MESSAGE_CAP,
            ssl=browser.context if browser.context is not None else True,
        ) as socket:
            await socket.send_str(json.dumps(_execute_request(code)))
            return await _output(socket)
    except (aiohttp.ClientError, OSError) as error:
        message = f"The connection to the notebook kernel broke ({type(error).__name__})."
        raise RetryableError("HubKernelFailed", message) from error


def _execute_request(code: str) -> Mapping[str, object]:
    return {
        "header": {
            "msg_id": _MESSAGE_ID,
            "msg_type": "execute_request",
            "session": _SESSION,
            "username": _SESSION,
            "version": "5.3",
        },
        "parent_header": {},
        "metadata": {},
        "content": {
            "code": code,
            "silent": False,
            "store_history": False,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        },
        "channel": "shell",
        "buffers": [],
    }


async def _output(socket: "aiohttp.ClientWebSocketResponse") -> str:
    """Standard output until the kernel is idle again. Errors of the code and floods of messages raise."""
    import aiohttp

    printed, replied, idle = "", False, False
    for _ in range(MESSAGES):
        frame = await socket.receive()
        if frame.type is not aiohttp.WSMsgType.TEXT:
            if frame.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR):
                raise RetryableError("HubKernelFailed", "The notebook kernel hung up.")
            continue
        match _parsed(frame.data):
            case {"parent_header": {"msg_id": str(parent)}} if parent != _MESSAGE_ID:
                continue
            case {"msg_type": "stream", "content": {"name": "stdout", "text": str(text)}}:
                printed += text
            case {"msg_type": "error"} | {"msg_type": "execute_reply", "content": {"status": "error" | "aborted"}}:
                raise RetryableError("HubKernelFailed", "The notebook kernel reports an error for simple arithmetic.")
            case {"msg_type": "execute_reply", "content": {"status": "ok"}}:
                replied = True
            case {"msg_type": "status", "content": {"execution_state": "idle"}, "parent_header": {"msg_id": str()}}:
                idle = True
        if len(printed) > OUTPUT_CAP:
            raise unusable("more output than was asked for")
        if replied and idle:
            return printed
    raise unusable("too many messages from a kernel")


def _parsed(data: Any) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise unusable("a kernel message that is not JSON") from None
