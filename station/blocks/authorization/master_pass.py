"""C16, Stop Transaction with a Master Pass: everything at once, or what its holder chooses.

"choose" needs no more user interface than every station has: for CHOICE_S the stop button of an
EVSE, or the pass shown again at the reader of an EVSE, ends what runs there; the pass shown
again at the station's own reader ends everything. A kept cable is let go as well: the pass is
there to get a vehicle away.
"""

import math
from typing import Literal

from station.blocks.authorization.claims import Claims
from station.charging.rows import TokenRow
from station.context import Context
from station.ocpp.messages.transactions import Reason

CHOICE_S = 30.0
"""After that much time without a choice everything is as before (C16, error handling)."""

Mode = Literal["stop-all", "choose"]


class MasterPass:
    """Ends what others began; it never starts anything."""

    def __init__(self, context: Context, claims: Claims, mode: Mode) -> None:
        self._reactor, self._claims, self._mode = context.reactor, claims, mode
        self._token: TokenRow | None = None
        self._until = -math.inf

    def shown(self, token: TokenRow) -> float:
        """It was shown and is good; for how many seconds its holder may choose now (C16.FR.01)."""
        if self._mode == "choose":
            self._token, self._until = token, self._reactor.now() + CHOICE_S
            return CHOICE_S
        self._end(token, None)  # C16.FR.02
        return 0.0

    def is_choosing(self, token: TokenRow | None = None) -> bool:
        """Whether a choice is awaited: by this token, or by any."""
        return self._reactor.now() < self._until and token in (None, self._token)

    def choose(self, evse_id: int | None) -> bool:
        """End what runs on this EVSE, or (None) everything; whether there was anything."""
        assert self._token is not None
        ended = self._end(self._token, evse_id)
        self._until = -math.inf if evse_id is None else self._reactor.now() + CHOICE_S
        return ended

    def _end(self, token: TokenRow, evse_id: int | None) -> bool:
        claims = self._claims.at(evse_id)
        for claim in claims:
            self._claims.end(claim, token, Reason.MASTER_PASS)  # C16.FR.08
        return bool(claims)
