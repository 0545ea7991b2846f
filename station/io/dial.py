"""One attempt to reach the CSMS: name, TCP, TLS and upgrade, on a thread of its own."""

import base64
import logging
import re
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec import Struct

from station.io.upgrade import DialError, Upgraded, upgrade
from station.link import LinkProblem, LinkStage, LinkTarget, TlsPeer, TlsRefusal, TlsSettings

if TYPE_CHECKING:
    from station.io.tls_reasons import TlsError

log = logging.getLogger(__name__)

PLAUSIBLE_URL = re.compile(r"wss?://[!-~]+\Z")
KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S, KEEPALIVE_PROBES = 30, 10, 3
USER_TIMEOUT_MS = 60_000
"""Sent bytes that nobody acknowledges end the connection, also when pings are switched off."""


class Dialled(Struct, frozen=True):
    """A connection after its upgrade; whoever holds it closes the socket."""

    sock: socket.socket
    address: str
    upgraded: Upgraded
    peer: TlsPeer | None = None


class Address(Struct, frozen=True):
    """The parts of a target's URL that an attempt needs."""

    host: str
    port: int
    secure: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Dial:
    """A thread that tries once; the result goes to *on_done* on that thread, which may only post.

    `cancel` may come from another thread at any moment. It works on a duplicate of
    the descriptor, because a TLS socket may be touched by its own thread only.
    """

    def __init__(
        self,
        target: LinkTarget,
        on_done: Callable[[Dialled | DialError], None],
        *,
        extensions: str = "",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._target, self._on_done = target, on_done
        self._extensions, self._monotonic = extensions, monotonic
        self._due_at = monotonic() + target.deadline_s
        self._lock = threading.Lock()
        self._handle: socket.socket | None = None
        self._cancelled = False
        self._reached = ""
        self.stage = LinkStage.NAME
        """What the attempt is doing, for a message about its deadline."""
        self._thread = threading.Thread(target=self._run, name="dial", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def cancel(self) -> None:
        with self._lock:
            self._cancelled = True
            if self._handle is not None:
                shut_down(self._handle)

    def _run(self) -> None:
        try:
            result: Dialled | DialError = self._attempt()
        except DialError as error:
            result = error
        except Exception as error:  # the edge of the thread: the link must hear of every end
            log.exception("dialling failed unexpectedly")
            result = DialError(LinkProblem.UPGRADE, f"internal error: {type(error).__name__}")
        if isinstance(result, DialError):
            result.stage = self.stage
        with self._lock:  # so that after `cancel` nothing is delivered any more
            if not self._cancelled:
                self._on_done(result)
            elif isinstance(result, Dialled):
                result.sock.close()

    def _attempt(self) -> Dialled:
        address = parse_address(self._target.url)
        try:
            if not address.secure:
                return self._upgrade(self._connect(address), address)
            return self._attempt_tls(address)
        finally:
            self._track(None)

    def _attempt_tls(self, address: Address) -> Dialled:
        settings = self._target.tls
        if settings is None:
            detail = f"{address}: TLS is not set up on this station"
            raise DialError(LinkProblem.TLS, detail, tls=TlsRefusal.OTHER)
        try:
            sock, peer = self._secure(address, settings)
        except DialError as error:
            refused = error.tls is TlsRefusal.INVALID_CSMS_CERTIFICATE
            if not refused or not settings.fallback_roots:
                raise
            try:  # M05.FR.14
                sock, peer = self._secure(address, settings, fallback=True)
            except DialError as second:
                log.debug("not valid under the fallback root either: %s", second)
                raise error from second
        return self._upgrade(sock, address, peer)

    def _upgrade(
        self, sock: socket.socket, address: Address, peer: TlsPeer | None = None
    ) -> Dialled:
        self.stage = LinkStage.UPGRADE
        try:
            upgraded = upgrade(
                sock,
                self._target.url,
                headers=self._headers(),
                subprotocols=self._target.subprotocols,
                remaining_s=self._remaining_s,
                where=str(address),
            )
            sock.setblocking(False)
        except DialError as error:
            better = None if peer is None else tls_error_behind(sock, error, address)
            sock.close()
            raise better or error from error.__cause__
        except BaseException:
            sock.close()
            raise
        return Dialled(sock, self._reached, upgraded, peer)

    def _headers(self) -> list[str]:
        headers = ["User-Agent: joulepost"]
        if self._target.user or self._target.password:
            pair = f"{self._target.user}:{self._target.password}".encode()
            headers.append("Authorization: Basic " + base64.b64encode(pair).decode())
        if self._extensions:
            headers.append("Sec-WebSocket-Extensions: " + self._extensions)
        return headers

    def _remaining_s(self) -> float:
        """Seconds left of the one deadline; raises when none are."""
        remaining_s = self._due_at - self._monotonic()
        if remaining_s <= 0 or self._cancelled:
            raise DialError(LinkProblem.TIMEOUT, f"deadline passed while {self.stage}")
        return remaining_s

    def _connect(self, address: Address) -> socket.socket:
        """Each address in the resolver's order, with its share of the time that is left."""
        found = self._look_up(address)
        self.stage = LinkStage.TCP
        failures: list[OSError] = []
        for index, (family, kind, proto, _, sockaddr) in enumerate(found):
            try:
                sock = socket.socket(family, kind, proto)
            except OSError as error:  # the resolver knows IPv6 addresses, the kernel no IPv6
                failures.append(error)
                continue
            try:
                sock.settimeout(self._remaining_s() / (len(found) - index + 1))
                self._track(sock)
                sock.connect(sockaddr)
                tune(sock)
            except OSError as error:
                sock.close()
                failures.append(error)
            except BaseException:
                sock.close()
                raise
            else:
                self._reached = str(sockaddr[0])
                return sock
        self._track(None)
        self._remaining_s()
        raise connect_error(address, failures)

    def _look_up(self, address: Address) -> list[tuple[int, int, int, str, tuple[object, ...]]]:
        try:
            found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a host name"
            raise DialError(LinkProblem.DNS, f"{address}: {reason}") from error
        self._remaining_s()
        return list(found)

    def _secure(
        self, address: Address, settings: TlsSettings, *, fallback: bool = False
    ) -> tuple[socket.socket, TlsPeer]:
        from station.io.tls import secure  # with ssl: only for whoever needs it
        from station.io.tls_reasons import TlsError

        sock = self._connect(address)
        self.stage = LinkStage.TLS
        try:
            sock.settimeout(self._remaining_s())
            return secure(sock, address.host, settings, fallback=fallback)
        except TlsError as error:
            raise tls_error(error, address) from error
        except TimeoutError as error:
            raise DialError(LinkProblem.TIMEOUT, f"{address}: no answer to TLS") from error
        except BaseException:
            sock.close()
            raise

    def _track(self, sock: socket.socket | None) -> None:
        """Remember what `cancel` has to interrupt."""
        with self._lock:
            if self._handle is not None:
                self._handle.close()
            self._handle = None if sock is None else sock.dup()
            if self._cancelled and self._handle is not None:
                shut_down(self._handle)


def parse_address(url: str) -> Address:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if not parts.hostname or not PLAUSIBLE_URL.match(url):
        raise DialError(LinkProblem.UPGRADE, "the address is not a ws:// or wss:// URL")
    secure = parts.scheme == "wss"
    return Address(parts.hostname, port or (443 if secure else 80), secure)


def tls_error(error: "TlsError", address: Address) -> DialError:
    detail = f"{address}: {error.detail}"
    return DialError(LinkProblem.TLS, detail, tls=error.refusal, only_dates=error.only_dates)


def tls_error_behind(sock: socket.socket, error: DialError, address: Address) -> DialError | None:
    """TLS 1.3: what is wrong with our certificate is told in place of the answer to the upgrade."""
    from station.io.tls import refusal_behind

    refusal = refusal_behind(sock, error.__cause__)
    return None if refusal is None else tls_error(refusal, address)


def connect_error(address: Address, failures: list[OSError]) -> DialError:
    """One problem for several addresses: a refusal tells more than a silence or a lost route."""
    for kind, problem in (
        (ConnectionRefusedError, LinkProblem.REFUSED),
        (TimeoutError, LinkProblem.TIMEOUT),
        (OSError, LinkProblem.UNREACHABLE),
    ):
        for error in failures:
            if isinstance(error, kind):
                return DialError(problem, f"{address}: {one_line(error)}")
    return DialError(LinkProblem.DNS, f"{address}: the name has no address")


def one_line(error: OSError) -> str:
    return " ".join((error.strerror or str(error) or type(error).__name__).split())[:200]


def shut_down(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError as error:
        log.debug("nothing to interrupt: %s", error)


def tune(sock: socket.socket) -> None:
    """Small frames leave at once; a vanished peer is noticed without any traffic of ours."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE_S),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL_S),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
        ("TCP_USER_TIMEOUT", USER_TIMEOUT_MS),
    ):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
