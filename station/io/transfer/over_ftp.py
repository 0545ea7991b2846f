"""Uploads over FTP and FTPS, always passive.

Part 2 leaves open which FTPS is meant: port 990 and URLs without a port speak TLS from the first
byte (implicit), every other port begins in the clear and is secured by AUTH TLS (explicit)
before anything of ours is said. A path is relative to where the login leads (RFC 1738).
"""

import ftplib
import io
import logging
import socket
import ssl

from station.io.transfer.errors import TransferError
from station.io.transfer.way import Way
from station.transfers import PORTS, Location, LogFile, TransferEnd, TransferProtocol

log = logging.getLogger(__name__)

MAX_LINES = 100
"""Of one answer; ftplib itself would collect them for ever."""
BLOCK = 65_536
DENIED = frozenset({"430", "530", "532", "534"})
UNSUPPORTED = frozenset({"500", "502", "504", "522"})


def put(way: Way, location: Location, file: LogFile, data: bytes) -> None:
    secure = location.protocol is TransferProtocol.FTPS
    ftp: _Ftp = _SecureFtp(way, location) if secure else _Ftp(way)
    try:
        ftp.connect(location.host, location.port)
        ftp.login(location.user or "anonymous", location.password or "joulepost@")
        ftp.protect()
        name = _enter(ftp, location.path, file.name)
        ftp.store(name, data)
        ftp.quit()
    except ftplib.error_perm as error:
        raise _refusal(error) from None
    except (ftplib.error_proto, ftplib.error_reply) as error:
        detail = f"the answer is not FTP: {type(error).__name__}"
        raise TransferError(TransferEnd.BAD_MESSAGE, detail) from None
    except ftplib.error_temp as error:
        raise TransferError(TransferEnd.FAILED, f"the server answered {_code(error)}") from None
    except EOFError:
        detail = "the server closed the connection"
        raise TransferError(TransferEnd.FAILED, detail) from None
    finally:
        ftp.close()


def _enter(ftp: "_Ftp", path: str, name: str) -> str:
    """Go to the folder, and tell the file's name there.

    What does not exist and looks like a file (a last part with a dot) is the file itself.
    """
    folder = path.removeprefix("/")
    if not folder:
        return name
    try:
        ftp.cwd(folder.rstrip("/") or "/")
    except ftplib.error_perm:
        parent, _, last = folder.rpartition("/")
        if "." not in last:
            raise
        if parent:
            ftp.cwd(parent)
        return last
    return name


def _end(conn: socket.socket) -> None:
    """Say that this was all; to close would not do, because `Way` holds a duplicate."""
    try:
        plain = conn.unwrap() if isinstance(conn, ssl.SSLSocket) else conn
        plain.shutdown(socket.SHUT_WR)
    except OSError as error:  # many servers just close; their answer decides
        log.debug("the data connection did not end politely: %s", error)


def _refusal(error: ftplib.error_perm) -> TransferError:
    code = _code(error)
    end = TransferEnd.FAILED
    if code in DENIED:
        end = TransferEnd.DENIED
    elif code in UNSUPPORTED:
        end = TransferEnd.UNSUPPORTED
    return TransferError(end, f"the server answered {code}")


def _code(error: Exception) -> str:
    """The rest of an answer may quote what we said."""
    code = str(error)[:3]
    return code if code.isdigit() else "nonsense"


class _Ftp(ftplib.FTP):
    """FTP whose connections all come from *way*; server data never grow without limit."""

    def __init__(self, way: Way) -> None:
        super().__init__(timeout=way.step_s)
        self._way = way

    def connect(self, host: str = "", port: int = 0, *_: object, **__: object) -> str:
        self.host, self.port = host, port
        self._take(self._way.connect(host, port))
        self.welcome = self.getresp()
        return self.welcome

    def protect(self) -> None:
        """Data connections are as the control connection is."""

    def store(self, name: str, data: bytes) -> None:
        self.voidcmd("TYPE I")
        conn, _ = self.ntransfercmd(f"STOR {name}")
        with conn:
            stream = io.BytesIO(data)
            while block := stream.read(BLOCK):
                self._way.check()
                conn.sendall(block)
            _end(conn)
        self.voidresp()

    def ntransfercmd(
        self, cmd: str, rest: int | str | None = None
    ) -> tuple[socket.socket, int | None]:
        """To the server itself: the address in a PASV answer counts for nothing."""
        _, port = self.makepasv()
        sock = self.sock
        assert sock is not None
        conn = self._way.connect(sock.getpeername()[0], port)
        try:
            if rest is not None:
                self.sendcmd(f"REST {rest}")
            answer = self.sendcmd(cmd)
            if answer[0] == "2":  # some servers say so before they begin
                answer = self.getresp()
            if answer[0] != "1":
                raise ftplib.error_reply(answer)  # noqa: S321 - an exception
        except BaseException:
            conn.close()
            raise
        return conn, None

    def getmultiline(self) -> str:
        line = self.getline()
        if line[3:4] != "-":
            return line
        code, lines = line[:3], [line]
        while len(lines) < MAX_LINES:
            lines.append(self.getline())
            if lines[-1][:3] == code and lines[-1][3:4] != "-":
                return "\n".join(lines)
        raise ftplib.error_proto("an answer without end")  # noqa: S321

    def _take(self, sock: socket.socket) -> None:
        if self.file is not None:
            self.file.close()
        self.sock, self.af = sock, sock.family
        self.file = sock.makefile("r", encoding=self.encoding, errors="replace")


class _SecureFtp(_Ftp):
    def __init__(self, way: Way, location: Location) -> None:
        super().__init__(way)
        self._implicit = location.port == PORTS[TransferProtocol.FTPS]

    def connect(self, host: str = "", port: int = 0, *_: object, **__: object) -> str:
        if self._implicit:
            self.host, self.port = host, port
            self._take(self._way.secure(self._way.connect(host, port), host))
            self.welcome = self.getresp()
            return self.welcome
        welcome = super().connect(host, port)
        self.voidcmd("AUTH TLS")
        sock = self.sock
        assert sock is not None
        self._take(self._way.secure(sock, host))
        return welcome

    def protect(self) -> None:
        self.voidcmd("PBSZ 0")
        self.voidcmd("PROT P")

    def ntransfercmd(
        self, cmd: str, rest: int | str | None = None
    ) -> tuple[socket.socket, int | None]:
        """Within the session of the control connection, as many servers insist."""
        conn, size = super().ntransfercmd(cmd, rest)
        session = self.sock.session if isinstance(self.sock, ssl.SSLSocket) else None
        return self._way.secure(conn, self.host, session), size
