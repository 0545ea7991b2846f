"""The link on real loopback sockets against a server that misbehaves."""

import socket
import threading
import tracemalloc
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from station.link import FrameIn, LinkDown, LinkProblem, LinkStage, LinkTarget, LinkUp, PongIn
from tests.e2e.link_user import WAIT_S, Station
from tests.e2e.raw_server import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    RawPeer,
    RawServer,
    byte_by_byte,
    close_frame,
    frame,
)


@pytest.fixture
def server() -> Iterator[RawServer]:
    server = RawServer()
    yield server
    server.close()


@pytest.fixture
def station() -> Iterator[Station]:
    station = Station()
    yield station
    assert station.link.stop(WAIT_S)


def refused(station: Station, server: RawServer, head: str, body: str = "") -> LinkDown:
    """What the link says of an upgrade that is answered with *head*."""
    station.open(server.url)
    peer = server.accept()
    peer.read_request()
    peer.answer(head, body)
    down = station.next(LinkDown)
    assert peer.is_ended()
    assert "s3cret" not in str(down)
    return down


def test_the_upgrade_request_carries_subprotocol_and_credentials_and_no_origin(
    server: RawServer, station: Station
) -> None:
    station.open(server.url, password="pässwörd")
    peer = server.accept_upgraded()
    assert station.next(LinkUp).subprotocol == "ocpp2.0.1"
    assert peer.request.startswith("GET /ocpp/CS%20001 HTTP/1.1\r\n")
    assert peer.header("Sec-WebSocket-Protocol") == "ocpp2.0.1"
    assert peer.header("Authorization") == "Basic Q1MgMDAxOnDDpHNzd8O2cmQ="
    assert peer.header("Host") == f"127.0.0.1:{server.port}"
    assert peer.header("Origin") is None


def test_messages_pass_in_both_directions(server: RawServer, station: Station) -> None:
    peer = station.connect(server)
    station.send('[2,"1","Heartbeat",{}]')
    assert peer.receive_text() == '[2,"1","Heartbeat",{}]'
    peer.send(frame(TEXT, '[3,"1",{"ü":"€"}]'))
    assert station.next(FrameIn).text == '[3,"1",{"ü":"€"}]'


