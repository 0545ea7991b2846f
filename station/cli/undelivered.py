"""`joulepost undelivered`: what a station could not tell its CSMS, from its disk."""

import argparse
import os
import sys
from contextlib import ExitStack
from pathlib import Path

import orjson

from station.cli import COMMANDS, FAILED, OK, Subparsers
from station.config import ConfigError, StationSection
from station.control import UnreadableError
from station.io.state_dir import DATABASE, lock_state_dir
from station.store.reader import QueueReader

PAGE = 200
DESCRIPTION = """\
List the messages that the CSMS has not taken after the last attempt, one JSON object a line,
the oldest first, with everything they say: who charged, and what the meter showed. After them
come the events that were dropped because the queue was full, by transaction.

The station may run meanwhile. Run it as the user that the station runs as."""
EXAMPLES = """\
examples:
  joulepost undelivered
  joulepost undelivered --state-dir var/sim/CS001 > for-the-operator.jsonl

Exit codes: 0 done; 1 the disk cannot be read; 2 bad argument or state folder."""


def add_parser(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "undelivered", help=COMMANDS["undelivered"], description=DESCRIPTION, epilog=EXAMPLES
    )
    parser.add_argument(
        "--state-dir",
        metavar="DIR",
        type=Path,
        default=Path(StationSection().state_dir),
        help="where the station keeps its state (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    path = args.state_dir / DATABASE
    if not path.exists():
        raise ConfigError(f"state folder {args.state_dir}: there is no {DATABASE}")
    if not os.access(path, os.R_OK):
        raise ConfigError(f"{path} may not be read; run this as the user of the station")
    with ExitStack() as stack:
        reader = QueueReader(path, closed=_is_closed(args.state_dir, stack))
        try:
            _print(reader)
        except UnreadableError as error:
            print(f"joulepost undelivered: {error}", file=sys.stderr)
            return FAILED
    return OK


def _is_closed(state_dir: Path, stack: ExitStack) -> bool:
    """No station runs, nor will while *stack* lasts, and the last one has closed its database."""
    try:
        lock_state_dir(state_dir, stack)
    except ConfigError:
        return False
    return not (state_dir / f"{DATABASE}-wal").exists()


def _print(reader: QueueReader) -> None:
    pages = []
    before: int | None = None
    while page := reader.undelivered(before, PAGE, payloads=True):
        pages.append(page)
        before = page[-1]["id"]
    for page in reversed(pages):
        for message in reversed(page):
            print(orjson.dumps(message).decode())
    for dropped in reader.dropped():
        print(orjson.dumps({"dropped": dropped}).decode())
