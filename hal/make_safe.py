"""Opens every contactor of a board whose process has died: `python -m hal.make_safe [PATH]`.

A killed process can leave a line driven. The board writes down at its start
which lines close a contactor; this reads it and drives them open, with the
standard library and the GPIO backend alone. Exit codes: 0 every contactor is
open or no board has run, 1 one is not, 2 it cannot be told which there are.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hal.errors import BoardError
from hal.gpio import Gpio, Pull, open_gpio

DEFAULT_PATH = Path("/run/joulepost/outputs.json")
SWITCHING_S = 0.2
SAFE, UNSAFE, UNKNOWN = 0, 1, 2


@dataclass(frozen=True)
class ContactorLine:
    """How to open one contactor without its driver, and how to see that it is open."""

    evse: int
    pin: int
    open_high: bool
    """The level of the coil's line that opens the contactor."""
    mirror_pin: int
    closed_high: bool
    """The level of the mirror contact's line when the contactor is closed."""
    mirror_pull: str = Pull.NONE


@dataclass(frozen=True)
class OutputsFile:
    """What `make_safe` needs to know, written when a board starts."""

    path: Path
    contactors: tuple[ContactorLine, ...]

    def write(self) -> None:
        fresh = self.path.with_suffix(".new")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = [vars(line) for line in self.contactors]
        fresh.write_text(json.dumps({"contactors": lines}, indent=1))
        os.replace(fresh, self.path)


def read_lines(path: Path) -> list[ContactorLine]:
    saved = json.loads(path.read_text())
    return [_line(entry) for entry in saved["contactors"]]


def _line(entry: dict[str, Any]) -> ContactorLine:
    line = ContactorLine(**entry)
    numbers = (line.evse, line.pin, line.mirror_pin)
    levels = (line.open_high, line.closed_high)
    if not all(type(each) is int for each in numbers):
        raise TypeError(f"not a line: {entry}")
    if not all(type(each) is bool for each in levels):
        raise TypeError(f"not a level: {entry}")
    return line


def make_safe(lines: list[ContactorLine], gpio: Gpio, say: Callable[[str], None]) -> bool:
    """Open them all, then look at the mirror contacts; True when all are open."""
    driven = [line for line in lines if _open(line, gpio, say)]
    time.sleep(SWITCHING_S)
    confirmed = [line for line in driven if not _is_closed(line, gpio, say)]
    return len(confirmed) == len(lines)


def _open(line: ContactorLine, gpio: Gpio, say: Callable[[str], None]) -> bool:
    try:
        gpio.setup_output(line.pin, high=line.open_high)
        gpio.output(line.pin, high=line.open_high)
    except (OSError, RuntimeError, ValueError) as error:
        say(f"EVSE {line.evse}: line {line.pin} cannot be driven: {error}")
        return False
    return True


def _is_closed(line: ContactorLine, gpio: Gpio, say: Callable[[str], None]) -> bool:
    try:
        gpio.setup_input(line.mirror_pin, Pull(line.mirror_pull))
        closed = gpio.input(line.mirror_pin) is line.closed_high
    except (OSError, RuntimeError, ValueError) as error:
        say(f"EVSE {line.evse}: told to open; its mirror contact cannot be read: {error}")
        return True
    if closed:
        say(f"EVSE {line.evse}: told to open; its mirror contact says it is CLOSED (welded?)")
    else:
        say(f"EVSE {line.evse}: open")
    return closed


def main(arguments: list[str], say: Callable[[str], None] = print) -> int:
    if len(arguments) > 1 or (arguments and arguments[0].startswith("-")):
        say("usage: python -m hal.make_safe [PATH]: open every contactor named in PATH")
        return SAFE if arguments[0] in ("-h", "--help") else UNKNOWN
    path = Path(arguments[0]) if arguments else DEFAULT_PATH
    try:
        lines = read_lines(path)
    except FileNotFoundError:
        say(f"{path} does not exist: no board has run since the machine started")
        return SAFE
    except (OSError, ValueError, TypeError, KeyError) as error:
        say(f"{path} cannot be read: {error}")
        return UNKNOWN
    try:
        gpio = open_gpio()
    except BoardError as error:
        say(str(error))
        return UNSAFE if lines else SAFE
    return SAFE if make_safe(lines, gpio, say) else UNSAFE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
