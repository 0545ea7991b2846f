"""What drivers of single devices offer: small Protocols, one per kind of device.

A driver is a plain object without threads and without knowledge of OCPP. On
GPIO a call takes at most 20 ms and belongs to the board's thread; a device on a
bus is called from its own poller, one transaction per call. What a device does
not do, or not answer, it raises as HardwareFault.
"""

from typing import Protocol, runtime_checkable

from msgspec import Struct

from hal.api import Fault, MeterReading, PilotState, SignedReading, SignMoment
from hal.payment import PaymentNews


class Contactor(Protocol):
    def switch(self, *, closed: bool) -> None: ...

    def is_closed(self) -> bool:
        """What the mirror contact says, not what was asked for."""
        ...


class Pilot(Protocol):
    def read(self) -> PilotState: ...

    def offer(self, current_a: float) -> None:
        """Offer this much to the EV; 0 ends the offer."""
        ...


class Proximity(Protocol):
    def cable_max_a(self) -> float | None:
        """What the cable in the socket may carry; None when there is none."""
        ...


class Lock(Protocol):
    def move(self, *, locked: bool) -> None:
        """Begin to move; returns at once."""
        ...

    def is_locked(self) -> bool: ...


class FaultSensor(Protocol):
    def faults(self) -> frozenset[Fault]: ...


class BaySensor(Protocol):
    def is_occupied(self) -> bool: ...


class Meter(Protocol):
    def read(self, at: float) -> MeterReading:
        """One consistent reading, taken *at* about now."""
        ...


@runtime_checkable
class SigningMeter(Meter, Protocol):
    """A meter that can sign as well: what its driver describes has `signs`."""

    def sign(self, at: float, moment: SignMoment, identification: str) -> SignedReading:
        """A data set of the register as it is now, *at* about now; may take seconds.

        The data are the meter's bytes, unchanged. An END may come a second time: answer it with
        the same data set if the meter still has it. Raise what cannot be signed.
        """
        ...


class TokenReader(Protocol):
    def read(self) -> str | None:
        """The id of the token that lies on the reader, if any."""
        ...


class Card(Struct, frozen=True):
    """What has happened at a payment terminal."""

    reference: str
    """By which the terminal knows the payment, for ever; never a card number."""
    evse: int | None = None
    """The one that the driver chose, at a terminal that serves several."""
    declined: bool = False
    """The card was refused, or the driver has cancelled."""

    def __repr__(self) -> str:
        return f"Card({self.evse}, declined={self.declined}, redacted)"


class PaymentTerminal(Protocol):
    def read(self) -> Card | None:
        """What has happened since the last call, one thing at a time.

        A payment comes again, every few seconds, until `tell` has said NOTED or more of it.
        """
        ...

    def show(self, evses: tuple[int, ...]) -> None:
        """Take cards for these EVSEs and no others."""
        ...

    def tell(self, news: PaymentNews) -> None:
        """What has become of a payment; it may come twice, and raises unless it was taken."""
        ...


class EvseDevices(Struct, frozen=True):
    """The devices of one EVSE; what it lacks is None, never a stand-in."""

    contactor: Contactor
    pilot: Pilot
    proximity: Proximity | None = None
    lock: Lock | None = None
    sensors: tuple[FaultSensor, ...] = ()
    bay: BaySensor | None = None
    meter: Meter | None = None
