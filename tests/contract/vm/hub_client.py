"""A person at a hub: logs in by the form, starts a server, runs code in a kernel over the websocket."""

import asyncio
import json
import re
import uuid
from types import TracebackType
from typing import Any, Self

import aiohttp
from yarl import URL


class Person:
    """One browser session at one hub. `connector`: how it finds and trusts a hub that is no plain address."""

    def __init__(self, url: str, name: str, connector: aiohttp.BaseConnector | None = None) -> None:
        self.url = url
        self.name = name
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            timeout=aiohttp.ClientTimeout(total=60),
            connector=connector,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._session.close()

    async def log_in(self, password: str) -> int:
        """Status of the form: 302 in, 403 refused."""
        async with self._session.get(f"{self.url}/hub/login") as page:
            text = await page.text()
        match = re.search(r'name="_xsrf"\s+value="([^"]+)"', text)
        assert match is not None
        form = {"username": self.name, "password": password, "_xsrf": match[1]}
        async with self._session.post(f"{self.url}/hub/login", data=form, allow_redirects=False) as answer:
            return answer.status

    async def start_server(self) -> None:
        """Ask for a server and wait until JupyterLab's page is there."""
        async with asyncio.timeout(60):
            async with self._session.get(f"{self.url}/hub/spawn") as answer:
                await answer.read()
            while True:
                async with self._session.get(f"{self.url}/user/{self.name}/lab") as page:
                    await page.read()
                    if page.status == 200 and page.url.path.startswith("/user/"):
                        return
                await asyncio.sleep(0.2)

    async def api(self, method: str, path: str, body: object = None) -> Any:
        """One call of the user's own server."""
        url = f"{self.url}/user/{self.name}/api/{path}"
        headers = {"X-XSRFToken": self._session.cookie_jar.filter_cookies(URL(url))["_xsrf"].value}
        async with self._session.request(method, url, json=body, headers=headers) as answer:
            text = await answer.text()
            assert answer.status < 400, (answer.status, text)
            return json.loads(text) if text else None

    def channel(self, kernel: str) -> Any:
        """The websocket of one kernel, as a context manager."""
        return self._session.ws_connect(f"{self.url}/user/{self.name}/api/kernels/{kernel}/channels")

    async def begin(self, code: str) -> str:
        """Have a fresh kernel run the code, close the page, and leave it alone; its id."""
        kernel: str = (await self.api("POST", "kernels", {"name": "python3"}))["id"]
        async with asyncio.timeout(60), self.channel(kernel) as socket:
            await socket.send_json(execute_request(code))
            async for message in socket:
                if json.loads(message.data)["msg_type"] == "execute_input":
                    break
        return kernel

    async def compute(self, code: str) -> str:
        """What a fresh kernel prints for the code."""
        kernel = await self.api("POST", "kernels", {"name": "python3"})
        request = execute_request(code)
        said = ""
        async with asyncio.timeout(60), self.channel(kernel["id"]) as socket:
            await socket.send_json(request)
            async for message in socket:
                document = json.loads(message.data)
                if document["parent_header"].get("msg_id") != request["header"]["msg_id"]:
                    continue
                if document["msg_type"] == "stream":
                    said += document["content"]["text"]
                if document["msg_type"] == "error":
                    said += document["content"]["evalue"]
                if document["msg_type"] == "status" and document["content"]["execution_state"] == "idle":
                    break
        await self.api("DELETE", f"kernels/{kernel['id']}")
        return said


def execute_request(code: str) -> dict[str, Any]:
    """The message that runs code (https://jupyter-client.readthedocs.io/en/stable/messaging.html#execute)."""
    return {
        "header": {
            "msg_id": uuid.uuid4().hex,
            "msg_type": "execute_request",
            "username": "",
            "session": uuid.uuid4().hex,
            "version": "5.3",
            "date": "",
        },
        "parent_header": {},
        "metadata": {},
        "content": {"code": code, "silent": False, "store_history": False, "allow_stdin": False},
        "channel": "shell",
    }
