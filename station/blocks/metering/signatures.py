"""Where signatures belong in what is told: pure functions over meter values."""

import base64
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from msgspec import UNSET, Struct
from msgspec.structs import replace

from hal.api import SignedReading
from station.charging.rows import TokenRow
from station.ocpp.messages.common import (
    IdTokenType,
    Location,
    Measurand,
    MeterValue,
    ReadingContext,
    SampledValue,
    SignedMeterValue,
)

MAX_CHARS = 2500
"""Of each text of SignedMeterValueType."""
UNNAMED = frozenset({IdTokenType.KEY_CODE, IdTokenType.NO_AUTHORIZATION})
"""A PIN is a secret, and the start button is nobody: neither is put into a data set."""

Wanted = Callable[[ReadingContext], bool]
"""Whether a sample with this context is to be signed."""
Tell = Callable[[ReadingContext], SignedMeterValue | None]
"""How a signature is told for a sample with this context; None: it cannot be."""


class Place(Struct, frozen=True):
    """The samples that one signature is for."""

    context: ReadingContext
    at: datetime | None = None
    """None: of whatever moment."""

    def holds(self, other: "Place") -> bool:
        return self.context == other.context and self.at in (None, other.at)


def is_register(sample: SampledValue) -> bool:
    """The total import register at the outlet: it is what a meter signs (J02.FR.21)."""
    measurand = sample.measurand in (UNSET, Measurand.ENERGY_ACTIVE_IMPORT_REGISTER)
    return measurand and sample.phase is UNSET and sample.location in (UNSET, Location.OUTLET)


def unsigned(values: Iterable[MeterValue], wanted: Wanted) -> Iterator[Place]:
    """The places of the samples that still want a signature."""
    for value in values:
        for sample in value.sampled_value:
            context = _context(sample)
            if is_register(sample) and sample.signed_meter_value is UNSET and wanted(context):
                yield Place(context, value.timestamp)


def filled(
    values: Sequence[MeterValue], place: Place, wanted: Wanted, signed: SignedReading, tell: Tell
) -> list[MeterValue]:
    """*values* with the signature where it belongs; the register becomes the one that was signed.

    E02.FR.14, E03.FR.10, E04.FR.10, E05.FR.06, E07.FR.12, E08.FR.12, E09.FR.08, E10.FR.07,
    E11.FR.08, E12.FR.10
    """

    def fill(value: MeterValue, sample: SampledValue) -> SampledValue:
        context = _context(sample)
        if not (is_register(sample) and sample.signed_meter_value is UNSET and wanted(context)):
            return sample
        told = tell(context) if place.holds(Place(context, value.timestamp)) else None
        if told is None:
            return sample
        return replace(sample, value=signed.energy_wh, signed_meter_value=told)

    return [
        replace(value, sampled_value=[fill(value, sample) for sample in value.sampled_value])
        for value in values
    ]


def to_signed_value(signed: SignedReading, *, with_key: bool) -> SignedMeterValue | None:
    """The bytes of the meter unchanged, in Base64; None when they do not fit into a message."""
    data = to_base64(signed.data)
    key = to_base64(signed.public_key) if with_key and signed.public_key else ""
    if max(len(data), len(key)) > MAX_CHARS:
        return None
    return SignedMeterValue(
        signed_meter_data=data,
        signing_method=signed.signing_method,
        encoding_method=signed.encoding_method,
        public_key=key,  # required, so empty when it is not told
    )


def to_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def identification(token: TokenRow | None) -> str:
    """Who charges, as it may stand in a data set (C04.FR.04)."""
    return "" if token is None or token.type in UNNAMED else token.id_token


def _context(sample: SampledValue) -> ReadingContext:
    return ReadingContext.SAMPLE_PERIODIC if sample.context is UNSET else sample.context
