"""Functional block C, Authorization: the readers themselves, and what can be read here."""

import logging
from typing import Any

from hal.api import ReaderDescription, ReaderStatus, TokenUnreadable
from station.context import Context
from station.device_model import MemberList, Mutability, Variable
from station.ocpp.messages.common import IdTokenType

log = logging.getLogger(__name__)

# Errata 2025-01, 2.63
SUPPORTED_ID_TOKEN_TYPES = Variable(
    "AuthCtrlr",
    "SupportedIdTokenTypes",
    MemberList(tuple(IdTokenType)),
    mutability=Mutability.READ_ONLY,
    constant=True,
)
QUIET_S = 60.0
"""A reader that gives rubbish again and again is named once in this time."""


class TokenReaders:
    """Knows which readers work, and counts what they could not read."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._problems: dict[str, str] = {}
        self._unreadable: dict[str, int] = {}
        self._logged_at: dict[str, float] = {}
        context.variables.declare(SUPPORTED_ID_TOKEN_TYPES, default=self._types())
        context.events.subscribe(TokenUnreadable, self._on_unreadable)
        context.events.subscribe(ReaderStatus, self._on_status)

    def told(self) -> list[dict[str, Any]]:
        """Each reader for the local API."""
        return [
            {
                "id": reader.id,
                "evse": reader.evse,
                "problem": self._problems.get(reader.id, ""),
                "unreadable": self._unreadable.get(reader.id, 0),
            }
            for reader in self._context.board.description.readers
        ]

    def _types(self) -> tuple[IdTokenType, ...]:
        """Those that the hardware can take, and Central, which the CSMS brings along (C05)."""
        board = self._context.board.description
        known = {IdTokenType.CENTRAL}
        for reader in board.readers:
            known.update(_types_of(reader))
        if any(evse.has_start_button for evse in board.evses):
            known.add(IdTokenType.NO_AUTHORIZATION)
        return tuple(each for each in IdTokenType if each in known)

    def _on_unreadable(self, event: TokenUnreadable) -> None:
        count = self._unreadable[event.reader] = self._unreadable.get(event.reader, 0) + 1
        now = self._context.reactor.now()
        if now - self._logged_at.get(event.reader, float("-inf")) >= QUIET_S:
            self._logged_at[event.reader] = now
            log.warning(
                "reader %s gave something that is no token (%s); %d since the start",
                event.reader,
                event.why,
                count,
            )

    def _on_status(self, event: ReaderStatus) -> None:
        self._problems[event.reader] = event.problem


def _types_of(reader: ReaderDescription) -> tuple[IdTokenType, ...]:
    return tuple(IdTokenType(type) for type in (reader.token_type, *reader.more_types))
