"""Copy this file to begin a driver: one device, one file, its Options beside it.

1. Say in one sentence what the device is, and how it is wired.
2. Implement one Protocol of `hal.devices`; no base class, no thread, no OCPP.
3. Turn every error of the library below into HardwareFault(component, problem)
   in the words of the OCPP device model; raise nothing else.
4. Leave an output in its safe position from the constructor on.
5. Take at most 20 ms on GPIO, one transaction on a bus.
6. Add one line to `hal/registry.py`, and a test against a fake below you.
"""

from hal.errors import HardwareFault
from hal.gpio import Gpio, Pull
from hal.options import DriverOptions, Pin


class Options(DriverOptions, frozen=True, kw_only=True):
    """The keys of the driver's table in a board file; every name that ends in `_pin` is claimed."""

    input_pin: Pin
    active_low: bool = False
    pull: Pull = Pull.NONE


class BlueprintBay:
    """A parking bay sensor with a contact: implements hal.devices.BaySensor."""

    def __init__(self, gpio: Gpio, options: Options) -> None:
        self._gpio, self._options = gpio, options
        try:
            gpio.setup_input(options.input_pin, options.pull)
        except (OSError, RuntimeError, ValueError) as error:
            raise HardwareFault("BayOccupancySensor", f"line: {error}") from error

    def is_occupied(self) -> bool:
        try:
            high = self._gpio.input(self._options.input_pin)
        except (OSError, RuntimeError, ValueError) as error:
            raise HardwareFault("BayOccupancySensor", f"input: {error}") from error
        return high is not self._options.active_low