def test_proxies_of_the_environment_are_not_used(
    server: RawServer, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    station.connect(server)


def test_half_a_frame_followed_by_silence_does_not_hold_up_an_answer(
    server: RawServer, station: Station
) -> None:
    peer = station.connect(server)
    whole = frame(TEXT, '[2,"7","GetReport",{"requestId":1}]')
    peer.send(frame(PING) + whole[:9])
    assert peer.receive()[0] == PONG  # so the half frame has been read, too
    station.send('[3,"6",{"status":"Accepted"}]')
    assert peer.receive_text() == '[3,"6",{"status":"Accepted"}]'
    peer.send(whole[9:])
    assert station.next(FrameIn).text == '[2,"7","GetReport",{"requestId":1}]'


def test_a_message_that_arrives_byte_by_byte_is_whole(server: RawServer, station: Station) -> None:
    peer = station.connect(server)
    for byte in byte_by_byte(frame(TEXT, "[2,") + frame(TEXT, "x" * 130)):
        peer.send(byte)
    assert station.next(FrameIn).text == "[2,"
    assert station.next(FrameIn).text == "x" * 130


def test_continuation_frames_are_assembled_around_control_frames(
    server: RawServer, station: Station
) -> None:
    peer = station.connect(server)
    euro = "€".encode()
    peer.send(frame(TEXT, b"[1," + euro[:1], fin=False) + frame(PING, b"now"))
    peer.send(frame(0, euro[1:], fin=False) + frame(0, b"]"))
    assert station.next(FrameIn).text == "[1,€]"
    assert peer.receive() == (PONG, b"now")


def test_frames_behind_the_upgrade_answer_in_one_segment_are_not_lost(
    server: RawServer, station: Station
) -> None:
    station.open(server.url)
    server.accept_upgraded(
        with_frames=frame(TEXT, "[1]") + frame(TEXT, "[2]") + frame(TEXT, "[3]")[:2]
    )
    station.next(LinkUp)
    assert [station.next(FrameIn).text for _ in range(2)] == ["[1]", "[2]"]


def test_ping_and_pong_in_both_directions(server: RawServer, station: Station) -> None:
    peer = station.connect(server)
    peer.send(frame(PING, b"are you there"))
    assert peer.receive() == (PONG, b"are you there")
    station.link.ping(station.generation)
    assert peer.receive()[0] == PING
    peer.send(frame(PONG) * 3 + frame(TEXT, "[pongs that nobody asked for]"))
    station.next(PongIn)
    station.next(FrameIn)


def test_a_redirect_is_refused_and_the_password_goes_nowhere_else(
    server: RawServer, station: Station
) -> None:
    elsewhere = RawServer()
    down = refused(station, server, f"HTTP/1.1 302 Found\nLocation: {elsewhere.url}")
    assert (down.problem, down.http_status) == (LinkProblem.UPGRADE, 302)
    assert elsewhere.has_no_caller()
    assert server.has_no_caller()
    elsewhere.close()


@pytest.mark.parametrize(
    ("head", "problem", "status"),
    [
        ("HTTP/1.1 401 Unauthorized\nContent-Length: 0", LinkProblem.UNAUTHORIZED, 401),
        ("HTTP/1.1 403 Forbidden", LinkProblem.UNAUTHORIZED, 403),
        ("HTTP/1.1 404 Not Found\nContent-Length: 999999999999", LinkProblem.UPGRADE, 404),
        ("HTTP/1.1 200 OK\nContent-Type: text/html", LinkProblem.UPGRADE, 200),
        ("HTTP/1.1 503 Service Unavailable", LinkProblem.UPGRADE, 503),
        ("HTTP/1.1 101 Fine\nSec-WebSocket-Protocol: ocpp2.0.1", LinkProblem.UPGRADE, 101),
        ("SSH-2.0-OpenSSH_9.2\n\n", LinkProblem.UPGRADE, None),
    ],
)
def test_an_upgrade_that_is_refused_is_told_with_its_status(
    server: RawServer, station: Station, head: str, problem: LinkProblem, status: int | None
) -> None:
    down = refused(station, server, head, "<html>sorry</html>")
    assert (down.problem, down.http_status) == (problem, status)
    assert f"127.0.0.1:{server.port}" in down.detail
    assert "\n" not in down.detail


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("Retry-After: 120", 120.0),
        (
            "Date: Sun, 22 Nov 2026 10:00:00 GMT\nRetry-After: Sun, 22 Nov 2026 10:01:30 GMT",
            90.0,
        ),
        ("Retry-After: soon", None),
    ],
)
def test_retry_after_is_handed_over(
    server: RawServer, station: Station, fields: str, expected: float | None
) -> None:
    down = refused(station, server, f"HTTP/1.1 503 Service Unavailable\n{fields}")
    assert down.retry_after_s == expected


@pytest.mark.parametrize("subprotocol", [None, "ocpp1.6", "OCPP2.0.1, ocpp2.0.1"])
def test_a_wrong_or_missing_subprotocol_ends_the_attempt(
    server: RawServer, station: Station, subprotocol: str | None
) -> None:
    """Fault F12"""
    station.open(server.url)
    peer = server.accept()
    peer.read_request()
    peer.upgrade(subprotocol=subprotocol)
    assert station.next(LinkDown).problem is LinkProblem.SUBPROTOCOL
    assert peer.is_ended()


def test_an_extension_that_was_not_offered_ends_the_attempt(
    server: RawServer, station: Station
) -> None:
    station.open(server.url)
    server.accept_upgraded(extensions="x-webkit-deflate-frame")
    assert station.next(LinkDown).problem is LinkProblem.UPGRADE


