"""Servers on loopback that take uploads: HTTP, FTP, FTPS and SFTP as others wrote them, and raw."""

import asyncio
import base64
import logging
import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import asyncssh

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it asks for asyncore, which Python has deprecated
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
    from pyftpdlib.servers import FTPServer

USER, PASSWORD = "station", "p%40ss:w"
"""The password as a URL has it: "p@ss:w"."""
PLAIN_PASSWORD = "p@ss:w"
logging.getLogger("pyftpdlib").setLevel(logging.CRITICAL)
logging.getLogger("asyncssh").setLevel(logging.CRITICAL)


class WebServer:
    """Keeps what is sent; `answers` says what to answer before it takes something, by method."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.refused_methods: dict[str, int] = {}
        keeper = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = dict(self.headers.items())
                keeper.requests.append((self.command, self.path, headers, body))
                status, extra = keeper._answer(self.command)
                self.send_response(status)
                for name, value in extra.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_POST = do_PUT  # noqa: N815 - the name that http.server wants

            def log_message(self, *_: Any) -> None:
                """Silence."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.port = self.server.server_address[1]

    def _answer(self, method: str) -> tuple[int, dict[str, str]]:
        if method in self.refused_methods:
            return self.refused_methods[method], {}
        return self.answers.pop(0) if self.answers else (201, {})

    @property
    def methods(self) -> list[str]:
        return [method for method, *_ in self.requests]

    def login(self, number: int = -1) -> str:
        """Who has logged in, as "user:password"; empty: nobody."""
        given = self.requests[number][2].get("Authorization", "")
        return base64.b64decode(given.removeprefix("Basic ")).decode()


@contextmanager
def web_server(tls: ssl.SSLContext | None = None) -> Iterator[WebServer]:
    keeper = WebServer(tls)
    thread = threading.Thread(target=keeper.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield keeper
    finally:
        keeper.server.shutdown()
        keeper.server.server_close()
        thread.join(5)


@contextmanager
def ftp_server(
    folder: Path, *, certificate: str = "", implicit: bool = False, permissions: str = "elrmw"
) -> Iterator[int]:
    """The port; *certificate*: a PEM file with chain and key, for TLS, which is then required."""
    authorizer = DummyAuthorizer()
    authorizer.add_user(USER, PLAIN_PASSWORD, str(folder), perm=permissions)
    attributes: dict[str, Any] = {"authorizer": authorizer, "banner": "hello"}
    base = FTPHandler
    if certificate:
        attributes |= {
            "certfile": certificate,
            "tls_control_required": True,
            "tls_data_required": True,
            "ssl_context": None,
        }
        base = TLS_FTPHandler
    if implicit:

        def handle(self: Any) -> None:
            self.secure_connection(self.ssl_context)
            TLS_FTPHandler.handle(self)

        attributes["handle"] = handle
    handler = type("Handler", (base,), attributes)
    if certificate:
        handler.ssl_context = handler.get_ssl_context()
    server = FTPServer(("127.0.0.1", 0), handler)
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            server.serve_forever(timeout=0.02, blocking=False)
        server.close_all()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.address[1]
    finally:
        stop.set()
        thread.join(5)


class _SshServer(asyncssh.SSHServer):
    def __init__(self, connections: list[asyncssh.SSHServerConnection]) -> None:
        self._connections = connections

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PLAIN_PASSWORD)


@contextmanager
def sftp_server(folder: Path, key: asyncssh.SSHKey) -> Iterator[int]:
    loop = asyncio.new_event_loop()
    ready: list[Any] = []
    connections: list[asyncssh.SSHServerConnection] = []
    started = threading.Event()

    async def start() -> None:
        def sftp(channel: Any) -> Any:
            return asyncssh.SFTPServer(channel, chroot=str(folder).encode())

        server = await asyncssh.create_server(
            lambda: _SshServer(connections),
            "127.0.0.1",
            0,
            server_host_keys=[key],
            sftp_factory=sftp,
        )
        ready.append(server)
        started.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(start())
        loop.run_forever()

    async def stop() -> None:
        ready[0].close()
        await ready[0].wait_closed()
        for connection in connections:
            connection.abort()
            await connection.wait_closed()
        await asyncio.sleep(0.05)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield ready[0].get_port()
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


@contextmanager
def raw_server(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port of a server whose every connection *talk* has to itself, in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    sockets: list[socket.socket] = []

    def handle(sock: socket.socket) -> None:
        try:
            talk(sock)
        except OSError:
            return  # the station has gone: often just what the test waits for
        finally:
            sock.close()

    def serve() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sockets.append(sock)
            threading.Thread(target=handle, args=(sock,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for sock in sockets:
            sock.close()
        thread.join(5)
