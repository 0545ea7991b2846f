"""The local HTTP API: live state for everyone, the simulator's controls where there are any.

Importing this module costs about 30 ms (http.server), so it is imported after the boot.
A few threads answer; each connection carries one request and lives at most DEADLINE_S.
"""

import ipaddress
import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from station.control import ControlError, QueueView, SimControls, StationView
from station.rules import ListenAddress
from station.web.api import OK, Api, RequestError

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 8
MAX_BODY_BYTES = 64 * 1024
MAX_FIELDS = 8
READ_TIMEOUT_S = 5.0
DEADLINE_S = 10.0
SWEEP_S = 0.5
SLOT_WAIT_S = 1.0
LINGER_S = 0.5
LINGER_BYTES = 1_000_000
JSON_TYPES = {"", "application/json", "application/x-www-form-urlencoded"}
"""The last is what `curl -d` says unless told otherwise."""
CROWDED = orjson.dumps({"error": "too many connections; try again"})
CROWDED_ANSWER = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(CROWDED), CROWDED)
)


class WebServer:
    """Bound when constructed, serving between start() and stop()."""

    def __init__(
        self,
        view: StationView,
        controls: SimControls | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        queue: QueueView | None = None,
    ) -> None:
        self._server = _Server(Api(view, controls, queue), host, port)
        self._thread = threading.Thread(target=self._server.serve, name="web", daemon=True)

    @property
    def address(self) -> ListenAddress:
        """Where it really listens, also when port 0 was asked for."""
        host, port = self._server.server_address[:2]
        return ListenAddress(str(host), int(port))

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Also right if it was never started; open connections are cut."""
        self._server.stopping.set()
        if self._thread.ident is not None:
            self._server.wake()
            self._thread.join()
        self._server.server_close()
        self._server.cut(older_than_s=0)


class _Server(TCPServer):
    """A thread per connection, at most MAX_CONNECTIONS, none for longer than DEADLINE_S."""

    allow_reuse_address = True
    request_queue_size = 32

    def __init__(self, api: Api, host: str, port: int) -> None:
        self.api = api
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._lock = threading.Lock()
        self._open: dict[socket.socket, float] = {}
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        self.address_family = family
        self.stopping = threading.Event()
        self._woken, self._waker = socket.socketpair()
        super().__init__((str(address[0]), int(address[1])), RequestHandler)
        self.socket.setblocking(False)
        self.timeout = 0.0  # handle_request finds a client waiting, or returns
        self.host_names = _host_names(host, str(self.server_address[0]))

    def serve(self) -> None:
        """Unlike serve_forever it sleeps while nothing is open, and stops at once."""
        with selectors.DefaultSelector() as selector:
            selector.register(self, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self.stopping.is_set():
                selector.select(SWEEP_S if self._open else None)
                self.handle_request()
                self.cut(older_than_s=DEADLINE_S)

    def wake(self) -> None:
        self._waker.send(b"!")

    def server_close(self) -> None:
        super().server_close()
        self._woken.close()
        self._waker.close()

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._slots.acquire(timeout=SLOT_WAIT_S):
            self._refuse(request)
            return
        with self._lock:
            self._open[request] = time.monotonic()
        threading.Thread(
            target=self._serve, args=(request, client_address), name="web-request", daemon=True
        ).start()

    def cut(self, older_than_s: float) -> None:
        """End connections from outside: a read timeout alone lets one byte per second live on."""
        oldest = time.monotonic() - older_than_s
        with self._lock:
            for request, since in self._open.items():
                if since <= oldest:
                    _shutdown(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        log.debug("web: a connection broke")

    def _serve(self, request: Any, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except OSError:
            self.handle_error(request, client_address)
        finally:
            with self._lock:
                del self._open[request]
            self.shutdown_request(request)
            self._slots.release()

    def _refuse(self, request: Any) -> None:
        try:
            request.setblocking(False)
            request.recv(MAX_BODY_BYTES)  # closing with unread bytes would reset the connection
            request.sendall(CROWDED_ANSWER)
        except OSError:
            log.debug("web: a refused client was already gone")
        self.shutdown_request(request)


class RequestHandler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = READ_TIMEOUT_S

    def version_string(self) -> str:
        return "joulepost"

    def do_GET(self) -> None:
        self._answer(lambda: self.server.api.get(self._path(), self._query()))

    def do_POST(self) -> None:
        self._answer(self._post)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What http.server itself finds wrong: a bad request line, an unknown method."""
        status, headers = HTTPStatus(code), {}
        if status is HTTPStatus.NOT_IMPLEMENTED:
            status, headers = HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, POST"}
        elif status >= 500:
            status = HTTPStatus.BAD_REQUEST
        self._send_error(RequestError(status, message or explain or status.phrase, **headers))

    def log_message(self, format: str, *args: Any) -> None:
        log.debug("web: " + format, *args)  # noqa: G003 - http.server gives the format

    def _answer(self, produce: Callable[[], bytes | None]) -> None:
        try:
            self._check_sender()
            body = produce()
        except RequestError as error:
            self._send_error(error)
        except ControlError as error:
            self._send_error(RequestError(HTTPStatus.BAD_REQUEST, str(error)))
        except TimeoutError:
            self._send_error(RequestError(HTTPStatus.REQUEST_TIMEOUT, "the body did not arrive"))
        except OSError:
            raise
        except Exception:
            log.exception("web: %s %s failed", self.command, self.path)
            self._send_error(
                RequestError(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error; see the log")
            )
        else:
            if body is not None:
                self._send(HTTPStatus.OK, body)

    def _post(self) -> bytes | None:
        target = self.server.api.target(self._path())
        carry_out = self.server.api.command(target, self._body())
        if not target.command.ends_process:
            carry_out()
            return OK
        self._send(HTTPStatus.OK, OK)
        _shutdown(self.connection)
        carry_out()
        return None

    def _check_sender(self) -> None:
        """No page of a browser may reach a station on loopback, neither by name nor by script."""
        host = self.headers.get("Host")
        if host is None or len(self.headers.get_all("Host", [])) > 1:
            raise RequestError(HTTPStatus.BAD_REQUEST, "exactly one Host header is needed")
        names = self.server.host_names
        if names is not None and _host_of(host) not in names:
            raise RequestError(HTTPStatus.FORBIDDEN, f"the host {host[:80]!r} is not this station")
        origin = self.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise RequestError(HTTPStatus.FORBIDDEN, "requests from other web pages are refused")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") is not None:
            raise RequestError(HTTPStatus.LENGTH_REQUIRED, "send a Content-Length, no chunks")
        given = self.headers.get("Content-Length", "0").strip()
        if not (given.isascii() and given.isdigit()):
            raise RequestError(HTTPStatus.BAD_REQUEST, "Content-Length must be a number")
        if len(given) > 9 or int(given) > MAX_BODY_BYTES:
            raise RequestError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {MAX_BODY_BYTES} bytes are taken"
            )
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind not in JSON_TYPES:
            raise RequestError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body must be application/json"
            )
        body = self.rfile.read(int(given))
        if len(body) < int(given):
            raise RequestError(HTTPStatus.BAD_REQUEST, "the body ended too early")
        return body

    def _path(self) -> str:
        return self.path.partition("?")[0]

    def _query(self) -> dict[str, str]:
        try:
            return dict(parse_qsl(self.path.partition("?")[2], max_num_fields=MAX_FIELDS))
        except ValueError as error:
            raise RequestError(HTTPStatus.BAD_REQUEST, f"at most {MAX_FIELDS} fields") from error

    def _send_error(self, error: RequestError) -> None:
        body = orjson.dumps({"error": str(error)})
        self._send(error.status, body, error.headers)
        self._linger()

    def _linger(self) -> None:
        """Swallow what the client still sends; else it is reset before it reads the answer."""
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(LINGER_S)
        left = LINGER_BYTES
        try:
            while left > 0 and (data := self.connection.recv(65536)):
                left -= len(data)
        except TimeoutError:
            self.log_message("a client went on sending")

    def _send(self, status: HTTPStatus, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.close_connection = True
        self.request_version = self.protocol_version  # else a bad request line gets a bare body
        self.send_response(status)
        fixed = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body) + 1),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Connection": "close",
        }
        for name, value in {**fixed, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body + b"\n")


def _host_names(asked: str, bound: str) -> frozenset[str] | None:
    """The names by which clients may call a server on loopback; None: any (it is not)."""
    if not ipaddress.ip_address(bound).is_loopback:
        return None
    return frozenset({"localhost", "127.0.0.1", "::1", asked.lower(), bound.lower()})


def _host_of(header: str) -> str:
    """The host of a Host header, without port and brackets."""
    header = header.strip().lower()
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0]


def _shutdown(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        log.debug("web: a connection was already closed")
