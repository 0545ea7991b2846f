"""A contactor on two GPIO lines: its coil, and the mirror contact that tells its position."""

from hal.errors import HardwareFault
from hal.gpio import Gpio, Pull
from hal.make_safe import ContactorLine
from hal.options import DriverOptions, Pin


class Options(DriverOptions, frozen=True, kw_only=True):
    coil_pin: Pin
    mirror_pin: Pin
    coil_active_low: bool = False
    """The contactor closes when the coil's line is low."""
    mirror_active_low: bool = False
    """The mirror contact's line is low when the contactor is closed."""
    mirror_pull: Pull = Pull.NONE


class GpioContactor:
    """Open from the moment it is constructed."""

    def __init__(self, gpio: Gpio, options: Options) -> None:
        self._gpio, self._options = gpio, options
        try:
            gpio.setup_output(options.coil_pin, high=options.coil_active_low)
            gpio.setup_input(options.mirror_pin, options.mirror_pull)
        except (OSError, RuntimeError, ValueError) as error:
            raise HardwareFault("PowerContactor", f"lines: {error}") from error

    def switch(self, *, closed: bool) -> None:
        try:
            self._gpio.output(
                self._options.coil_pin, high=closed is not self._options.coil_active_low
            )
        except (OSError, RuntimeError, ValueError) as error:
            raise HardwareFault("PowerContactor", f"coil: {error}") from error

    def is_closed(self) -> bool:
        try:
            high = self._gpio.input(self._options.mirror_pin)
        except (OSError, RuntimeError, ValueError) as error:
            raise HardwareFault("PowerContactor", f"mirror contact: {error}") from error
        return high is not self._options.mirror_active_low

    def line(self, evse: int) -> ContactorLine:
        """How to open it when this process has died."""
        options = self._options
        return ContactorLine(
            evse=evse,
            pin=options.coil_pin,
            open_high=options.coil_active_low,
            mirror_pin=options.mirror_pin,
            closed_high=not options.mirror_active_low,
            mirror_pull=options.mirror_pull,
        )
