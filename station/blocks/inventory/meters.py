"""What the meters say: of each EVSE, and of the station's connection to the grid.

Values are those of the last good reading, unfiltered, as MeterValues tells them too: value,
report and monitor agree. Without a reading a variable has no value.
"""

from collections.abc import Callable
from functools import partial

from hal.api import EvseDescription, MainMeterDescription, MeterReading, Quantity
from station.blocks.inventory.observed import PHASE_NAMES, by_phase, fixed, observed, of_phase
from station.context import Context
from station.device_model import Decimal, Integer, Variable

ENERGY, POWER = Decimal(unit="Wh", min=0.0), Decimal(unit="W")
CURRENT, VOLTAGE = Decimal(unit="A", min=0.0), Decimal(unit="V", min=0.0)

IMPORT_REGISTER = observed(
    "FiscalMetering", "EnergyImportRegister", ENERGY, "the meter's register of energy to the EV"
)
EXPORT_REGISTER = observed(
    "FiscalMetering", "EnergyExportRegister", ENERGY, "the meter's register of energy from the EV"
)
ENERGY_IMPORT = observed(
    "FiscalMetering", "EnergyImport", ENERGY, "what the present transaction has taken"
)
FREQUENCY = observed(
    "FiscalMetering", "Frequency", Decimal(unit="Hz", min=0.0), "frequency of the grid"
)
STATE_OF_CHARGE = observed(
    "ConnectedEV",
    "StateOfCharge",
    Decimal(unit="Percent", min=0.0, max=100.0),
    "state of charge of the EV's battery, as far as something can tell",
)
EVSE_VOLTAGE = by_phase("EVSE", "ACVoltage", VOLTAGE, "voltage between a phase and neutral")
EVSE_CURRENT = by_phase("EVSE", "ACCurrent", CURRENT, "current that the EV takes from a phase")
STATION_POWER = observed(
    "ChargingStation", "Power", POWER, "power of all EVSEs together; negative: it flows back"
)
FEED_POWER = observed(
    "ElectricalFeed", "Power", POWER, "power at the connection to the grid; negative: into it"
)
FEED_ENERGY = observed(
    "ElectricalFeed", "Energy", ENERGY, "the main meter's register of energy from the grid"
)
FEED_PHASES = fixed(
    "ElectricalFeed", "SupplyPhases", Integer(min=1, max=3), "phases of the connection to the grid"
)
FEED_VOLTAGE = by_phase("ElectricalFeed", "ACVoltage", VOLTAGE, "voltage of a phase of the grid")
FEED_CURRENT = by_phase("ElectricalFeed", "ACCurrent", CURRENT, "current of a phase of the grid")

Look = Callable[[MeterReading], float | None]


class Meters:
    """Declares what each meter can tell, and nothing that it cannot."""

    def __init__(self, context: Context) -> None:
        self._context, self._variables = context, context.variables
        board = context.board.description
        for evse in board.evses:
            if evse.has_meter:
                self._declare_evse(evse)
        metered = [evse for evse in board.evses if evse.has_meter]
        if metered:
            most_w = sum(evse.max_power_w for evse in board.evses)
            self._variables.declare(STATION_POWER, max=most_w)
            ids = [evse.id for evse in metered]
            self._variables.provide(STATION_POWER, lambda: self._sum_w(ids))
        if board.main_meter is not None:
            self._declare_feed(board.main_meter)

    def _declare_evse(self, evse: EvseDescription) -> None:
        told, place = evse.meter.quantities, evse.id
        self._show(IMPORT_REGISTER, place, lambda reading: reading.energy_wh)
        if Quantity.EXPORT in told:
            self._show(EXPORT_REGISTER, place, lambda reading: reading.export_wh)
        if Quantity.FREQUENCY in told:
            self._show(FREQUENCY, place, lambda reading: reading.frequency_hz)
        if Quantity.SOC in told:
            self._show(STATE_OF_CHARGE, place, lambda reading: reading.soc_percent)
        self._variables.declare(ENERGY_IMPORT, place)
        self._variables.provide(ENERGY_IMPORT, lambda: self._taken_wh(place), place)
        self._show_phases(EVSE_VOLTAGE, EVSE_CURRENT, told, evse.phases, place)

    def _declare_feed(self, feed: MainMeterDescription) -> None:
        told = feed.meter.quantities
        self._variables.declare(FEED_PHASES, default=feed.phases)
        if Quantity.IMPORT in told:
            self._show(FEED_ENERGY, 0, lambda reading: reading.energy_wh)
        if Quantity.POWER in told:
            self._show(FEED_POWER, 0, lambda reading: reading.power_w)
        self._show_phases(FEED_VOLTAGE, FEED_CURRENT, told, feed.phases, 0)

    def _show_phases(
        self,
        voltages: tuple[Variable[float], ...],
        currents: tuple[Variable[float], ...],
        told: frozenset[Quantity],
        phases: int,
        place: int,
    ) -> None:
        for index in range(min(phases, len(PHASE_NAMES))):
            if Quantity.VOLTAGE in told:
                self._show(voltages[index], place, partial(_voltage, index=index))
            if Quantity.CURRENT in told:
                self._show(currents[index], place, partial(_current, index=index))

    def _show(self, variable: Variable[float], evse_id: int, look: Look) -> None:
        """*evse_id* 0: the main meter, and the station tier."""
        place = evse_id or None
        self._variables.declare(variable, place)
        self._variables.provide(variable, lambda: self._look(evse_id, look), place)

    def _look(self, evse_id: int, look: Look) -> float | None:
        reading = self._context.board.reading(evse_id)
        return None if reading is None else look(reading)

    def _taken_wh(self, evse_id: int) -> float | None:
        row = self._context.transactions.on_evse(evse_id)
        return None if row is None else self._context.evses.taken_wh(row.id)

    def _sum_w(self, evse_ids: list[int]) -> float | None:
        readings = [self._context.board.reading(evse_id) for evse_id in evse_ids]
        known = [reading.power_w for reading in readings if reading is not None]
        return sum(known) if known else None


def _voltage(reading: MeterReading, index: int) -> float | None:
    return of_phase(reading.voltage_v, index)


def _current(reading: MeterReading, index: int) -> float | None:
    return of_phase(reading.current_a, index)
