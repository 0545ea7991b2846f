"""Whether the contactor of one EVSE may be closed now: pure, and needing no core.

Theory of operation. The board shows `notice` and then `decide` every look at
the inputs, together with what it remembers of earlier looks (`Since`).
Permission to close is a lease: `permit_until` of the setpoint, counted as at
most LEASE_S from the look that first saw that value, whatever the core wrote.
A soft stop is the one exception that needs no lease, because its own end is
bounded: a contactor that is closed when STOP_SOFT arrives stays closed while
the EV still draws, for at most SOFT_STOP_S; it is never closed anew.

The mirror contact is compared with the coil. When they disagree for longer
than a contactor takes to switch, the contactor is welded or does not close.
"""

from msgspec import Struct
from msgspec.structs import replace

from hal.api import (
    FAULTS,
    LEASE_S,
    EvseSetpoint,
    Fault,
    FaultName,
    PilotState,
    Power,
    Severity,
)

SWITCHING_TIME_S = 0.2
"""A contactor follows its coil, and the mirror contact says so, within this time."""

SOFT_STOP_S = 6.0
# IEC 61851-1 table A.6, sequence 10.2: the EVSE may open under load 6 s after the offer ended.

NEVER = float("-inf")
NO_TIME = float("inf")

WELDED = FAULTS[FaultName.CONTACTOR_WELDED]
DOES_NOT_CLOSE = FAULTS[FaultName.CONTACTOR_STUCK_OPEN]
CONNECTED = (PilotState.B, PilotState.C, PilotState.D)


class Inputs(Struct, frozen=True):
    """What the devices of one EVSE say at one moment."""

    pilot: PilotState
    mirror_closed: bool
    faults: frozenset[Fault] = frozenset()
    drawing: bool | None = None
    """The EV takes current; None where nothing can tell."""
    plugged: bool = False
    connector: int | None = None
    cable_max_a: float | None = None
    locked: bool | None = None
    """None: this connector has no lock."""
    bay_occupied: bool | None = None
    min_current_a: float = 6.0
    ventilated: bool = False
    """The room is ventilated: pilot state D may charge."""


class Since(Struct, frozen=True):
    """What the interlock remembers from look to look."""

    commanded: bool = False
    """The coil is energised."""
    permit_until: float = NEVER
    permit_seen_at: float = NEVER
    soft_at: float | None = None
    """When STOP_SOFT was first seen; None while something else is wanted."""
    disagrees_at: float | None = None
    """Since when the mirror contact contradicts the coil."""
    latched: frozenset[Fault] = frozenset()

    @property
    def lease_end(self) -> float:
        """When the permission ends; never, as NEVER, if it is not a finite moment."""
        if not NEVER < self.permit_until < NO_TIME:
            return NEVER
        cap = self.permit_seen_at + LEASE_S
        return self.permit_until if self.permit_until <= cap else cap


class Decision(Struct, frozen=True):
    close: bool
    offer: bool
    """The pilot may carry an offer."""
    faults: frozenset[Fault]
    lease_due: float
    """When a permission in force ends unless renewed; infinity without one."""
    rest_due: float
    """When anything else has to be decided again."""

    @property
    def next_due(self) -> float:
        return min(self.lease_due, self.rest_due)


def notice(since: Since, seen: Inputs, wanted: EvseSetpoint, now: float) -> Since:
    """Record when what is seen and wanted now was first so."""
    permit_until, permit_seen_at = since.permit_until, since.permit_seen_at
    if wanted.permit_until != permit_until:
        permit_until, permit_seen_at = wanted.permit_until, now
    soft_at = disagrees_at = None
    if wanted.power is Power.STOP_SOFT:
        soft_at = now if since.soft_at is None else since.soft_at
    if seen.mirror_closed is not since.commanded:
        disagrees_at = now if since.disagrees_at is None else since.disagrees_at
    return Since(
        since.commanded, permit_until, permit_seen_at, soft_at, disagrees_at, since.latched
    )


def decide(seen: Inputs, wanted: EvseSetpoint, since: Since, now: float) -> Decision:
    """May the contactor be closed? Total: it answers whatever it is shown, and never raises."""
    faults = seen.faults | since.latched
    if since.disagrees_at is not None and now >= since.disagrees_at + SWITCHING_TIME_S:
        faults |= {WELDED if seen.mirror_closed else DOES_NOT_CLOSE}
    safe = not any(fault.severity is Severity.OPEN for fault in faults)
    leased = now < since.lease_end
    offer = (
        safe
        and leased
        and wanted.power is Power.OFFER
        and wanted.available
        and wanted.limit_a >= seen.min_current_a
        and seen.pilot in CONNECTED
    )
    return Decision(
        close=safe
        and _asks_for_energy(seen)
        and (_may_start(seen, wanted, since, offer) or _may_finish(seen, wanted, since, now)),
        offer=offer,
        faults=faults,
        lease_due=since.lease_end if leased else NO_TIME,
        rest_due=_rest_due(since, now),
    )


def obey(since: Since, decision: Decision) -> Since:
    """What is remembered once the coil has been set as decided."""
    latched = since.latched
    if any(fault.latching for fault in decision.faults):
        latched |= {fault for fault in decision.faults if fault.latching}
    if decision.close is since.commanded and latched is since.latched:
        return since
    return replace(since, commanded=decision.close, latched=latched)


def _asks_for_energy(seen: Inputs) -> bool:
    return seen.pilot is PilotState.C or (seen.pilot is PilotState.D and seen.ventilated)


def _may_start(seen: Inputs, wanted: EvseSetpoint, since: Since, offer: bool) -> bool:
    held = since.commanded or seen.locked is not False or not wanted.lock
    return offer and held


def _may_finish(seen: Inputs, wanted: EvseSetpoint, since: Since, now: float) -> bool:
    return (
        wanted.power is Power.STOP_SOFT
        and since.commanded
        and since.soft_at is not None
        and seen.drawing is not False
        and now < since.soft_at + SOFT_STOP_S
    )


def _rest_due(since: Since, now: float) -> float:
    due = NO_TIME
    if since.soft_at is not None and now < since.soft_at + SOFT_STOP_S:
        due = since.soft_at + SOFT_STOP_S
    if since.disagrees_at is not None and now < since.disagrees_at + SWITCHING_TIME_S:
        due = min(due, since.disagrees_at + SWITCHING_TIME_S)
    return due
