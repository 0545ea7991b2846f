"""Key codes are short: guessing them takes ever longer (C04.FR.06)."""

from collections.abc import Callable

from msgspec import Struct

WRONG_CODES = 3
"""So many wrong codes in a row are answered as fast as any; then each doubles the wait."""
CODE_WAIT_S = 10.0
LONGEST_CODE_WAIT_S = 640.0


class Tries(Struct, frozen=True):
    wrong: int = 0
    next_at: float = 0.0


class KeyCodes:
    """Counts wrong codes in a row, each keypad for itself; None: the station's own."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._tries: dict[int | None, Tries] = {}

    def must_wait(self, evse_id: int | None) -> bool:
        """Whether a code is not even looked at now."""
        return self._now() < self._tries.get(evse_id, Tries()).next_at

    def note(self, evse_id: int | None, *, right: bool) -> None:
        if right:
            self._tries.pop(evse_id, None)
            return
        wrong = self._tries.get(evse_id, Tries()).wrong + 1
        next_at = 0.0
        if wrong >= WRONG_CODES:
            wait_s = CODE_WAIT_S * 2 ** min(wrong - WRONG_CODES, 16)
            next_at = self._now() + min(wait_s, LONGEST_CODE_WAIT_S)
        self._tries[evse_id] = Tries(wrong, next_at)
