"""A meter on devices that signs: requests wait for its poller, and nobody waits for ever."""

import logging
import queue
import threading
from collections.abc import Callable

from msgspec.structs import replace

from hal.api import SIGNING_S, SignedReading, SignMoment
from hal.devices import SigningMeter

log = logging.getLogger(__name__)

OnResult = Callable[[SignedReading | None], None]


class Request:
    """One signature that is wanted; whoever answers first has answered."""

    def __init__(self, moment: SignMoment, identification: str, on_result: OnResult) -> None:
        self.moment, self.identification, self._on_result = moment, identification, on_result
        self._open = threading.Lock()
        self._timer = threading.Timer(SIGNING_S, self.answer, [None])
        self._timer.daemon = True
        self._timer.start()

    @property
    def is_answered(self) -> bool:
        return self._open.locked()

    def answer(self, signed: SignedReading | None) -> None:
        if self._open.acquire(blocking=False):
            self._timer.cancel()
            self._on_result(signed)


class SigningSlot:
    """Asked by anyone; the meter is touched by its poller alone."""

    def __init__(
        self,
        evse: int,
        meter: SigningMeter,
        monotonic: Callable[[], float],
        wake: Callable[[], None],
    ) -> None:
        self._evse, self._meter, self._monotonic, self._wake = evse, meter, monotonic, wake
        self._requests: queue.SimpleQueue[Request] = queue.SimpleQueue()

    def ask(self, moment: SignMoment, identification: str, on_result: OnResult) -> None:
        self._requests.put(Request(moment, identification, on_result))
        self._wake()

    def poll(self) -> None:
        """Have everything signed that is wanted; what was given up meanwhile is not."""
        while True:
            try:
                request = self._requests.get_nowait()
            except queue.Empty:
                return
            if not request.is_answered:
                request.answer(self._signed(request))

    def _signed(self, request: Request) -> SignedReading | None:
        try:
            signed = self._meter.sign(self._monotonic(), request.moment, request.identification)
        except Exception as error:  # noqa: BLE001 - a driver may raise anything; we go on
            log.warning("the meter of EVSE %d did not sign: %s", self._evse, error)
            return None
        return replace(signed, evse=self._evse)
