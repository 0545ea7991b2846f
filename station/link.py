"""The port to the CSMS connection: values and facts; `io.csms_link` and the bench implement it."""

from collections.abc import Callable
from dataclasses import dataclass, field
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
    PROTOCOL = "broken framing"
    TOO_BIG = "message too big"
    LOCAL = "closed by the station"


@dataclass(frozen=True)
class LinkTarget:
    """Where and how to connect; one per attempt."""

    url: str
    """ws:// or wss:// with the percent-encoded identity as last path segment."""
    user: str = ""
    password: str = field(default="", repr=False)
    subprotocols: tuple[str, ...] = ("ocpp2.0.1",)
    deadline_s: float = 30.0
    """For name look-up, TCP, TLS and upgrade together."""


class LinkUp(Struct, frozen=True):
    """The upgrade succeeded."""

    generation: int
    subprotocol: str
    address: str


class LinkDown(Struct, frozen=True):
    """The attempt failed or the connection ended; the last fact of its generation."""

    generation: int
    problem: LinkProblem
    detail: str = ""
    """One line for a person: what was wrong and where; never a secret."""
    close_code: int | None = None
    http_status: int | None = None
    retry_after_s: float | None = None


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
