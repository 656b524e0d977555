"""The command line of `./dev sim`. Standard library only: `./dev --help` reads it too."""

import argparse

from tests.sim.plan import FAULTS

WHAT = ("lives", "pairs", "sieve", "duplicates", "accepts")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        nargs="?",
        choices=WHAT,
        default=WHAT[0],
        help="lives (default): everything goes wrong, by seed; pairs: every two kinds of fault; sieve: one life, each "
        "observation bent once; duplicates: messages up to five times and seven days late; accepts: 202s in trouble",
    )
    parser.add_argument(
        "--runs", type=int, default=1, metavar="N", help="how many (a run of lives: five hubs; default 1)"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="the first run's seed (default 1)")
    parser.add_argument("--minutes", type=float, metavar="M", help="as many runs as fit instead of --runs")
    parser.add_argument("--faults", metavar="A,B", help=f"only these kinds of fault: {', '.join(FAULTS)}")
    parser.add_argument("--trace", action="store_true", help="print every call of every process")
