"""What the station makes of the time that the CSMS tells (B01, G02)."""

from datetime import UTC, datetime

import pytest

from station.bench.virtual import VirtualStation
from station.clock import Trust

PLAUSIBLE = datetime(2026, 12, 1, 12, tzinfo=UTC)


def error_s(station: VirtualStation) -> float:
    return (station.station.clock.utc() - station.utc).total_seconds()


def test_a_clock_as_wrong_as_an_answer_is_late_is_confirmed_and_not_stepped() -> None:
    """B01.FR.06; a step back by the way of the answer would misdate what follows."""
    station = VirtualStation(begin=PLAUSIBLE, clock_error_s=0.3).boot()
    assert error_s(station) == pytest.approx(0.3, abs=0.002)
    assert station.station.clock.trust is Trust.CSMS


def test_a_clock_that_is_wrong_is_set() -> None:
    """B01.FR.06"""
    station = VirtualStation(begin=PLAUSIBLE, clock_error_s=30.0).boot()
    assert error_s(station) == pytest.approx(0.0, abs=0.1)
