"""What docs/chat.md and docs/webhooks.md say is so."""

import json
import os
import re
import subprocess
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from localdev.pictures.samples import ALTS
from localdev.pictures.take import FOLDER, LARGEST
from shared.adapters.notify import cloud_events
from shared.api.routes import allowed_methods
from shared.chat import command_cards, grammar
from shared.hubs import deliveries, notice_kinds
from shared.hubs.model import Notice
from shared.hubs.ports import ChatUser
from shared.settings import Settings

DOCS = Path(__file__).resolve().parents[2] / "docs"
CHAT = (DOCS / "chat.md").read_text(encoding="utf-8")
WEBHOOKS = (DOCS / "webhooks.md").read_text(encoding="utf-8")
BOTH = {"chat.md": CHAT, "webhooks.md": WEBHOOKS}


def blocks(text: str, language: str) -> list[str]:
    """Fenced code of one language, also inside lists."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", body, flags=re.MULTILINE) for indent, body in found]


def rows(text: str, *columns: str) -> list[list[str]]:
    """The cells of the one table with these columns."""
    for lines in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        head, _, *body = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in lines.splitlines()]
        if head == list(columns):
            return body
    raise AssertionError(f"no table {columns}")


def curls(text: str) -> list[tuple[str, str, Any]]:
    """Method, path below /api, and body of every `curl` line to our API."""
    found = []
    for script in blocks(text, "sh"):
        whole = script.replace("\\\n", " ").replace("'\"'\"'", "’")
        for line in re.findall(r"^curl .*?\$API/[^ \n]+(?: -d '[^']*')?", whole, re.MULTILINE | re.DOTALL):
            method = re.search(r"-X ([A-Z]+)", line)
            path = re.search(r"\$API/([^ \n]+)", line)
            body = re.search(r"-d '([^']*)'", line)
            assert path
            found.append((method[1] if method else "GET", path[1], json.loads(body[1]) if body else None))
    return found


@pytest.mark.parametrize("page", BOTH)
def test_every_shell_block_is_shell(page: str):
    scripts = blocks(BOTH[page], "sh")
    assert scripts
    for script in scripts:
        done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
        assert done.returncode == 0, (script, done.stderr)


@pytest.mark.parametrize("page", BOTH)
def test_every_setting_it_names_is_one(page: str):
    named = set(re.findall(r"HUBLET_[A-Z_]+", BOTH[page])) - {"HUBLET_TOKEN"}
    assert named
    assert named <= {spec.metadata["name"] for spec in fields(Settings)}


@pytest.mark.parametrize("page", BOTH)
def test_every_file_it_links_to_is_there(page: str):
    linked = re.findall(r"\]\((?!http|#|pictures/)([^)#]+)", BOTH[page])
    assert linked
    assert [path for path in linked if not (DOCS / path).is_file()] == []


@pytest.mark.parametrize(("page", "least"), [("chat.md", 3), ("webhooks.md", 6)])
def test_every_curl_line_is_a_route_of_ours(page: str, least: int):
    lines = curls(BOTH[page])
    assert len(lines) >= least
    assert [line for line in lines if line[0] not in allowed_methods(line[1])] == []


def test_a_shell_that_follows_the_page_can_send_the_line_that_link_shows():
    """It names two variables, and Slack's people only paste it."""
    card = command_cards.link_card(ChatUser("slack", "T1", "U1"), "AB12CD34EF", 15, "https://hublet.example.org")
    [line] = card.code
    named = set(re.findall(r"\$(\w+)", line))
    assert named == {"HUBLET_TOKEN"}
    assert "read -rs HUBLET_TOKEN" in CHAT
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    assert "HUBLET_TOKEN=$(session token)" in readme


def test_the_bodies_of_links_are_a_code_or_a_whole_link():
    bodies = [set(body) for _, path, body in curls(CHAT) if path == "chat/links" and body]
    whole = {"platform", "team", "user", "owner"}
    assert bodies == [{"code"}, whole, whole]


@pytest.mark.parametrize("page", BOTH)
def test_what_is_asked_for_in_a_shell_is_asked_for_in_zsh_too(page: str):
    """There `read -p` reads from a coprocess: macOS' own shell would ask nobody."""
    assert not re.search(r"\bread -[a-z]*p", BOTH[page])


PASTED = [script for script in blocks(CHAT, "sh") if "read -" in script]


