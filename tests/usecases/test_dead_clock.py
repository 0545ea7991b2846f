"""A transaction begun with a clock that nobody can trust is told with right times all the same."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from station.bench.virtual import VirtualStation
from tests.usecases.accounting import assert_dated_right
from tests.usecases.test_time import FIFTY_YEARS_S, started_offline, told_at


def test_charge_that_runs_over_a_restart_and_the_first_answer_is_dated_right() -> None:
    """E04.FR.01: what waited while nobody knew the time"""
    station, began = started_offline()
    station.restart(after_s=30.0)
    station.advance(300.0)
    station.csms.go_online()
    station.advance(300.0)
    station.sim.button(1, "stop")
    station.advance(20.0)
    events = station.csms.events()
    assert abs(told_at(events[0]) - began) < timedelta(seconds=0.1)
    assert events[-1]["eventType"] == "Ended"
    times = [told_at(event) for event in sorted(events, key=lambda event: int(event["seqNo"]))]
    assert times == sorted(times)
    assert abs(times[-1] - station.utc) < timedelta(seconds=30)
    values = [value for event in events for value in event.get("meterValue", ())]
    assert all(
        began - timedelta(seconds=1) < datetime.fromisoformat(value["timestamp"]) <= station.utc
        for value in values
    )


@pytest.mark.parametrize("cuts", [1, 3])
def test_boot_that_ended_before_anybody_told_the_time_is_dated_by_the_next(cuts: int) -> None:
    """The power fails, the clock starts anew, and only then the CSMS is reached."""
    station, began = started_offline()
    for _ in range(cuts):
        station.restart(power_cut=True, after_s=40.0)
        station.advance(200.0)
    station.csms.go_online()
    station.advance(600.0)  # whatever the back-off has come to
    events = sorted(station.csms.events(), key=lambda event: int(event["seqNo"]))
    assert events[0]["eventType"] == "Started"
    assert_dated_right(station, began)
    late = told_at(events[0]) - began  # by the outages, and what nobody noted before them
    assert timedelta(0) <= late <= timedelta(seconds=cuts * (40.0 + 60.0 + 5.0))
    assert all(told_at(one) <= told_at(next_) for one, next_ in pairwise(events))


def test_clock_that_jumps_from_boot_to_boot_changes_nothing_of_that() -> None:
    """Each boot of a board without a battery believes in another year."""
    station, began = started_offline()
    for error_s in (-10 * FIFTY_YEARS_S / 50, -FIFTY_YEARS_S / 2):
        station.clock_error_s = error_s
        station.restart(power_cut=True, after_s=40.0)
        station.advance(100.0)
    station.csms.go_online()
    station.advance(200.0)
    assert station.csms.events()[0]["eventType"] == "Started"
    assert_dated_right(station, began)


def test_boots_that_knew_the_time_keep_theirs() -> None:
    """Only what was never dated is dated by what came after."""
    station = VirtualStation(clock_error_s=-FIFTY_YEARS_S).boot()
    station.csms.go_offline()
    station.sim.plug(1)
    station.advance(5.0)
    began = station.utc
    station.sim.button(1, "start")
    station.advance(100.0)
    station.restart(power_cut=True, after_s=3600.0)
    station.csms.go_online()
    station.advance(200.0)
    started = station.csms.events()[0]
    assert abs(told_at(started) - began) < timedelta(seconds=0.1)
