"""The simulated meter: integrates piecewise constant power exactly."""

from typing import NamedTuple

from hal.api import MeterReading

VOLTAGE_V = 230.0
FREQUENCY_HZ = 50.0


class Flow(NamedTuple):
    """What flows from `at` on; immutable, so that any thread may read it."""

    at: float
    register_wh: float
    current_a: float = 0.0
    """Per phase."""
    phases: int = 3
    soc: float | None = None
    soc_per_wh: float = 0.0
    until: float = float("inf")
    """The next edge: nothing is known of what flows after it."""

    @property
    def power_w(self) -> float:
        return self.current_a * VOLTAGE_V * self.phases

    def energy_until(self, now: float) -> float:
        """Watt-hours that flowed from `at` to *now*."""
        return self.power_w * max(0.0, min(now, self.until) - self.at) / 3600.0

    def reading(self, evse: int, meter_phases: int, now: float) -> MeterReading:
        energy_wh = self.energy_until(now)
        used = tuple(
            self.current_a if phase < self.phases else 0.0 for phase in range(meter_phases)
        )
        soc = None if self.soc is None else min(100.0, self.soc + energy_wh * self.soc_per_wh)
        return MeterReading(
            evse=evse,
            at=now,
            energy_wh=int(self.register_wh + energy_wh),
            power_w=self.power_w,
            current_a=used,
            voltage_v=(VOLTAGE_V,) * meter_phases,
            frequency_hz=FREQUENCY_HZ,
            soc_percent=None if soc is None else round(soc, 1),
        )
