"""A fault contact on a GPIO line: residual current monitor, emergency stop, thermostat."""

from hal.api import FAULTS, Fault, FaultName
from hal.errors import HardwareFault
from hal.gpio import Gpio, Pull
from hal.options import DriverOptions, Pin


class Options(DriverOptions, frozen=True, kw_only=True):
    input_pin: Pin
    fault: FaultName
    """What it means when the contact trips."""
    tripped_low: bool = True
    """The line is low when tripped, so that a broken wire on a pulled-down line trips too."""
    pull: Pull = Pull.DOWN


class GpioFault:
    """Reports its one fault while the contact is tripped."""

    def __init__(self, gpio: Gpio, options: Options) -> None:
        self._gpio, self._options = gpio, options
        self._fault = FAULTS[options.fault]
        try:
            gpio.setup_input(options.input_pin, options.pull)
        except (OSError, RuntimeError, ValueError) as error:
            raise HardwareFault(self._fault.device, f"line: {error}") from error

    def faults(self) -> frozenset[Fault]:
        try:
            high = self._gpio.input(self._options.input_pin)
        except (OSError, RuntimeError, ValueError) as error:
            raise HardwareFault(self._fault.device, f"input: {error}") from error
        tripped = high is not self._options.tripped_low
        return frozenset({self._fault}) if tripped else frozenset()
