"""The port to the CSMS connection: values and facts; `io.csms_link` and the bench implement it."""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from msgspec import Struct


class LinkProblem(StrEnum):
    """Why an attempt failed or a connection ended; the words are for people and for tests."""

    NONE = "none"
    DNS = "name not found"
    REFUSED = "connection refused"
    UNREACHABLE = "no route"
    TIMEOUT = "timed out"
    TLS = "TLS failed"
    UPGRADE = "upgrade refused"
    UNAUTHORIZED = "credentials refused"
    SUBPROTOCOL = "wrong subprotocol"
    CLOSED = "closed by the CSMS"
    RESET = "connection reset"
    PONG_TIMEOUT = "no pong"
    SILENT = "pongs, but no answers"
    PROTOCOL = "broken framing"
    TOO_BIG = "message too big"
    LOCAL = "closed by the station"


class LinkStage(StrEnum):
    """What an attempt was doing when it ended; the words go into its message."""

    NAME = "looking up the name"
    TCP = "connecting"
    TLS = "agreeing on TLS"
    UPGRADE = "waiting for the upgrade"


class TlsRefusal(StrEnum):
    """Why there is no TLS connection; the first three are security events of the standard."""

    INVALID_CSMS_CERTIFICATE = "the certificate of the CSMS is not valid"
    INVALID_TLS_VERSION = "the CSMS offers no TLS of 1.2 or later"
    INVALID_TLS_CIPHER_SUITE = "the CSMS offers no secure cipher suite"
    CLIENT_CERTIFICATE_REFUSED = "the CSMS refuses the certificate of the station"
    CLIENT_CERTIFICATE_UNUSABLE = "the certificate of the station cannot be used"
    """Nothing was sent: the chain or its key is missing, damaged, too weak, or not a pair."""
    NO_ROOT = "no root certificate of the CSMS is installed"
    NOT_TLS = "what answers does not speak TLS"
    OTHER = "TLS cannot be agreed on"


class TlsSettings(Struct, frozen=True):
    """Whom to believe and what to present; needed for a wss target."""

    roots: tuple[str, ...]
    """CSMS roots as PEM; nothing else is trusted, least of all what the system trusts."""
    utc: datetime
    """Now, as the station knows it, aware UTC."""
    fallback_roots: tuple[str, ...] = ()
    """Tried by themselves when the certificate is not valid under *roots* (M05.FR.14)."""
    check_dates: bool = True
    """False while nobody has told the time: *utc* is then only the earliest that it can be."""
    certificate_chain: str = ""
    """The station's own, leaf first, as PEM; profile 3 only."""
    key_file: str = ""
    """Where the key of that leaf lies; the core never holds it."""
    allow_wildcards: bool = False
    """AllowCSMSTLSWildcards."""
    allow_rsa_key_exchange: bool = False
    """Offer the TLS_RSA suites, without forward secrecy, to a CSMS that has nothing better."""


class TlsPeer(Struct, frozen=True):
    """What the CSMS showed, and what was agreed on."""

    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    """Both of the whole chain: when its last certificate begins, and its first one ends."""
    fallback_root: bool
    """The chain leads to one of `TlsSettings.fallback_roots`, and not to the others."""
    version: str
    cipher_suite: str


class LinkTarget(Struct, frozen=True):
    """Where and how to connect; one per attempt."""

    url: str
    """ws:// or wss:// with the percent-encoded identity as last path segment."""
    user: str = ""
    password: str = ""
    subprotocols: tuple[str, ...] = ("ocpp2.0.1",)
    deadline_s: float = 30.0
    """For name look-up, TCP, TLS and upgrade together."""

    tls: TlsSettings | None = None

    def __repr__(self) -> str:
        return f"LinkTarget({self.url!r}, {self.user!r})"  # never the password


class LinkUp(Struct, frozen=True):
    """The upgrade succeeded."""

    generation: int
    subprotocol: str
    address: str
    peer: TlsPeer | None = None
    """None without TLS."""


class LinkDown(Struct, frozen=True):
    """The attempt failed or the connection ended; the last fact of its generation."""

    generation: int
    problem: LinkProblem
    detail: str = ""
    """One line for a person: what was wrong and where; never a secret."""
    close_code: int | None = None
    http_status: int | None = None
    retry_after_s: float | None = None
    stage: LinkStage | None = None
    """How far the attempt got; None when the connection stood."""
    tls: TlsRefusal | None = None
    """Set when, and only when, TLS could not be agreed on."""
    only_dates: bool = False
    """The certificate of the CSMS is right in all but its dates: whose clock is wrong?"""


class FrameIn(Struct, frozen=True):
    """A whole text message from the CSMS."""

    generation: int
    text: str


class PongIn(Struct, frozen=True):
    """The answer to a ping."""

    generation: int


LinkFact = LinkUp | LinkDown | FrameIn | PongIn


class Link(Protocol):
    """One connection at a time, told apart by *generation*; every method returns at once.

    Facts go to the listener given to `start`. Calls that name an old generation do nothing.
    """

    def start(self, on_fact: Callable[[LinkFact], Any]) -> None: ...

    def open(self, target: LinkTarget, generation: int) -> None:
        """Begin an attempt; ends in LinkUp or LinkDown within `target.deadline_s`."""
        ...

    def send(self, generation: int, text: str) -> None: ...

    def ping(self, generation: int) -> None: ...

    def close(self, generation: int, code: int = 1000, *, flush_s: float = 1.0) -> None:
        """Send what is queued, close politely within *flush_s*, then LinkDown(LOCAL)."""
        ...

    def abort(self, generation: int, problem: LinkProblem) -> None:
        """Drop the socket at once; LinkDown(problem)."""
        ...

    def handled(self, generation: int, count: int = 1) -> None:
        """*count* frames were handled; reading pauses while more than 16 are not."""
        ...

    def stop(self, timeout_s: float) -> bool: ...
