"""What a monitor makes of values: the pure part of block N, against an oracle of its own."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from station.blocks.monitoring.engine import Happened, judge
from station.blocks.monitoring.rows import MonitorRow
from station.device_model import Address
from station.ocpp.messages.diagnostics import Monitor

VALUES = st.lists(st.integers(-20, 20).map(lambda tenths: tenths / 10), min_size=1, max_size=40)


def monitor(type: Monitor, value: float) -> MonitorRow:
    address = Address("EVSE", "Power", evse_id=1)
    return MonitorRow(id=1, address=address, type=type, value=value, severity=5)


def happenings(row: MonitorRow, values: list[str], *, numeric: bool) -> list[Happened]:
    found = []
    for text in values:
        verdict = judge(row, text, numeric=numeric)
        row = verdict.row
        found.append(verdict.happened)
    return found


@given(VALUES, st.sampled_from([Monitor.UPPER_THRESHOLD, Monitor.LOWER_THRESHOLD]))
def test_every_crossing_of_a_threshold_is_told_once(values: list[float], type: Monitor) -> None:
    """N07.FR.02, N07.FR.16, N07.FR.17: a value on the threshold is within it."""
    threshold = 0.5
    upper = type is Monitor.UPPER_THRESHOLD
    outside = [False, *(value > threshold if upper else value < threshold for value in values)]
    wanted = [
        Happened.NOTHING if was == now else Happened.EXCEEDED if now else Happened.CLEARED
        for was, now in pairwise(outside)
    ]
    assert happenings(monitor(type, threshold), [str(v) for v in values], numeric=True) == wanted


@given(VALUES, st.integers(0, 15).map(lambda tenths: tenths / 10))
def test_a_difference_counts_from_the_value_told_last(values: list[float], most: float) -> None:
    """N07.FR.18: more than the difference, since it was set or last told."""
    told, wanted = values[0], [Happened.NOTHING]
    for value in values[1:]:
        moved = abs(value - told) > most
        wanted.append(Happened.CHANGED if moved else Happened.NOTHING)
        told = value if moved else told
    row = monitor(Monitor.DELTA, most)
    assert happenings(row, [str(value) for value in values], numeric=True) == wanted


@given(st.lists(st.sampled_from(["Available", "Occupied", "Faulted"]), min_size=1))
def test_what_is_no_number_is_told_whenever_it_changes(values: list[str]) -> None:
    """N07.FR.19"""
    wanted = [Happened.NOTHING] + [
        Happened.CHANGED if was != now else Happened.NOTHING for was, now in pairwise(values)
    ]
    assert happenings(monitor(Monitor.DELTA, 1.0), values, numeric=False) == wanted


@given(VALUES, st.sampled_from(list(Monitor)))
def test_an_unknown_value_changes_nothing(values: list[float], type: Monitor) -> None:
    row = monitor(type, 0.5)
    for value in values:
        row = judge(row, str(value), numeric=True).row
        verdict = judge(row, "", numeric=True)
        assert (verdict.row, verdict.happened) == (row, Happened.NOTHING)
