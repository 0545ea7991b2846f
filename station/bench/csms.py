"""A small CSMS for the bench: answers everything, checks everything, can be told to misbehave."""

import asyncio
import ipaddress
import logging
import socket as sockets
import ssl
import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from http import HTTPStatus
from types import TracebackType
from typing import Any, Literal, Self, TextIO

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from station.bench.csms_answers import (
    NO_ANSWER,
    Answers,
    Behaviour,
    Delay,
    Payload,
    Raw,
    Refuse,
    Reply,
)
from station.bench.csms_control import CONTROL_PATH, CONTROL_PROTOCOL, serve_control
from station.bench.csms_door import basic_credentials, certified, password_matches, station_of
from station.bench.csms_ledger import Ledger, TransactionRecord
from station.bench.csms_link import (
    Answered,
    BadCallError,
    CallRefusedError,
    CallTimeoutError,
    CsmsError,
    NotConnectedError,
    StationLink,
)
from station.bench.csms_record import Record
from station.bench.csms_schema import Schemas, Violation

__all__ = [
    "NO_ANSWER",
    "Answered",
    "BadCallError",
    "Behaviour",
    "BenchCsms",
    "CallRefusedError",
    "CallTimeoutError",
    "CsmsError",
    "Delay",
    "Ledger",
    "NotConnectedError",
    "Payload",
    "Raw",
    "Refuse",
    "Reply",
    "TransactionRecord",
    "Violation",
]

Door = Callable[[ServerConnection, Request], Response | None]

OCPP = Subprotocol("ocpp2.0.1")
MAX_FRAME_BYTES = 1_000_000


