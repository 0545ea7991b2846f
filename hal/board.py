"""One EVSE's control law: what its devices are told, and what the core hears of it.

`step` is pure; `EvseUnit` keeps its state from look to look, for the board on
real devices (`thread_board`) and the simulated one alike.
"""

from collections.abc import Callable
from typing import NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from hal.api import (
    FAULTS,
    CommandKind,
    CommandResult,
    EvseDescription,
    EvseReport,
    EvseSetpoint,
    FaultName,
    PilotState,
    Power,
)
from hal.interlock import NEVER, NO_TIME, Inputs, Since, decide, notice, obey

LOCK_TIME_S = 1.0
"""A connector lock reaches its end position within this time."""

INTERRUPTION_S = 4.0
# IEC 61851-1 A.5.3: an EV that sleeps in B2 is woken by 4 s without a pilot.

LOCK_STUCK = FAULTS[FaultName.LOCK_STUCK]

OnResult = Callable[[CommandResult], None]


class Outputs(NamedTuple):
    """What the devices of one EVSE are told."""

    close: bool = False
    offer_a: float = 0.0
    """Current that the pilot offers; 0 ends the offer."""
    phases: int = 3
    lock: bool = False
    interrupt: bool = False
    """Take the pilot away for a while, so that an EV that sleeps wakes up."""


class EvseState(Struct, frozen=True):
    """What an EVSE remembers from look to look."""

    since: Since = field(default_factory=Since)
    released: bool = False
    """UNLOCK was commanded: the lock stays open until the plug or the wish for it has gone."""
    lock_disagrees_at: float | None = None
    interrupted_until: float = NEVER


class Step(NamedTuple):
    outputs: Outputs
    report: EvseReport
    state: EvseState
    lease_due: float
    """When the contactor opens or the offer ends unless the lease is renewed."""
    rest_due: float
    """When anything else is due, apart from what the devices themselves do."""


def step(
    now: float, seen: Inputs, setpoint: EvseSetpoint, state: EvseState, evse: EvseDescription
) -> Step:
    """Look once at one EVSE: set its outputs and report what is."""
    interrupt = now < state.interrupted_until
    wanted = replace(setpoint, power=Power.OPEN_NOW) if interrupt else setpoint
    since = notice(state.since, seen, wanted, now)
    decision = decide(seen, wanted, since, now)
    offer_a = _capped(setpoint.limit_a, seen, evse) if decision.offer else 0.0

    released = state.released and seen.plugged and setpoint.lock
    lock = _lock(seen, setpoint, close=decision.close, released=released)
    lock_disagrees_at = None
    faults = decision.faults
    rest_due = min(decision.rest_due, state.interrupted_until if interrupt else NO_TIME)
    if seen.locked is not None and seen.locked is not lock:
        lock_disagrees_at = now if state.lock_disagrees_at is None else state.lock_disagrees_at
        if now >= lock_disagrees_at + LOCK_TIME_S:
            faults |= {LOCK_STUCK}
        else:
            rest_due = min(rest_due, lock_disagrees_at + LOCK_TIME_S)

    report = EvseReport(
        evse=evse.id,
        at=now,
        pilot=seen.pilot,
        connector=seen.connector,
        plugged=seen.plugged,
        cable_max_a=seen.cable_max_a,
        contactor_closed=seen.mirror_closed,
        locked=seen.locked is True,
        offering=decision.offer,
        drawing=_is_drawing(seen),
        bay_occupied=seen.bay_occupied,
        faults=faults,
        applied_seq=setpoint.seq,
        limit_a=offer_a,
    )
    return Step(
        Outputs(decision.close, offer_a, min(setpoint.phases, evse.phases), lock, interrupt),
        report,
        EvseState(obey(since, decision), released, lock_disagrees_at, state.interrupted_until),
        decision.lease_due,
        rest_due,
    )


def _is_drawing(seen: Inputs) -> bool:
    """Where nothing measures the current, a contactor closed for an EV that is ready counts."""
    ready = seen.pilot in (PilotState.C, PilotState.D)
    return seen.mirror_closed and (ready if seen.drawing is None else seen.drawing)


def _capped(limit_a: float, seen: Inputs, evse: EvseDescription) -> float:
    cable_a = evse.max_current_a if seen.cable_max_a is None else seen.cable_max_a
    return min(limit_a, evse.max_current_a, cable_a)


