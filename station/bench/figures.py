"""`make bench`: the figures of the station on this machine, beside their targets."""

import argparse
import logging
import os
import platform
import sys
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import msgspec

from station.bench.figures_inventory import full_inventory
from station.bench.figures_link import bytes_of_a_day
from station.bench.figures_lists import local_list, look_ups
from station.bench.figures_measure import MEASUREMENTS as ON_THE_STATION
from station.bench.figures_measure import QUICK, Effort, Figure, measure
from station.bench.figures_process import empty_program_s
from station.bench.figures_queue import full_queue, long_queue

COLUMNS = (36, 12, 14)
MEASUREMENTS = (
    *ON_THE_STATION,
    bytes_of_a_day,
    full_inventory,
    local_list,
    look_ups,
    long_queue,
    full_queue,
)


def main(argv: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    effort = QUICK if args.quick else Effort()
    logging.disable(logging.CRITICAL)
    try:
        return _print_figures(args, effort)
    finally:
        logging.disable(logging.NOTSET)


def _print_figures(args: argparse.Namespace, effort: Effort) -> int:
    print(
        f"Python {platform.python_version()} on {os.cpu_count()} cores, {platform.machine()}; "
        f"load {os.getloadavg()[0]:.1f}, an empty program takes {empty_program_s():.3f} s"
    )
    print(_line("figure", "here", "target", ""))
    chosen = [each for each in MEASUREMENTS if not args.only or each.__name__ in args.only]
    figures: list[Figure] = []
    failed = 0
    for measurement in chosen:
        try:
            taken = measure(effort, measurement)
        except Exception:  # noqa: BLE001 - the other figures are still wanted
            failed += 1
            print(f"{measurement.__name__} failed:\n{traceback.format_exc()}", file=sys.stderr)
            continue
        figures += taken
        for figure in taken:
            print(_row(figure), flush=True)
    if args.json is not None:
        told = [{**asdict(figure), "met": figure.met} for figure in figures]
        args.json.write_bytes(msgspec.json.format(msgspec.json.encode(told)) + b"\n")
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m station.bench.figures",
        description="Measure the station on this machine; takes about two minutes.",
    )
    parser.add_argument("--quick", action="store_true", help="shorter and rougher")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures there too")
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        choices=[each.__name__ for each in MEASUREMENTS],
        help="one measurement of " + ", ".join(each.__name__ for each in MEASUREMENTS),
    )
    return parser


def _row(figure: Figure) -> str:
    verdict = {None: "", True: "met", False: "MISSED"}[figure.met]
    sign = "≥" if figure.more_is_better else "≤"
    target = "" if figure.target is None else f"{sign} {_number(figure.target)} {figure.unit}"
    here = f"{_number(figure.value)} {figure.unit}"
    lines = [_line(figure.name, here, target, verdict)]
    if figure.note:
        lines.append(f"    {figure.note}")
    if figure.others:
        lines.append(f"    others: {figure.others}")
    return "\n".join(lines)


def _line(*cells: str) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, (*COLUMNS, 0), strict=True)]
    return "  ".join(padded).rstrip()


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
