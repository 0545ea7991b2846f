"""Which drivers there are: name in a board file -> its Options and what constructs it."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from hal.api import MeterDescription
from hal.drivers import gpio_contactor, gpio_fault, gpio_pilot
from hal.options import DriverOptions


class Driver(Struct, frozen=True):
    kind: str
    """The table it stands in: contactor, pilot, sensor, …"""
    options: type[DriverOptions]
    create: Callable[..., Any]
    """Called with the GPIO port and the Options; what it returns is of `hal.devices`."""
    describe: Callable[..., MeterDescription] | None = None
    """Of a meter: what it tells, by its Options; it need not be opened for that."""


DRIVERS: Mapping[str, Driver] = {
    "gpio_contactor": Driver("contactor", gpio_contactor.Options, gpio_contactor.GpioContactor),
    "gpio_pilot": Driver("pilot", gpio_pilot.Options, gpio_pilot.GpioPilot),
    "gpio_fault": Driver("sensor", gpio_fault.Options, gpio_fault.GpioFault),
}
