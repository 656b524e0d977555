"""The commands of `./dev`. Parsing needs the standard library only; each command's module is imported when it runs."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from localdev import paths
from localdev.bench.options import add_arguments as add_bench_arguments
from localdev.chaos.options import add_arguments as add_chaos_arguments
from localdev.chat.options import add_arguments as add_chat_arguments
from localdev.mutation.options import add_arguments as add_mutation_arguments
from localdev.paths import DEFAULT_PORT
from localdev.setup import SetupFailed, ensure_all
from localdev.sim_options import add_arguments as add_sim_arguments

TIERS = ("unit", "component", "contract", "e2e")


def main(argv: Sequence[str]) -> int:
    """The process's exit code: 0 well, 1 with a cause on stderr, 2 wrong usage, 130 interrupted."""
    args = build_parser().parse_args(argv)
    try:
        return run(args)
    except SetupFailed as error:
        print(f"dev: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def run(args: argparse.Namespace) -> int:
    match args.command:
        case "up":
            from localdev.up import UpOptions, up

            return up(
                UpOptions(
                    once=args.once,
                    demo=not args.no_demo,
                    func=args.host == "func",
                    time_scale=args.time_scale,
                    port=args.port,
                    state=args.state_dir.absolute(),
                )
            )
        case "chat":
            from localdev.chat.command import run as chat

            return chat(args)
        case "test":
            from localdev.testing import run_tests

            return run_tests([tier for tier in TIERS if tier in (args.tiers or TIERS)], args.keyword)
        case "check":
            from localdev.testing import run_check

            return run_check()
        case "bench":
            from localdev.bench import run as bench

            return bench(args)
        case "sim":
            from tests.sim.batch import main as sim

            return sim(args)
        case "chaos":
            from localdev.chaos.options import run as run_chaos

            return run_chaos(args)
        case "mutate":
            from localdev.mutation.command import mutate

            return mutate(args)
        case "docs":
            from localdev.docs import main as docs

            return docs(check=args.check, pictures=args.pictures)
        case "lock":
            from localdev.lock import relock

            return relock()
        case "setup":
            ensure_all()
            return 0
        case _:
            build_parser().print_help()
            return 0


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./dev",
        description="Hublet on your machine: no Azure account, nothing outside this folder.",
        epilog="./dev COMMAND --help says more about one command.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")

    up = commands.add_parser(
        "up", help="start everything, create the hub `demo`, print how to use it; Ctrl-C stops all"
    )
    up.add_argument(
        "--once", action="store_true", help="stop as soon as the hub is ready: exit 0, else 1 and the cause"
    )
    up.add_argument("--no-demo", action="store_true", help="start everything, create nothing")
    up.add_argument("--host", choices=("local", "func"), default="local", help="func: Azure Functions Core Tools")
    up.add_argument(
        "--time-scale", type=_positive, default=10.0, metavar="N", help="simulated Azure's pace (default 10)"
    )
    up.add_argument("--port", type=int, help=f"of the API (default {DEFAULT_PORT}, or a free one when that is taken)")
    up.add_argument(
        "--state-dir", type=Path, default=paths.STATE, metavar="DIR", help="for a second up beside the first"
    )

    add_chat_arguments(commands.add_parser("chat", help="type in the pretended Slack and Teams of a running `up`"))

    test = commands.add_parser("test", help="run the tests, all tiers or the named ones")
    test.add_argument("tiers", nargs="*", type=_tier, metavar="tier", help=f"any of: {' '.join(TIERS)}")
    test.add_argument("-k", dest="keyword", metavar="EXPRESSION", help="only tests whose names match, as in pytest")

    commands.add_parser("check", help="the inner loop: format, lint, types, unit and component tests")
    add_bench_arguments(commands.add_parser("bench", help="print the performance figures that can be measured here"))
    sim = commands.add_parser("sim", help="simulated lives of hubs in which everything goes wrong, by seed")
    add_sim_arguments(sim)
    add_chaos_arguments(
        commands.add_parser("chaos", help="kill hosts and break the network while hubs live, then judge")
    )
    add_mutation_arguments(commands.add_parser("mutate", help="plant small bugs and count how many the tests notice"))
    docs = commands.add_parser("docs", help="write the documents that are generated from code")
    docs.add_argument("--check", action="store_true", help="write nothing; exit 1 when a document is stale")
    docs.add_argument("--pictures", action="store_true", help="also docs/pictures/*.png (needs Chromium)")
    commands.add_parser("lock", help="write all lock files anew from their .in files")
    commands.add_parser("setup", help="install what the other commands need, and do nothing else")
    return parser


def _tier(text: str) -> str:
    if text not in TIERS:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {' '.join(TIERS)}")
    return text


def _positive(text: str) -> float:
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("must be greater than 0")
    return value
