"""`./dev bench`: every performance figure that can be measured on one machine, with its floor from the same run.

One module per figure. A count that misses its limit makes the command fail; a time never does, because it says as much
about the box as about us. `docs/performance.md` holds a dated copy of the output.
"""

import argparse
from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    from localdev.bench.options import parser

    return run(parser().parse_args(argv))


def run(args: argparse.Namespace) -> int:
    """0, or 1 when a count misses its limit."""
    import logging
    import tempfile
    from pathlib import Path

    from localdev.bench import accept, burst, chat, footprint, imports, notify, outage, reads, ready, sweep, tick, year
    from localdev.bench.options import FIGURES, OPT_IN
    from localdev.bench.report import Report, machine

    logging.disable(logging.CRITICAL)  # the app's log goes to stderr and would be timed, too
    wanted = args.figures or FIGURES
    print(machine(), flush=True)
    reports: list[Report] = []
    with tempfile.TemporaryDirectory(prefix="hublet-bench-") as folder:
        for name in (name for name in (*FIGURES, *OPT_IN) if name in wanted):
            match name:
                case "imports":
                    report = imports.measure()
                case "accept":
                    report = accept.measure(Path(folder), args.accepts)
                case "reads":
                    report = reads.measure(Path(folder))
                case "ready":
                    report = ready.measure(args.hubs, args.seed)
                case "tick":
                    report = tick.measure()
                case "sweep":
                    report = sweep.measure()
                case "schedule":
                    report = year.measure_oracle(args.cases, args.seed)
                case "burst":
                    report = burst.measure(args.seed)
                case "outage":
                    report = outage.measure(args.seed)
                case "year":
                    report = year.measure(args.zones)
                case "chat":
                    report = chat.measure(Path(folder), args.rounds)
                case "notify":
                    report = notify.measure(Path(folder), args.notices)
                case _:
                    report = footprint.measure(args.runs, bare=args.bare)
            reports.append(report)
            print(f"\n{report.text()}", flush=True)
    return 0 if all(report.counts_met for report in reports) else 1
