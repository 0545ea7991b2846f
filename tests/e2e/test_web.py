"""The local HTTP API over a real loopback socket, with a station that only listens."""

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from station.control import ControlError, Snapshot, UnreadableError
from station.web import server as web_server
from station.web.server import MAX_BODY_BYTES, WebServer
from station.web.sim_api import FAULT_NAMES

SNAPSHOT = Snapshot(
    evses=[{"id": 1, "connectors": [{"id": 1, "status": "Available"}]}],
    transactions=[],
    link={"state": "up"},
    registration="Accepted",
    queue={"depth": 0},
    limits={},
    station={"identity": "CS001"},
)
EVSE_PATHS = {
    "/api/sim/evses/1/plug": {},
    "/api/sim/evses/1/unplug": {},
    "/api/sim/evses/1/ev": {"state": "C"},
    "/api/sim/evses/1/fault": {"name": "ground_fault", "active": True},
    "/api/sim/evses/1/button": {"kind": "start"},
    "/api/sim/evses/1/bay": {"occupied": True},
}
STATION_PATHS = {
    "/api/sim/token": {"id_token": "04A1B2C3"},
    "/api/sim/meter": {"evse": 1, "glitch": "zero"},
    "/api/sim/card": {"evse": 1},
    "/api/sim/link": {"up": False},
    "/api/sim/power": {},
}
ALL_COMMANDS = EVSE_PATHS | STATION_PATHS