@pytest.mark.parametrize("script", PASTED)
def test_a_block_that_asks_can_be_pasted_as_a_whole(script: str, tmp_path: Path):
    """Terminals without bracketed paste (bash before 5.1) type it: what follows a `read` in it would be the answer."""
    for name in ("az", "curl"):
        (tmp_path / name).write_text('#!/bin/sh\nexec printf "%s\\n" "$0 $*"\n')
        (tmp_path / name).chmod(0o755)
    asked = len(re.findall(r"\bread -", script))
    answers = [f"answer-{number}" for number in range(asked)]
    shown = "".join(f'echo "told ${name}"\n' for name in re.findall(r"\bread -rs (\w+)", script))
    done = subprocess.run(
        ["bash"],
        input=script + "".join(f"{answer}\n" for answer in answers) + shown,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "GROUP": "g", "APP": "a"},
        text=True,
        capture_output=True,
        check=False,
    )
    assert re.findall(r"^told (.*)$", done.stdout, re.MULTILINE) == answers, (done.stdout, done.stderr)


def test_the_sed_line_fills_the_host_into_the_whole_manifest():
    [script] = [one for one in blocks(CHAT, "sh") if one.startswith("sed ")]
    environment = {"HOST": "func-hublet-abc123.azurewebsites.net", "PATH": os.environ["PATH"]}
    done = subprocess.run(
        ["bash", "-c", script], cwd=DOCS.parent, env=environment, text=True, capture_output=True, check=True
    )
    assert "put-your-host-here" not in done.stdout.replace(r"put-your-host-here\.invalid", "")
    assert done.stdout.count("https://func-hublet-abc123.azurewebsites.net/api/chat/slack/") == 2


def test_the_table_of_commands_is_the_grammars():
    told = [tuple(cell.strip("`") for cell in row) for row in rows(CHAT, "command", "example", "does")]
    assert told == [(usage.form, usage.example, usage.does) for usage in grammar.USAGES.values()]


def test_every_command_line_it_shows_is_understood():
    shown = re.findall(r"[`\"](?:/hub|@Hublet) ([a-z][^`\"\n]*)[`\"]", CHAT)
    lines = [line for line in shown if "..." not in line and not line.startswith("failed")]
    assert len(lines) >= 8
    for line in lines:
        read = grammar.parse(line.replace("NAME", "physics"))
        assert not getattr(read, "said", ""), line
        assert not getattr(read, "wrong", ()), line


def test_every_picture_stands_in_the_page_under_its_own_words():
    shown = re.findall(r"!\[([^\]]+)\]\(pictures/([a-z-]+)\.png\)", CHAT)
    assert sorted(shown) == sorted((alt, name) for name, alt in ALTS.items())


@pytest.mark.parametrize("name", ALTS)
def test_a_picture_is_there_and_small(name: str):
    content = (FOLDER / f"{name}.png").read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(content) <= LARGEST


def payload() -> dict[str, Any]:
    [text] = blocks(WEBHOOKS, "json")
    read: dict[str, Any] = json.loads(text)
    return read


def test_the_example_of_an_event_is_what_we_send():
    shown = payload()
    hub_id, _, seq = shown["id"].partition(".")
    notice = Notice(
        hub_id=hub_id,
        owner=shown["data"]["owner"],
        seq=int(seq),
        type=shown["type"],
        at=datetime.fromisoformat(shown["time"]),
        hub_name=shown["subject"],
        message=shown["data"]["message"],
        data=shown["data"]["details"],
    )
    assert dict(cloud_events.event_of(notice)) == shown
    assert cloud_events.MEDIA_TYPE in WEBHOOKS


def test_the_table_of_events_is_all_there_is():
    told = {row[0].strip("`"): row[1] for row in rows(WEBHOOKS, "event", "says")}
    assert told == dict(notice_kinds.KINDS)


def test_the_lines_that_verify_a_signature_do():
    [code] = blocks(WEBHOOKS, "python")
    assert len(code.splitlines()) <= 10
    names: dict[str, Any] = {}
    exec(code, names)  # what people will copy
    secret = "whsec_" + "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
    body, now = json.dumps(payload()), datetime.now(UTC)
    signed = {
        "Webhook-Id": payload()["id"],
        "Webhook-Timestamp": str(int(now.timestamp())),
        "Webhook-Signature": Webhook(secret).sign(payload()["id"], now, body),
    }
    assert names["receive"](secret, body.encode(), signed) == f"physics: {payload()['data']['message']}"
    with pytest.raises(WebhookVerificationError):
        names["receive"](secret, body.encode() + b" ", signed)


def seconds(text: str) -> int:
    count, unit = text.split()
    return int(count) * {"s": 1, "min": 60, "h": 3600}[unit]


def pauses() -> list[int]:
    found = re.search(r"^(\d+ (?:s|min|h)(?:, \d+ (?:s|min|h))+)$", WEBHOOKS, re.MULTILINE)
    assert found
    return [seconds(one) for one in found[1].split(", ")]


def test_the_pauses_make_three_days():
    assert 2.9 < sum(pauses()) / 86_400 < 3.1


def test_the_pauses_are_the_real_ones():
    assert pauses() == [int(pause) for pause in deliveries.RETRY_AFTER_S]
    assert deliveries.JITTER == 0.2
