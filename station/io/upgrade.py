"""The HTTP upgrade by websocket-client, over a socket that reads no more than it may.

websocket-client writes the request and checks the answer's key. What it would do
besides is kept from it: the head of the answer is read here, bounded in size and
time, and an answer other than 101 never reaches it. So no redirect is followed, no
error page is downloaded, no cookie is kept for another station of this process,
and bytes that follow the head are not lost.
"""

import logging
import socket
from collections.abc import Callable, Sequence

import websocket
from msgspec import Struct

from station.link import LinkProblem, LinkStage, TlsRefusal

MAX_HEAD_BYTES = 16 * 1024
HEAD_END = b"\r\n\r\n"

# Its one line about a bad answer would repeat the link's own.
logging.getLogger("websocket").setLevel(logging.CRITICAL)


class DialError(Exception):
    """An attempt failed; *detail* is one line for a person, without secrets."""

    def __init__(
        self,
        problem: LinkProblem,
        detail: str,
        *,
        http_status: int | None = None,
        retry_after_s: float | None = None,
        tls: TlsRefusal | None = None,
        only_dates: bool = False,
    ) -> None:
        super().__init__(f"{problem}: {detail}")
        self.problem, self.detail = problem, detail
        self.http_status, self.retry_after_s = http_status, retry_after_s
        self.tls, self.only_dates = tls, only_dates
        self.stage = LinkStage.UPGRADE
        """What the attempt was doing; the dial sets it."""


class Upgraded(Struct, frozen=True):
    """What the CSMS agreed to, and the bytes that it sent right behind its answer."""

    subprotocol: str
    extensions: str
    surplus: bytes


class Head(Struct, frozen=True):
    """Status and fields of an HTTP answer; names in lower case, repeated fields joined."""

    status: int
    fields: dict[str, str]


def upgrade(
    sock: socket.socket,
    url: str,
    *,
    headers: Sequence[str],
    subprotocols: Sequence[str],
    remaining_s: Callable[[], float],
    where: str,
) -> Upgraded:
    """Turn a connected socket into a WebSocket, or raise DialError."""
    guarded = GuardedSocket(sock, subprotocols, remaining_s, where)
    try:
        websocket.WebSocket(enable_multithread=False).connect(  # type: ignore[no-untyped-call]
            url,
            socket=guarded,
            redirect_limit=0,
            suppress_origin=True,
            subprotocols=list(subprotocols),
            header=list(headers),
        )
    except websocket.WebSocketException as error:
        raise DialError(
            LinkProblem.UPGRADE, f"{where}: not a WebSocket answer", http_status=101
        ) from error
    fields = guarded.head.fields
    return Upgraded(
        subprotocol=fields.get("sec-websocket-protocol", ""),
        extensions=fields.get("sec-websocket-extensions", ""),
        surplus=guarded.surplus,
    )


class GuardedSocket:
    """What websocket-client gets for a socket during the upgrade."""

    def __init__(
        self,
        sock: socket.socket,
        subprotocols: Sequence[str],
        remaining_s: Callable[[], float],
        where: str,
    ) -> None:
        self._sock, self._subprotocols = sock, subprotocols
        self._remaining_s, self._where = remaining_s, where
        self._unread = b""
        self.head = Head(0, {})
        self.surplus = b""

    def gettimeout(self) -> float:
        return self._remaining_s()

    def settimeout(self, timeout_s: float | None) -> None:
        """The one deadline of the attempt counts, whatever the library would like."""

    def send(self, data: bytes) -> int:
        self._sock.settimeout(self._remaining_s())
        try:
            self._sock.sendall(data)
        except OSError as error:
            raise self._lost(error) from error
        return len(data)

    def recv(self, size: int) -> bytes:
        if not self.head.status:
            self._read_head()
        piece, self._unread = self._unread[:size], self._unread[size:]
        return piece

    def close(self) -> None:
        """The dial owns the socket and closes it."""

    def _read_head(self) -> None:
        received = b""
        while HEAD_END not in received:
            if len(received) > MAX_HEAD_BYTES:
                raise DialError(LinkProblem.UPGRADE, f"{self._where}: endless HTTP answer")
            received += self._receive(already=received)
        head, _, self.surplus = received.partition(HEAD_END)
        self.head = parse_head(head, self._where)
        check_head(self.head, self._subprotocols, self._where)
        lines = head.split(b"\r\n")
        kept = [line for line in lines if not line.lower().startswith(b"set-cookie")]
        self._unread = b"\r\n".join(kept) + HEAD_END

    def _receive(self, *, already: bytes) -> bytes:
        self._sock.settimeout(self._remaining_s())
        try:
            data = self._sock.recv(4096)
        except OSError as error:
            raise self._lost(error) from error
        if not data:
            if already and not already.startswith(b"HTTP/"[: len(already)]):
                raise not_http(self._where)
            raise DialError(LinkProblem.CLOSED, f"{self._where}: closed during the upgrade")
        return data

    def _lost(self, error: OSError) -> DialError:
        if isinstance(error, TimeoutError):
            return DialError(LinkProblem.TIMEOUT, f"{self._where}: no answer to the upgrade")
        return DialError(LinkProblem.RESET, f"{self._where}: connection lost during the upgrade")


def parse_head(head: bytes, where: str) -> Head:
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    status = rest[:3]
    if not version.startswith("HTTP/1.") or not (status.isascii() and status.isdigit()):
        raise not_http(where)
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name, value = name.strip().lower(), value.strip()
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return Head(int(status), fields)


def not_http(where: str) -> DialError:
    return DialError(LinkProblem.UPGRADE, f"{where}: the answer is not HTTP")


def check_head(head: Head, subprotocols: Sequence[str], where: str) -> None:
    """Refuse everything but an upgrade to one of our subprotocols."""
    status = head.status
    if status != 101:
        if status in (401, 403):
            problem, reason = LinkProblem.UNAUTHORIZED, "refused identity or password"
        else:
            problem, reason = LinkProblem.UPGRADE, refusal(status)
        raise DialError(
            problem,
            f"{where}: HTTP {status}, {reason}",
            http_status=status,
            retry_after_s=retry_after_s(head),
        )
    chosen = head.fields.get("sec-websocket-protocol", "")
    if chosen not in subprotocols:
        offered = ", ".join(subprotocols)
        said = f"chose {printable(chosen)}" if chosen else "chose no subprotocol"
        raise DialError(
            LinkProblem.SUBPROTOCOL, f"{where}: {said}, offered was {offered}", http_status=101
        )


def refusal(status: int) -> str:
    if status == 404:
        return "the CSMS does not know this path or identity"
    if 200 <= status < 300:
        return "a web server answered instead of a CSMS"
    if 300 <= status < 400:
        return "redirects are not followed"
    return "not ready" if status >= 500 else "upgrade refused"


def retry_after_s(head: Head) -> float | None:
    """Seconds; a date counts from the answer's own Date, so that no clock of ours is needed."""
    value = head.fields.get("retry-after", "")
    if value.isascii() and value.isdigit():
        return float(value[:9])
    if not value:
        return None
    from email.utils import parsedate_to_datetime

    try:
        until = parsedate_to_datetime(value) - parsedate_to_datetime(head.fields.get("date", ""))
    except (ValueError, TypeError):
        return None
    return max(0.0, until.total_seconds())


def printable(text: str) -> str:
    return "".join(c if " " <= c <= "~" else "?" for c in text[:40])
