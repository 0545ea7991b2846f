"""File transfers as the core sees them: what goes where, how it ends, and the port to it."""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from station.device_model import MemberList, Mutability, Variable
from station.ocpp.messages.diagnostics import Log


class TransferProtocol(StrEnum):
    """As FileTransferProtocols lists them; the scheme of a URL is the same in small letters."""

    FTP = "FTP"
    FTPS = "FTPS"
    HTTP = "HTTP"
    HTTPS = "HTTPS"
    SFTP = "SFTP"


FILE_TRANSFER_PROTOCOLS = Variable(
    "OCPPCommCtrlr",
    "FileTransferProtocols",
    MemberList(tuple(TransferProtocol)),
    default=tuple(TransferProtocol),
    mutability=Mutability.READ_ONLY,
)
"""What the station uses, as its configuration allows: a URL of another kind is refused."""
PORTS = {
    TransferProtocol.FTP: 21,
    TransferProtocol.FTPS: 990,
    TransferProtocol.HTTP: 80,
    TransferProtocol.HTTPS: 443,
    TransferProtocol.SFTP: 22,
}


class UrlRefusedError(ValueError):
    """The URL cannot be used; the text says why, and holds nothing of the URL itself."""


class Location(Struct, frozen=True):
    """The parts of a URL, decoded; *target* is path and query as HTTP wants them."""

    protocol: TransferProtocol
    host: str
    port: int
    user: str
    password: str
    path: str
    target: str

    def __str__(self) -> str:
        """For logs: credentials stand in paths and queries too, so only the server is named."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.protocol.lower()}://{host}:{self.port}"

    def __repr__(self) -> str:
        return f"Location({self})"


def parse_location(url: str) -> Location:
    """Raises UrlRefusedError."""
    if not url.isascii() or not url.isprintable() or " " in url:
        raise UrlRefusedError("it holds characters that no URL may hold")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UrlRefusedError("it is no URL") from None
    scheme = parts.scheme.upper()
    if scheme not in TransferProtocol.__members__:
        known = ", ".join(name.lower() for name in TransferProtocol.__members__)
        raise UrlRefusedError(f"its scheme is none of {known}")
    if not parts.hostname or port == 0:
        raise UrlRefusedError("it names no server")
    protocol = TransferProtocol[scheme]
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    path = unquote(parts.path)
    if any(ord(char) < 32 for char in user + password + path):
        raise UrlRefusedError("it holds encoded control characters")
    return Location(
        protocol=protocol,
        host=parts.hostname,
        port=port or PORTS[protocol],
        user=user,
        password=password,
        path=path,
        target=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
    )


class TransferEnd(StrEnum):
    """How a transfer ended; the words are for people."""

    DONE = "done"
    FAILED = "failed"
    """The server or the way to it may do better next time."""
    BAD_MESSAGE = "not understood"
    DENIED = "permission denied"
    UNSUPPORTED = "not supported by the server"
    REFUSED = "refused by the station"
    """Address, host key or the like is against our rules: trying again changes nothing."""
    CANCELLED = "cancelled"


class TransferResult(Struct, frozen=True):
    """The end of one attempt; *detail* is one line for a person, without credentials."""

    end: TransferEnd
    detail: str = ""


class Trusted(Struct, frozen=True):
    """Whom a secure transfer may believe, besides the authorities of the operating system."""

    roots: tuple[str, ...]
    """CSMS roots as PEM (N01.FR.15)."""
    utc: datetime
    """Now, as the station knows it."""
    check_dates: bool
    """False while nobody has told the time: *utc* is then only a guess."""


class LogFile(Struct, frozen=True):
    """A log that can be had; *render* makes its bytes, may take a while, and runs on a lane."""

    name: str
    content_type: str
    render: Callable[[], bytes]


class Upload(Struct, frozen=True):
    """One file and where it goes."""

    location: Location
    file: LogFile
    trusted: Trusted


class Transfer(Protocol):
    """One attempt."""

    def run(self) -> TransferResult:
        """Blocks until the end, at most as long as the port's own limits allow; never raises."""
        ...

    def cancel(self) -> None:
        """From any thread, at any moment: `run` ends soon."""
        ...


class Transfers(Protocol):
    """Moves files; a port."""

    @property
    def unusable(self) -> dict[TransferProtocol, str]:
        """What this station cannot use as it is configured, and why."""
        ...

    def upload(self, upload: Upload) -> Transfer: ...


class LogSources(Protocol):
    """What logs there are; main implements it."""

    def collect(self, log: Log, oldest: datetime | None, latest: datetime | None) -> LogFile | None:
        """The log of a period, both ends included; None when there is nothing of it."""
        ...
