"""Pictures of cards: a real browser draws messages of the documented shapes."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from localdev.pictures.png import size
from localdev.pictures.samples import Picture
from localdev.pictures.take import LARGEST, page_of_each, take
from localdev.setup import ensure_cards_parts
from tests.e2e.devtools import browser

DATA = Path(__file__).parent.parent / "data" / "cards"
PAGE = "<!doctype html><html><head><title>Hublet</title></head><body><h1>Keep physics on?</h1></body></html>"


def message(kind: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((DATA / f"{kind}.json").read_text(encoding="utf-8"))
    return read


@pytest.fixture
def found() -> list[Picture]:
    return [
        Picture("one", "slack", message("slack")),
        Picture("two", "teams", message("teams")),
        Picture("three", "html", {"html": PAGE}),
    ]


async def test_each_kind_becomes_a_small_picture_of_the_card_alone(found: list[Picture], tmp_path: Path) -> None:
    assert await take(found, tmp_path, ensure_cards_parts()) == []
    for picture in found:
        file = tmp_path / f"{picture.name}.png"
        width, height = size(file.read_bytes())
        assert 600 < width < 1000
        assert 50 < height < 900
        assert file.stat().st_size < LARGEST


async def test_a_page_shows_what_the_message_says_and_asks_nobody_for_anything(
    found: list[Picture], tmp_path: Path
) -> None:
    pages = page_of_each(found, ensure_cards_parts())
    async with browser(tmp_path) as page:
        for name, words in (
            ("one", ("physics is ready", "8 minutes", "Next stop", "Show my login", "APP")),
            ("two", ("physics stops in 30 minutes", "</script><b>not bold</b>", "Monday 19:00", "One hour more")),
        ):
            file = tmp_path / f"{name}.html"
            file.write_text(pages[name], encoding="utf-8")
            await page.open(file.as_uri())
            shown = await page.wait_for(f"location.href === {file.as_uri()!r} && document.body.innerText")
            assert [one for one in words if one.lower() not in shown.lower()] == []
            asked = await page.value("performance.getEntriesByType('resource').map(one => one.name)")
            assert [url for url in asked if not url.startswith("data:")] == []


async def test_what_the_official_parser_complains_of_is_told(found: list[Picture], tmp_path: Path) -> None:
    wrong = message("teams")
    wrong["attachments"][0]["content"]["body"][0]["type"] = "TextBlok"
    [problem] = await take([replace(found[1], content=wrong)], tmp_path, ensure_cards_parts())
    assert problem.startswith("two: ")
    assert "TextBlok" in problem
