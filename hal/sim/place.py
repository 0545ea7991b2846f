"""The surroundings of one EVSE: car, cable, lock, contactor and meter, in time.

Everything changes at edges; between two of them power is constant. An edge is
either due by itself (`next_due`) or caused from outside: by the board's outputs,
or by a person through `hardware`.
"""

import logging
from dataclasses import dataclass, field
from typing import Any

from hal.api import (
    FAULTS,
    CableKind,
    EvseDescription,
    Fault,
    FaultName,
    MeterReading,
    PilotState,
)
from hal.board import Outputs
from hal.interlock import NEVER, NO_TIME, Inputs
from hal.sim.ev import Car
from hal.sim.meter import (
    LIMIT_WH,
    NEAR_LIMIT_WH,
    NO_PHASES,
    Flow,
    Glitch,
    MeterState,
    counted,
    told,
)
from hal.sim.signing import MeterMemory

log = logging.getLogger(__name__)

CABLE_A = 32.0
"""What the simulated cables may carry."""

DRAWS_A = 0.5
"""Less than this per phase is not charging."""

INDIRECT = (
    FaultName.CONTACTOR_WELDED,
    FaultName.CONTACTOR_STUCK_OPEN,
    FaultName.LOCK_STUCK,
)
"""These change what the hardware does; the board has to find out."""

ACTIONS = ("plug", "unplug", "set_ev_state", "set_bay")
SIDES = ("ev", "station", "both")


@dataclass
class Place:
    """The surroundings of one EVSE; everything here is saved."""

    evse: int
    at: float
    register_wh: float = 0.0
    """What has flowed; what the meter shows follows from `meter`."""
    by_phase_wh: list[float] = field(default_factory=lambda: list(NO_PHASES))
    meter: MeterState = field(default_factory=MeterState)
    connector: int | None = None
    """The connector that the cable belongs to."""
    station_side: bool = False
    """The cable is in the station's socket (always, if it is fixed)."""
    ev_side: bool = False
    leaving: bool = False
    """The driver pulls at the plug, which goes as soon as the lock lets it."""
    car: Car = field(default_factory=Car)
    bay_occupied: bool = False
    coil: bool = False
    closed: bool = False
    locked: bool = False
    offer_a: float = 0.0
    phases: int = 3
    lease_until: float = NEVER
    """When the board opens if nobody tells it anything more; its process may die before."""
    injected: list[FaultName] = field(default_factory=list)
    agenda: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)
    """What people will do: due time, name of a method here, arguments."""
    signing: MeterMemory = field(default_factory=MeterMemory)


