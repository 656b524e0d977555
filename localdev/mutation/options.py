"""The options of `./dev mutate`."""

import argparse

from localdev.mutation.targets import NAMES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Plants one small bug at a time into the modules that decide (the operators of mutmut), runs the tests that "
        "must notice, and prints how many did. Exit 1 when a target's score is below 90 % or one of its branches is "
        "never taken. Works in a copy: this checkout is not touched, whenever it is stopped."
    )
    parser.epilog = (
        "See docs/mutation.md. Ten seconds to four minutes for a target, some eleven for all; --sample is quicker."
    )
    parser.add_argument("targets", nargs="*", type=_target, metavar="target", help=f"any of: {' '.join(NAMES)}")
    parser.add_argument("--list-survivors", action="store_true", help="print each bug that no test noticed")
    parser.add_argument("--sample", type=_count, metavar="N", help="only N mutants of each target, always the same")
    parser.add_argument("--jobs", type=_count, default=2, metavar="N", help="processes at a time (default 2)")


def _target(text: str) -> str:
    if text not in NAMES:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {' '.join(NAMES)}")
    return text


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value