def test_a_reset_during_the_upgrade_and_after_it_is_told(
    server: RawServer, station: Station
) -> None:
    station.open(server.url)
    peer = server.accept()
    peer.read_request()
    peer.reset()
    assert station.next(LinkDown).problem is LinkProblem.RESET
    station.connect(server).reset()
    assert station.next(LinkDown).problem is LinkProblem.RESET


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 1012, 4001])
def test_a_close_frame_is_answered_and_told_with_its_code(
    server: RawServer, station: Station, code: int
) -> None:
    peer = station.connect(server)
    peer.send(close_frame(code, "good\nbye"))
    down = station.next(LinkDown)
    assert (down.problem, down.close_code) == (LinkProblem.CLOSED, code)
    assert down.detail == f"close frame {code} good?bye"
    assert peer.receive_close() == code
    assert peer.is_ended()


def test_a_close_frame_without_a_code_is_told_as_1005(server: RawServer, station: Station) -> None:
    station.connect(server).send(frame(CLOSE))
    assert station.next(LinkDown).close_code == 1005


def test_the_last_words_of_a_peer_that_resets_are_heard(
    server: RawServer, station: Station
) -> None:
    peer = station.connect(server)
    peer.send(frame(TEXT, "[1]") + close_frame(1008, "not you"))
    peer.sock.close()
    station.send("[2]")
    assert station.next(FrameIn).text == "[1]"
    assert station.next(LinkDown).close_code == 1008


def test_an_end_without_a_close_frame_is_told(server: RawServer, station: Station) -> None:
    station.connect(server).sock.close()
    down = station.next(LinkDown)
    assert (down.problem, down.close_code) == (LinkProblem.CLOSED, None)


def test_a_server_that_never_answers_the_upgrade_meets_the_deadline(
    server: RawServer, station: Station
) -> None:
    station.open(server.url, deadline_s=0.15)
    peer = server.accept()
    peer.read_request()
    down = station.next(LinkDown)
    assert down.problem is LinkProblem.TIMEOUT
    assert peer.is_ended()


def test_an_upgrade_that_trickles_meets_the_same_deadline(
    server: RawServer, station: Station
) -> None:
    station.open(server.url, deadline_s=0.2)
    peer = server.accept()
    peer.read_request()
    ended = threading.Event()

    def trickle() -> None:
        try:
            while not ended.wait(0.02):
                peer.send(b"X")
        except OSError:
            ended.set()

    thread = threading.Thread(target=trickle)
    thread.start()
    assert station.next(LinkDown).problem is LinkProblem.TIMEOUT
    assert ended.wait(WAIT_S)  # the station closed its socket
    thread.join()


def test_an_endless_upgrade_answer_is_cut_off(server: RawServer, station: Station) -> None:
    station.open(server.url)
    peer = server.accept()
    peer.read_request()
    peer.send(b"HTTP/1.1 101 Switching Protocols\r\nX-Long: " + b"x" * 30_000)
    down = station.next(LinkDown)
    assert down.problem is LinkProblem.UPGRADE
    assert "endless" in down.detail


def test_a_huge_length_in_a_header_reserves_nothing(server: RawServer, station: Station) -> None:
    peer = station.connect(server)
    peer.send(bytes([0x81, 127]) + (2**62).to_bytes(8, "big") + b"x" * 1000)
    station.send("[3]")
    assert peer.receive_text() == "[3]"
    peer.send(b"x" * 300_000)
    assert peer.receive_close() == 1009
    peer.sock.close()
    down = station.next(LinkDown)
    assert (down.problem, down.close_code) == (LinkProblem.TOO_BIG, 1009)


def test_a_message_over_the_limit_is_closed_with_1009(server: RawServer, station: Station) -> None:
    peer = station.connect(server)
    peer.send(frame(TEXT, "x" * 300_000))
    assert peer.receive_close() == 1009
    peer.sock.close()
    assert station.next(LinkDown).problem is LinkProblem.TOO_BIG


def test_the_limit_counts_bytes_over_all_fragments(server: RawServer, station: Station) -> None:
    peer = station.connect(server)
    peer.send(frame(TEXT, "€" * 43_000, fin=False) + frame(0, "€" * 45_000, fin=False))
    assert peer.receive_close() == 1009


