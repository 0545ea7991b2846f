"""The simulated board: the control law of a real one, run at edges instead of ticks.

It is its own judge: after every look it checks the contactor against the rules
in its own words, and keeps what it finds in `violations`.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from msgspec.structs import replace

from hal.api import (
    LEASE_S,
    BoardDescription,
    CableKind,
    Change,
    CommandKind,
    CommandResult,
    ConnectorDescription,
    EvseDescription,
    EvseSetpoint,
    FaultName,
    MainMeterDescription,
    MeterReading,
    PilotState,
    Power,
    ReaderDescription,
    Severity,
    SignedReading,
    SignMoment,
)
from hal.board import EvseUnit
from hal.interlock import NEVER, NO_TIME, SOFT_STOP_S
from hal.payment import CardPresented, PaymentNews, TerminalDescription
from hal.sim.place import EvseWorld
from hal.sim.signing import SigningMeters
from hal.sim.unit import SimUnit
from hal.sim.world import World

log = logging.getLogger(__name__)

ROUNDS = 12
"""Outputs change inputs, which change outputs; anything stable is so in far fewer rounds."""


class Alarm(Protocol):
    def cancel(self) -> None: ...


CallAt = Callable[[float, Callable[[], None]], Alarm]


class SimBoard:
    """Implements hal.api.Board on a World; all its methods belong to one thread.

    `call_at` is the virtual reactor's or the alarm thread's; the board arms one
    timer, for the next edge of any EVSE, and renewing a lease only moves it.
    """

    def __init__(
        self,
        description: BoardDescription,
        world: World,
        monotonic: Callable[[], float],
        call_at: CallAt,
        *,
        tolerance_s: float = 0.0,
        utc: Callable[[], datetime] | None = None,
    ) -> None:
        self.description = description
        self.world = world
        self._meters = SigningMeters(description, world, monotonic, call_at, utc)
        self.violations: list[str] = self._meters.misuses
        self._monotonic = monotonic
        self._call_at = call_at
        self._tolerance_s = tolerance_s
        self._units = {
            evse.id: SimUnit(evse, world.evses[evse.id], monotonic) for evse in description.evses
        }
        self._alarm: Alarm | None = None
        self._alarm_due = NO_TIME
        self._on_change: Callable[[Change], None] | None = None
        self._silent_since: dict[int, float] = {}

    # -- hal.api.Board ----------------------------------------------------------------

    def start(self, on_change: Callable[[Change], None]) -> None:
        self._on_change = on_change
        for unit in self._units.values():
            unit.keep_lock(unit.world.seen())
            unit.report = None  # somebody may have been here before
            self._look(unit, self._monotonic())
        for book in self.world.terminals.values():
            for payment in book.unnoted():
                card = CardPresented(self._monotonic(), book.id, payment.evse, payment.reference)
                self.emit(card)

    def apply(self, setpoint: EvseSetpoint) -> None:
        unit = self._units[setpoint.evse]
        now = self._judged(unit)
        unit.apply(setpoint)
        self._look(unit, now)

    def renew(self, evse: int, permit_until: float) -> None:
        unit = self._units[evse]
        unit.permit_until = permit_until
        now = self._monotonic()
        if now < unit.lease_due < NO_TIME and now < permit_until <= now + LEASE_S:
            unit.lease_due = permit_until  # in time: a look would see what the last one saw
            self._arm()
            self._keep(unit)
        else:
            self._look(unit, self._judged(unit))

    def polled_at(self, evse: int) -> float:
        return self._silent_since.get(evse, self._monotonic())

    def alive_at(self) -> float:
        return self._monotonic()

    def reading(self, evse: int) -> MeterReading | None:
        if not evse:
            return self.world.main_reading(self._monotonic())
        unit, now = self._units[evse], self._monotonic()
        watched, reading = unit.doubts_meter, unit.reading(now)
        if unit.doubts_meter and not watched:  # look again and again; on the board's own thread
            self._call_at(now, lambda: self._look(unit, self._judged(unit)))
        return reading

    def sign(
        self,
        evse: int,
        moment: SignMoment,
        identification: str,
        on_result: Callable[[SignedReading | None], None],
    ) -> None:
        self._meters.sign(evse, moment, identification, on_result)

    def command(
        self,
        kind: CommandKind,
        evse: int,
        connector: int | None,  # noqa: ARG002 - one connector of an EVSE is in use at a time
        on_result: Callable[[CommandResult], None],
    ) -> None:
        unit = self._units[evse]
        now = self._judged(unit)
        unit.world.advance(now)
        unit.command(kind, unit.world.seen(), now, on_result)
        self._look(unit, now)

    def show_payable(self, terminal: str, evses: tuple[int, ...]) -> None:
        self.world.terminals[terminal].payable = evses

    def tell_payment(self, news: PaymentNews, on_result: Callable[[bool], None]) -> None:
        taken = self.world.terminals[news.terminal].tell(news)
        if taken and self.world.is_kept:
            self.world.save()
        on_result(taken)

    def stop(self) -> bool:
        """Open every contactor; False if one stays closed (welded)."""
        for unit in self._units.values():
            self.apply(replace(unit.setpoint, power=Power.OPEN_NOW, permit_until=NEVER))
            unit.fail_pulses()
        self._on_change = None
        self.halt()
        return not any(unit.world.place.closed for unit in self._units.values())

    # -- for those who simulate -----------------------------------------------------------

    def halt(self) -> None:
        """The process is dead: nothing more happens here. The world goes on without us."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm, self._alarm_due = None, NO_TIME

    def do(self, evse: int, action: Callable[[EvseUnit, EvseWorld], None]) -> None:
        """Change the surroundings of *evse* from outside."""
        unit = self._units[evse]
        now = self._judged(unit)
        unit.world.advance(now)
        unit.poll_meter()  # what it said before counts, whatever happens to it now
        action(unit, unit.world)
        unit.poll_meter()
        self._look(unit, now)

    def emit(self, change: Change) -> None:
        """Report what a person did at a reader or a button."""
        if self._on_change is not None:
            self._on_change(change)

    def _wake(self) -> None:
        self._alarm, self._alarm_due = None, NO_TIME
        now = self._monotonic()
        try:
            for unit in self._units.values():
                if now >= min(unit.lease_due, unit.rest_due):
                    unit.lease_due = unit.rest_due = NO_TIME  # should it fail: not for ever
                    self._look(unit, self._judged(unit))
        finally:
            self._arm()

    def _look(self, unit: SimUnit, now: float) -> None:
        world = unit.world
        world.advance(now)
        meter_due = unit.watch_meter(now)
        seen = unit.seen(now)
        for _ in range(ROUNDS):
            taken = unit.look(now, seen)
            before, before_outputs = seen, unit.outputs
            unit.outputs = taken.outputs
            world.obey(taken.outputs)
            seen = unit.seen(now)
            if seen == before and taken.outputs == before_outputs:
                break
        else:
            log.error("EVSE %d does not come to rest", unit.description.id)
        self._judge(unit, now)
        self._watch_silence(unit, now)
        unit.lease_due = taken.lease_due
        unit.rest_due = min(taken.rest_due, world.next_due(), meter_due)
        self._arm()
        self._keep(unit)
        news = unit.news(taken.report)
        if news is not None and self._on_change is not None:
            self._on_change(news)

    def _arm(self) -> None:
        due = NO_TIME
        for unit in self._units.values():
            due = min(due, unit.lease_due, unit.rest_due)
        if due == self._alarm_due:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_due = due
        self._alarm = None if due == NO_TIME else self._call_at(due, self._wake)

    def _keep(self, unit: SimUnit) -> None:
        """Let the world know how long the contactor would stay closed without this process."""
        until = unit.lease_due
        if until == NO_TIME:
            soft_at = unit.state.since.soft_at
            until = NEVER if soft_at is None else soft_at + SOFT_STOP_S
        unit.world.place.lease_until = until
        if self.world.is_kept:
            self.world.save()

    def _watch_silence(self, unit: SimUnit, now: float) -> None:
        evse = unit.description.id
        if FaultName.BOARD_SILENT in unit.world.place.injected:
            self._silent_since.setdefault(evse, now)
        else:
            self._silent_since.pop(evse, None)

    # -- the judge: the rules in other words than the interlock's ---------------------------

    def _judged(self, unit: SimUnit) -> float:
        """Now; and whether the contactor opened by the time it had to."""
        now = self._monotonic()
        end = unit.permit_until
        if unit.judged_soft_at is not None:
            end = unit.judged_soft_at + SOFT_STOP_S
        elif end == unit.judged_permit:
            end = min(end, unit.judged_at + LEASE_S)
        if unit.world.place.coil and now > end + self._tolerance_s:
            self._blame(unit, now, f"still closed {now - end:.3f} s after it had to open")
        return now

    def _judge(self, unit: SimUnit, now: float) -> None:
        world, wanted = unit.world, unit.setpoint
        if wanted.power is not Power.STOP_SOFT:
            unit.judged_soft_at = None
        elif unit.judged_soft_at is None:
            unit.judged_soft_at = now
        if unit.judged_permit != unit.permit_until:
            unit.judged_permit, unit.judged_at = unit.permit_until, now
        place, was_closed = world.place, unit.judged_coil
        unit.judged_coil = place.coil
        if not place.coil:
            if place.closed and FaultName.CONTACTOR_WELDED not in place.injected:
                self._blame(unit, now, "closed although told to open")
            return
        if wanted.power is Power.OPEN_NOW:
            self._blame(unit, now, "closed against OPEN_NOW")
        if wanted.power is Power.STOP_SOFT and not was_closed:
            self._blame(unit, now, "closed anew in a soft stop")
        if wanted.power is Power.OFFER and not (
            now < unit.permit_until
            and wanted.available
            and wanted.limit_a >= unit.description.min_current_a
        ):
            self._blame(unit, now, "closed without permission")
        ventilated = unit.description.allows_ventilation
        if world.pilot is not PilotState.C and not (ventilated and world.pilot is PilotState.D):
            self._blame(unit, now, f"closed in pilot state {world.pilot}")
        faults = world.seen().faults
        grave = sorted(fault.name for fault in faults if fault.severity is Severity.OPEN)
        if grave:
            self._blame(unit, now, f"closed in spite of {', '.join(grave)}")

    def _blame(self, unit: SimUnit, now: float, what: str) -> None:
        text = f"EVSE {unit.description.id} at {now:.3f} s: {what}"
        log.error("interlock violated: %s", text)
        self.violations.append(text)


