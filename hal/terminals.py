"""A payment terminal on a bus, on a thread of its own: cards come, news of payments go."""

import queue
from collections.abc import Callable

from hal.api import Change
from hal.devices import PaymentTerminal
from hal.payment import CardDeclined, CardPresented, PaymentNews, TerminalDescription

TERMINAL_PERIOD_S = 0.2
MAX_REFERENCE = 64


class TerminalPoller:
    """Watches one terminal; `show` and `tell` may be called from any thread."""

    def __init__(
        self,
        description: TerminalDescription,
        terminal: PaymentTerminal,
        monotonic: Callable[[], float],
        present: Callable[[Change], None],
    ) -> None:
        self._description, self._terminal = description, terminal
        self._monotonic, self._present = monotonic, present
        self._news: queue.SimpleQueue[tuple[PaymentNews, Callable[[bool], None]]] = (
            queue.SimpleQueue()
        )
        self._payable: tuple[int, ...] = ()
        self._shown: tuple[int, ...] | None = None

    def show(self, evses: tuple[int, ...]) -> None:
        self._payable = evses

    def tell(self, news: PaymentNews, on_result: Callable[[bool], None]) -> None:
        self._news.put((news, on_result))

    def poll(self) -> None:
        """One round; raises what the driver raises, so that it is logged and tried again."""
        problem: Exception | None = None
        for _ in range(self._news.qsize()):
            news, on_result = self._news.get()
            if problem is None:
                problem = self._told(news)
            on_result(problem is None)
        if problem is not None:
            self._shown = None  # whatever it was, it may have forgotten
            raise problem
        payable = self._payable
        if payable != self._shown:
            self._shown = None
            self._terminal.show(payable)
            self._shown = payable
        self._read()

    def _told(self, news: PaymentNews) -> Exception | None:
        try:
            self._terminal.tell(news)
        except Exception as error:  # noqa: BLE001 - a driver may raise anything; poll raises it
            return error
        return None

    def _read(self) -> None:
        where, now = self._description, self._monotonic()
        card = self._terminal.read()
        if card is None:
            return
        evse = where.evse if where.evse is not None else card.evse
        if card.declined:
            self._present(CardDeclined(now, where.id, evse, card.reference))
        elif evse is None:
            raise ValueError("it took a card without saying for which EVSE")
        elif not 0 < len(card.reference) <= MAX_REFERENCE:
            raise ValueError(f"it gave a reference of {len(card.reference)} characters")
        else:
            self._present(CardPresented(now, where.id, evse, card.reference))