class BenchCsms:
    """Listens while entered: `async with BenchCsms() as csms: await csms.call(…)`.

    Entered again it listens on the same port and still knows its ledger and messages.
    Everything happens on the event loop that entered it; other threads use BenchCsmsThread.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        accept: Collection[str] | None = None,
        passwords: Mapping[str, str] | None = None,
        interval_s: int = 300,
        on_line: Callable[[str], None] | None = None,
        log: TextIO | None = None,
        ping_interval_s: float | None = 20,
        tls: ssl.SSLContext | None = None,
        compress: bool = True,
    ) -> None:
        self.host, self.port = host, port
        self.record = Record(on_line, log)
        self.answers = Answers(accept, interval_s)
        self._passwords = dict(passwords or {})
        self._ping_interval_s = ping_interval_s
        self._compression: Literal["deflate"] | None = "deflate" if compress else None
        self.tls = tls
        """Taken when it is entered; with one it speaks wss:// and nothing else."""
        self._schemas = Schemas()
        self._links: dict[str, StationLink] = {}
        self._silent: list[StationLink] = []
        self._closing: set[asyncio.Task[None]] = set()
        self._server: Server | None = None
        self._control: Server | None = None
        self.control_port = port
        """Where `joulepost csms send` finds it: under TLS on a loopback port of its own."""

    async def __aenter__(self) -> Self:
        door = self._at_the_door
        self._server = await self._listen(self.host, self.port, door, self.tls)
        self.port = self.control_port = self._server.sockets[0].getsockname()[1]
        if self.tls is not None:
            door = self._at_the_control_only_door
            self._control = await self._listen("127.0.0.1", 0, door, None)
            self.control_port = self._control.sockets[0].getsockname()[1]
        return self

    async def _listen(self, host: str, port: int, door: Door, tls: ssl.SSLContext | None) -> Server:
        return await serve(
            self._on_connection,
            host,
            port,
            select_subprotocol=_select_subprotocol,
            process_request=door,
            max_size=MAX_FRAME_BYTES,
            ping_interval=self._ping_interval_s,
            close_timeout=2,
            compression=self._compression,
            ssl=tls,
            logger=_logger(self.record),
        )

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        while self._silent:
            self._silent.pop().socket.transport.abort()  # it would not hear a closing handshake
        for server in filter(None, (self._server, self._control)):
            server.close()
            await server.wait_closed()
        self._control = None
        if self._closing:
            await asyncio.wait(self._closing)

    @property
    def url(self) -> str:
        """What a station appends its id to."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'wss' if self.tls else 'ws'}://{host}:{self.port}"

    @property
    def ledger(self) -> Ledger:
        return self.record.ledger

    @property
    def violations(self) -> list[Violation]:
        return self.record.violations

    @property
    def overlaps(self) -> int:
        """How often a station sent a CALL before the delayed answer to its last one was out."""
        return self.record.overlaps

    @property
    def behaviour(self) -> dict[str, Behaviour]:
        """Per action: a payload, Refuse, Delay, Raw, NO_ANSWER, or a callable that picks one."""
        return self.answers.behaviour

    @property
    def boot_status(self) -> str:
        return self.answers.boot_status

    @boot_status.setter
    def boot_status(self, status: Literal["Accepted", "Pending", "Rejected"]) -> None:
        self.answers.boot_status = status

    def set_password(self, station: str, password: str) -> None:
        """From the next connection on it has to use this one."""
        self._passwords[station] = password

    def connected(self) -> list[str]:
        return sorted(self._links)

    def received(self, station: str, action: str | None = None) -> list[tuple[str, Payload]]:
        """The valid calls of *station* so far, oldest first, of one action or of all."""
        kept = self.record.stations.get(station)
        messages = [] if kept is None else list(kept.received)
        return [entry for entry in messages if action in (None, entry[0])]

    def unmatched(self, station: str) -> list[list[Any]]:
        """Answers that belong to no CALL, such as those to what send_text has sent."""
        kept = self.record.stations.get(station)
        return [] if kept is None else list(kept.unmatched)

    async def call(
        self, station: str, action: str, payload: Payload | None = None, timeout_s: float = 30
    ) -> Payload:
        """Call *station* and return its CALLRESULT; a CsmsError tells what went wrong."""
        return (await self.exchange(station, action, payload or {}, timeout_s)).payload

    async def exchange(
        self,
        station: str,
        action: str,
        payload: Payload,
        timeout_s: float = 30,
        *,
        check: bool = True,
    ) -> Answered:
        """Like call, with what the answer breaks; without *check* our own payload may be wrong."""
        return await self._link(station).call(action, payload, timeout_s=timeout_s, check=check)

    async def send_text(self, station: str, text: str) -> None:
        await self._link(station).send_text(text)

    async def drop(self, station: str, how: Literal["close", "reset", "silent"] = "close") -> None:
        """End a connection properly, by a TCP reset, or by no longer reading what comes in."""
        link = self._link(station)
        if how == "close":
            await link.socket.close(CloseCode.GOING_AWAY, "dropped by the bench")
            return
        transport = link.socket.transport
        if how == "silent":
            assert isinstance(transport, asyncio.Transport)
            transport.pause_reading()
            self._silent.append(link)
            return
        raw = transport.get_extra_info("socket")
        raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        await link.socket.wait_closed()

    async def wait_for(self, predicate: Callable[[Self], Any], timeout_s: float = 10) -> Any:
        """What *predicate* of this CSMS returns as soon as that is true; asked at each message."""
        try:
            async with asyncio.timeout(timeout_s):
                while not (found := predicate(self)):
                    await self.record.changed()
        except TimeoutError:
            lines = "\n".join(self.record.recent) or "(nothing at all)"
            raise TimeoutError(f"not within {timeout_s:g} s; what happened:\n{lines}") from None
        return found

    def _link(self, station: str) -> StationLink:
        link = self._links.get(station)
        if link is None:
            others = ", ".join(self.connected()) or "none"
            raise NotConnectedError(f"{station} is not connected (connected: {others})")
        return link

    def _at_the_door(self, socket: ServerConnection, request: Request) -> Response | None:
        """Part 4: an unknown path is 404; A00.FR.204: the user name is the station's id."""
        if request.path == CONTROL_PATH:
            return self._at_the_control_door(socket, request)
        station = station_of(request.path)
        if station is None:
            return socket.respond(HTTPStatus.NOT_FOUND, "The path must end in a station id.\n")
        credentials = basic_credentials(request.headers.get("Authorization", ""))
        problem = None
        if credentials is None and certified(socket):
            return None  # profile 3: whom it may call itself, its issuer has decided
        if credentials is None:
            problem = "no HTTP Basic credentials"
        elif credentials[0] != station:
            problem = f"its user name is {credentials[0]!r}, not its id"
        elif not password_matches(self._passwords, *credentials):
            problem = "wrong password"
        if problem is None:
            return None
        self.record.note(station, f"-- refused with 401: {problem}")
        response = socket.respond(HTTPStatus.UNAUTHORIZED, "Wrong or missing credentials.\n")
        response.headers["WWW-Authenticate"] = 'Basic realm="joulepost bench CSMS"'
        return response

    def _at_the_control_only_door(
        self, socket: ServerConnection, request: Request
    ) -> Response | None:
        if request.path == CONTROL_PATH:
            return self._at_the_control_door(socket, request)
        return socket.respond(HTTPStatus.NOT_FOUND, "For `joulepost csms send` only.\n")

    def _at_the_control_door(self, socket: ServerConnection, request: Request) -> Response | None:
        host = ipaddress.ip_address(socket.remote_address[0].partition("%")[0])
        mapped = getattr(host, "ipv4_mapped", None) or host
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        # A browser always tells its origin; a web page has no business here.
        if not mapped.is_loopback or "Origin" in request.headers or offered != CONTROL_PROTOCOL:
            return socket.respond(HTTPStatus.FORBIDDEN, "For `joulepost csms send` only.\n")
        return None

    async def _on_connection(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        try:
            if socket.request.path == CONTROL_PATH:
                await serve_control(socket, self)
                return
            station = station_of(socket.request.path)
            assert station is not None  # it came through the door
            if socket.subprotocol is None:  # Part 4: complete the handshake, then close
                self.record.note(station, f"-- refused: it does not offer {OCPP}")
                await socket.close(CloseCode.PROTOCOL_ERROR, f"{OCPP} is required")
                return
            await self._serve_station(station, socket)
        except ConnectionClosed:
            return
        except Exception as error:
            self.record.failures += 1
            self.record.note("bench", f"!! FAILURE in this CSMS: {error!r}")
            raise

    async def _serve_station(self, station: str, socket: ServerConnection) -> None:
        link = StationLink(station, socket, self.record, self.answers, self._schemas)
        older = self._links.get(station)
        self._links[station] = link
        self.record.station(station).connections += 1
        deflated = ", deflate" if socket.protocol.extensions else ""
        secured = f", {tls}" if (tls := _tls_of(socket)) else ""
        self.record.note(station, f"-- connected ({OCPP}, user {station}{deflated}{secured})")
        if older is not None:
            self._replace(older)
        try:
            await link.serve()
        finally:
            if self._links.get(station) is link:
                del self._links[station]
            how = f"{socket.close_code} {socket.close_reason or ''}".strip()
            self.record.note(station, f"-- disconnected ({how})")

    def _replace(self, older: StationLink) -> None:
        closing = older.socket.close(CloseCode.SERVICE_RESTART, "replaced by a newer connection")
        task = asyncio.create_task(closing)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _select_subprotocol(
    socket: ServerConnection, offered: Sequence[Subprotocol]
) -> Subprotocol | None:
    assert socket.request is not None
    wanted = CONTROL_PROTOCOL if socket.request.path == CONTROL_PATH else OCPP
    return wanted if wanted in offered else None


def _tls_of(socket: ServerConnection) -> str:
    """The version, and what the station has shown; empty without TLS."""
    secured = socket.transport.get_extra_info("ssl_object")
    if secured is None:
        return ""
    return f"{secured.version()}, its certificate" if certified(socket) else str(secured.version())


class _Notes(logging.Handler):
    """Shows what the WebSocket library warns of as a line of the CSMS."""

    def __init__(self, record: Record) -> None:
        super().__init__(logging.WARNING)
        self._notes = record

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self._notes.note("bench", f"-- {record.getMessage()}" + (f": {error}" if error else ""))


def _logger(record: Record) -> logging.Logger:
    logger = logging.Logger("joulepost.bench.csms")  # noqa: LOG001  one per CSMS, in no tree
    logger.addHandler(_Notes(record))
    return logger
