"""The GPIO lines of the board: the sole import of RPi.GPIO, and only when one is opened.

Lines are numbered as the chip numbers them (BCM). A line that drives a
contactor is never given back while the process runs, as it would float.
"""

import importlib
from enum import StrEnum
from typing import Any, Protocol

from hal.errors import BoardError


class Pull(StrEnum):
    NONE = "none"
    UP = "up"
    DOWN = "down"


class Gpio(Protocol):
    """GPIO lines by BCM number; what the kernel refuses is raised as OSError or RuntimeError."""

    def setup_output(self, pin: int, *, high: bool) -> None:
        """Drive the line, from the first moment at this level."""
        ...

    def setup_input(self, pin: int, pull: Pull) -> None: ...
    def output(self, pin: int, *, high: bool) -> None: ...
    def input(self, pin: int) -> bool: ...
    def cleanup(self, pins: list[int]) -> None:
        """Give the lines back: they float, or follow their pull resistors."""
        ...


class RpiGpio:
    """Lines through the module RPi.GPIO: the classic one, or rpi-lgpio of the same name."""

    def __init__(self, module: Any) -> None:
        self._module = module
        module.setwarnings(False)  # a line left driven by a killed process is no news here
        module.setmode(module.BCM)
        self._pulls = {
            Pull.NONE: module.PUD_OFF,
            Pull.UP: module.PUD_UP,
            Pull.DOWN: module.PUD_DOWN,
        }

    def setup_output(self, pin: int, *, high: bool) -> None:
        module = self._module
        module.setup(pin, module.OUT, initial=module.HIGH if high else module.LOW)

    def setup_input(self, pin: int, pull: Pull) -> None:
        self._module.setup(pin, self._module.IN, pull_up_down=self._pulls[pull])

    def output(self, pin: int, *, high: bool) -> None:
        self._module.output(pin, self._module.HIGH if high else self._module.LOW)

    def input(self, pin: int) -> bool:
        return bool(self._module.input(pin))

    def cleanup(self, pins: list[int]) -> None:
        self._module.cleanup(pins)


def open_gpio() -> Gpio:
    """The lines of this machine; BoardError tells what to install when there are none."""
    try:
        module = importlib.import_module("RPi.GPIO")
    except (ImportError, RuntimeError) as error:
        raise BoardError(
            f"GPIO cannot be used here: {error}. Install joulepost[rpi] on a Raspberry Pi up "
            "to model 4, or rpi-lgpio in its place on a Pi 5 or a kernel from 6.6 on"
        ) from error
    return RpiGpio(module)
