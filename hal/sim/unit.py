"""One EVSE of a simulated board: its control law, its surroundings and its meter."""

from collections.abc import Callable
from contextlib import suppress

from msgspec.structs import replace

from hal.api import FAULTS, EvseDescription, FaultName, MeterReading
from hal.board import EvseUnit, Outputs
from hal.errors import HardwareFault
from hal.interlock import NEVER, NO_TIME, Inputs
from hal.meters import METER_PERIOD_S, MeterSlot
from hal.sim.meter import SimMeter
from hal.sim.place import EvseWorld

METER_SILENT = FAULTS[FaultName.METER_SILENT]


class SimUnit(EvseUnit):
    """One simulated EVSE: its control law and its surroundings."""

    def __init__(
        self, description: EvseDescription, world: EvseWorld, monotonic: Callable[[], float]
    ) -> None:
        super().__init__(description, can_self_test=True, can_interrupt=True)
        self.world = world
        self.meter = MeterSlot(
            description.id,
            SimMeter(world),
            monotonic,
            max_power_w=description.max_power_w,
            description=description.meter,
        )
        now = monotonic()
        if world.place.meter.is_well(now) and not world.is_mute:
            self.meter.filter.trust(world.reading(now))
        self.doubts_meter = False
        self._well: MeterReading | None = None
        """The last one that was published unjudged."""
        self.lease_due = NO_TIME
        self.rest_due = NO_TIME
        """The earliest thing due that is not the end of the lease."""
        self.outputs: Outputs | None = None
        self.judged_permit = NEVER
        self.judged_at = NEVER
        """When the judge first saw that permission."""
        self.judged_soft_at: float | None = None
        self.judged_coil = False

    def poll_meter(self) -> None:
        """Read the meter as a real board does."""
        with suppress(HardwareFault):
            self.meter.poll()

    def reading(self, now: float) -> MeterReading | None:
        """What is published; from any thread.

        A meter that is well is right at any moment, and need not be polled: every look at it
        would otherwise cost a filter that finds nothing.
        """
        if not self.description.has_meter:
            return None
        if self.doubts_meter or self.is_meter_ill(now) or self.world.is_mute:
            self._well = None
            self.doubts_meter = not self.world.is_mute
            self.poll_meter()
            return self.meter.reading
        reading, last = self.world.reading(now), self._well
        if last is not None and reading.energy_wh < last.energy_wh:  # it has rolled over
            self.doubts_meter = True
            self.meter.take(last)
            self.poll_meter()
            return self.meter.reading
        self._well = reading
        known = self.meter.reading
        carried = () if known is None else known.carried
        return replace(reading, carried=carried) if carried else reading

    def is_meter_ill(self, now: float) -> bool:
        return not self.world.place.meter.is_well(now) or self.world.is_rolling_over

    def trust_meter(self) -> None:
        """Believe what the meter says now, whatever it said before."""
        self.meter.filter.trust(self.world.told(self.world.place.at))

    def seen(self, now: float) -> Inputs:
        """What its devices say; a meter that tells nonsense is silent after a while."""
        seen = self.world.seen()
        if self.doubts_meter and self.meter.is_silent(now):
            return replace(seen, faults=seen.faults | {METER_SILENT})
        return seen

    def watch_meter(self, now: float) -> float:
        """Read the meter once a second while something is wrong with it; when that is due."""
        if not self.description.has_meter or self.world.is_mute:
            self.doubts_meter = False
            return NO_TIME
        ill = self.is_meter_ill(now)
        if ill or self.doubts_meter or self.meter.filter.is_doubting:
            self.poll_meter()
            silent = self.meter.is_silent(now)
            self.doubts_meter = ill or silent or self.meter.filter.is_doubting
        return now + METER_PERIOD_S if self.doubts_meter else NO_TIME
