"""Devices on buses, each on a thread of its own, so that a dead one delays no other."""

import logging
import threading
from collections.abc import Callable

from hal.api import (
    Change,
    ReaderDescription,
    ReaderStatus,
    TokenPresented,
    TokenUnreadable,
)
from hal.devices import TokenReader
from hal.tokens import OneCard, Rubbish, normalise

log = logging.getLogger(__name__)

READER_PERIOD_S = 0.1


class Poller:
    """Calls a job again and again; a job that fails is logged once and tried more slowly.

    *on_status* is told what the job failed with, and an empty text once it works again.
    """

    def __init__(
        self,
        name: str,
        period_s: float,
        job: Callable[[], None],
        on_status: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._name, self._period_s, self._job = name, period_s, job
        self._on_status = on_status
        self._stopped = False
        self._awake = threading.Event()
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; it is not waited for, as its device may hang."""
        self._stopped = True
        self._awake.set()

    def wake(self) -> None:
        """There is something to do at once; from any thread."""
        self._awake.set()

    def _run(self) -> None:
        while not self._stopped:
            self._awake.clear()
            try:
                self._job()
            except Exception as error:  # noqa: BLE001 - a driver may raise anything; we go on
                self._failures += 1
                if self._failures == 1:
                    problem = str(error) or type(error).__name__
                    log.warning("%s does not answer, and is tried again: %s", self._name, problem)
                    self._on_status(problem)
            else:
                if self._failures:
                    log.warning("%s answers again", self._name)
                    self._on_status("")
                self._failures = 0
            self._awake.wait(self._period_s * min(8, 2**self._failures))


class ReaderPoller:
    """Watches one token reader and presents each token once."""

    def __init__(
        self,
        description: ReaderDescription,
        reader: TokenReader,
        monotonic: Callable[[], float],
        present: Callable[[Change], None],
    ) -> None:
        self._description, self._reader = description, reader
        self._monotonic, self._present = monotonic, present
        self._card, self._rubbish = OneCard(), OneCard()

    def poll(self) -> None:
        text = self._reader.read()
        if text is None:
            return
        now, where = self._monotonic(), self._description
        id_token = normalise(text, where.token_type, where.normalise)
        if isinstance(id_token, Rubbish):
            if self._rubbish.is_new(id_token.why, "", now):
                self._present(TokenUnreadable(now, where.id, where.evse, id_token.why))
        elif self._card.is_new(id_token, where.token_type, now):
            self._present(TokenPresented(now, where.id, where.evse, id_token, where.token_type))

    def watch(self, problem: str) -> None:
        """The reader has failed; an empty *problem*: it answers again."""
        where = self._description
        self._present(ReaderStatus(self._monotonic(), where.id, where.evse, problem))