def test_a_message_at_the_limit_passes(server: RawServer, station: Station) -> None:
    peer = station.connect(server)
    peer.send(frame(TEXT, "x" * 262_144))
    assert len(station.next(FrameIn).text) == 262_144


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(BINARY, b"\x00\x01"), 1003),
        (frame(TEXT, b"\xff\xfe"), 1007),
        (frame(TEXT, b"\xe2\x82"), 1007),
        (frame(3, b""), 1002),
        (frame(0, b"continues nothing"), 1002),
        (frame(TEXT, b"x", rsv1=True)[:1] + b"\x81\x00\x00\x00\x00x", 1002),
        (bytes([0x89, 126, 0, 126]), 1002),
        (bytes([0x88, 1, 3]), 1002),
    ],
)
def test_broken_framing_is_closed_with_its_code(
    server: RawServer, station: Station, data: bytes, code: int
) -> None:
    peer = station.connect(server)
    peer.send(data)
    assert peer.receive_close() == code
    peer.send(frame(TEXT, "[too late]"))
    peer.sock.close()
    down = station.next(LinkDown)
    assert (down.problem, down.close_code) == (LinkProblem.PROTOCOL, code)


def test_a_peer_that_ignores_the_farewell_is_left_in_time(
    server: RawServer, station: Station
) -> None:
    peer = station.connect(server)
    station.link.close(station.generation, flush_s=0.1)
    assert peer.receive_close() == 1000
    assert station.next(LinkDown).problem is LinkProblem.LOCAL
    assert peer.is_ended()


def test_reading_stops_while_too_many_frames_are_unhandled(
    server: RawServer, station: Station
) -> None:
    peer = station.connect(server)
    sender = threading.Thread(
        target=peer.send, args=(b"".join(frame(TEXT, f"[{n}]") for n in range(1000)),)
    )
    sender.start()
    seen = [station.next(FrameIn).text for _ in range(17)]
    station.send("[alive]")
    assert peer.receive_text() == "[alive]"
    assert station.facts.empty()
    while len(seen) < 1000:
        station.link.handled(station.generation)
        seen.append(station.next(FrameIn).text)
    assert seen == [f"[{n}]" for n in range(1000)]
    sender.join()


def test_what_the_peer_does_not_read_is_bounded(server: RawServer, station: Station) -> None:
    peer = station.connect(server)
    for _ in range(200):
        station.send("x" * 65_536)
    down = station.next(LinkDown)
    assert down.problem is LinkProblem.TIMEOUT
    assert "does not read" in down.detail
    peer.sock.close()


def test_a_send_that_would_block_goes_on_when_the_peer_reads(
    server: RawServer, station: Station
) -> None:
    peer = station.connect(server)
    big = "x" * 2_000_000
    station.send(big)
    station.send("[after]")
    assert peer.receive_text() == big
    assert peer.receive_text() == "[after]"


def test_close_sends_what_is_queued_first(server: RawServer, station: Station) -> None:
    peer = station.connect(server)
    station.send("x" * 1_000_000)
    station.link.close(station.generation, 1001, flush_s=WAIT_S)
    station.send("[not any more]")
    assert len(peer.receive_text()) == 1_000_000
    assert peer.receive_close() == 1001
    peer.send(frame(TEXT, "[last words]") + close_frame(1001))
    assert station.next(FrameIn).text == "[last words]"
    assert station.next(LinkDown).problem is LinkProblem.LOCAL


def test_abort_drops_the_socket_at_once(server: RawServer, station: Station) -> None:
    peer = station.connect(server)
    station.link.abort(station.generation, LinkProblem.PONG_TIMEOUT)
    assert station.next(LinkDown).problem is LinkProblem.PONG_TIMEOUT
    assert peer.is_ended()


def test_an_attempt_can_be_aborted_and_followed_by_another(
    server: RawServer, station: Station
) -> None:
    station.open(server.url)
    peer = server.accept()
    peer.read_request()
    station.link.abort(station.generation, LinkProblem.LOCAL)
    assert station.next(LinkDown).problem is LinkProblem.LOCAL
    assert peer.is_ended()
    station.connect(server)


