"""The command line of `./dev bench`. Standard library only: `./dev --help` reads it too."""

import argparse

FIGURES = ("imports", "accept", "reads", "ready", "tick", "sweep", "schedule")
OPT_IN = ("burst", "outage", "year", "chat", "notify", "up")
DEFAULT_SECONDS = 60.0
FEWEST_HUBS = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "figures",
        nargs="*",
        type=_figure,
        metavar="figure",
        help=f"any of {' '.join(FIGURES)} (all of these when none is named), or burst: 500 creates at once; or outage: "
        "500 hubs and half an hour without Azure; or year: a year of starts and stops under every clock; or chat: 50 "
        "commands at once; or notify: 10,000 notices; or up: memory and `./dev up --once`",
    )
    parser.add_argument("--hubs", type=_count, help=f"ready: how many (default: what {DEFAULT_SECONDS:g} s allow)")
    parser.add_argument(
        "--seed",
        type=int,
        default=1,
        help="ready: the first hub's seed, the next one's is one more; schedule, burst, outage: the only one",
    )
    parser.add_argument("--cases", type=_count, default=10**6, help="schedule: how many random cases (default 10^6)")
    parser.add_argument("--zones", type=_count, help="year: how many of the distinct clocks (default all)")
    parser.add_argument("--accepts", type=_count, default=200, help="accept: how many of each kind (default 200)")
    parser.add_argument("--rounds", type=_count, default=6, help="chat: rounds of each kind (default 6)")
    parser.add_argument("--notices", type=_count, default=10_000, help="notify: how many (default 10,000)")
    parser.add_argument("--runs", type=_count, default=3, help="up: how many times (default 3)")
    parser.add_argument("--bare", action="store_true", help="up: also once from a fresh clone (needs the network)")


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="./dev bench", description="Prints the figures of docs/performance.md.")
    add_arguments(made)
    return made


def _figure(text: str) -> str:
    if text not in (*FIGURES, *OPT_IN):
        raise argparse.ArgumentTypeError(f"{text!r} is none of {' '.join((*FIGURES, *OPT_IN))}")
    return text


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value
