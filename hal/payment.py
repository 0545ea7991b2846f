"""What a payment terminal and the core tell each other (C03); part of what station/ sees.

The terminal talks to a back office of its own, that to the CSMS, and the CSMS starts the
transaction from afar. Card numbers never come here.
"""

from enum import StrEnum

from msgspec import Struct


class TerminalDescription(Struct, frozen=True):
    """A terminal for credit and debit cards, which has a back office of its own (C03)."""

    id: str
    evse: int | None
    """The EVSE that it belongs to; None: the driver chooses one at the terminal."""


class CardPresented(Struct, frozen=True):
    """A terminal has an amount authorised for this EVSE; its back office tells the CSMS (C03).

    It is reported again, after a restart of either side too, until the terminal is told NOTED or
    more: money is not to be forgotten because a process died.
    """

    at: float
    terminal: str
    evse: int
    reference: str
    """By which the terminal knows the payment, for ever; 1 to 64 characters."""

    def __repr__(self) -> str:
        return f"CardPresented({self.at}, {self.terminal!r}, {self.evse}, redacted)"


class CardDeclined(Struct, frozen=True):
    """The card was refused, or the driver has cancelled; nothing is authorised (any more)."""

    at: float
    terminal: str
    evse: int | None
    reference: str = ""
    """Of the payment that is cancelled, if there was one."""

    def __repr__(self) -> str:
        return f"CardDeclined({self.at}, {self.terminal!r}, {self.evse}, redacted)"


class PaymentStage(StrEnum):
    """What has become of a payment; the last two are final."""

    NOTED = "noted"  # the station remembers it, whatever happens: do not report it again
    STARTED = "started"  # a transaction runs that it pays for
    ENDED = "ended"  # settle what was delivered, give back the rest
    RELEASED = "released"  # no transaction came of it: give everything back


class PaymentNews(Struct, frozen=True):
    """What a terminal is told of one payment; it may come twice and counts once."""

    terminal: str
    reference: str
    stage: PaymentStage
    evse: int
    energy_wh: int | None = None
    """Delivered to the driver; None: not known (no meter, or it does not answer)."""
    duration_s: int = 0
    """From the start of the transaction, or from its payment if that came later, to its end."""

    def __repr__(self) -> str:
        return f"PaymentNews({self.terminal!r}, {self.stage.value}, EVSE {self.evse}, redacted)"
