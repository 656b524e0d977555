"""A person with a browser: opens the hub's url, logs in, opens JupyterLab, runs a cell."""

from pathlib import Path

from tests.e2e.conftest import TutorialHub
from tests.e2e.devtools import SHIFT, browser

LAB_LIMIT_S = 90.0
"""JupyterLab is some megabytes of JavaScript, on a machine where other hubs may be starting."""

CELL = ".jp-Notebook .jp-Cell .cm-content"
IDLE = "document.querySelector('.jp-NotebookPanel .jp-Notebook-ExecutionIndicator[data-status=idle]') !== null"
PNG = b"\x89PNG\r\n\x1a\n"


async def test_the_admin_logs_in_opens_jupyterlab_and_runs_a_cell(tutorial: TutorialHub, tmp_path: Path) -> None:
    async with browser(tmp_path) as page:
        await page.open(tutorial.hub["url"])
        await page.click("input[name=username]")
        await page.type(tutorial.hub["adminUser"])
        await page.click("input[name=password]")
        await page.type(tutorial.password)
        await page.enter()
        await page.wait_for("location.pathname.startsWith('/user/jaydoe/')", LAB_LIMIT_S)
        assert await page.value("location.origin") == tutorial.hub["url"].rstrip("/")

        await page.open(f"{tutorial.hub['url']}user/jaydoe/lab?reset")
        await page.click(".jp-LauncherCard[data-category=Notebook]", LAB_LIMIT_S)
        await page.wait_for("document.querySelector('.jp-LabShell') !== null")
        await page.wait_for(IDLE, LAB_LIMIT_S)
        await page.click(CELL)
        await page.wait_for(f"document.activeElement === document.querySelector('{CELL}')")
        await page.type("6*7")
        await page.wait_for(f"document.querySelector('{CELL}').innerText === '6*7'")
        await page.enter(SHIFT)
        output = "document.querySelector('.jp-OutputArea-executeResult .jp-OutputArea-output')?.innerText.trim()"
        assert await page.wait_for(output, LAB_LIMIT_S) == "42"

        picture = tmp_path / "jupyterlab.png"
        await page.screenshot(picture)
        assert picture.read_bytes().startswith(PNG)


async def test_a_stranger_sees_the_login_page_say_no(tutorial: TutorialHub, tmp_path: Path) -> None:
    async with browser(tmp_path) as page:
        await page.open(tutorial.hub["url"])
        await page.click("input[name=username]")
        await page.type(tutorial.hub["adminUser"])
        await page.click("input[name=password]")
        await page.type("let me be the admin")
        await page.enter()
        assert "Invalid" in await page.wait_for("document.querySelector('.login_error')?.innerText")
        assert await page.value("location.pathname") == "/hub/login"
