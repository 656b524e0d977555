"""The pages behind the buttons of chat messages in a real browser: the form works under its own policy, and nothing
else does, also if something of a stranger's had come through unescaped."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from shared.chat import action_links
from shared.chat.card import Verb
from shared.hubs.model import Hub
from shared.hubs.ports import IndexEntry
from shared.hubs.states import HubState
from tests.component.api.chat import chat_settings
from tests.component.api.client import Api
from tests.e2e.devtools import Page, browser
from tests.support.builders import HUB_ID, a_ready_hub, some_secrets
from tests.support.world import World

HOSTILE = """<script>window.ran="script"</script><img src="/picture" onerror="window.ran='picture'"><b id="mine">"""
INJECTED = (
    '<script>window.ran="script"</script><script src="/script.js"></script><img src="/picture" onerror="window.ran=1">'
    '<link rel="stylesheet" href="/style.css"><style>h1{display:none}</style><iframe src="/frame"></iframe>'
    '<base href="/elsewhere/"><svg onload="window.ran=2"></svg><form action="//localhost:9/x" method="post">'
    '<button id="evil" autofocus>x</button></form>'
)


@dataclass
class Served:
    """The app's pages on loopback. `inject`: put into each page as if it had come through."""

    world: World
    api: Api
    base: str = ""
    inject: str = ""
    asked: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path.partition('/actions/')[0]}")
        headers = {name.lower(): value for name, value in request.headers.items()}
        answered = await self.api.dispatch(request.method, request.path_qs, headers, await request.read())
        if answered.status == 404 and not answered.body:
            self.refused.append(request.path)
        body = answered.body.replace(b"</h1>", b"</h1>" + self.inject.encode(), 1)
        return web.Response(status=answered.status, body=body, headers=answered.headers)

    def link(self, hub: Hub, verb: Verb) -> str:
        signed = action_links.ActionLink(
            verb=verb,
            hub_id=hub.id,
            owner=hub.owner,
            deadline="",
            expires_at=self.world.clock.now() + timedelta(hours=1),
            nonce=f"nonce-of-{verb}",
        )
        return action_links.url(self.base, action_links.sign(self.world.app.settings.seal_keys, signed))


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    world = World(settings=chat_settings(HUBLET_EGRESS_CIDRS="198.51.100.7/32"))
    made = Served(world, Api(world))
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


async def a_hub(world: World, name: str) -> Hub:
    hub = world.storage.hubs.seed(a_ready_hub(name=name, id=HUB_ID))
    world.storage.index.entries[hub.id] = IndexEntry(hub_id=hub.id, owner=hub.owner, name=name, state="ready")
    await world.storage.secrets.create(hub.owner, hub.id, some_secrets())
    return hub


def state(served: Served) -> HubState:
    return served.world.hub.state


async def loaded(page: Page) -> None:
    """Loaded and drawn. A browser drops what is pressed on a page it has not shown yet; one that is left before it is
    loaded has no place in the history."""
    await page.wait_for("performance.getEntriesByType('navigation')[0]?.loadEventEnd > 0")
    await page.wait_for("new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(() => drawn(true))))")
    await page.wait_for("new Promise(later => setTimeout(() => later(true), 200))")  # the browser hears of it as well


async def press(page: Page, selector: str = "button") -> None:
    await page.wait_for(f"document.querySelector('{selector}') !== null")
    await loaded(page)
    await page.click(selector)


async def test_the_form_is_pressed_and_a_hub_name_stays_a_name(served: Served, tmp_path: Path) -> None:
    hub = await a_hub(served.world, HOSTILE)
    async with browser(tmp_path) as page:
        await page.open(served.link(hub, Verb.STOP))
        assert HOSTILE in await page.wait_for("document.querySelector('main')?.innerText")
        assert await page.value("getComputedStyle(document.querySelector('button')).minHeight") == "48px"  # our style
        assert state(served) is HubState.READY
        await press(page)
        await page.wait_for("document.querySelector('h1')?.innerText.includes('stops')")
        assert state(served) is HubState.STOPPING
        assert await page.value("[typeof window.ran, document.getElementById('mine')]") == ["undefined", None]
        assert await page.value("document.referrer") == ""
        await page.open(served.link(hub, Verb.STOP))
        await page.wait_for("document.querySelector('h1')?.innerText === 'This link was used'")


async def test_the_login_is_shown_once_and_not_by_going_back_or_looking_again(served: Served, tmp_path: Path) -> None:
    hub = await a_hub(served.world, "physics")
    password = str(some_secrets().admin_password)
    async with browser(tmp_path) as page:
        await page.open(served.link(hub, Verb.LOGIN))
        await press(page)
        await page.wait_for("document.querySelector('dl') !== null")
        await loaded(page)
        shown = await page.value("document.querySelector('dl').innerText")
        assert password in shown
        await page.open("about:blank")
        await page.wait_for("location.href === 'about:blank'")
        await page.call("Page.navigateToHistoryEntry", entryId=await the_login(page))
        await page.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")
        assert password not in str(await page.value("document.documentElement.innerText"))


async def the_login(page: Page) -> int:
    history = await page.call("Page.getNavigationHistory")
    return int(history["entries"][-2]["id"])


async def test_what_had_come_through_unescaped_would_do_nothing(served: Served, tmp_path: Path) -> None:
    """The policy alone, as if every escape had been forgotten."""
    served.inject = INJECTED
    hub = await a_hub(served.world, "physics")
    async with browser(tmp_path) as page:
        await page.open(served.link(hub, Verb.STOP))
        await page.wait_for("document.readyState === 'complete' && document.getElementById('evil') !== null")
        assert await page.value("typeof window.ran") == "undefined"
        assert await page.value("getComputedStyle(document.querySelector('h1')).display") == "block"
        assert await page.value("document.baseURI === location.href")
        await press(page, "#evil")
        assert await page.value("new Promise(done => setTimeout(() => done(location.pathname), 300))")
        assert [path for path in served.refused if path != "/favicon.ico"] == []
        assert await page.value("document.getElementById('evil') !== null")  # nothing was sent anywhere
