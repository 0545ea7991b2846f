"""Values that wait for the Ended event of their transaction, few and small enough to be sent.

Theory of operation. What must stay (begin, interruptions) is a row each. Samples come in series,
one for the transaction's clock and one for the wall's. A series that has grown to MAX_SAMPLES
loses every second one, and from then on takes only every second, every fourth … of what comes: it
stays evenly spread, and the longer a transaction lasts the less is written. Samples are kept
without their words, which are the same in each, and are written in pages, at most one in FLUSH_S:
a process that dies takes at most that much of what lies between begin and end with it.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from station.blocks.metering.samples import unit_of
from station.clock_fixes import ClockFixes, Doubt
from station.ocpp.messages.common import (
    Location,
    Measurand,
    MeterValue,
    Phase,
    ReadingContext,
    SampledValue,
)
from station.ports import Store
from station.records import Record, Table

MAX_SAMPLES = 500
"""Of one series; then every second one goes, from within.

E06.FR.12, E06.FR.13, E07.FR.09, E07.FR.10, E08.FR.10, E08.FR.11, E09.FR.06, E09.FR.07,
E10.FR.05, E10.FR.06, E12.FR.08, E12.FR.09, E15.FR.02, E15.FR.03, F03.FR.05, F03.FR.06, J02.FR.20
"""
MAX_BYTES = 60_000
"""Of all values of one Ended event as JSON: a frame of 64 KiB is what common servers take."""
FLUSH_S = 60.0
LOOSE = 64
"""Pages are bound together now and then: a row costs more than what is in it."""

_size = msgspec.json.Encoder().encode


class CollectedRow(Record, frozen=True, kw_only=True):
    """One value that stays."""

    transaction_id: str
    number: int
    value: MeterValue
    doubt: Doubt | None = None
    """The clock that dated it was not to be trusted."""


Word = tuple[Measurand, Phase | None, Location | None]


class Wording(Record, frozen=True, kw_only=True):
    """What many samples have in common."""

    words: tuple[Word, ...]
    doubt: Doubt | None = None
    """As in CollectedRow."""


Sample = tuple[datetime, int, list[int | float]]
"""When, in which of the wordings, and the numbers."""


class SeriesRow(Record, frozen=True, kw_only=True):
    """What the samples of one series have in common."""

    transaction_id: str
    context: ReadingContext
    wordings: tuple[Wording, ...] = ()
    stride: int = 1
    """Of so many samples one is taken."""
    pages: int = 0


class PageRow(Record, frozen=True, kw_only=True):
    """Some samples of one series, in order."""

    transaction_id: str
    context: ReadingContext
    number: int
    samples: tuple[Sample, ...]


COLLECTED = Table("ended_sample", CollectedRow, lambda row: f"{row.transaction_id}/{row.number:08}")
SERIES = Table("sample_series", SeriesRow, lambda row: f"{row.transaction_id}/{row.context}")
PAGES = Table(
    "sample_page", PageRow, lambda row: f"{row.transaction_id}/{row.context}/{row.number:08}"
)


class Series:
    """One series in memory: what is on pages, and what is not yet."""

    def __init__(self, row: SeriesRow, samples: list[Sample], flushed_at: float) -> None:
        self.row = row
        self.samples = samples
        self.written = len(samples)
        self.offered = 0
        self.flushed_at = flushed_at

    def add(self, value: MeterValue, doubt: Doubt | None) -> None:
        words = tuple(_word(sample) for sample in value.sampled_value)
        wording = Wording(words=words, doubt=doubt)
        if wording not in self.row.wordings:
            self.row = replace(self.row, wordings=(*self.row.wordings, wording))
        numbers = [each.value for each in value.sampled_value]
        self.samples.append((value.timestamp, self.row.wordings.index(wording), numbers))

    def told(self, sample: Sample, fixes: ClockFixes) -> MeterValue:
        at, number, numbers = sample
        wording = self.row.wordings[number]
        words, doubt = wording.words, wording.doubt
        return MeterValue(
            timestamp=fixes.moment(at, doubt),
            sampled_value=[
                SampledValue(
                    value=number,
                    measurand=measurand,
                    context=self.row.context,
                    phase=UNSET if phase is None else phase,
                    location=UNSET if location is None else location,
                    unit_of_measure=unit_of(measurand),
                )
                for number, (measurand, phase, location) in zip(numbers, words, strict=True)
            ],
        )


class Collected:
    """The values kept so far, by transaction."""

    def __init__(self, store: Store, fixes: ClockFixes) -> None:
        self._rows, self._fixes = store.table(COLLECTED), fixes
        self._series_rows = store.table(SERIES)
        self._pages = store.table(PAGES)
        self._series: dict[tuple[str, ReadingContext], Series] = {}

    def keep(self, transaction_id: str, values: Sequence[MeterValue]) -> None:
        """These stay, whatever happens."""
        number = max((row.number for row in self._kept(transaction_id)), default=0)
        for value in values:
            number += 1
            known = self._fixes.is_true(value.timestamp)
            doubt = None if known else self._fixes.doubt()
            self._rows.put(
                CollectedRow(transaction_id=transaction_id, number=number, value=value, doubt=doubt)
            )

    def sample(
        self, transaction_id: str, context: ReadingContext, value: MeterValue, now: float
    ) -> None:
        """One more of a series, at *now* in monotonic seconds."""
        series = self._find(transaction_id, context, now)
        series.offered += 1
        if (series.offered - 1) % series.row.stride:
            return
        series.add(value, self._fixes.doubt())
        if len(series.samples) > MAX_SAMPLES:
            self._thin(series, now)
        elif now - series.flushed_at >= FLUSH_S:
            self._flush(series, now)

    def take(self, transaction_id: str, last: Sequence[MeterValue]) -> list[MeterValue]:
        """Everything for the Ended event, *last* at its end; it is not kept any more."""
        kept = [self._dated(row) for row in self._kept(transaction_id)]
        series = [self._find(transaction_id, context, 0.0) for context in SERIES_CONTEXTS]
        lists = [[each.told(sample, self._fixes) for sample in each.samples] for each in series]
        room = MAX_BYTES - sum(map(_bytes, (*kept, *last)))
        between = _fitting(lists, room)
        self.forget(transaction_id)
        first, rest = kept[:1], kept[1:]
        return [*first, *sorted([*rest, *between], key=self._age), *last]

    def _age(self, value: MeterValue) -> tuple[bool, datetime]:
        """What was dated before the clock was lost comes before what waits for its date."""
        return not self._fixes.is_true(value.timestamp), value.timestamp

    def forget(self, transaction_id: str) -> None:
        for row in self._kept(transaction_id):
            self._rows.delete(COLLECTED.key(row))
        for context in SERIES_CONTEXTS:
            series = self._series.pop((transaction_id, context), None)
            if series is not None:
                self._delete_pages(series.row)
                self._series_rows.delete(SERIES.key(series.row))

    # -- series

    def _find(self, transaction_id: str, context: ReadingContext, now: float) -> Series:
        known = self._series.get((transaction_id, context))
        if known is None:
            row = SeriesRow(transaction_id=transaction_id, context=context)
            row = self._series_rows.get(SERIES.key(row)) or row
            pages = (self._pages.get(PAGES.key(_page(row, number))) for number in range(row.pages))
            samples = [each for page in pages if page is not None for each in page.samples]
            known = Series(row, samples, now - FLUSH_S)
            self._series[transaction_id, context] = known
        return known

    def _thin(self, series: Series, now: float) -> None:
        """Every second one goes, the second, the fourth …; so it will be with what comes."""
        series.samples = series.samples[::2]
        series.row = replace(series.row, stride=series.row.stride * 2)
        self._bind(series, now)

    def _flush(self, series: Series, now: float) -> None:
        if series.row.pages >= LOOSE:
            self._bind(series, now)
            return
        fresh = tuple(series.samples[series.written :])
        self._pages.put(replace(_page(series.row, series.row.pages), samples=fresh))
        series.row = replace(series.row, pages=series.row.pages + 1)
        self._series_rows.put(series.row)
        series.written, series.flushed_at = len(series.samples), now

    def _bind(self, series: Series, now: float) -> None:
        """Write everything anew, on one page."""
        self._delete_pages(series.row)
        self._pages.put(replace(_page(series.row, 0), samples=tuple(series.samples)))
        series.row = replace(series.row, pages=1)
        self._series_rows.put(series.row)
        series.written, series.flushed_at = len(series.samples), now

    def _delete_pages(self, row: SeriesRow) -> None:
        for number in range(row.pages):
            self._pages.delete(PAGES.key(_page(row, number)))

    def _dated(self, row: CollectedRow) -> MeterValue:
        moment = self._fixes.moment(row.value.timestamp, row.doubt)
        return replace(row.value, timestamp=moment)

    def _kept(self, transaction_id: str) -> list[CollectedRow]:
        return [row for row in self._rows.all() if row.transaction_id == transaction_id]


SERIES_CONTEXTS = (ReadingContext.SAMPLE_PERIODIC, ReadingContext.SAMPLE_CLOCK)


def _page(row: SeriesRow, number: int) -> PageRow:
    return PageRow(
        transaction_id=row.transaction_id, context=row.context, number=number, samples=()
    )


def _word(sample: SampledValue) -> Word:
    assert sample.measurand is not UNSET
    return (
        sample.measurand,
        None if sample.phase is UNSET else sample.phase,
        None if sample.location is UNSET else sample.location,
    )


def _bytes(value: MeterValue) -> int:
    return len(_size(value)) + 1


def _fitting(lists: list[list[MeterValue]], room: int) -> list[MeterValue]:
    """As many as there is room for, every series thinned alike. J02.FR.20"""
    while any(lists) and sum(_bytes(value) for values in lists for value in values) > room:
        thinner = [values[::2] for values in lists]
        lists = thinner if thinner != lists else [[] for _ in lists]
    return [value for values in lists for value in values]
