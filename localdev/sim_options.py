"""The command line of `./dev sim`. Standard library only: `./dev --help` reads it too."""

import argparse

from tests.sim.plan import FAULTS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=int, default=1, metavar="N", help="runs, each of five hubs (default 1)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="the first run's seed (default 1)")
    parser.add_argument("--minutes", type=float, metavar="M", help="as many runs as fit instead of --runs")
    parser.add_argument("--faults", metavar="A,B", help=f"only these kinds of fault: {', '.join(FAULTS)}")
    parser.add_argument("--pairs", action="store_true", help="every two kinds of fault alone with each other")
    parser.add_argument("--trace", action="store_true", help="print every call of every process")
