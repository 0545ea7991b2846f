"""Signatures of samples that wait for the Ended event of their transaction.

They are large: a signed sample takes more than a kilobyte. So of a long transaction only some are
signed, evenly spread, and what an Ended event has no room for goes from between begin and end.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

from hal.api import SignedReading
from station.blocks.metering.collected import MAX_BYTES
from station.blocks.metering.signatures import Place, is_register
from station.clock_fixes import ClockFixes, Doubt
from station.ocpp.messages.common import MeterValue, ReadingContext
from station.ports import Store
from station.records import Record, Table

MAX_SIGNED = 20
"""Of one series; then every second signature goes, from within, and half as many are asked for."""
BETWEEN = frozenset({ReadingContext.SAMPLE_PERIODIC, ReadingContext.SAMPLE_CLOCK})
"""What may be left out: the bill needs the begin and the end."""

_encode = msgspec.json.Encoder().encode


class SampleSignatureRow(Record, frozen=True, kw_only=True):
    """What the meter has signed for one sample of a transaction."""

    transaction_id: str
    context: ReadingContext
    at: datetime
    """The timestamp of the sample."""
    signed: SignedReading
    doubt: Doubt | None = None
    """The clock that dated it was not to be trusted."""


SAMPLE_SIGNATURES = Table(
    "sample_signature",
    SampleSignatureRow,
    lambda row: f"{row.transaction_id}/{row.context}/{row.at.isoformat()}",
)


class Count(Struct, eq=False):
    """How many samples of one series were taken, and of how many one is signed."""

    taken: int = 0
    stride: int = 1


class SampleSignatures:
    """Of the transactions that run."""

    def __init__(self, store: Store, fixes: ClockFixes) -> None:
        self._rows, self._fixes = store.table(SAMPLE_SIGNATURES), fixes
        self._counts: dict[str, dict[ReadingContext, Count]] = {}

    def takes(self, transaction_id: str, context: ReadingContext) -> bool:
        """A sample is taken: whether a signature is wanted for it."""
        count = self._count(transaction_id, context)
        count.taken += 1
        return (count.taken - 1) % count.stride == 0

    def put(self, transaction_id: str, place: Place, signed: SignedReading) -> None:
        assert place.at is not None
        row = SampleSignatureRow(
            transaction_id=transaction_id,
            context=place.context,
            at=place.at,
            signed=signed,
            doubt=self._fixes.doubt(),
        )
        self._rows.put(row)
        mine = [each for each in self._of(transaction_id) if each.context == place.context]
        if len(mine) > MAX_SIGNED:
            self._count(transaction_id, place.context).stride *= 2
            for each in mine[1::2]:
                self._rows.delete(SAMPLE_SIGNATURES.key(each))

    def take(self, transaction_id: str) -> list[tuple[Place, SignedReading]]:
        """All that were kept, each with its place; they are not kept any more."""
        mine = self._of(transaction_id)
        self.forget(transaction_id)
        return [(Place(each.context, self._dated(each)), each.signed) for each in mine]

    def forget(self, transaction_id: str) -> None:
        for row in self._of(transaction_id):
            self._rows.delete(SAMPLE_SIGNATURES.key(row))
        self._counts.pop(transaction_id, None)

    def _of(self, transaction_id: str) -> list[SampleSignatureRow]:
        return [row for row in self._rows.all() if row.transaction_id == transaction_id]

    def _count(self, transaction_id: str, context: ReadingContext) -> Count:
        counts = self._counts.setdefault(transaction_id, {})
        return counts.setdefault(context, Count())

    def _dated(self, row: SampleSignatureRow) -> datetime:
        return self._fixes.moment(row.at, row.doubt)


def fitting(
    values: Sequence[MeterValue], is_signed: Callable[[ReadingContext], bool]
) -> list[MeterValue]:
    """The values of an Ended event, as many as there is room for (J02.FR.20).

    Where signatures are wanted and there are some, samples without one go first.
    """
    kept = [*values]
    for context in sorted(BETWEEN):
        series = [value for value in kept if _is_of(value, context)]
        if is_signed(context) and any(map(_has_signature, series)):
            kept = [each for each in kept if not _is_of(each, context) or _has_signature(each)]
    while len(_encode(kept)) > MAX_BYTES:
        thinner = _thinned(kept)
        if len(thinner) == len(kept):
            break
        kept = thinner
    return kept


def _thinned(values: list[MeterValue]) -> list[MeterValue]:
    """Without every second one of those between begin and end."""
    between = [index for index, value in enumerate(values) if _is_between(value)]
    gone = {*between[::2]}
    return [value for index, value in enumerate(values) if index not in gone]


def _is_between(value: MeterValue) -> bool:
    return all(sample.context in BETWEEN for sample in value.sampled_value)


def _is_of(value: MeterValue, context: ReadingContext) -> bool:
    """A sample of this series that tells the register."""
    return any(sample.context == context and is_register(sample) for sample in value.sampled_value)


def _has_signature(value: MeterValue) -> bool:
    return any(
        sample.signed_meter_value is not msgspec.UNSET
        for sample in value.sampled_value
        if is_register(sample)
    )
