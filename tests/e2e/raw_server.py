"""A CSMS made of a bare socket, so that it can misbehave byte by byte."""

import base64
import hashlib
import socket
import struct
from collections.abc import Iterator

ACCEPT_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class RawServer:
    """Listens on loopback; `accept` gives one raw connection."""

    def __init__(self) -> None:
        self._sock = socket.create_server(("127.0.0.1", 0))
        self._sock.settimeout(5)
        self.port = self._sock.getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}/ocpp/CS%20001"
        self._peers: list[RawPeer] = []

    def accept(self, *, receive_buffer: int = 0) -> "RawPeer":
        sock, _ = self._sock.accept()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        peer = RawPeer(sock)
        self._peers.append(peer)
        return peer

    def accept_upgraded(self, *, with_frames: bytes = b"", extensions: str = "") -> "RawPeer":
        peer = self.accept()
        peer.read_request()
        peer.upgrade(with_frames=with_frames, extensions=extensions)
        return peer

    def has_no_caller(self) -> bool:
        """Whether nobody else connects for a short while."""
        self._sock.settimeout(0.1)
        try:
            self._sock.accept()[0].close()
        except TimeoutError:
            return True
        return False

    def close(self) -> None:
        for peer in self._peers:
            peer.sock.close()
        self._sock.close()


class RawPeer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.settimeout(5)
        self._buffer = b""
        self.request = ""

    def read_request(self) -> str:
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        self.request = head.decode()
        return self.request

    def header(self, name: str) -> str | None:
        for line in self.request.split("\r\n")[1:]:
            key, _, value = line.partition(": ")
            if key.lower() == name.lower():
                return value
        return None

    def upgrade(
        self,
        *,
        subprotocol: str | None = "ocpp2.0.1",
        with_frames: bytes = b"",
        extensions: str = "",
    ) -> None:
        self.sock.sendall(self.upgrade_answer(subprotocol, extensions) + with_frames)

    def upgrade_answer(self, subprotocol: str | None = "ocpp2.0.1", extensions: str = "") -> bytes:
        key = (self.header("Sec-WebSocket-Key") or "").encode()
        accept = base64.b64encode(hashlib.sha1(key + ACCEPT_SUFFIX).digest()).decode()
        lines = [
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {accept}",
        ]
        if subprotocol is not None:
            lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
        if extensions:
            lines.append(f"Sec-WebSocket-Extensions: {extensions}")
        return "\r\n".join([*lines, "", ""]).encode()

    def answer(self, head: str, body: str = "") -> None:
        self.sock.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body.encode())

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def receive(self) -> tuple[int, bytes]:
        """The next frame: opcode (with RSV1 as 0x40) and payload."""
        first, second = self._exactly(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self._exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._exactly(8))
        assert second & 0x80, "a client must mask its frames"
        mask = self._exactly(4)
        payload = bytes(b ^ mask[i % 4] for i, b in enumerate(self._exactly(length)))
        return first & 0x4F, payload

    def receive_text(self) -> str:
        opcode, payload = self.receive()
        assert opcode == TEXT, (opcode, payload)
        return payload.decode()

    def receive_close(self) -> int:
        opcode, payload = self.receive()
        assert opcode == CLOSE, (opcode, payload)
        return int(struct.unpack("!H", payload[:2])[0])

    def is_ended(self) -> bool:
        """Whether the station has closed its end (waits for it)."""
        try:
            return not self.sock.recv(1)
        except ConnectionResetError:
            return True

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._fill()
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def _fill(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise EOFError("the station closed the connection")
        self._buffer += data


def frame(
    opcode: int, payload: bytes | str = b"", *, fin: bool = True, rsv1: bool = False
) -> bytes:
    data = payload.encode() if isinstance(payload, str) else payload
    first = opcode | (0x80 if fin else 0) | (0x40 if rsv1 else 0)
    if len(data) < 126:
        return bytes([first, len(data)]) + data
    if len(data) < 65536:
        return bytes([first, 126]) + struct.pack("!H", len(data)) + data
    return bytes([first, 127]) + struct.pack("!Q", len(data)) + data


def close_frame(code: int, reason: str = "") -> bytes:
    return frame(CLOSE, struct.pack("!H", code) + reason.encode())


def byte_by_byte(data: bytes) -> Iterator[bytes]:
    for index in range(len(data)):
        yield data[index : index + 1]
