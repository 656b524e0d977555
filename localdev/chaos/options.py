"""The command line of `./dev chaos`. Needs the standard library only."""

import argparse
from pathlib import Path

DESCRIPTION = """\
Real processes under real trouble. Two Functions hosts work side by side on real Azurite and the simulated Azure,
through proxies that delay, reset, truncate and refuse requests. Hubs are made, stopped, started, restarted and deleted
through the public API; meanwhile one of the hosts is killed (SIGKILL) again and again, and started anew. Then all
trouble ends, everything has to come to rest, and what is left is judged from outside: no lost accept, one machine per
hub, no orphan, a lawful history, stops honoured, no secret in the open, nothing left to do."""

EPILOG = """\
Exit code 0 = no violation. The simulated machines run a small stand-in for JupyterHub (docs/azuresim-differences.md).
A seed repeats the lives, the moments of kills and the faults of the n-th request; what meets what is left to the
processes, so a failing seed is likely, not certain, to fail again."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = DESCRIPTION
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--kills", type=int, default=200, metavar="N", help="SIGKILLs of hosts (default 200)")
    parser.add_argument("--lives", type=int, default=50, metavar="N", help="lives of hubs (default 50)")
    parser.add_argument("--seed", default="", metavar="TEXT", help="repeats a run; without it one is made up and told")
    parser.add_argument(
        "--minutes", type=float, default=30.0, metavar="N", help="no life and no kill begins later (default 30)"
    )
    parser.add_argument(
        "--faults", type=float, default=1.0, metavar="X", help="rates of network faults times this; 0 = a good network"
    )
    parser.add_argument("--at-once", type=int, default=6, metavar="N", help="lives side by side (default 6)")
    parser.add_argument("--quick", action="store_true", help="10 kills over 6 lives in about a minute")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where logs stay (default: a new temporary folder)")


def run(args: argparse.Namespace) -> int:
    """The command's exit code."""
    from dataclasses import replace

    from localdev.chaos.run import QUICK, Options, chaos

    keep = args.keep.absolute() if args.keep else None
    if args.quick:
        return chaos(replace(QUICK, seed=args.seed, faults=args.faults * QUICK.faults, keep=keep))
    return chaos(
        Options(
            kills=args.kills,
            lives=args.lives,
            seed=args.seed,
            minutes=args.minutes,
            faults=args.faults,
            at_once=args.at_once,
            keep=keep,
        )
    )
