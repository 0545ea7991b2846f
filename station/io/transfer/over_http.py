"""Uploads over HTTP(S): PUT, or POST where the server does not take PUT."""

import base64
import http.client
import io
import secrets
import socket
import ssl
from urllib.parse import quote, urljoin

from msgspec.structs import replace

from station.io.transfer.errors import TransferError
from station.io.transfer.way import Way
from station.transfers import (
    Location,
    LogFile,
    TransferEnd,
    TransferProtocol,
    UrlRefusedError,
    parse_location,
)

MAX_REDIRECTS = 3
REDIRECTS = frozenset({301, 302, 307, 308})
NO_PUT = frozenset({405, 501})
"""The server takes no PUT here: then POST (N01.FR.18)."""
ENDS = {
    400: TransferEnd.BAD_MESSAGE,
    411: TransferEnd.BAD_MESSAGE,
    415: TransferEnd.BAD_MESSAGE,
    422: TransferEnd.BAD_MESSAGE,
    401: TransferEnd.DENIED,
    403: TransferEnd.DENIED,
    407: TransferEnd.DENIED,
    405: TransferEnd.UNSUPPORTED,
    501: TransferEnd.UNSUPPORTED,
}


def put(way: Way, location: Location, file: LogFile, data: bytes) -> None:
    """N01.FR.14; raises TransferError and what sockets raise."""
    where = location
    if location.path.endswith("/") or not location.path:  # a folder: the file gets its name there
        path, mark, query = location.target.partition("?")
        where = replace(location, target=path + quote(file.name) + mark + query)
    status = _send(way, where, "PUT", *_as_it_is(file, data))
    if status in NO_PUT:
        status = _send(way, location, "POST", *_as_form(file, data))
    if not 200 <= status < 300:
        raise TransferError(ENDS.get(status, TransferEnd.FAILED), f"the server answered {status}")


def _as_it_is(file: LogFile, data: bytes) -> tuple[dict[str, str], bytes]:
    headers = {
        "Content-Type": file.content_type,
        "Content-Disposition": f'attachment; filename="{file.name}"',
    }
    return headers, data


def _as_form(file: LogFile, data: bytes) -> tuple[dict[str, str], bytes]:
    """N01.FR.19: a form, as servers for uploads read them; the file's name is told twice, so
    that one which takes the body as it is knows it too."""
    boundary = secrets.token_hex(16)
    disposition = f'form-data; name="uploadfile"; filename="{file.name}"'
    head = (
        f"--{boundary}\r\nContent-Disposition: {disposition}\r\n"
        f"Content-Type: {file.content_type}\r\n\r\n"
    )
    body = head.encode() + data + f"\r\n--{boundary}--\r\n".encode()
    headers = {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Content-Disposition": disposition,
    }
    return headers, body


def _send(way: Way, location: Location, method: str, headers: dict[str, str], body: bytes) -> int:
    """The status of the answer, after redirects to the same server."""
    for _ in range(1 + MAX_REDIRECTS):
        status, redirected_to = _ask(way, location, method, headers, body)
        if status not in REDIRECTS:
            return status
        location = _redirected(location, redirected_to)
    raise TransferError(TransferEnd.FAILED, f"more than {MAX_REDIRECTS} redirects")


def _redirected(location: Location, redirected_to: str) -> Location:
    """Only within the same server: credentials and logs go nowhere else."""
    base = f"{location}{location.target}"
    try:
        there = parse_location(urljoin(base, redirected_to))
    except UrlRefusedError as error:
        detail = f"a redirect that cannot be used: {error}"
        raise TransferError(TransferEnd.FAILED, detail) from None
    same = (there.protocol, there.host, there.port) == (
        location.protocol,
        location.host,
        location.port,
    )
    if not redirected_to or not same:
        raise TransferError(TransferEnd.REFUSED, f"a redirect away from {location}")
    return replace(location, path=there.path, target=there.target)


def _ask(
    way: Way, location: Location, method: str, headers: dict[str, str], body: bytes
) -> tuple[int, str]:
    way.check()
    secure = location.protocol is TransferProtocol.HTTPS
    connection = http.client.HTTPConnection(location.host, location.port)
    connection.default_port = 443 if secure else 80
    connection.auto_open = 0  # a connection that is lost stays so
    sock: socket.socket = way.connect(location.host, location.port)
    if secure:
        sock = way.secure(sock, location.host)
    connection.sock = sock
    try:
        _request(connection, method, location, headers, body)
        response = connection.getresponse()
        return response.status, response.headers.get("Location", "")
    except http.client.HTTPException as error:
        if isinstance(error, ConnectionError):  # RemoteDisconnected is both
            detail = "the server closed the connection without an answer"
            raise TransferError(TransferEnd.FAILED, detail) from None
        detail = f"the answer is not HTTP: {type(error).__name__}"
        raise TransferError(TransferEnd.BAD_MESSAGE, detail) from None
    finally:
        connection.close()
        sock.close()


def _request(
    connection: http.client.HTTPConnection,
    method: str,
    location: Location,
    headers: dict[str, str],
    body: bytes,
) -> None:
    sent = {**headers, "Content-Length": str(len(body)), "User-Agent": "joulepost"}
    if location.user or location.password:  # N01.FR.17: the URL's own, never those of OCPP
        pair = f"{location.user}:{location.password}".encode()
        sent["Authorization"] = "Basic " + base64.b64encode(pair).decode()
    try:
        # A stream goes out in blocks, each with the socket's time limit.
        connection.request(method, location.target, body=io.BytesIO(body), headers=sent)
    except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
        return  # it may have answered before it had everything: the answer tells more
