"""`./dev chat`: a person in the pretended Slack and Teams of a running `./dev up`."""

import argparse
import json
import os
import ssl
import sys
import urllib.error
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from localdev.chat.blocks import buttons
from localdev.chat.people import TENANT
from localdev.chat.teams import CONVERSATION, LOCAL
from localdev.chat.text import slack_lines, teams_lines
from localdev.chat.workspace import TEAM
from localdev.paths import SESSION

_LIMIT_S = 30.0
_TEAMS_USER = "jay"

type Json = dict[str, Any]


class ChatFailed(RuntimeError):
    """The text says why, and what to do."""


class Chat:
    """The driver surface and the API of one session."""

    def __init__(self, session: Mapping[str, Any]) -> None:
        self.base = str(session["chat"])
        self.api = str(session["api"])
        self._token = str(session["token"])
        self._trust = ssl.create_default_context(cafile=session["ca"])

    def get(self, path: str) -> Json:
        return self._call(f"{self.base}/_chat/{path}", None, {})

    def post(self, path: str, document: Json) -> Json:
        return self._call(f"{self.base}/_chat/{path}", document, {})

    def post_api(self, path: str, document: Json) -> Json:
        """As the administrator."""
        return self._call(f"{self.api}/{path}", document, {"Authorization": f"Bearer {self._token}"})

    def _call(self, url: str, document: Json | None, headers: Mapping[str, str]) -> Json:
        """Raises ChatFailed with the other side's own words."""
        body = None if document is None else json.dumps(document).encode()
        sent = {"Content-Type": "application/json", **headers}
        request = Request(url, body, sent)  # noqa: S310 - both bases are this machine's own
        trust = self._trust if url.startswith("https:") else None
        try:
            with urlopen(request, timeout=_LIMIT_S, context=trust) as answer:  # noqa: S310
                found: Json = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            raise ChatFailed(_words(error.code, error.read())) from None
        except OSError as error:
            raise ChatFailed(f"nothing answers at {url}: is ./dev up still running? ({error})") from None


def run(args: argparse.Namespace) -> int:
    """0; 1 with the cause on stderr."""
    try:
        chat = Chat(_session(args.state_dir / SESSION.name))
        for line in _ACTIONS[args.action](chat, args):
            print(line, flush=True)
    except BrokenPipeError:  # `| head` has seen enough; nothing may be written at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except ChatFailed as error:
        print(f"dev: {error}", file=sys.stderr)
        return 1
    return 0


def _slack(chat: Chat, args: argparse.Namespace) -> Iterator[str]:
    answer = chat.post("slack/command", {"text": args.text, "user": args.user, "channel": args.channel})
    _expect_ok(answer)
    if answer["message"]:
        yield from _slack_message(answer["message"])
    yield f"({answer['ms']:.0f} ms)"


def _teams(chat: Chat, args: argparse.Namespace) -> Iterator[str]:
    answer = chat.post("teams/mention", {"text": args.text, "user": args.user})
    _expect_ok(answer)
    yield from teams_lines(answer["answer"] or {})
    yield f"({answer['ms']:.0f} ms)"


def _show(chat: Chat, args: argparse.Namespace) -> Iterator[str]:
    name = str(args.channel)
    if name == "teams" or name.startswith("teams:"):
        webhook = name.partition(":")[2]
        for one in (webhook,) if webhook else (CONVERSATION, LOCAL):
            yield f"== teams {one}"
            messages = chat.get(f"teams/{one}")["messages"]
            if not messages:
                yield "(nothing yet)"
            for told in messages:
                yield f"{told['at'][11:19]} {told['by']}" + "".join(f"  NOT SHOWN: {why}" for why in told["refused"])
                yield from (f"    {line}" for line in teams_lines(told["message"]))
        return
    path = "slack/user" if name.startswith("U") else "slack/channels"
    shown = chat.get(f"{path}/{name}")
    yield f"== {name} {'#' if shown.get('name') else ''}{shown.get('name', '')}".rstrip()
    if not shown["messages"]:
        yield "(nothing yet; ./dev chat show U1 shows what only U1 sees)" if name != "U1" else "(nothing yet)"
    for message in shown["messages"]:
        yield from _slack_message(message)


def _press(chat: Chat, args: argparse.Namespace) -> Iterator[str]:
    message, button = _find(chat, args)
    where = {"channel": message["channel"], "ts": message["ts"], "user": args.user}
    answer = chat.post(
        "slack/press",
        {**where, "action_id": button["action_id"], "value": button.get("value", ""), "label": button["text"]["text"]},
    )
    _expect_ok(answer)
    yield f"pressed [{button['text']['text']}] of {message['ts']} ({answer['ms']:.0f} ms)"
    yield f"what came of it: ./dev chat show; for {args.user} alone: ./dev chat show {args.user}"


def _link(chat: Chat, args: argparse.Namespace) -> Iterator[str]:
    slack = args.platform == "slack"
    user = {
        "platform": args.platform,
        "team": TEAM if slack else TENANT,
        "user": args.user or ("U1" if slack else _TEAMS_USER),
    }
    chat.post_api("chat/links", {**user, "owner": args.owner})
    yield f"{args.platform} user {user['user']} is linked to {args.owner}"


_ACTIONS = {"slack": _slack, "teams": _teams, "show": _show, "press": _press, "link": _link}


def _find(chat: Chat, args: argparse.Namespace) -> tuple[Json, Json]:
    """The newest message of the channel, or for this user alone, that has the button."""
    messages = [
        message
        for path in (f"slack/channels/{args.channel}", f"slack/user/{args.user}")
        for message in chat.get(path)["messages"]
        if not message["deleted"] and args.message in (None, message["ts"])
    ]
    for message in sorted(messages, key=lambda message: str(message["ts"]), reverse=True):
        for _, button in buttons(message["blocks"]):
            if args.button in (button.get("action_id"), button["text"]["text"]):
                return message, dict(button)
    found = [str(button.get("action_id")) for message in messages for _, button in buttons(message["blocks"])]
    there_are = f"there are: {', '.join(dict.fromkeys(found))}" if found else "there is none yet"
    raise ChatFailed(
        f"no message has a button {args.button!r}; {there_are}. A hub has buttons when it is ready: ./dev chat show"
    )


def _slack_message(message: Json) -> Iterator[str]:
    notes = [f"only for {message['onlyFor']}"] if message["onlyFor"] else []
    notes += [f"reply to {message['threadTs']}"] if message["threadTs"] else []
    notes += [f"{len(message['edits'])} edits"] if message["edits"] else []
    yield f"{message['ts']} {message['user']}" + (f"  ({', '.join(notes)})" if notes else "")
    yield from (f"    {line}" for line in slack_lines(message))


def _expect_ok(answer: Json) -> None:
    if answer["outcome"] != "ok":
        raise ChatFailed(f"{answer['outcome']} after {answer['ms']:.0f} ms (status {answer['status'] or 'none'})")


def _session(file: Path) -> Json:
    try:
        session: Json = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ChatFailed("nothing is running here: start ./dev up in another terminal first") from None
    if not session.get("chat"):
        raise ChatFailed("the running ./dev up has no chat: stop it and start it again")
    return session


def _words(status: int, body: bytes) -> str:
    """Of a problem document or the driver's answer."""
    try:
        found = json.loads(body)
    except ValueError:
        found = {}
    said = [str(found[name]) for name in ("error", "detail", "fix") if isinstance(found.get(name), str)]
    return f"{status}: " + (" ".join(said) or body.decode(errors="replace"))