def sim_board_description(
    evses: int = 2, connectors: int = 1, cable: str = "socket", *, signs: bool = False
) -> BoardDescription:
    """A plain AC station: 32 A, three phases, a station reader and one per EVSE.

    *signs*: its meters sign OCMF (`hal.sim.signing`).
    """
    kind = CableKind(cable)
    return BoardDescription(
        evses=tuple(
            EvseDescription(
                id=evse,
                connectors=tuple(
                    ConnectorDescription(
                        id=connector,
                        type="sType2" if kind is CableKind.SOCKET else "cType2",
                        cable=kind,
                        has_lock=kind is CableKind.SOCKET,
                    )
                    for connector in range(1, connectors + 1)
                ),
                max_current_a=32.0,
                phases=3,
                signs=signs,
                has_bay_sensor=True,
                has_start_button=True,
            )
            for evse in range(1, evses + 1)
        ),
        readers=(
            _reader("station", None),
            *(_reader(f"evse{evse}", evse) for evse in range(1, evses + 1)),
        ),
        terminals=(TerminalDescription("terminal", None),),
        model="simulator",
        main_meter=MainMeterDescription(phases=3, max_current_a=100.0),
    )


def _reader(id: str, evse: int | None) -> ReaderDescription:
    """Test tools use ids that no card has: any text will do, and case is what it should be."""
    more_types = ("ISO15693", "KeyCode", "Local", "MacAddress")
    return ReaderDescription(id, evse, more_types=more_types, normalise=("upper-case",))
