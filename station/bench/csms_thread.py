"""The bench CSMS on a thread of its own, for tests and programs that do not use asyncio."""

import asyncio
import ssl
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from station.bench.csms import Behaviour, BenchCsms, Ledger, Payload, Violation

T = TypeVar("T")
STOP_TIMEOUT_S = 10.0


class BenchCsmsThread:
    """Takes the arguments of BenchCsms; every method blocks until its thread has done it."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, **options: Any) -> None:
        self._csms = BenchCsms(host, port, **options)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listening = threading.Event()
        self._stop: asyncio.Event | None = None
        self._error: OSError | None = None

    def start(self) -> Self:
        """Returns once the port is open; an OSError says why it cannot be.

        After stop it may be started again: on the same port, with all that it knew.
        """
        self._listening.clear()
        self._thread = threading.Thread(target=self._main, name="bench-csms", daemon=True)
        self._thread.start()
        self._listening.wait()
        if self._error is not None:
            self._thread.join(STOP_TIMEOUT_S)
            raise self._error
        return self

    def stop(self) -> None:
        """May be called twice, or before start."""
        if self._thread is None or self._loop is None or self._stop is None:
            return
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(STOP_TIMEOUT_S)
        if self._thread.is_alive():
            raise TimeoutError(f"the bench CSMS did not stop within {STOP_TIMEOUT_S:g} s")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        return self._csms.port

    @property
    def url(self) -> str:
        return self._csms.url

    def speak_tls(self, context: ssl.SSLContext | None) -> None:
        """From the next start on; None goes back to ws://."""
        self._csms.tls = context

    @property
    def ledger(self) -> Ledger:
        """Written by the other thread: read it inside wait_for, or when all is quiet."""
        return self._csms.ledger

    @property
    def violations(self) -> list[Violation]:
        return self._read(lambda csms: list(csms.violations))

    @property
    def overlaps(self) -> int:
        return self._csms.overlaps

    @property
    def behaviour(self) -> dict[str, Behaviour]:
        return self._csms.behaviour

    @property
    def boot_status(self) -> str:
        return self._csms.boot_status

    @boot_status.setter
    def boot_status(self, status: Literal["Accepted", "Pending", "Rejected"]) -> None:
        self._csms.boot_status = status

    def set_password(self, station: str, password: str) -> None:
        self._csms.set_password(station, password)

    def received(self, station: str, action: str | None = None) -> list[tuple[str, Payload]]:
        return self._read(lambda csms: csms.received(station, action))

    def unmatched(self, station: str) -> list[list[Any]]:
        return self._read(lambda csms: csms.unmatched(station))

    def connected(self) -> list[str]:
        return self._read(lambda csms: csms.connected())

    def call(
        self, station: str, action: str, payload: Payload | None = None, timeout_s: float = 30
    ) -> Payload:
        return self._run(self._csms.call(station, action, payload, timeout_s))

    def start_call(
        self, station: str, action: str, payload: Payload | None = None, timeout_s: float = 30
    ) -> Future[Payload]:
        """Like call, without waiting for the answer."""
        return self._start(self._csms.call(station, action, payload, timeout_s))

    def send_text(self, station: str, text: str) -> None:
        self._run(self._csms.send_text(station, text))

    def drop(self, station: str, how: Literal["close", "reset", "silent"] = "close") -> None:
        self._run(self._csms.drop(station, how))

    def wait_for(self, predicate: Callable[[BenchCsms], Any], timeout_s: float = 10) -> Any:
        """*predicate* runs on the thread of the CSMS and is asked again at each message."""
        return self._run(self._csms.wait_for(predicate, timeout_s))

    def summary(self) -> list[str]:
        return self._read(lambda csms: csms.record.summary())

    def _read(self, question: Callable[[BenchCsms], T]) -> T:
        """Asked on the thread of the CSMS, or here once that has ended."""

        async def ask() -> T:
            return question(self._csms)

        return self._run(ask()) if self._is_running() else question(self._csms)

    def _run(self, job: Coroutine[Any, Any, T]) -> T:
        return self._start(job).result()

    def _start(self, job: Coroutine[Any, Any, T]) -> Future[T]:
        if self._loop is None or not self._is_running():
            job.close()
            raise RuntimeError("the bench CSMS is not running")
        return asyncio.run_coroutine_threadsafe(job, self._loop)

    def _is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._error = error
        finally:
            self._listening.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        async with self._csms:
            self._listening.set()
            await self._stop.wait()
