"""The other end of the wire when figures are taken: as little of a CSMS as possible.

Blocking sockets and one thread, so that what is measured is the station and not its peer.
"""

import base64
import hashlib
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any

import orjson

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
CALL, CALL_RESULT = 2, 3
HEARTBEAT_S = 86400
ACCEPT_S = 30.0

Payload = dict[str, Any]


class PeerLostError(Exception):
    """The station closed the connection, or said nothing in time."""


class TinyCsms:
    """Listens on a free port of the loopback and accepts everything."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(ACCEPT_S)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._listening.getsockname()[1]}"

    def accept(self) -> "Conversation":
        """Wait for the station to connect, and agree to its upgrade without any extension."""
        sock, _ = self._listening.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(ACCEPT_S)
        head = b""
        while b"\r\n\r\n" not in head:
            piece = sock.recv(4096)
            if not piece:
                raise PeerLostError("the station went away during the upgrade")
            head += piece
        sock.sendall(_switch(head))
        return Conversation(sock)

    def close(self) -> None:
        self._listening.close()


class Conversation:
    """One connected station; answers its calls while it waits for something else."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._received = b""
        self._ids = count(1)

    def wait_for(self, action: str, fits: Callable[[Payload], bool] = lambda _: True) -> Payload:
        """The payload of the next *action* that *fits*; everything is answered meanwhile."""
        while True:
            message = self._message()
            if message[0] == CALL:
                self._answer(message)
                payload: Payload = message[3]
                if message[2] == action and fits(payload):
                    return payload

    def call(self, action: str, payload: Payload) -> Payload:
        """Send one CALL and wait for what comes back."""
        message_id = str(next(self._ids))
        self._send(orjson.dumps([CALL, message_id, action, payload]))
        while True:
            message = self._message()
            if message[0] == CALL:
                self._answer(message)
            elif message[1] == message_id:
                if message[0] != CALL_RESULT:
                    raise PeerLostError(f"{action} was answered with {message[2]}")
                result: Payload = message[2]
                return result

    def serve(self, duration_s: float) -> None:
        """Answer whatever the station sends for so long."""
        until = time.monotonic() + duration_s
        while (left_s := until - time.monotonic()) > 0:
            self._sock.settimeout(left_s)
            try:
                message = self._message()
            except TimeoutError:
                break
            finally:
                self._sock.settimeout(ACCEPT_S)
            if message[0] == CALL:
                self._answer(message)

    def close(self) -> None:
        self._sock.close()

    def _answer(self, call: list[Any]) -> None:
        self._send(orjson.dumps([CALL_RESULT, call[1], _answer_to(call[2])]))

    def _message(self) -> list[Any]:
        while True:
            opcode, payload = self._frame()
            if opcode == TEXT:
                message: list[Any] = orjson.loads(payload)
                return message
            if opcode == PING:
                self._send(payload, PONG)
            elif opcode == CLOSE:
                raise PeerLostError("the station closed the connection")

    def _frame(self) -> tuple[int, bytes]:
        """One unfragmented masked frame; nothing is taken before it is here as a whole."""
        while True:
            found = _split(self._received)
            if found is not None:
                opcode, payload, self._received = found
                return opcode, payload
            piece = self._sock.recv(65536)
            if not piece:
                raise PeerLostError("the station went away")
            self._received += piece

    def _send(self, payload: bytes, opcode: int = TEXT) -> None:
        size = len(payload)
        if size < 126:
            head = bytes((0x80 | opcode, size))
        else:
            head = bytes((0x80 | opcode, 126)) + size.to_bytes(2)
        self._sock.sendall(head + payload)


def _switch(head: bytes) -> bytes:
    fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
    key = next(value for name, value in fields.items() if name.lower() == b"sec-websocket-key")
    accept = base64.b64encode(hashlib.sha1(key + MAGIC, usedforsecurity=False).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Protocol: ocpp2.0.1\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def _split(data: bytes) -> tuple[int, bytes, bytes] | None:
    """Opcode, unmasked payload and what follows; None while the frame is not complete."""
    if len(data) < 2:
        return None
    size, begin = data[1] & 0x7F, 2
    if size >= 126:
        width = 2 if size == 126 else 8
        begin += width
        if len(data) < begin:
            return None
        size = int.from_bytes(data[2:begin])
    end = begin + 4 + size
    if len(data) < end:
        return None
    mask, masked = data[begin : begin + 4], data[begin + 4 : end]
    pattern = (mask * (size // 4 + 1))[:size]
    payload = (int.from_bytes(masked) ^ int.from_bytes(pattern)).to_bytes(size)
    return data[0] & 0x0F, payload, data[end:]


def _answer_to(action: str) -> Payload:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    match action:
        case "BootNotification":
            return {"currentTime": now, "interval": HEARTBEAT_S, "status": "Accepted"}
        case "Heartbeat":
            return {"currentTime": now}
        case "Authorize":
            return {"idTokenInfo": {"status": "Accepted"}}
        case _:
            return {}