class EvseWorld:
    """The hardware around one EVSE, in time."""

    def __init__(self, description: EvseDescription, place: Place) -> None:
        self.description = description
        self.place = place
        self._fixed = {
            connector.id: connector.cable is CableKind.FIXED for connector in description.connectors
        }
        self._locks = {connector.id: connector.has_lock for connector in description.connectors}
        self._fit()
        self.flow = Flow(place.at, place.register_wh, by_phase_wh=tuple(place.by_phase_wh))
        self._flow_again()

    def _fit(self) -> None:
        """The station may have been given other connectors since the place was saved."""
        place = self.place
        if place.connector is not None and self._fixed.get(place.connector, True):
            place.ev_side = place.ev_side and place.connector in self._fixed
            place.station_side = place.ev_side
            place.connector = place.connector if place.ev_side else None

    # -- time ---------------------------------------------------------------------------

    def next_due(self) -> float:
        return self.flow.until

    def advance(self, now: float) -> None:
        """Live through every edge up to *now*."""
        while self.flow.until <= now:
            self._pass(self.flow.until)
            self._do_what_is_due()
            self._settle()
        self._pass(now)
        self._flow_again()

    def reading(self, now: float) -> MeterReading:
        """What the meter has counted; may be called from any thread."""
        flow = self.flow
        seen = flow.reading(self.place.evse, self.description.phases, now)
        exact_wh = flow.register_wh + flow.energy_until(now)
        return counted(seen, self.place.meter, exact_wh)

    def told(self, now: float) -> MeterReading:
        """What the board gets to hear of it."""
        return told(self.reading(now), self.place.meter, now)

    @property
    def is_rolling_over(self) -> bool:
        """The register is about to begin anew."""
        shown_wh = (self.place.register_wh + self.place.meter.offset_wh) % LIMIT_WH
        return shown_wh >= LIMIT_WH - NEAR_LIMIT_WH

    @property
    def is_mute(self) -> bool:
        return FaultName.METER_SILENT in self.place.injected

    def _pass(self, now: float) -> None:
        place = self.place
        energy_wh = self.flow.energy_until(now)
        place.at = max(place.at, now)
        if energy_wh > 0.0:
            place.by_phase_wh = self.flow.by_phase_until(now)
            place.register_wh += energy_wh
            place.car.charge(energy_wh)

    def _do_what_is_due(self) -> None:
        place = self.place
        while place.agenda and place.agenda[0][0] <= place.at:
            _, action, arguments = place.agenda.pop(0)
            self.carry_out(action, arguments)

    def _settle(self) -> None:
        """Let the car react to the present, then compute what flows from now on."""
        place = self.place
        if self.connected:
            place.car.react(place.at, place.offer_a, supplied=place.closed)
        self._flow_again()

    def _flow_again(self) -> None:
        place, car = self.place, self.place.car
        current_a = car.drawn_a if place.closed and self.connected else 0.0
        flow = Flow(
            place.at,
            place.register_wh,
            current_a,
            min(car.phases, place.phases),
            car.soc if self.connected else None,
            100.0 / car.capacity_wh,
            by_phase_wh=tuple(place.by_phase_wh),
        )
        until = car.next_due(place.at, flow.power_w) if self.connected else NO_TIME
        if place.agenda:
            until = min(until, place.agenda[0][0])
        self.flow = flow._replace(until=until)

    # -- what the board sees and does ---------------------------------------------------

    @property
    def connected(self) -> bool:
        """The car hangs on the station."""
        return self.place.ev_side and self.place.station_side

    @property
    def is_fixed(self) -> bool:
        """The cable in use, or every cable if none is, is fixed to the station."""
        connector = self.place.connector
        return all(self._fixed.values()) if connector is None else self._fixed[connector]

    @property
    def plugged(self) -> bool:
        connector = self.place.connector
        if connector is None:
            return False
        return self.place.ev_side if self._fixed[connector] else self.place.station_side

    @property
    def pilot(self) -> PilotState:
        if FaultName.PILOT_FAULT in self.place.injected:
            return PilotState.E
        if not self.connected:
            return PilotState.A
        if not self.place.car.s2:
            return PilotState.B
        return PilotState.D if self.place.car.ventilation else PilotState.C

    def seen(self) -> Inputs:
        place, evse = self.place, self.description
        connector = place.connector if self.plugged else None
        socket = connector is not None and not self._fixed[connector]
        locks = any(self._locks.values()) if connector is None else self._locks[connector]
        return Inputs(
            pilot=self.pilot,
            mirror_closed=place.closed,
            faults=self._direct_faults() if place.injected else frozenset(),
            drawing=self.flow.current_a >= DRAWS_A,
            plugged=connector is not None,
            connector=connector,
            cable_max_a=CABLE_A if socket else None,
            locked=place.locked if locks else None,
            bay_occupied=place.bay_occupied if evse.has_bay_sensor else None,
            min_current_a=evse.min_current_a,
            ventilated=evse.allows_ventilation,
        )

    def obey(self, outputs: Outputs) -> None:
        """Drive the devices; what follows from it has followed on return."""
        place = self.place
        place.coil = outputs.close
        if not place.closed:
            place.phases = outputs.phases  # phases are switched without load only
        self._switch()
        if FaultName.LOCK_STUCK not in place.injected:
            place.locked = outputs.lock
        if place.leaving and not place.locked:
            self._leave_station_side()
        if not outputs.interrupt:
            place.offer_a = outputs.offer_a
        self._settle()

    def _switch(self) -> None:
        place = self.place
        welded = FaultName.CONTACTOR_WELDED in place.injected
        stuck_open = FaultName.CONTACTOR_STUCK_OPEN in place.injected
        place.closed = welded or (place.coil and not stuck_open)

    def _direct_faults(self) -> frozenset[Fault]:
        return frozenset(FAULTS[name] for name in self.place.injected if name not in INDIRECT)

    # -- what people do: called by name from the agenda -----------------------------------

    def plug(
        self,
        *,
        connector: int,
        side: str,
        current_a: float,
        phases: int,
        soc: float,
        capacity_wh: float,
        ready_after_s: float,
    ) -> None:
        place = self.place
        place.connector, place.leaving = connector, False
        if side != "ev" or self._fixed[connector]:
            place.station_side = True
        if side != "station":
            place.ev_side = True
            place.car = Car(current_a, phases, soc, capacity_wh, ready_after_s)
        self._settle()

    def unplug(self, *, side: str) -> None:
        place = self.place
        if side != "station" and place.ev_side:
            place.ev_side = False
            place.car = Car()
        fixed = place.connector is not None and self._fixed[place.connector]
        if side != "ev" and not fixed:
            if place.locked:
                place.leaving = True
            else:
                self._leave_station_side()
        if fixed:
            place.station_side = False
        if not (place.station_side or place.ev_side):
            place.connector = None
        self._settle()

    def _leave_station_side(self) -> None:
        place = self.place
        place.station_side = place.leaving = False
        place.car.disconnect()
        if not place.ev_side:
            place.connector = None

    def set_ev_state(self, *, state: str) -> None:
        car = self.place.car
        if state == "B":
            car.suspend()
        else:
            car.resume(self.place.at, ventilation=state == "D")
        self._settle()

    def set_fault(self, *, name: FaultName, active: bool) -> None:
        place = self.place
        injected = {*place.injected} - {name} | ({name} if active else set())
        place.injected = sorted(injected)
        self._switch()
        self._settle()

    def set_glitch(self, glitch: Glitch, until: float) -> None:
        place, meter = self.place, self.place.meter
        shown_wh = self.reading(place.at).energy_wh
        meter.glitch, meter.until = Glitch(glitch), until
        meter.shown_wh = float(shown_wh)
        if glitch is Glitch.REPLACE:
            meter.offset_wh = -place.register_wh
            meter.phase_offsets_wh = [-each for each in place.by_phase_wh]
            meter.glitch = Glitch.NONE
        elif glitch is Glitch.ROLLOVER:
            meter.offset_wh = LIMIT_WH - NEAR_LIMIT_WH - place.register_wh
            meter.glitch = Glitch.NONE

    def set_bay(self, *, occupied: bool) -> None:
        self.place.bay_occupied = occupied

    def carry_out(self, action: str, arguments: dict[str, Any]) -> None:
        """Do one of the above; what has become impossible since it was asked is left undone."""
        if action == "plug" and (self.connected or arguments["connector"] not in self._fixed):
            log.warning("EVSE %d: nothing can be plugged in now", self.place.evse)
        elif action in ACTIONS:
            getattr(self, action)(**arguments)

    def schedule(self, due: float, action: str, arguments: dict[str, Any]) -> None:
        """Have one of the methods above called at *due*."""
        self.place.agenda.append((due, action, arguments))
        self.place.agenda.sort(key=lambda entry: entry[0])
        self._flow_again()

    # -- the death of the process ----------------------------------------------------------

    def survive(self, now: float, *, same_boot: bool) -> None:
        """Live from the last edge to *now* with nobody in control of the contactor."""
        place = self.place
        end = max(place.at, min(now, place.lease_until) if same_boot else place.lease_until)
        self.advance(end)
        place.coil, place.offer_a, place.lease_until = False, 0.0, NEVER
        self._switch()
        self._settle()
        if not same_boot:
            self._shift(now - end)
        self.advance(now)

    def _shift(self, by: float) -> None:
        place, car = self.place, self.place.car
        place.at += by
        place.meter.until += by
        place.agenda = [(due + by, action, arguments) for due, action, arguments in place.agenda]
        car.s2_due = None if car.s2_due is None else car.s2_due + by
        car.ramp_at = None if car.ramp_at is None else car.ramp_at + by
        self._flow_again()
