"""The way to a server: checked addresses, TLS, one deadline for everything, and an end at will."""

import logging
import socket
import ssl
import threading
import time

from station.io.transfer.addresses import resolve
from station.io.transfer.errors import TransferError
from station.io.transfer.targets import Targets
from station.transfers import TransferEnd, Trusted

log = logging.getLogger(__name__)

CONNECT_S = 20.0


class Way:
    """Opens connections for one transfer, and ends them all when it is cancelled or too late.

    A server that sends a byte now and then never runs into a socket's timeout; the deadline
    shuts its connections down from a timer. It works on duplicates of the descriptors,
    because a TLS socket may be touched by its own thread only.
    """

    def __init__(
        self, targets: Targets, trusted: Trusted, *, deadline_s: float, step_s: float
    ) -> None:
        self._targets, self._trusted = targets, trusted
        self._deadline_s, self.step_s = deadline_s, step_s
        """Longest time without any progress."""
        self._due_at = time.monotonic() + deadline_s
        self._lock = threading.Lock()
        self._handles: list[socket.socket] = []
        self._ended: TransferEnd | None = None
        self._context: ssl.SSLContext | None = None
        self._timer = threading.Timer(deadline_s, self._end, (TransferEnd.FAILED,))
        self._timer.daemon = True

    def __enter__(self) -> "Way":
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            for handle in self._handles:
                handle.close()
            self._handles.clear()

    def cancel(self) -> None:
        """From any thread."""
        self._end(TransferEnd.CANCELLED)

    def check(self) -> None:
        """Raises TransferError once the transfer was cancelled or is too late."""
        if self._ended is TransferEnd.CANCELLED:
            raise TransferError(TransferEnd.CANCELLED, "")
        if self._ended is not None or time.monotonic() > self._due_at:
            detail = f"not done within {self._deadline_s:.0f} s"
            raise TransferError(TransferEnd.FAILED, detail)

    def connect(self, host: str, port: int) -> socket.socket:
        """A connection to a checked address of *host*; its timeout is that of one step."""
        problem = "the name has no address"
        for family, sockaddr in resolve(host, port, self._targets):
            self.check()
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                self._track(sock)
                sock.settimeout(min(CONNECT_S, self.step_s))
                sock.connect(sockaddr)
                sock.settimeout(self.step_s)
            except OSError as error:
                sock.close()
                problem = error.strerror or "no answer"
            except BaseException:
                sock.close()
                raise
            else:
                return sock
        self.check()
        raise TransferError(TransferEnd.FAILED, f"{host} port {port}: {problem}")

    @property
    def context(self) -> ssl.SSLContext:
        from station.io.transfer.tls import make_context  # only for whoever needs it

        if self._context is None:
            self._context = make_context(self._trusted)
        return self._context

    def secure(
        self, sock: socket.socket, host: str, session: ssl.SSLSession | None = None
    ) -> ssl.SSLSocket:
        """TLS over *sock*, which belongs to the result or is closed; the server is checked."""
        from station.io.transfer.tls import check_peer

        try:
            secured = self.context.wrap_socket(sock, server_hostname=host, session=session)
        except BaseException:
            sock.close()
            raise
        try:
            check_peer(secured, host, self._trusted)
        except BaseException:
            secured.close()
            raise
        return secured

    def _track(self, sock: socket.socket) -> None:
        """Remember what an end has to interrupt."""
        with self._lock:
            if self._ended is None:
                self._handles.append(sock.dup())
                return
        self.check()

    def _end(self, end: TransferEnd) -> None:
        with self._lock:
            self._ended = self._ended or end
            for handle in self._handles:
                try:
                    handle.shutdown(socket.SHUT_RDWR)
                except OSError as error:
                    log.debug("nothing to interrupt: %s", error)
