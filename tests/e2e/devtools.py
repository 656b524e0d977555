"""A headless Chromium, driven over the DevTools protocol (https://chromedevtools.github.io/devtools-protocol/)."""

import asyncio
import base64
import itertools
import json
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from localdev.processes import Children
from tests.support.wait import eventually

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    "--window-size=1280,900",
)
START_LIMIT_S = 60.0
ENTER = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
SHIFT = 8


class Page:
    """One tab. Expressions are JavaScript."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command and its result; events in between are of no interest here."""
        number = next(self._ids)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            message = await self._socket.receive_json(timeout=60)
            if message.get("id") == number:
                assert "error" not in message, (method, message["error"])
                result: dict[str, Any] = message["result"]
                return result

    async def open(self, url: str) -> None:
        await self.call("Page.navigate", url=url)

    async def value(self, expression: str) -> Any:
        """None also while the page is changing under the expression."""
        try:
            found = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        except AssertionError:
            return None
        return found["result"].get("value")

    async def wait_for(self, expression: str, limit_s: float = 30.0) -> Any:
        """The first truthy value. Raises AssertionError with what the page shows instead."""
        try:
            return await eventually(lambda: self.value(expression), limit_s)
        except AssertionError as error:
            shown = await self.value("location.href + '\\n' + document.body.innerText.slice(0, 2000)")
            raise AssertionError(f"{expression}: {error}\n{shown}") from None

    async def click(self, selector: str, limit_s: float = 30.0) -> None:
        """With a real mouse event in the middle of the element, once it is there."""
        found = f"document.querySelector({json.dumps(selector)})?.getBoundingClientRect()"
        middle = f"(r => r && r.width ? [r.x + r.width / 2, r.y + r.height / 2] : null)({found})"
        x, y = await self.wait_for(middle, limit_s)
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def type(self, text: str) -> None:
        await self.call("Input.insertText", text=text)

    async def enter(self, modifiers: int = 0) -> None:
        for kind in ("keyDown", "keyUp"):
            await self.call("Input.dispatchKeyEvent", type=kind, modifiers=modifiers, **ENTER)

    async def screenshot(self, file: Path, clip: Mapping[str, float] | None = None) -> None:
        """Of what is in the window, or of a part (`x`, `y`, `width`, `height`, `scale`, in CSS pixels)."""
        part = {"clip": dict(clip), "captureBeyondViewport": True} if clip else {}
        taken = await self.call("Page.captureScreenshot", format="png", **part)
        file.write_bytes(base64.b64decode(taken["data"]))


@asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Page]:
    """A browser with a profile of its own and one empty tab."""
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("chromium is not installed: apt-get install chromium")
    profile = folder / "profile"
    with Children(folder) as children:
        child = children.start("chromium", [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"])
        port = child.wait_for_file(profile / "DevToolsActivePort", START_LIMIT_S).splitlines()[0]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                [tab] = [target for target in await answer.json() if target["type"] == "page"]
            async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=1 << 26) as socket:
                page = Page(socket)
                await page.call("Page.enable")
                yield page
        await asyncio.to_thread(child.stop, 5)
