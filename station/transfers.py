"""File transfers as the core sees them: what goes where, how it ends, and the port to it."""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from station.device_model import MemberList, Mutability, Variable


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
    """False while nobody has told the time: *utc* is then only the earliest that it can be."""


class LogFile(Struct, frozen=True):
    """A log that can be had; *render* makes its bytes, may take a while, and runs on a lane."""

    name: str
    content_type: str
    render: Callable[[], bytes]


class Upload(Struct, frozen=True):
    """One file and where it goes."""

    url: str
    """With credentials, perhaps: never shown."""
    file: LogFile
    trusted: Trusted

    def __repr__(self) -> str:
        return f"Upload({self.file.name!r})"


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
    def protocols(self) -> frozenset[TransferProtocol]:
        """What this station can use as it is configured."""
        ...

    def upload(self, upload: Upload) -> Transfer: ...
