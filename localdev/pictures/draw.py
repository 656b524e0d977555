"""A message as it goes over the wire -> a page that shows it alone, in `#picture`, and needs nothing from anywhere.

Slack's blocks are drawn by `slack-blocks-to-jsx`, Adaptive Cards by Microsoft's own `adaptivecards` with colours near
to Teams'. Neither is the real client: fonts, widths and the look of buttons differ there, and the first is no judge of
escaping (it turns `&lt;!channel&gt;` into a mention, which Slack does not).
"""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from localdev import paths
from localdev.setup import NodeParts, SetupFailed

_SCRIPT = paths.CARDS_PARTS / "slack.mjs"
_LIMIT_S = 60.0

_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
"""A picture must not depend on what somebody's server answers today."""

_LOOK = """
html, body { margin: 0; background: #fff; }
body { font-family: "Segoe UI", "Liberation Sans", Arial, sans-serif; }
#picture { box-sizing: border-box; width: 620px; padding: 14px 16px; }
#slack_blocks_to_jsx p { white-space: pre-wrap; }
.teams { background: #f5f5f5; }
.teams .ac-adaptiveCard { border-radius: 6px; box-shadow: 0 1px 3px rgb(0 0 0 / 25%); }
.teams .ac-pushButton {
  padding: 6px 14px; border: 1px solid #d1d1d1; border-radius: 4px; background: #fff; color: #242424;
  font-family: inherit; font-size: 14px; font-weight: 600;
}
.teams .ac-pushButton.style-positive { background: #5b5fc7; border-color: #5b5fc7; color: #fff; }
.teams .ac-pushButton.style-destructive { color: #c4314b; border-color: #c4314b; }
"""

_TEAMS_LOOK = {
    "fontFamily": "Segoe UI, Liberation Sans, Arial, sans-serif",
    "fontSizes": {"small": 12, "default": 14, "medium": 16, "large": 18, "extraLarge": 24},
    "spacing": {"small": 8, "default": 12, "medium": 16, "large": 20, "extraLarge": 24, "padding": 16},
    "containerStyles": {
        style: {"backgroundColor": colour}
        for style, colour in (
            ("default", "#ffffff"),
            ("emphasis", "#f0f0f0"),
            ("good", "#e7f2da"),
            ("warning", "#fbf0d0"),
            ("attention", "#fbe3e4"),
            ("accent", "#e8ebfa"),
        )
    },
    "actions": {"actionAlignment": "left", "maxActions": 6, "buttonSpacing": 8, "actionsOrientation": "horizontal"},
}
_SHOW_CARD = """
const host = new AdaptiveCards.HostConfig(LOOK);
const card = new AdaptiveCards.AdaptiveCard();
card.hostConfig = host;
const context = new AdaptiveCards.SerializationContext();
card.parse(CARD, context);
const problems = [...Array(context.eventCount).keys()].map(at => context.getEventAt(at).message);
document.getElementById("picture").appendChild(card.render());
document.body.dataset.problems = JSON.stringify(problems);
"""


def slack_pages(node: NodeParts, messages: Sequence[tuple[Mapping[str, Any], datetime]]) -> list[str]:
    """A page for each message (`{"text", "blocks"}`) and the time it was posted; one run of node for all. Raises
    SetupFailed with what it said."""
    program = shutil.which(node.node) or node.node
    told = [{"blocks": message["blocks"], "at": at.isoformat()} for message, at in messages]
    done = subprocess.run(
        [program, str(_SCRIPT)], input=json.dumps(told), capture_output=True, text=True, timeout=_LIMIT_S, check=False
    )
    if done.returncode != 0:
        raise SetupFailed(f"the blocks could not be drawn:\n{done.stderr[-2000:]}")
    look = (paths.CARDS_MODULES / "slack-blocks-to-jsx" / "dist" / "style.css").read_text(encoding="utf-8")
    drawn: list[str] = json.loads(done.stdout)
    return [_page(f'<div id="picture">{html}</div>', look) for html in drawn]


def teams_page(message: Mapping[str, Any]) -> str:
    """`message` is the envelope; its one card is drawn. What the parser complains of is in `body`'s `data-problems`."""
    [attachment] = message["attachments"]
    library = (paths.CARDS_MODULES / "adaptivecards" / "dist" / "adaptivecards.min.js").read_text(encoding="utf-8")
    show = _SHOW_CARD.replace("LOOK", json.dumps(_TEAMS_LOOK)).replace(
        "CARD,", f"{_script_json(attachment['content'])},"
    )
    return _page(f'<div id="picture" class="teams"></div><script>{library}</script><script>{show}</script>')


def _page(body: str, look: str = "") -> str:
    head = f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    return f"<!doctype html><html><head>{head}<style>{look}\n{_LOOK}</style></head><body>{body}</body></html>"


def _script_json(value: object) -> str:
    """JSON that may stand inside a script element, whatever its texts hold."""
    return json.dumps(value).replace("<", "\\u003c")
