"""What the local web API and the simulator's page may see and do; main implements it."""

from typing import Any, Protocol

from msgspec import Struct


class ControlError(ValueError):
    """The command cannot be carried out; the text tells a person what to change."""


class UnreadableError(Exception):
    """What is kept cannot be read now; the text tells a person why."""


class Snapshot(Struct, frozen=True):
    """The live state of the station, immutable, published by the core after a change."""

    evses: list[dict[str, Any]]
    transactions: list[dict[str, Any]]
    link: dict[str, Any]
    registration: str
    queue: dict[str, Any]
    limits: dict[str, Any]
    station: dict[str, Any]


class StationView(Protocol):
    """Reading; callable from any thread and never waiting for the core."""

    def snapshot(self) -> Snapshot: ...

    def inbox_depth(self) -> int:
        """Commands queued for the core; the web answers 503 above 64."""
        ...


class QueueView(Protocol):
    """What the CSMS will not get, read from the disk; callable from any thread.

    Each raises UnreadableError.
    """

    def undelivered(self, before: int | None, count: int) -> list[dict[str, Any]]:
        """Messages given up (E13.FR.04), the newest first; *before*: only those with a lower id.

        Of the payload only what names nobody.
        """
        ...

    def dropped(self) -> list[dict[str, Any]]:
        """By transaction the seqNos of events dropped for want of room: why there are gaps."""
        ...


class SimControls(Protocol):
    """Hands on the simulated hardware; each returns once the fact is posted.

    Raises ControlError for an unknown EVSE, connector, state or fault name, or when the
    world does not allow it (a plug that the lock holds).
    """

    def plug(
        self,
        evse: int,
        *,
        connector: int = 1,
        current_a: float = 16.0,
        phases: int = 3,
        soc: float = 30.0,
        capacity_wh: float = 60000.0,
        after_s: float = 0.0,
        ready_after_s: float = 1.0,
        side: str = "both",
    ) -> None: ...
    def unplug(self, evse: int, *, after_s: float = 0.0, side: str = "both") -> None: ...
    def ev(self, evse: int, state: str) -> None: ...
    def fault(self, evse: int, name: str, *, active: bool) -> None: ...
    def meter(self, evse: int, glitch: str, *, for_s: float = 0.0) -> None:
        """The meter lies for so long (0: until "none"); "replace" and "rollover" are for good."""
        ...

    def signing(self, evse: int, meter: str) -> None:
        """What the meter does when it is asked to sign: "signs", "refuses" or "late"."""
        ...

    def button(self, evse: int, kind: str) -> None: ...
    def bay(self, evse: int, *, occupied: bool) -> None: ...
    def token(
        self,
        id_token: str,
        *,
        type: str = "ISO14443",
        evse: int | None = None,
    ) -> None: ...
    def card(self, evse: int | None = None, *, declined: bool = False) -> None:
        """Hold a card to the payment terminal; None: for the only EVSE there is."""
        ...

    def link(self, *, up: bool, how: str = "close") -> None: ...
    def power(self) -> None:
        """Power cut: the process ends as if by SIGKILL."""
        ...
