"""One upgraded socket: WebSocket frames in both directions until it ends in a LinkDown.

Everything here runs on the link thread, which calls `pump` whenever the socket is
ready. Nothing blocks: a frame that is half received never holds up what leaves, and
bytes that cannot leave wait in a bounded buffer.
"""

import logging
import socket
import ssl
from collections.abc import Callable
from selectors import EVENT_READ, EVENT_WRITE
from typing import cast

from wsproto.frame_protocol import CloseReason, Frame, FrameProtocol, Opcode, ParseFailed

from station.io.deflate import agreed_extension
from station.io.dial import Dialled
from station.link import FrameIn, LinkDown, LinkFact, LinkProblem, LinkUp, PongIn

log = logging.getLogger(__name__)
frames = logging.getLogger("joulepost.frames")

MAX_MESSAGE_BYTES = 256 * 1024
MAX_UNHANDLED = 16
MAX_UNSENT_BYTES = 4 * 1024 * 1024
RECEIVE_BYTES = 64 * 1024
INFLATE_STEP_BYTES = 256
"""Fed at once when the peer compresses: inflates to about 260 KB at the very most."""
FAREWELL_S = 1.0
"""How long the peer may take to read why it is being left."""


class Connection:
    """The socket of one generation; `over` once its LinkDown has been told."""

    def __init__(
        self,
        dialled: Dialled,
        generation: int,
        tell: Callable[[LinkFact], object],
        monotonic: Callable[[], float],
    ) -> None:
        extension = agreed_extension(dialled.upgraded.extensions)
        self._sock = dialled.sock
        self._tell, self._monotonic = tell, monotonic
        self._protocol = FrameProtocol(client=True, extensions=[extension] if extension else [])
        self._step = INFLATE_STEP_BYTES if extension else RECEIVE_BYTES
        self._unfed = bytearray(dialled.upgraded.surplus)
        self._unsent = bytearray()
        self._parts: list[str] = []
        self._size = 0
        self._delivered = 0
        self._read_wants_write = self._write_wants_read = False
        self._leaving: LinkDown | None = None
        self._pinged = False
        self._deaf = False
        self.generation = generation
        self.handled = 0
        """Written by the core alone, see ThreadLink.handled."""
        self.paused = False
        self.over = False
        self.due_at: float | None = None
        """When a close that the peer does not answer ends."""
        self._up = LinkUp(generation, dialled.upgraded.subprotocol, dialled.address, dialled.peer)

    def begin(self) -> None:
        self._tell(self._up)
        self._guard(self._deliver)

    @property
    def sock(self) -> socket.socket:
        return self._sock

    @property
    def events(self) -> int:
        """What to wait for."""
        reading = not self.paused or self._write_wants_read
        writing = (self._read_wants_write and not self.paused) or (
            self._unsent and not self._write_wants_read
        )
        return (EVENT_READ if reading else 0) | (EVENT_WRITE if writing else 0)

    @property
    def has_pending(self) -> bool:
        """Whether TLS holds bytes that no selector will announce."""
        if self.paused or self.over or not isinstance(self._sock, ssl.SSLSocket):
            return False
        return self._sock.pending() > 0

    def pump(self) -> None:
        """Move what can be moved now; reading first, for a close frame that explains a reset."""
        self._guard(self._read)
        self._guard(self._write)

    def send(self, text: str) -> None:
        if self._leaving is None:
            frames.debug("> %s", text)
            self._queue(self._protocol.send_data(text))

    def ping(self) -> None:
        if self._leaving is None:
            self._pinged = True
            self._queue(self._protocol.ping())

    def close(self, code: int, flush_s: float) -> None:
        """Say goodbye behind what is queued, and wait for the peer to answer."""
        if self._leaving is None:
            self._leave(code, LinkDown(self.generation, LinkProblem.LOCAL), flush_s)

    def resume(self) -> None:
        """Go on reading when the core has caught up."""
        self.paused = self._delivered - self.handled > MAX_UNHANDLED
        if not self.paused:
            self._guard(self._deliver)

    def on_due(self) -> None:
        if self._leaving is not None:
            self.end(self._leaving)

    def end(self, down: LinkDown) -> None:
        if not self.over:
            self.over = True
            farewell(self._sock)
            self._sock.close()
            self._tell(down)

    def _guard(self, step: Callable[[], None]) -> None:
        """Run one step; whatever the socket or the peer's framing raises ends the connection."""
        if self.over:
            return
        try:
            step()
        except ParseFailed as error:
            self._fail(error.code, LinkProblem.PROTOCOL, str(error))
        except OSError as error:
            self.end(self._leaving or LinkDown(self.generation, *problem_of(error)))

    def _read(self) -> None:
        if self.paused:
            return
        self._read_wants_write = False
        try:
            data = self._sock.recv(RECEIVE_BYTES)
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError):
            return
        except ssl.SSLWantWriteError:
            self._read_wants_write = True
            return
        if not data:
            detail = "the connection ended without a close frame"
            self.end(self._leaving or LinkDown(self.generation, LinkProblem.CLOSED, detail))
        elif not self._deaf:
            self._unfed += data
            self._deliver()

    def _write(self) -> None:
        self._write_wants_read = False
        while self._unsent:
            try:
                sent = self._sock.send(self._unsent[:RECEIVE_BYTES])
            except (BlockingIOError, InterruptedError, ssl.SSLWantWriteError):
                return
            except ssl.SSLWantReadError:
                self._write_wants_read = True
                return
            except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError):
                self._unsent.clear()
                self._read()  # its last words may still wait in our receive buffer
                raise
            del self._unsent[:sent]

    def _queue(self, data: bytes | bytearray) -> None:
        self._unsent += data
        if len(self._unsent) > MAX_UNSENT_BYTES:
            detail = f"the CSMS does not read: {len(self._unsent)} bytes wait to be sent"
            self.end(self._leaving or LinkDown(self.generation, LinkProblem.TIMEOUT, detail))
        self._guard(self._write)

    def _deliver(self) -> None:
        """Decode what was received, as far as the core keeps up."""
        while self._may_deliver():
            for frame in self._protocol.received_frames():
                self._take(frame)
                if not self._may_deliver():
                    return
            if not self._unfed:
                return
            self._protocol.receive_bytes(bytes(self._unfed[: self._step]))
            del self._unfed[: self._step]

    def _may_deliver(self) -> bool:
        return not (self.paused or self.over or self._deaf)

    def _take(self, frame: Frame) -> None:
        match frame.opcode:
            case Opcode.TEXT:
                self._take_text(cast(str, frame.payload), finished=frame.message_finished)
            case Opcode.BINARY:
                detail = "a binary message"
                self._fail(CloseReason.UNSUPPORTED_DATA, LinkProblem.PROTOCOL, detail)
            case Opcode.PING:
                self._queue(self._protocol.pong(cast(bytes, frame.payload)))
            case Opcode.PONG:
                if self._pinged:  # unasked ones would reach the core without any limit
                    self._pinged = False
                    self._tell(PongIn(self.generation))
            case Opcode.CLOSE:
                self._take_close(*cast(tuple[int, str], frame.payload))

    def _take_text(self, piece: str, *, finished: bool) -> None:
        self._size += len(piece) if piece.isascii() else len(piece.encode())
        if self._size > MAX_MESSAGE_BYTES:
            detail = f"a message of more than {MAX_MESSAGE_BYTES} bytes"
            self._fail(CloseReason.MESSAGE_TOO_BIG, LinkProblem.TOO_BIG, detail)
            return
        if piece:
            self._parts.append(piece)
        if finished:
            text = "".join(self._parts)
            self._parts.clear()
            self._size = 0
            frames.debug("< %s", text)
            self._delivered += 1
            self.paused = self._delivered - self.handled > MAX_UNHANDLED
            self._tell(FrameIn(self.generation, text))

    def _take_close(self, code: int, reason: str) -> None:
        said = f"{int(code)} {''.join(c if c.isprintable() else '?' for c in reason)}".strip()
        down = LinkDown(
            self.generation, LinkProblem.CLOSED, f"close frame {said}", close_code=int(code)
        )
        if self._leaving is None:
            self._leaving = down
            self._queue(self._protocol.close(code))
        self.end(self._leaving)

    def _fail(self, code: int, problem: LinkProblem, detail: str) -> None:
        """Tell the peer what it did wrong and hear no more of it."""
        self._deaf = True
        self._parts.clear()
        self._unfed.clear()
        down = LinkDown(self.generation, problem, f"the CSMS sent {detail}"[:200], int(code))
        if self._leaving is None:
            self._leave(code, down, FAREWELL_S)

    def _leave(self, code: int, down: LinkDown, wait_s: float) -> None:
        self._leaving = down
        self.due_at = self._monotonic() + wait_s
        self._queue(self._protocol.close(code))


def problem_of(error: OSError) -> tuple[LinkProblem, str]:
    """What a broken connection is called, and one line about it."""
    detail = " ".join((error.strerror or str(error) or type(error).__name__).split())[:200]
    if isinstance(error, ssl.SSLEOFError):
        return LinkProblem.RESET, "the connection broke"
    if isinstance(error, ssl.SSLError):
        return LinkProblem.TLS, detail
    if isinstance(error, ConnectionResetError | BrokenPipeError | ConnectionAbortedError):
        return LinkProblem.RESET, detail
    if isinstance(error, TimeoutError):
        return LinkProblem.TIMEOUT, detail
    return LinkProblem.UNREACHABLE, detail


def farewell(sock: socket.socket) -> None:
    """TLS says goodbye too, so that the peer can tell an end from a cut; no answer is waited for.

    Harmless after an error: OpenSSL then sends nothing.
    """
    if isinstance(sock, ssl.SSLSocket):
        try:
            sock.unwrap()
        except (OSError, ValueError) as error:
            log.debug("TLS ended without goodbye: %s", error)
