"""The link over TLS: the same thread, with a socket that may want to read in order to write."""

import datetime
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from station.io.csms_link import ThreadLink
from station.io.dial import TlsHook
from station.link import FrameIn, LinkDown, LinkProblem, LinkUp
from tests.e2e.link_user import WAIT_S, Station
from tests.e2e.raw_server import PING, PONG, TEXT, RawPeer, RawServer, frame


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for localhost with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("tls") / "csms.pem"
    path.write_bytes(built.public_bytes(pem) + private)
    return path


@pytest.fixture
def server() -> Iterator[RawServer]:
    server = RawServer()
    yield server
    server.close()


def trusting(certificate: Path) -> TlsHook:
    context = ssl.create_default_context(cafile=str(certificate))

    def wrap(sock: socket.socket, host: str) -> socket.socket:
        return context.wrap_socket(sock, server_hostname=host)

    return wrap


class TlsPeer:
    """The server's end, answering on a thread as TLS needs both sides at once."""

    def __init__(self, server: RawServer, certificate: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.peer: RawPeer | None = None
        self.error: Exception | None = None
        self._server, self._context = server, context
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self) -> None:
        plain = self._server.accept()
        try:
            plain.sock = self._context.wrap_socket(plain.sock, server_side=True)
            plain.read_request()
            plain.upgrade()
            self.peer = plain
        except (OSError, EOFError) as error:
            plain.sock.close()
            self.error = error

    def upgraded(self) -> RawPeer:
        self._thread.join(WAIT_S)
        assert self.peer is not None, self.error
        return self.peer

    def failed(self) -> bool:
        self._thread.join(WAIT_S)
        return self.error is not None


def secure(server: RawServer) -> str:
    return f"wss://localhost:{server.port}/ocpp/CS001"


def secured_station(tls: TlsHook | None) -> Station:
    return Station(ThreadLink(tls=tls, compress=False))


def test_megabytes_pass_both_ways_at_once_over_tls(server: RawServer, certificate: Path) -> None:
    station = secured_station(trusting(certificate))
    answering = TlsPeer(server, certificate)
    station.open(secure(server))
    peer = answering.upgraded()
    station.next(LinkUp)
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
    assert station.link.stop(WAIT_S)


def test_records_that_tls_has_already_read_are_not_slept_on(
    server: RawServer, certificate: Path
) -> None:
    station = secured_station(trusting(certificate))
    answering = TlsPeer(server, certificate)
    station.open(secure(server))
    peer = answering.upgraded()
    station.next(LinkUp)
    peer.send(b"".join(frame(TEXT, f"[{number}]") for number in range(17)) + frame(PING))
    peer.send(frame(TEXT, "x" * 200_000) + frame(TEXT, "[last]"))
    seen = [station.next(FrameIn).text for _ in range(17)]
    assert seen[-1] == "[16]"
    station.link.handled(station.generation, 17)
    assert len(station.next(FrameIn).text) == 200_000
    assert station.next(FrameIn).text == "[last]"
    assert peer.receive() == (PONG, b"")
    assert station.link.stop(WAIT_S)


def test_a_certificate_that_is_not_trusted_ends_the_attempt_before_the_password_leaves(
    server: RawServer, certificate: Path
) -> None:
    def distrusting(sock: socket.socket, host: str) -> socket.socket:
        return ssl.create_default_context().wrap_socket(sock, server_hostname=host)

    station = secured_station(distrusting)
    answering = TlsPeer(server, certificate)
    station.open(secure(server))
    down = station.next(LinkDown)
    assert down.problem is LinkProblem.TLS
    assert f"localhost:{server.port}" in down.detail
    assert answering.failed()
    assert station.link.stop(WAIT_S)


def test_a_tls_handshake_without_an_answer_meets_the_deadline(
    server: RawServer, certificate: Path
) -> None:
    station = secured_station(trusting(certificate))
    station.open(secure(server), deadline_s=0.15)
    peer = server.accept()
    assert station.next(LinkDown).problem is LinkProblem.TIMEOUT
    assert peer.sock.recv(4096)
    assert peer.is_ended()
    assert station.link.stop(WAIT_S)


def test_a_station_without_tls_says_so(server: RawServer) -> None:
    station = secured_station(None)
    station.open(secure(server))
    assert station.next(LinkDown).problem is LinkProblem.TLS
    assert station.link.stop(WAIT_S)
