"""The simulated payment terminal: a book of payments that outlives the process.

Its back office is whoever is given to SimHardware; a virtual station has none, and tests send
the remote start themselves.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from hal.payment import PaymentNews, PaymentStage

AUTHORISED = "authorised"
"""And the station has not said yet that it remembers it."""
KEPT = 100
"""Payments in the book; beyond that the oldest goes."""

BackOffice = Callable[[int], None]
"""Told, once a card was taken, for which EVSE; it has the CSMS start a transaction there."""


@dataclass
class Payment:
    """One payment as the terminal sees it."""

    reference: str
    evse: int
    stage: str = AUTHORISED
    """That, or a PaymentStage."""
    energy_wh: int | None = None
    duration_s: int = 0
    told: int = 0
    """How often the station has told what became of it."""


@dataclass
class TerminalBook:
    """One terminal; everything here is saved."""

    id: str
    count: int = 0
    payments: list[Payment] = field(default_factory=list)
    payable: tuple[int, ...] = ()
    """For these EVSEs it takes a card now."""
    reachable: bool = True
    """False: its line to the station is dead."""

    def authorise(self, evse: int) -> Payment:
        """A card was held to it, and the bank has said yes."""
        self.count += 1
        payment = Payment(f"{self.id}-{self.count}", evse)
        self.payments = [*self.payments, payment][-KEPT:]
        return payment

    def unnoted(self) -> list[Payment]:
        """What the station has not said to remember: it is reported again."""
        return [each for each in self.payments if each.stage == AUTHORISED]

    def find(self, reference: str) -> Payment | None:
        return next((each for each in self.payments if each.reference == reference), None)

    def tell(self, news: PaymentNews) -> bool:
        """Whether it could be told; the same twice changes nothing."""
        payment = self.find(news.reference)
        if not self.reachable:
            return False
        if payment is not None:
            payment.told += 1
            if payment.stage not in (PaymentStage.ENDED, PaymentStage.RELEASED):
                payment.stage = news.stage.value
                payment.energy_wh, payment.duration_s = news.energy_wh, news.duration_s
        return True
