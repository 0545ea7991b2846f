"""What becomes of a transaction that the end of the process interrupted: it goes on, or ends."""

from station.charging.ledger import Ledger
from station.charging.policy import Policy, Resume
from station.charging.rows import Cause
from station.charging.steps import TransactionStep
from station.events import EventBus
from station.life import LifeSigns
from station.reactor import Reactor, Timer

SIGN_S = 60.0
"""How often a station with a transaction notes that it is alive, if no event does."""


class Resumption:
    """Notes signs of life while a transaction runs, and judges by them after a restart."""

    def __init__(
        self,
        *,
        reactor: Reactor,
        events: EventBus,
        ledger: Ledger,
        policy: Policy,
        signs: LifeSigns,
        interrupted: Cause,
    ) -> None:
        self._reactor, self._ledger, self._policy, self._signs = reactor, ledger, policy, signs
        self.interrupted = interrupted
        """What the restart was, as trigger and stopped reason."""
        self._timer: Timer | None = None
        events.subscribe(TransactionStep, lambda _: self._note())
        if ledger.all():
            self._arm()

    def goes_on(self) -> bool:
        """Whether what ran before the restart is taken up again.

        With TxResumptionTimeout, an outage of unknown length counts as too long.
        """
        if self._policy.resumption() is Resume.END:
            return False
        longest_s, outage_s = self._policy.resumption_timeout_s(), self._signs.outage_s()
        return longest_s == 0 or (outage_s is not None and outage_s <= longest_s)

    def _note(self) -> None:
        self._signs.note()
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._reactor.call_later(SIGN_S, self._due, source="transactions")

    def _due(self) -> None:
        if self._ledger.all():
            self._note()