class FakeStation:
    """StationView and SimControls: remembers what it was told."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.depth = 0
        self.refusal: Exception | None = None
        self.called = threading.Event()

    def snapshot(self) -> Snapshot:
        return SNAPSHOT

    def inbox_depth(self) -> int:
        return self.depth

    def __getattr__(self, name: str) -> Callable[..., None]:
        def note(*args: Any, **given: Any) -> None:
            if self.refusal is not None:
                raise self.refusal
            self.calls.append((name, *args, given))
            self.called.set()

        return note


class Client:
    def __init__(self, server: WebServer) -> None:
        self.server = server

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any, dict[str, str]]:
        with closing(http.client.HTTPConnection(*self.server.address, timeout=10)) as connection:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            text = response.read()
            return response.status, json.loads(text) if text else None, dict(response.getheaders())

    def get(self, path: str) -> tuple[int, Any]:
        return self.ask("GET", path)[:2]

    def post(self, path: str, fields: Any) -> tuple[int, Any]:
        body = json.dumps(fields).encode()
        return self.ask("POST", path, body, {"Content-Type": "application/json"})[:2]

    def raw(self, data: bytes) -> bytes:
        """Whatever comes back until the server closes."""
        with socket.create_connection(self.server.address, timeout=10) as connection:
            connection.sendall(data)
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
            return answer


def is_dropped(connection: socket.socket) -> bool:
    try:
        return connection.recv(100) == b""
    except ConnectionResetError:
        return True


@pytest.fixture
def station() -> FakeStation:
    return FakeStation()


@pytest.fixture
def client(station: FakeStation) -> Iterator[Client]:
    server = WebServer(station, station)
    server.start()
    yield Client(server)
    server.stop()


def test_health_and_state_are_read_without_the_core(client: Client) -> None:
    assert client.get("/api/health") == (200, {"status": "ok"})
    status, state = client.get("/api/state")
    assert status == 200
    assert state["evses"][0]["connectors"][0]["status"] == "Available"
    assert state["registration"] == "Accepted"
    assert client.get("/api/state?pretty=1")[0] == 200


@pytest.mark.parametrize("path", ALL_COMMANDS)
def test_every_command_answers_ok_and_reaches_the_simulator(
    client: Client, station: FakeStation, path: str
) -> None:
    assert client.post(path, ALL_COMMANDS[path]) == (200, {"status": "ok"})
    assert station.called.wait(5)  # a power cut comes after its answer
    assert [call[0] for call in station.calls] == [path.rpartition("/")[2]]


def test_only_what_was_given_is_handed_on_so_that_defaults_stand_in_one_place(
    client: Client, station: FakeStation
) -> None:
    client.post("/api/sim/evses/2/plug", {})
    client.post("/api/sim/evses/2/plug", {"current_a": 10, "side": "ev", "connector": 2})
    client.post("/api/sim/token", {"id_token": "A", "evse": None})
    client.post("/api/sim/token", {"id_token": "", "type": "NoAuthorization", "evse": 2})
    assert station.calls == [
        ("plug", 2, {}),
        ("plug", 2, {"current_a": 10.0, "side": "ev", "connector": 2}),
        ("token", "A", {"evse": None}),
        ("token", "", {"type": "NoAuthorization", "evse": 2}),
    ]


def test_a_pressed_emergency_button_can_be_released(client: Client) -> None:
    released = {"name": "emergency_stop", "active": False}
    assert client.post("/api/sim/evses/1/fault", released)[0] == 200


def test_every_fault_name_is_taken(client: Client, station: FakeStation) -> None:
    for name in FAULT_NAMES:
        fields = {"name": name, "active": False}
        assert client.post("/api/sim/evses/1/fault", fields)[0] == 200
    assert len(station.calls) == 12


BAD_FIELDS = [
    ("/api/sim/evses/1/plug", {"x": 1}, "unknown key 'x'; known are: connector, current_a"),
    ("/api/sim/evses/1/plug", {"connector": "1"}, "connector must be a whole number of 1 to 64"),
    ("/api/sim/evses/1/plug", {"connector": 1.0}, "connector must be a whole number"),
    ("/api/sim/evses/1/plug", {"connector": True}, "connector must be a whole number"),
    ("/api/sim/evses/1/plug", {"connector": 0}, "connector must be a whole number"),
    ("/api/sim/evses/1/plug", {"connector": None}, "connector must be a whole number"),
    ("/api/sim/evses/1/plug", {"phases": 4}, "phases must be a whole number of 1 to 3"),
    ("/api/sim/evses/1/plug", {"current_a": 0}, "current_a must be a number above 0"),
    ("/api/sim/evses/1/plug", {"current_a": "16"}, "current_a must be a number above 0"),
    ("/api/sim/evses/1/plug", {"current_a": False}, "current_a must be a number above 0"),
    ("/api/sim/evses/1/plug", {"soc": 101}, "soc must be a number from 0 up to 100"),
    ("/api/sim/evses/1/plug", {"soc": -0.1}, "soc must be a number from 0 up to 100"),
    ("/api/sim/evses/1/plug", {"capacity_wh": 0}, "capacity_wh must be a number above 0"),
    ("/api/sim/evses/1/plug", {"after_s": -1}, "after_s must be a number from 0 up to 86400"),
    ("/api/sim/evses/1/plug", {"ready_after_s": 1e9}, "ready_after_s must be a number from 0"),
    ("/api/sim/evses/1/plug", {"side": "car"}, "side must be one of ev, station, both"),
    ("/api/sim/evses/1/unplug", {"side": 1}, "side must be one of ev, station, both"),
    ("/api/sim/evses/1/ev", {}, "state is missing; it must be one of B, C, D"),
    ("/api/sim/evses/1/ev", {"state": "A"}, "state must be one of B, C, D"),
    ("/api/sim/evses/1/fault", {"name": "ground_fault"}, "active is missing; it must be true or"),
    ("/api/sim/evses/1/fault", {"active": True}, "name is missing; it must be one of residual"),
    ("/api/sim/evses/1/fault", {"name": "x", "active": True}, "name must be one of residual_cur"),
    ("/api/sim/evses/1/fault", {"name": "ground_fault", "active": 1}, "active must be true or"),
    ("/api/sim/evses/1/button", {"kind": "go"}, "kind must be one of start, stop, emergency"),
    ("/api/sim/evses/1/bay", {"occupied": "yes"}, "occupied must be true or false"),
    ("/api/sim/evses/0/plug", {}, "evse in the path must be a whole number from 1"),
    ("/api/sim/evses/-1/plug", {}, "evse in the path must be a whole number from 1"),
    ("/api/sim/evses/1.0/plug", {}, "evse in the path must be a whole number from 1"),
    ("/api/sim/evses/x/plug", {}, "evse in the path must be a whole number from 1"),
    ("/api/sim/evses/99999999999/plug", {}, "evse in the path must be a whole number from 1"),
    ("/api/sim/token", {}, "id_token is missing; it must be text of at most 36"),
    ("/api/sim/token", {"id_token": 5}, "id_token must be text of at most 36"),
    ("/api/sim/token", {"id_token": "x" * 37}, "id_token must be text of at most 36"),
    ("/api/sim/token", {"id_token": "a\nb"}, "id_token must be text of at most 36"),
    ("/api/sim/token", {"id_token": ""}, "id_token may be empty only with type"),
    ("/api/sim/token", {"id_token": "A", "type": "RFID"}, "type must be one of Central, eMAID"),
    ("/api/sim/token", {"id_token": "A", "evse": 0}, "evse must be a whole number of 1 to 64 or n"),
    ("/api/sim/card", {"evse": "1"}, "evse must be a whole number of 1 to 64 or null"),
    ("/api/sim/card", {"declined": 1}, "declined must be true or false"),
    ("/api/sim/link", {}, "up is missing; it must be true or false"),
    ("/api/sim/link", {"up": True, "how": "cut"}, "how must be one of close, reset, silent"),
    ("/api/sim/power", {"now": True}, "unknown key 'now'; known are: none"),
]


@pytest.mark.parametrize(("path", "fields", "message"), BAD_FIELDS)
def test_a_bad_field_is_refused_with_key_and_rule(
    client: Client, station: FakeStation, path: str, fields: Any, message: str
) -> None:
    status, answer = client.post(path, fields)
    assert status == 400
    assert answer["error"].startswith(message)
    assert list(answer) == ["error"]
    assert station.calls == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "the body is not JSON"),
        (b"\xff", "the body is not JSON"),
        (b'{"current_a": NaN}', "the body is not JSON"),
        (b'{"current_a": Infinity}', "the body is not JSON"),
        (b'{"current_a": 1e999}', "the body is not JSON"),
        (b'{"current_a": ' + b"9" * 5000 + b"}", "the body is not JSON"),
        (b"[" * 5000, "the body is not JSON"),
        (b"[]", "the body must be a JSON object"),
        (b"null", "the body must be a JSON object"),
        (b'"x"', "the body must be a JSON object"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(
    client: Client, station: FakeStation, body: bytes, message: str
) -> None:
    status, answer, _ = client.ask("POST", "/api/sim/evses/1/plug", body)
    assert (status, station.calls) == (400, [])
    assert answer["error"].startswith(message)


def test_an_empty_body_stands_for_no_fields(client: Client, station: FakeStation) -> None:
    assert client.ask("POST", "/api/sim/evses/1/plug")[0] == 200
    assert station.calls == [("plug", 1, {})]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("application/x-www-form-urlencoded", 200),  # what curl -d says
        ("text/plain", 415),
        ("multipart/form-data; boundary=x", 415),
    ],
)
def test_the_body_must_be_said_to_be_json(client: Client, kind: str, status: int) -> None:
    headers = {"Content-Type": kind}
    assert client.ask("POST", "/api/sim/evses/1/plug", b"{}", headers)[0] == status


def test_a_body_over_64_kb_is_refused_and_the_answer_arrives(client: Client) -> None:
    fits = b"{" + b" " * (MAX_BODY_BYTES - 2) + b"}"
    assert client.ask("POST", "/api/sim/evses/1/plug", fits)[0] == 200
    status, answer, _ = client.ask("POST", "/api/sim/evses/1/plug", fits + b" ")
    assert (status, answer) == (413, {"error": "at most 65536 bytes are taken"})


@pytest.mark.parametrize("path", ["/", "/api", "/api/sim", "/api/sim/evses/1/kick", "/api/health/"])
def test_an_unknown_path_is_told_what_there_is(client: Client, path: str) -> None:
    for status, answer in (client.get(path), client.post(path, {})):
        assert status == 404
        assert "GET /api/state" in answer["error"]
        assert "POST /api/sim/evses/{evse}/plug" in answer["error"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/api/sim/token", "POST"),
        ("GET", "/api/sim/evses/1/plug", "POST"),
        ("POST", "/api/health", "GET"),
        ("POST", "/api/state", "GET"),
        ("PUT", "/api/sim/token", "GET, POST"),
        ("DELETE", "/api/state", "GET, POST"),
        ("OPTIONS", "/api/sim/token", "GET, POST"),
        ("HEAD", "/api/state", "GET, POST"),
    ],
)
def test_a_wrong_method_is_told_the_right_one(
    client: Client, method: str, path: str, allowed: str
) -> None:
    status, _, headers = client.ask(method, path)
    assert (status, headers["Allow"]) == (405, allowed)


class Kept:
    """QueueView of a station that has given up 120 messages."""

    def __init__(self) -> None:
        self.unreadable = ""

    def undelivered(self, before: int | None, count: int) -> list[dict[str, Any]]:
        if self.unreadable:
            raise UnreadableError(self.unreadable)
        newest = 120 if before is None else min(before - 1, 120)
        return [{"id": row_id} for row_id in range(newest, max(newest - count, 0), -1)]

    def dropped(self) -> list[dict[str, Any]]:
        return [{"transaction_id": "t", "count": 2, "seq_nos": ["1-3/2"]}]


def test_what_the_csms_will_not_get_is_read_page_by_page(station: FakeStation) -> None:
    kept = Kept()
    server = WebServer(station, queue=kept)
    server.start()
    client = Client(server)
    try:
        _, first = client.get("/api/undelivered")
        assert [message["id"] for message in first["messages"]] == list(range(120, 70, -1))
        _, last = client.get(f"/api/undelivered?before={first['next']}&count=100")
        assert [message["id"] for message in last["messages"]] == list(range(70, 0, -1))
        assert last["next"] is None
        assert client.get("/api/dropped")[1]["transactions"][0]["seq_nos"] == ["1-3/2"]
        for query in ("count=0", "count=201", "before=-1", "before=x", "count=" + "9" * 30):
            assert client.get(f"/api/undelivered?{query}")[0] == 400
        kept.unreadable = "station.db cannot be read: disk I/O error"
        assert client.get("/api/undelivered") == (503, {"error": kept.unreadable})
    finally:
        server.stop()


def test_without_a_disk_nothing_is_read_from_it(client: Client) -> None:
    assert client.get("/api/undelivered")[0] == 503


def test_real_hardware_has_no_controls(station: FakeStation) -> None:
    server = WebServer(station)
    server.start()
    try:
        client = Client(server)
        for path, fields in ALL_COMMANDS.items():
            status, answer = client.post(path, fields)
            assert status == 404
            assert "/api/sim" not in answer["error"].partition("; there is")[2]
        assert client.get("/api/state")[0] == 200
    finally:
        server.stop()


def test_above_64_queued_commands_the_station_is_busy(client: Client, station: FakeStation) -> None:
    station.depth = 64
    assert client.post("/api/sim/evses/1/plug", {})[0] == 200
    station.depth = 65
    status, answer, headers = client.ask("POST", "/api/sim/evses/1/plug", b"{}")
    assert (status, headers["Retry-After"]) == (503, "1")
    assert "busy" in answer["error"]
    assert client.get("/api/state")[0] == 200


def test_what_the_world_does_not_allow_is_a_400(client: Client, station: FakeStation) -> None:
    station.refusal = ControlError("there is no EVSE 7; there are 1 and 2")
    assert client.post("/api/sim/evses/7/plug", {}) == (400, {"error": str(station.refusal)})


def test_a_bug_is_a_500_without_details_and_the_next_request_works(
    client: Client, station: FakeStation, caplog: pytest.LogCaptureFixture
) -> None:
    station.refusal = RuntimeError("secret details")
    status, answer = client.post("/api/sim/evses/1/plug", {})
    assert status == 500
    assert "secret" not in answer["error"]
    assert "secret details" in caplog.text
    station.refusal = None
    assert client.post("/api/sim/evses/1/plug", {})[0] == 200


def test_a_power_cut_is_answered_before_the_process_ends(
    client: Client, station: FakeStation
) -> None:
    cut = threading.Event()
    station.power = lambda: cut.wait(10)  # type: ignore[method-assign] # as if frozen by SIGKILL
    assert client.post("/api/sim/power", {}) == (200, {"status": "ok"})
    cut.set()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:80", "[::1]:8180", "LOCALHOST:1"])
def test_loopback_names_are_served(client: Client, host: str) -> None:
    assert client.ask("GET", "/api/health", headers={"Host": host})[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::1", "10.0.0.1"])
def test_a_page_that_rebinds_its_name_to_loopback_is_refused(client: Client, host: str) -> None:
    request = f"GET /api/state HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    answer = client.raw(request)
    assert answer.startswith(b"HTTP/1.1 403 ") or host == "[::1"
    assert b"CS001" not in answer or host == "[::1"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1"])
def test_a_script_of_another_page_is_refused(
    client: Client, station: FakeStation, origin: str
) -> None:
    headers = {"Origin": origin, "Content-Type": "application/x-www-form-urlencoded"}
    status, _, answered = client.ask("POST", "/api/sim/power", b"{}", headers)
    assert (status, station.calls) == (403, [])
    assert not any(name.startswith("Access-Control") for name in answered)
    own = {"Origin": client.server.url}
    assert client.ask("POST", "/api/sim/power", b"{}", own)[0] == 200


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /api/health HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n", 400),
        (b"GET /api/health HTTP/9.9\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
        (b"POST /api/sim/power HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /api/sim/power HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9x\r\n\r\n", 400),
        (
            b"POST /api/sim/power HTTP/1.1\r\nHost: localhost\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            411,
        ),
    ],
)
def test_malformed_http_is_answered_with_json(
    client: Client, station: FakeStation, request_text: bytes, status: int
) -> None:
    answer = client.raw(request_text)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1] == str(status).encode()
    assert list(json.loads(body)) == ["error"]
    assert station.calls == []


def test_a_body_that_breaks_off_is_refused(client: Client, station: FakeStation) -> None:
    with socket.create_connection(client.server.address, timeout=10) as connection:
        connection.sendall(
            b"POST /api/sim/power HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n{}"
        )
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")
    assert station.calls == []


def test_a_client_that_says_nothing_is_dropped(
    station: FakeStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server.RequestHandler, "timeout", 0.1)
    server = WebServer(station, station)
    server.start()
    with socket.create_connection(server.address, timeout=10) as connection:
        connection.sendall(b"GET /api")
        assert is_dropped(connection)
    server.stop()


def test_a_client_that_stops_in_mid_body_is_told_so(
    station: FakeStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server.RequestHandler, "timeout", 0.1)
    server = WebServer(station, station)
    server.start()
    head = b"POST /api/sim/power HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n{"
    with socket.create_connection(server.address, timeout=10) as connection:
        connection.sendall(head)
        assert connection.recv(100).startswith(b"HTTP/1.1 408 ")
    server.stop()


def test_a_client_that_drips_is_cut_at_the_deadline(
    station: FakeStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server, "DEADLINE_S", 0.05)
    server = WebServer(station, station)
    server.start()
    with socket.create_connection(server.address, timeout=10) as connection:
        connection.sendall(b"GET /api")
        assert is_dropped(connection)  # long before READ_TIMEOUT_S
    server.stop()


def test_eight_clients_are_served_and_a_ninth_is_told_to_come_back(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server, "SLOT_WAIT_S", 0.05)
    idle = [socket.create_connection(client.server.address, timeout=10) for _ in range(8)]
    try:
        for connection in idle:
            connection.sendall(b"GET /api/health HTTP/1.1\r\n")  # the rest does not follow
        status, answer, headers = client.ask("GET", "/api/health")
        assert (status, headers["Retry-After"]) == (503, "1")
        assert "too many connections" in answer["error"]
        idle[0].sendall(b"Host: localhost\r\n\r\n")
        assert idle[0].recv(100).startswith(b"HTTP/1.1 200 ")
        idle[0].close()
        assert client.get("/api/health")[0] == 200
    finally:
        for connection in idle:
            connection.close()


def test_fifty_requests_at_once_are_all_answered(client: Client) -> None:
    statuses: list[int] = []

    def ask() -> None:
        statuses.append(client.get("/api/state")[0])

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 50


def test_it_binds_before_it_reports_its_address(station: FakeStation) -> None:
    server = WebServer(station, station, "localhost", 0)
    try:
        assert server.address.port > 0
        with pytest.raises(OSError, match="in use"):
            WebServer(station, None, server.address.host, server.address.port)
    finally:
        server.stop()


def test_it_stops_while_a_client_hangs(station: FakeStation) -> None:
    server = WebServer(station, station)
    server.start()
    with socket.create_connection(server.address, timeout=10) as connection:
        connection.sendall(b"GET /api")
        server.stop()
        assert is_dropped(connection)


def test_ipv6_is_shown_in_brackets(station: FakeStation) -> None:
    try:
        server = WebServer(station, None, "::1", 0)
    except OSError:
        pytest.skip("no IPv6 on this machine")
    server.start()
    try:
        assert server.url == f"http://[::1]:{server.address.port}"
        assert Client(server).get("/api/health") == (200, {"status": "ok"})
    finally:
        server.stop()