def test_calls_of_an_old_generation_do_nothing(server: RawServer, station: Station) -> None:
    station.connect(server)
    station.link.abort(1, LinkProblem.LOCAL)
    station.next(LinkDown)
    peer = station.connect(server)
    station.link.send(1, "[old]")
    station.link.ping(1)
    station.link.close(1)
    station.link.abort(1, LinkProblem.PONG_TIMEOUT)
    station.link.handled(1, 1000)
    station.link.open(LinkTarget(url=server.url), 1)
    station.send("[new]")
    assert peer.receive_text() == "[new]"
    assert station.hears_nothing_before(peer)


def test_a_new_attempt_replaces_an_open_connection(server: RawServer, station: Station) -> None:
    peer = station.connect(server)
    station.open(server.url)
    down = station.facts.get(timeout=WAIT_S)
    assert isinstance(down, LinkDown)
    assert (down.generation, down.problem) == (1, LinkProblem.LOCAL)
    assert peer.is_ended()
    server.accept_upgraded()
    station.next(LinkUp)


def test_a_name_that_does_not_exist_is_told(station: Station) -> None:
    """Fault F10"""
    station.open("ws://no-such-csms.invalid/CS001")
    down = station.next(LinkDown)
    assert down.problem is LinkProblem.DNS
    assert "no-such-csms.invalid:80" in down.detail


def test_a_refused_port_is_told(server: RawServer, station: Station) -> None:
    server.close()
    station.open(server.url)
    down = station.next(LinkDown)
    assert down.problem is LinkProblem.REFUSED
    assert f"127.0.0.1:{server.port}" in down.detail


