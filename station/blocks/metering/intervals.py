"""What has been counted since the sample before, for the measurands that end in Interval."""

from enum import StrEnum

from hal.api import Registers, minus


class Chain(StrEnum):
    """Samples of one kind follow one another."""

    UPDATED = "updated"
    ENDED = "ended"
    ALIGNED = "aligned"
    ALIGNED_ENDED = "aligned_ended"


OF_TRANSACTION = (Chain.UPDATED, Chain.ENDED, Chain.ALIGNED_ENDED)
"""These begin anew with each transaction."""


class Intervals:
    """The registers at the last sample of each chain, by EVSE (`MeterReading.counted`)."""

    def __init__(self) -> None:
        self._anchors: dict[tuple[int, Chain], Registers] = {}

    def begin(self, evse_id: int, chain: Chain, counted: Registers) -> None:
        self._anchors[evse_id, chain] = counted

    def since(self, evse_id: int, chain: Chain, counted: Registers) -> Registers:
        """What was counted since the last sample; nothing if there was none."""
        moved = minus(counted, self._anchors.setdefault((evse_id, chain), counted))
        return tuple(None if each is None else max(0, each) for each in moved)
