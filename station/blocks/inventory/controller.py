"""The controller itself: board, program, clock."""

from collections.abc import Callable

from station.blocks.inventory.observed import fixed, observed
from station.clock import Trust
from station.context import Context
from station.device_model import Boolean, Integer, Text
from station.events import ClockSynchronised

MANUFACTURER = fixed("Controller", "Manufacturer", Text(max_length=50), "maker of the board")
MODEL = fixed("Controller", "Model", Text(max_length=50), "the board, as its maker calls it")
SERIAL_NUMBER = fixed("Controller", "SerialNumber", Text(max_length=50), "of the board")
UPTIME = observed(
    "Controller", "Uptime", Integer(unit="s", min=0), "for how long the program has run"
)
CONTAINED = observed(
    "Controller",
    "Count",
    Integer(min=0),
    "errors of the program that were contained since it began",
    instance="ContainedErrors",
)
CLOCK_PROBLEM = observed(
    "ClockCtrlr", "Problem", Boolean(), "true while nothing has told a plausible time"
)


class Controller:
    """Knows the board's type plate, and how the program does."""

    def __init__(self, context: Context, contained: Callable[[], int]) -> None:
        variables, board = context.variables, context.board.description
        now, clock, began = context.reactor.now, context.clock, context.reactor.now()
        plate = ((MANUFACTURER, board.vendor), (MODEL, board.model))
        for variable, text in (*plate, (SERIAL_NUMBER, board.serial_number)):
            if text:
                variables.declare(variable, default=text)
        for number, getter in ((UPTIME, lambda: int(now() - began)), (CONTAINED, contained)):
            variables.declare(number)
            variables.provide(number, getter)
        variables.declare(CLOCK_PROBLEM)
        variables.provide(CLOCK_PROBLEM, lambda: clock.trust is Trust.NONE, announced=True)
        context.events.subscribe(ClockSynchronised, lambda _: variables.touch(CLOCK_PROBLEM))