def test_every_address_of_a_name_is_tried(
    server: RawServer, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault F10"""
    real = socket.getaddrinfo

    def two_addresses(host: str, port: int, **options: Any) -> list[Any]:
        assert host == "csms.example"
        return [*real("127.0.0.2", port, **options), *real("127.0.0.1", port, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
    station.open(f"ws://csms.example:{server.port}/CS001")
    assert server.accept_upgraded().header("Host") == f"csms.example:{server.port}"
    assert station.next(LinkUp).address == "127.0.0.1"


NO_SUCH_FAMILY = 250
"""What AF_INET6 is to a kernel without IPv6."""


@pytest.mark.parametrize(
    ("family", "first"),
    [
        (socket.AF_INET6, "::1"),  # refused: nobody listens there
        (socket.AF_INET6, "ff01::1"),  # no route: there is none to a multicast address over TCP
        (NO_SUCH_FAMILY, "2001:db8::1"),
    ],
    ids=["refused", "no route", "no IPv6"],
)
def test_an_ipv6_address_that_leads_nowhere_costs_only_itself(
    server: RawServer, station: Station, monkeypatch: pytest.MonkeyPatch, family: int, first: str
) -> None:
    """Fault F10"""
    real = socket.getaddrinfo

    def both_families(host: str, port: int, **options: Any) -> list[Any]:
        assert host == "csms.example"
        nowhere = (family, socket.SOCK_STREAM, 0, "", (first, port, 0, 0))
        return [nowhere, *real("127.0.0.1", port, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", both_families)
    station.open(f"ws://csms.example:{server.port}/CS001")
    server.accept_upgraded()
    assert station.next(LinkUp).address == "127.0.0.1"


def test_a_host_without_any_way_to_it_is_unreachable(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault F10"""

    def no_way(host: str, port: int, **_: Any) -> list[Any]:
        families = (NO_SUCH_FAMILY, socket.AF_INET6)
        return [(each, socket.SOCK_STREAM, 0, "", ("ff01::1", port, 0, 0)) for each in families]

    monkeypatch.setattr(socket, "getaddrinfo", no_way)
    station.open("ws://csms.example:9/CS001")
    down = station.next(LinkDown)
    assert (down.problem, down.stage) == (LinkProblem.UNREACHABLE, LinkStage.TCP)
    assert "csms.example:9" in down.detail


def test_a_resolver_that_hangs_ends_the_attempt_at_its_deadline_and_the_next_one_works(
    server: RawServer, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault F10"""
    real = socket.getaddrinfo
    asked, let_go, gone = threading.Event(), threading.Event(), threading.Event()

    def hang(host: str, port: int, **options: Any) -> list[Any]:
        if host != "csms.example":
            return real(host, port, **options)
        asked.set()
        assert let_go.wait(WAIT_S)
        gone.set()
        return real("127.0.0.1", port, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        station.open(f"ws://csms.example:{server.port}/CS001", deadline_s=0.15)
        assert asked.wait(WAIT_S)
        down = station.next(LinkDown)
        assert (down.problem, down.stage) == (LinkProblem.TIMEOUT, LinkStage.NAME)
        peer = station.connect(server)  # while the first attempt still waits for its resolver
    finally:
        let_go.set()
    assert gone.wait(WAIT_S)
    assert station.hears_nothing_before(peer)  # whatever it says now is too late
    assert server.has_no_caller()


def test_a_failure_of_the_link_itself_ends_the_connection_and_not_the_link(
    server: RawServer, station: Station, caplog: pytest.LogCaptureFixture
) -> None:
    station.connect(server)
    station.send("no UTF-8: \ud800")
    down = station.next(LinkDown)
    assert down.detail == "internal error: UnicodeEncodeError"
    assert "the link thread failed" in caplog.text
    station.connect(server)


@pytest.mark.parametrize("url", ["", "http://host/x", "ws:///x", "ws://h:99999/x", "ws://h/a b"])
def test_an_address_that_is_no_websocket_url_is_told(station: Station, url: str) -> None:
    station.open(url)
    assert station.next(LinkDown).problem is LinkProblem.UPGRADE


def test_stop_ends_an_open_connection(server: RawServer) -> None:
    station = Station()
    peer = station.connect(server)
    assert station.link.stop(WAIT_S)
    assert station.next(LinkDown).problem is LinkProblem.LOCAL
    assert peer.is_ended()


def deflated(text: str | bytes) -> bytes:
    """A whole message as permessage-deflate sends it (RFC 7692, 7.2.1)."""
    packer = zlib.compressobj(wbits=-15)
    data = text.encode() if isinstance(text, str) else text
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


def connect_compressed(server: RawServer, station: Station, agreed: str) -> RawPeer:
    station.open(server.url)
    peer = server.accept_upgraded(extensions=agreed)
    assert "permessage-deflate" in (peer.header("Sec-WebSocket-Extensions") or "")
    station.next(LinkUp)
    return peer


@pytest.mark.parametrize(
    "agreed",
    [
        "permessage-deflate",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; client_max_window_bits=10; server_max_window_bits=12",
    ],
)
def test_messages_are_compressed_when_the_peer_agrees(
    server: RawServer, station: Station, agreed: str
) -> None:
    peer = connect_compressed(server, station, agreed)
    station.send("[2]" * 100)
    opcode, payload = peer.receive()
    assert opcode == TEXT | 0x40
    assert len(payload) < 100
    assert zlib.decompressobj(-15).decompress(payload + b"\0\0\xff\xff") == b"[2]" * 100
    data = deflated("[3]" * 100)
    peer.send(frame(TEXT, data[:5], fin=False, rsv1=True) + frame(PING) + frame(0, data[5:]))
    assert station.next(FrameIn).text == "[3]" * 100
    assert peer.receive() == (PONG, b"")
    peer.send(frame(TEXT, "[plain]"))
    assert station.next(FrameIn).text == "[plain]"


def test_a_small_frame_that_inflates_without_end_costs_little_memory(
    server: RawServer, station: Station
) -> None:
    peer = connect_compressed(server, station, "permessage-deflate; server_no_context_takeover")
    bomb = frame(TEXT, deflated(b"x" * 20_000_000), rsv1=True)
    tracemalloc.start()
    peer.send(bomb)
    assert peer.receive_close() == 1009
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000
    peer.sock.close()
    assert station.next(LinkDown).problem is LinkProblem.TOO_BIG


def test_what_does_not_inflate_is_closed_with_1007(server: RawServer, station: Station) -> None:
    peer = connect_compressed(server, station, "permessage-deflate")
    peer.send(frame(TEXT, b"\xff\xff\xff\xff", rsv1=True))
    assert peer.receive_close() == 1007
