"""The control pilot as an external pilot controller tells it on two GPIO lines.

The controller makes the PWM and measures the pilot by itself, which software on
Linux must not do. It says "connected" on one line and "ready" on another, and
offers its own fixed current while a third line tells it to.
"""

from hal.api import PilotState
from hal.errors import HardwareFault
from hal.gpio import Gpio, Pull
from hal.options import DriverOptions, Pin


class Options(DriverOptions, frozen=True, kw_only=True):
    connected_pin: Pin
    """The controller drives it while the pilot is in state B, C or D."""
    ready_pin: Pin
    """The controller drives it while the pilot is in state C."""
    offer_pin: Pin
    """Tells the controller to offer its current, which the EVSE's two limits must both name."""
    inputs_active_low: bool = False
    inputs_pull: Pull = Pull.NONE
    offer_active_low: bool = False


class GpioPilot:
    """Offers nothing from the moment it is constructed."""

    def __init__(self, gpio: Gpio, options: Options) -> None:
        self._gpio, self._options = gpio, options
        try:
            gpio.setup_output(options.offer_pin, high=options.offer_active_low)
            gpio.setup_input(options.connected_pin, options.inputs_pull)
            gpio.setup_input(options.ready_pin, options.inputs_pull)
        except (OSError, RuntimeError, ValueError) as error:
            raise HardwareFault("ControlPilot", f"lines: {error}") from error

    def read(self) -> PilotState:
        try:
            connected = self._is_active(self._options.connected_pin)
            ready = self._is_active(self._options.ready_pin)
        except (OSError, RuntimeError, ValueError) as error:
            raise HardwareFault("ControlPilot", f"inputs: {error}") from error
        if ready and not connected:
            return PilotState.E  # the lines contradict each other: a broken wire
        if not connected:
            return PilotState.A
        return PilotState.C if ready else PilotState.B

    def offer(self, current_a: float) -> None:
        on = current_a > 0.0
        try:
            self._gpio.output(
                self._options.offer_pin, high=on is not self._options.offer_active_low
            )
        except (OSError, RuntimeError, ValueError) as error:
            raise HardwareFault("ControlPilot", f"offer: {error}") from error

    def _is_active(self, pin: int) -> bool:
        return self._gpio.input(pin) is not self._options.inputs_active_low
