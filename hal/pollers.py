"""Devices on buses, each on a thread of its own, so that a dead one delays no other."""

import logging
import threading
from collections.abc import Callable

from hal.api import MeterReading, ReaderDescription, TokenPresented
from hal.devices import Meter, TokenReader

log = logging.getLogger(__name__)

METER_PERIOD_S = 1.0
METER_SILENT_S = 5.0
READER_PERIOD_S = 0.1
READER_SILENT_S = 5.0
SAME_TOKEN_S = 2.0
"""A token that stays on the reader is presented once."""


class Poller:
    """Calls a job again and again; a job that fails is logged once and tried more slowly."""

    def __init__(self, name: str, period_s: float, job: Callable[[], None]) -> None:
        self._name, self._period_s, self._job = name, period_s, job
        self._stop = threading.Event()
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; it is not waited for, as its device may hang."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._job()
            except Exception as error:  # noqa: BLE001 - a driver may raise anything; we go on
                self._failures += 1
                if self._failures == 1:
                    log.warning("%s: %s", self._name, error)
            else:
                if self._failures:
                    log.warning("%s answers again", self._name)
                self._failures = 0
            self._stop.wait(self._period_s * min(8, 2**self._failures))


class MeterSlot:
    """The latest reading of one meter; written by its poller, read by anyone."""

    def __init__(self, meter: Meter, monotonic: Callable[[], float]) -> None:
        self._meter, self._monotonic = meter, monotonic
        self._answered_at = monotonic()
        self.reading: MeterReading | None = None

    def poll(self) -> None:
        reading = self._meter.read(self._monotonic())
        if self.reading is not None and reading.energy_wh < self.reading.energy_wh:
            raise ValueError(f"register fell from {self.reading.energy_wh} to {reading.energy_wh}")
        self.reading = reading
        self._answered_at = self._monotonic()

    def is_silent(self, now: float) -> bool:
        return now - self._answered_at > METER_SILENT_S

    def current_a(self, now: float) -> float | None:
        """The highest phase current; None when the last reading is too old to tell."""
        reading = self.reading
        if reading is None or now - reading.at > 2 * METER_PERIOD_S:
            return None
        return max(reading.current_a, default=None)


class ReaderPoller:
    """Watches one token reader and presents each token once."""

    def __init__(
        self,
        description: ReaderDescription,
        reader: TokenReader,
        monotonic: Callable[[], float],
        present: Callable[[TokenPresented], None],
    ) -> None:
        self._description, self._reader = description, reader
        self._monotonic, self._present = monotonic, present
        self._last = ""
        self._seen_at = float("-inf")

    def poll(self) -> None:
        id_token = self._reader.read()
        if id_token is None:
            return
        now = self._monotonic()
        is_new = id_token != self._last or now - self._seen_at > SAME_TOKEN_S
        self._last, self._seen_at = id_token, now
        if is_new:
            where = self._description
            self._present(TokenPresented(now, where.id, where.evse, id_token, where.token_type))
