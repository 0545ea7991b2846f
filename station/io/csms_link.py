"""The link to the CSMS: one thread alone owns the connected socket and pumps its bytes.

Theory of operation. The core's calls become commands in a queue; a byte on a socket
pair wakes the thread. A `Dial` on a thread of its own produces the connected socket and
hands it over as one more command. The thread has no timers but two deadlines, of a
dial and of a close: ping interval, pong timeout and back-off are the core's.
"""

import logging
import queue
import selectors
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from station.link import LinkDown, LinkFact, LinkProblem, LinkTarget

if TYPE_CHECKING:
    from station.io.connection import Connection
    from station.io.dial import Dial, Dialled
    from station.io.upgrade import DialError

log = logging.getLogger(__name__)

DEFLATE_OFFER = "permessage-deflate; client_max_window_bits=15"
RESTART_BACK_OFF_S = 0.2


class ThreadLink:
    """The `Link` of a real station."""

    def __init__(
        self,
        *,
        compress: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._offer = DEFLATE_OFFER if compress else ""
        self._on_fact: Callable[[LinkFact], Any] = _nobody
        self._commands: queue.SimpleQueue[tuple[Callable[..., None], tuple[Any, ...]]] = (
            queue.SimpleQueue()
        )
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)
        self._awake = False
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._watched: tuple[socket.socket, int] | None = None
        self._stopping = threading.Event()
        self._generation = 0
        self._ended = 0
        """The last generation whose LinkDown was told."""
        self._dial: Dial | None = None
        self._dial_due_at = 0.0
        self._connection: Connection | None = None
        self.busy_since: float | None = None
        """When the thread began what it does now; None while it waits (for the watchdog)."""
        self._thread = threading.Thread(target=self._run, name="csms-link", daemon=True)

    def start(self, on_fact: Callable[[LinkFact], Any]) -> None:
        self._on_fact = on_fact
        self._thread.start()

    def open(self, target: LinkTarget, generation: int) -> None:
        self._command(self._open, target, generation)

    def send(self, generation: int, text: str) -> None:
        self._command(self._send, generation, text)

    def ping(self, generation: int) -> None:
        self._command(self._ping, generation)

    def close(self, generation: int, code: int = 1000, *, flush_s: float = 1.0) -> None:
        self._command(self._close, generation, code, flush_s)

    def abort(self, generation: int, problem: LinkProblem) -> None:
        self._command(self._abort, generation, problem)

    def handled(self, generation: int, count: int = 1) -> None:
        """Counts here, on the core; the thread is woken only when it waits for it."""
        connection = self._connection
        if connection is not None and connection.generation == generation:
            connection.handled += count
            if connection.paused:
                self._command(self._resume, generation)

    def stop(self, timeout_s: float) -> bool:
        """End the thread, and with it whatever is open; True when that succeeded in time."""
        self._stopping.set()
        if self._thread.ident is None:
            self._release()
            return True
        self._wake()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _command(self, job: Callable[..., None], *args: Any) -> None:
        self._commands.put((job, args))
        self._wake()

    def _wake(self) -> None:
        if self._awake:
            return
        self._awake = True
        try:
            self._waker.send(b"\0")
        except OSError as error:  # a full pair wakes as well; a closed one has nobody to wake
            log.debug("not woken: %s", error)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._turn()
            except Exception as error:
                log.exception("the link thread failed and goes on")
                self._end_after(error)
                self.busy_since = None
                self._stopping.wait(RESTART_BACK_OFF_S)
        self._drop(LinkDown(self._generation, LinkProblem.LOCAL, "the link was stopped"))
        self._release()

    def _end_after(self, error: Exception) -> None:
        """Whatever failed here, the core hears how its generation ended."""
        detail = f"internal error: {type(error).__name__}"
        down = LinkDown(self._generation, LinkProblem.PROTOCOL, detail)
        self._drop(down)
        if self._ended != self._generation:
            self._tell(down)

    def _tell(self, fact: LinkFact) -> None:
        if isinstance(fact, LinkDown):
            self._ended = fact.generation
        self._on_fact(fact)

    def _turn(self) -> None:
        self._watch()
        ready = self._selector.select(self._wait_s())
        self.busy_since = self._monotonic()
        connection = self._connection
        for key, _ in ready:
            if key.fileobj is self._woken:
                self._woken.recv(64)
                self._awake = False  # before the commands are drained: none is slept through
            elif connection is not None:
                connection.pump()
        if not ready and connection is not None and connection.has_pending:
            connection.pump()
        self._run_commands()
        self._check_deadlines()
        if self._connection is not None and self._connection.over:
            self._connection = None
        self.busy_since = None

    def _run_commands(self) -> None:
        while True:
            try:
                job, args = self._commands.get_nowait()
            except queue.Empty:
                return
            job(*args)

    def _wait_s(self) -> float | None:
        connection = self._connection
        if connection is not None:
            if connection.has_pending:
                return 0.0
            due_at = connection.due_at
        else:
            due_at = self._dial_due_at if self._dial is not None else None
        return None if due_at is None else max(0.0, due_at - self._monotonic())

    def _check_deadlines(self) -> None:
        now = self._monotonic()
        dial, connection = self._dial, self._connection
        if dial is not None and now >= self._dial_due_at:
            detail = f"deadline passed while {dial.stage}"
            self._drop(LinkDown(self._generation, LinkProblem.TIMEOUT, detail, stage=dial.stage))
        elif connection is not None and connection.due_at is not None and now >= connection.due_at:
            connection.on_due()

    def _watch(self) -> None:
        """Keep the selector in step with what the connection waits for."""
        connection = self._connection
        wanted = None
        if connection is not None and (events := connection.events):
            wanted = (connection.sock, events)
        if wanted == self._watched:
            return
        if self._watched is not None:
            self._selector.unregister(self._watched[0])
        if wanted is not None:
            self._selector.register(*wanted)
        self._watched = wanted

    def _open(self, target: LinkTarget, generation: int) -> None:
        if generation <= self._generation or self._stopping.is_set():
            return
        self._drop(LinkDown(self._generation, LinkProblem.LOCAL, "a new attempt begins"))
        self._generation = generation
        from station.io.dial import Dial  # with websocket-client and wsproto: 45 ms, 4 MB

        self._dial_due_at = self._monotonic() + target.deadline_s
        self._dial = Dial(
            target,
            partial(self._command, self._on_dialled, generation),
            extensions=self._offer,
            monotonic=self._monotonic,
        )
        self._dial.start()

    def _on_dialled(self, generation: int, result: "Dialled | DialError") -> None:
        from station.io.connection import Connection
        from station.io.upgrade import DialError

        if generation != self._generation or self._dial is None:
            if not isinstance(result, DialError):
                result.sock.close()
            return
        self._dial = None
        try:
            if isinstance(result, DialError):
                raise result
            connection = Connection(result, generation, self._tell, self._monotonic)
        except DialError as error:
            if not isinstance(result, DialError):
                result.sock.close()
            self._tell(
                LinkDown(
                    generation,
                    error.problem,
                    error.detail,
                    http_status=error.http_status,
                    retry_after_s=error.retry_after_s,
                    stage=error.stage,
                    tls=error.tls,
                    only_dates=error.only_dates,
                )
            )
        else:
            self._connection = connection  # before its first fact: `handled` looks here
            connection.begin()

    def _live(self, generation: int) -> "Connection | None":
        connection = self._connection
        if connection is None or connection.over or connection.generation != generation:
            return None
        return connection

    def _send(self, generation: int, text: str) -> None:
        if (connection := self._live(generation)) is not None:
            connection.send(text)

    def _ping(self, generation: int) -> None:
        if (connection := self._live(generation)) is not None:
            connection.ping()

    def _resume(self, generation: int) -> None:
        if (connection := self._live(generation)) is not None:
            connection.resume()

    def _close(self, generation: int, code: int, flush_s: float) -> None:
        if (connection := self._live(generation)) is not None:
            connection.close(code, flush_s)
        else:
            self._abort(generation, LinkProblem.LOCAL)

    def _abort(self, generation: int, problem: LinkProblem) -> None:
        if generation == self._generation:
            self._drop(LinkDown(generation, problem))

    def _drop(self, down: LinkDown) -> None:
        """End whatever runs; nothing, and no fact, when nothing does."""
        dial, connection = self._dial, self._connection
        self._dial = self._connection = None
        if dial is not None:
            dial.cancel()
            self._tell(down)
        elif connection is not None:
            connection.end(down)

    def _release(self) -> None:
        """Close what a stopped link holds; sockets that a dial still delivers, too."""
        self._run_commands()
        self._selector.close()
        self._woken.close()
        self._waker.close()


def _nobody(fact: LinkFact) -> None:
    log.warning("a fact of the link before it was started: %s", fact)
