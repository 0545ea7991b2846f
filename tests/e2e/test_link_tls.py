"""The link over TLS: the same thread, with a socket that may want to read in order to write."""

import base64
import contextlib
import hashlib
import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from selectors import EVENT_READ, EVENT_WRITE
from typing import cast

import pytest

from station.io.connection import Connection
from station.io.dial import Dialled
from station.io.upgrade import Upgraded
from station.link import FrameIn, LinkDown, LinkProblem, LinkUp, TlsSettings
from tests.e2e.link_user import WAIT_S, Station
from tests.e2e.raw_server import (
    ACCEPT_SUFFIX,
    PING,
    PONG,
    TEXT,
    RawPeer,
    byte_by_byte,
    close_frame,
    frame,
)
from tests.e2e.tls_server import TlsServer, server_context
from tests.pki import issue

ROOT = issue("Root", authority=True)
CSMS = issue("localhost", ROOT)


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TlsServer]:
    server = TlsServer(server_context(CSMS, tmp_path, versions=(request.param, request.param)))
    yield server
    server.close()


@pytest.fixture
def station() -> Iterator[Station]:
    station = Station()
    yield station
    assert station.link.stop(WAIT_S)


def trusting() -> TlsSettings:
    return TlsSettings(roots=(ROOT.pem,), utc=datetime.now(UTC))


def connect(station: Station, server: TlsServer) -> RawPeer:
    station.open(server.url(), tls=trusting())
    peer = server.upgraded()
    station.next(LinkUp)
    return peer


def test_megabytes_pass_both_ways_at_once(station: Station, server: TlsServer) -> None:
    peer = connect(station, server)
    sizes = [100_000 + number for number in range(12)]
    for size in sizes:
        station.send("s" * size)
    flood = b"".join(frame(TEXT, "c" * size) for size in sizes)
    sender = threading.Thread(target=peer.send, args=(flood,))
    sender.start()
    received = [len(peer.receive_text()) for _ in sizes]
    assert [len(station.next(FrameIn).text) for _ in sizes] == sizes
    assert received == sizes
    sender.join()


def test_records_that_tls_has_already_read_are_not_slept_on(
    station: Station, server: TlsServer
) -> None:
    peer = connect(station, server)
    peer.send(b"".join(frame(TEXT, f"[{number}]") for number in range(17)) + frame(PING))
    peer.send(frame(TEXT, "x" * 200_000) + frame(TEXT, "[last]"))
    seen = [station.next(FrameIn).text for _ in range(17)]
    assert seen[-1] == "[16]"
    station.link.handled(station.generation, 17)
    assert len(station.next(FrameIn).text) == 200_000
    assert station.next(FrameIn).text == "[last]"
    assert peer.receive() == (PONG, b"")


def test_half_a_frame_holds_up_nothing_that_leaves(station: Station, server: TlsServer) -> None:
    peer = connect(station, server)
    whole = frame(TEXT, "[1]")
    for byte in byte_by_byte(whole[:-1]):
        peer.send(byte)
    station.send("[2]")
    assert peer.receive_text() == "[2]"
    peer.send(whole[-1:])
    assert station.next(FrameIn).text == "[1]"


def test_a_csms_that_does_not_read_stops_neither_reading_nor_the_thread(
    station: Station, server: TlsServer
) -> None:
    peer = connect(station, server)
    for _ in range(30):
        station.send("s" * 100_000)
    peer.send(frame(TEXT, "[1]"))
    assert station.next(FrameIn).text == "[1]"
    assert [len(peer.receive_text()) for _ in range(30)] == [100_000] * 30


def test_both_ends_say_goodbye_on_every_layer(station: Station, server: TlsServer) -> None:
    peer = connect(station, server)
    assert isinstance(peer.sock, ssl.SSLSocket)
    peer.sock.suppress_ragged_eofs = False
    station.link.close(station.generation)
    assert peer.receive_close() == 1000
    peer.send(close_frame(1000))
    assert peer.sock.recv(1) == b""  # a cut without close_notify would raise here
    assert station.next(LinkDown).problem is LinkProblem.LOCAL


def test_tls_that_ends_without_a_close_frame_is_an_end(station: Station, server: TlsServer) -> None:
    peer = connect(station, server)
    assert isinstance(peer.sock, ssl.SSLSocket)
    peer.sock.setblocking(False)
    with contextlib.suppress(ssl.SSLWantReadError):  # unless the station is quicker
        peer.sock.unwrap()
    down = station.next(LinkDown)
    assert (down.problem, down.tls) == (LinkProblem.CLOSED, None)


