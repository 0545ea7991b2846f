"""A token as a reader gives it, and where it was shown."""

import logging

from msgspec import Struct

from hal.api import TokenPresented
from station.charging.rows import TokenRow
from station.ocpp.messages.common import IdTokenType

log = logging.getLogger(__name__)


class Shown(Struct, frozen=True):
    """A token and where it was shown; *evse_id* None: the station's own reader."""

    token: TokenRow
    evse_id: int | None
    remote_start_id: int | None = None
    """Nobody showed it: the CSMS starts for it."""


def to_token(presented: TokenPresented) -> TokenRow | None:
    """The token as OCPP knows it; None, with a log line, when it cannot be one."""
    try:
        kind = IdTokenType(presented.type)
    except ValueError:
        log.warning("reader %s gave a token of unknown type %s", presented.reader, presented.type)
        return None
    if not 0 < len(presented.id_token) <= 36:
        log.warning("reader %s gave a token of impossible length", presented.reader)
        return None
    return TokenRow(id_token=presented.id_token, type=kind)
