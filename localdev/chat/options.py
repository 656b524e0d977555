"""The arguments of `./dev chat`. Standard library only: `./dev` parses before anything is installed."""

import argparse
from pathlib import Path

from localdev import paths

_EPILOG = """examples:
  ./dev chat link alice                    you are alice's chat user from now on
  ./dev chat slack "/hub list"
  ./dev chat slack "/hub create demo people=5 stop=19:00"
  ./dev chat show                          the channel's conversation
  ./dev chat show U1                       what only you see: answers to your commands
  ./dev chat press snooze                  the newest button of that name
  ./dev chat link alice --platform teams
  ./dev chat teams "status demo"

It speaks to the pretended Slack and Teams of a running ./dev up; nothing leaves this machine."""

PROGRAM = "./dev chat"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = "Type in the pretended Slack and Teams, press buttons, look at what was said."
    parser.epilog = _EPILOG
    parser.add_argument(
        "--state-dir", type=Path, default=paths.STATE, metavar="DIR", help="of the ./dev up to speak to"
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, title="actions")

    slack = actions.add_parser("slack", help="type a slash command and see what comes back")
    slack.add_argument("text", help='as typed: "/hub list"')
    slack.add_argument("--user", default="U1", help="who types (default U1)")
    slack.add_argument("--channel", default="C1", help="where (default C1)")

    teams = actions.add_parser("teams", help="mention the outgoing webhook and see what comes back")
    teams.add_argument("text", help='what stands behind the mention: "list"')
    teams.add_argument("--user", default="jay", help="who types, as an aadObjectId (default jay)")

    show = actions.add_parser("show", help="print a conversation")
    show.add_argument(
        "channel",
        nargs="?",
        default="C1",
        help="C1 (default), another Slack channel, a user such as U1 (what only they see), teams, teams:<webhook>",
    )

    press = actions.add_parser("press", help="press a button of a message in Slack; in Teams buttons are links to open")
    press.add_argument("button", help="its action_id, such as snooze, or its label")
    press.add_argument("--message", metavar="TS", help="of this message (default: the newest that has the button)")
    press.add_argument("--user", default="U1", help="who presses (default U1)")
    press.add_argument("--channel", default="C1", help="where (default C1)")

    link = actions.add_parser("link", help="link a chat user to an owner, as the administrator")
    link.add_argument("owner", help="the owner whose hubs the user may steer")
    link.add_argument("--user", help="default: U1 on Slack, jay on Teams")
    link.add_argument("--platform", choices=("slack", "teams"), default="slack")