@pytest.mark.parametrize("how", ["cut", "reset"])
def test_a_connection_that_breaks_is_not_taken_for_a_tls_problem(
    how: str, station: Station, server: TlsServer
) -> None:
    peer = connect(station, server)
    assert isinstance(peer.sock, ssl.SSLSocket)
    if how == "reset":
        peer.reset()
    else:
        peer.sock.close()
    down = station.next(LinkDown)
    assert down.problem in (LinkProblem.CLOSED, LinkProblem.RESET)
    assert down.tls is None


def test_records_that_do_not_decrypt_end_the_connection(
    station: Station, server: TlsServer
) -> None:
    peer = connect(station, server)
    with socket.socket(fileno=peer.sock.detach()) as plain:
        plain.sendall(bytes.fromhex("1703030020") + b"\x55" * 32)
        down = station.next(LinkDown)
    assert (down.problem, down.tls) == (LinkProblem.TLS, None)


class Undecided:
    """A socket whose TLS wants to write before it can read, while nothing can be written."""

    def recv(self, size: int) -> bytes:
        raise ssl.SSLWantWriteError

    def send(self, data: bytes) -> int:
        raise ssl.SSLWantReadError


def test_a_link_that_waits_for_the_core_does_not_spin_when_tls_wants_to_write() -> None:
    upgraded = Upgraded(subprotocol="ocpp2.0.1", extensions="", surplus=b"")
    dialled = Dialled(cast(socket.socket, Undecided()), "127.0.0.1", upgraded)
    connection = Connection(dialled, 1, lambda fact: None, lambda: 0.0)
    connection.pump()
    assert connection.events == EVENT_READ | EVENT_WRITE
    connection.paused = True
    assert connection.events == 0
    connection.send("[1]")  # which wants to read first
    assert connection.events == EVENT_READ


# -- what only OpenSSL's own server can be told to do


class OpensslServer:
    """`openssl s_server`, steered by its standard input."""

    def __init__(self, folder: Path, *options: str) -> None:
        openssl = shutil.which("openssl")
        if openssl is None:
            pytest.skip("there is no openssl command")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        chain, key = CSMS.save(folder)
        command = (openssl, "s_server", "-accept", f"127.0.0.1:{self.port}", "-naccept", "1")
        self._process = subprocess.Popen(
            [*command, "-cert", str(chain), "-key", str(key), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.read_until(b"ACCEPT\n")

    def read(self, count: int = 1) -> bytes:
        assert self._process.stdout is not None
        data = self._process.stdout.read(count)
        assert len(data) == count, data
        return data

    def read_until(self, words: bytes) -> bytes:
        seen = b""
        while not seen.endswith(words):
            seen += self.read()
        return seen

    def upgrade(self) -> None:
        key = re.search(rb"Sec-WebSocket-Key: (\S+)", self.read_until(b"\r\n\r\n"))
        assert key is not None
        accept = base64.b64encode(hashlib.sha1(key[1] + ACCEPT_SUFFIX).digest())
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        fields = b"Sec-WebSocket-Protocol: ocpp2.0.1\r\nSec-WebSocket-Accept: " + accept
        self.write(head + fields + b"\r\n\r\n")

    def receive(self) -> bytes:
        """A short text frame's payload, behind whatever openssl says of itself."""
        self.read_until(bytes([0x80 | TEXT]))
        length = self.read()[0] & 0x7F
        mask, payload = self.read(4), self.read(length)
        return bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))

    def write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def openssl_server(tmp_path: Path) -> Iterator[OpensslServer]:
    server = OpensslServer(tmp_path, "-tls1_3")
    yield server
    server.close()


def test_keys_are_changed_in_mid_connection_without_a_frame_lost(
    station: Station, openssl_server: OpensslServer
) -> None:
    station.open(f"wss://localhost:{openssl_server.port}/ocpp/CS001", tls=trusting())
    openssl_server.upgrade()
    station.next(LinkUp)
    for number in range(3):
        openssl_server.write(b"K\n")  # new keys of its own, and the station's too, please
        station.send(f"[{number}]")
        assert openssl_server.receive() == b"[%d]" % number
        openssl_server.write(frame(TEXT, f"[{number}]"))
        assert station.next(FrameIn).text == f"[{number}]"
