"""`./dev docs --pictures`: docs/pictures/*.png, taken in a headless Chromium. Needs Chromium and, once, the network."""

import asyncio
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from localdev import paths
from localdev.pictures.draw import slack_pages, teams_page
from localdev.pictures.png import small
from localdev.pictures.samples import Picture
from localdev.setup import NodeParts, SetupFailed, ensure_cards_parts

FOLDER = paths.ROOT / "docs" / "pictures"
LARGEST = 60_000
"""Bytes of one picture: they are in the repository."""

SCALE = 1.5
_EMOJI = re.compile("[\u231a\u231b\u23e9-\u23f3\u2705\u274c\u2753\u2757\U0001f000-\U0001faff]|:[a-z_]{3,}:")
_WIDTH, _HEIGHT = 640, 2000
_SHOWN = "document.getElementById('picture')?.innerText.trim()"
_BOX = "(r => [r.x, r.y, r.width, r.height])(document.getElementById('picture').getBoundingClientRect())"


def write() -> int:
    """Draws every picture anew. 1 when one is too large or the official parser complains of a card; the rest is
    written all the same. Raises SetupFailed without Chromium."""
    from localdev.pictures.samples import pictures

    found = pictures()
    FOLDER.mkdir(exist_ok=True)
    problems = fonts_missing(found) + asyncio.run(take(found, FOLDER, ensure_cards_parts()))
    for picture in found:
        print(f"wrote {(FOLDER / picture.name).relative_to(paths.ROOT)}.png")
    for problem in problems:
        print(f"docs: {problem}")
    return 1 if problems else 0


def fonts_missing(found: Sequence[Picture]) -> list[str]:
    """Emoji are empty boxes on a machine without a font for them."""
    with_emoji = [picture.name for picture in found if _EMOJI.search(json.dumps(picture.content, ensure_ascii=False))]
    listed = subprocess.run(["fc-list", ":lang=und-zsye"], capture_output=True, text=True, check=False)
    if not with_emoji or listed.stdout.strip():
        return []
    return [f"{', '.join(with_emoji)}: no font has emoji: apt-get install fonts-noto-color-emoji"]


async def take(found: Sequence[Picture], folder: Path, node: NodeParts) -> list[str]:
    """Writes `<name>.png` for each into the folder; what is wrong with them, in words."""
    from tests.e2e.devtools import Page, browser

    if shutil.which("chromium") is None:
        raise SetupFailed("pictures are taken with Chromium: apt-get install chromium")
    pages = page_of_each(found, node)
    problems: list[str] = []

    async def shoot(page: Page, picture: Picture, file: Path) -> None:
        await page.open(file.as_uri())
        await page.wait_for(f"location.href === {file.as_uri()!r} && document.readyState === 'complete' && {_SHOWN}")
        said = await page.value("document.body.dataset.problems")
        if said not in (None, "[]"):
            problems.append(f"{picture.name}: {said}")
        x, y, width, height = await page.value(_BOX)
        clip = {"x": x, "y": y, "width": width, "height": height, "scale": 1}
        target = folder / f"{picture.name}.png"
        await page.screenshot(target, clip=clip)
        target.write_bytes(small(target.read_bytes()))
        if target.stat().st_size > LARGEST:
            problems.append(f"{picture.name}: {target.stat().st_size} bytes are more than {LARGEST}")

    with tempfile.TemporaryDirectory(prefix="hublet-cards-") as scratch:
        async with browser(Path(scratch)) as page:
            await page.call(
                "Emulation.setDeviceMetricsOverride",
                width=_WIDTH,
                height=_HEIGHT,
                deviceScaleFactor=SCALE,
                mobile=False,
            )
            for picture in found:
                file = Path(scratch) / f"{picture.name}.html"
                file.write_text(pages[picture.name], encoding="utf-8")
                await shoot(page, picture, file)
    return problems


def page_of_each(found: Sequence[Picture], node: NodeParts) -> dict[str, str]:
    """Name -> HTML with an element `#picture`."""
    pages = {picture.name: teams_page(picture.content) for picture in found if picture.kind == "teams"}
    pages |= {picture.name: _framed(str(picture.content["html"])) for picture in found if picture.kind == "html"}
    slack = [picture for picture in found if picture.kind == "slack"]
    if slack:
        drawn = slack_pages(node, [(picture.content, picture.at) for picture in slack])
        pages |= {picture.name: page for picture, page in zip(slack, drawn, strict=True)}
    return pages


def _framed(html: str) -> str:
    """A page of ours is shown as it is, with its body as the picture."""
    return html.replace("<body", '<body id="picture"', 1)