def _lock(seen: Inputs, setpoint: EvseSetpoint, *, close: bool, released: bool) -> bool:
    """The lock holds a plug; it lets go only of one that carries no voltage."""
    if seen.locked is None:
        return False
    if seen.locked and (seen.mirror_closed or close):
        return True
    return setpoint.lock and seen.plugged and not released


class Pulse(NamedTuple):
    """A command whose result is still to come."""

    done: Callable[[Inputs, EvseState, float], bool]
    due: float
    """When it has failed."""
    on_result: OnResult


class EvseUnit:
    """The state of one EVSE on a board; belongs to the thread that looks at its devices."""

    def __init__(
        self,
        description: EvseDescription,
        *,
        can_self_test: bool = False,
        can_interrupt: bool = False,
    ) -> None:
        self.description = description
        self.setpoint = EvseSetpoint(evse=description.id)
        self.permit_until = NEVER
        """Of the setpoint in force; the core may store a later moment at any time."""
        self.state = EvseState()
        self.report: EvseReport | None = None
        self._is_told = False
        self._pulses: list[Pulse] = []
        self._unsupported = {
            kind
            for kind, can in (
                (CommandKind.SELF_TEST, can_self_test),
                (CommandKind.INTERRUPT_PILOT, can_interrupt),
            )
            if not can
        }

    def apply(self, setpoint: EvseSetpoint) -> None:
        self.setpoint = setpoint
        self.permit_until = setpoint.permit_until
        self._is_told = True

    def renew(self, permit_until: float) -> None:
        self.permit_until = permit_until

    def keep_lock(self, seen: Inputs) -> None:
        """Until the core says what it wants, the lock stays as it was found."""
        if not self._is_told and seen.locked:
            self.setpoint = replace(self.setpoint, lock=True)

    def look(self, now: float, seen: Inputs) -> Step:
        setpoint = self.setpoint
        if setpoint.permit_until != self.permit_until:
            setpoint = self.setpoint = replace(setpoint, permit_until=self.permit_until)
        taken = step(now, seen, setpoint, self.state, self.description)
        self.state = taken.state
        if self._pulses:
            return taken._replace(rest_due=min(taken.rest_due, self._settle(seen, now)))
        return taken

    def news(self, report: EvseReport) -> EvseReport | None:
        """*report* if it says anything that the one before did not."""
        last = self.report
        if last is not None and replace(last, at=report.at) == report:
            return None
        self.report = report
        return report

    def command(self, kind: CommandKind, seen: Inputs, now: float, on_result: OnResult) -> None:
        """Begin a pulse; look again afterwards."""
        result = self._begin(kind, seen, now, on_result)
        if result is not None:
            on_result(result)

    def fail_pulses(self) -> None:
        """The board stops: whatever was not done will not be."""
        pulses, self._pulses = self._pulses, []
        for pulse in pulses:
            pulse.on_result(CommandResult.FAILED)

    def _begin(
        self, kind: CommandKind, seen: Inputs, now: float, on_result: OnResult
    ) -> CommandResult | None:
        if kind is CommandKind.RESET_FAULTS:
            self.state = replace(self.state, since=replace(self.state.since, latched=frozenset()))
            return CommandResult.DONE
        if kind in self._unsupported or (kind is CommandKind.UNLOCK and seen.locked is None):
            return CommandResult.UNSUPPORTED
        if seen.mirror_closed or self.state.since.commanded:
            return CommandResult.FAILED  # nothing of this is done under voltage
        if kind is CommandKind.UNLOCK:
            self.state = replace(self.state, released=True)
            self._pulses.append(Pulse(_is_unlocked, now + LOCK_TIME_S, on_result))
            return None
        if kind is CommandKind.INTERRUPT_PILOT:
            self.state = replace(self.state, interrupted_until=now + INTERRUPTION_S)
            self._pulses.append(Pulse(_is_back, NO_TIME, on_result))
            return None
        return CommandResult.DONE

    def _settle(self, seen: Inputs, now: float) -> float:
        waiting: list[Pulse] = []
        for pulse in self._pulses:
            if pulse.done(seen, self.state, now):
                pulse.on_result(CommandResult.DONE)
            elif now >= pulse.due:
                pulse.on_result(CommandResult.FAILED)
            else:
                waiting.append(pulse)
        self._pulses = waiting
        return min((pulse.due for pulse in waiting), default=NO_TIME)


def _is_unlocked(seen: Inputs, _state: EvseState, _now: float) -> bool:
    return seen.locked is False


def _is_back(_seen: Inputs, state: EvseState, now: float) -> bool:
    return now >= state.interrupted_until
