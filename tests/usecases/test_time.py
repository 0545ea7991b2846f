"""Functional blocks B and G: heartbeats, and where the station has its time from."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from station.bench.fake_csms import Refusal
from station.bench.virtual import VirtualStation
from tests.usecases.linking import BACK_OFF, CARD, LATENCY_S, gaps, sent


def test_a_heartbeat_is_sent_when_nothing_else_was_for_an_interval() -> None:
    """G02.FR.01"""
    station = VirtualStation(variables={"AlignedDataCtrlr.Interval": "0"})
    station.csms.interval_s = 100
    station.boot()
    mark = station.reactor.at
    station.advance(1000)
    beats = [at - mark for at, _, _ in sent(station, "Heartbeat")]
    assert len(beats) in (9, 10)
    assert gaps(beats) == pytest.approx([100.0] * (len(beats) - 1), abs=LATENCY_S)


def test_other_messages_put_the_heartbeat_off() -> None:
    """G02.FR.05"""
    station = VirtualStation(variables={"SampledDataCtrlr.TxUpdatedInterval": "60"})
    station.csms.interval_s = 100
    station.boot()
    station.sim.plug(1)
    station.advance(2)
    station.sim.token(CARD, evse=1)
    station.advance(3600)
    assert station.csms.of("Heartbeat") == []


def test_the_time_is_asked_for_once_a_day_whatever_else_is_sent() -> None:
    """G02.FR.07"""
    station = VirtualStation(
        variables={"SampledDataCtrlr.TxUpdatedInterval": "600", "AlignedDataCtrlr.Interval": "0"}
    )
    station.csms.interval_s = 700
    station.boot()
    station.sim.plug(1, capacity_wh=1e7)
    station.advance(2)
    station.sim.token(CARD, evse=1)
    station.advance(3 * 86400 + 60)
    beats = [at for at, _, _ in sent(station, "Heartbeat")]
    assert len(beats) == 3
    assert gaps(beats) == pytest.approx([86400.0] * 2, abs=1.0)


def test_no_heartbeat_piles_up_while_offline() -> None:
    station = VirtualStation(variables={**BACK_OFF, "AlignedDataCtrlr.Interval": "0"})
    station.csms.interval_s = 100
    station.boot()
    station.csms.go_offline()
    station.advance(5000)
    station.csms.take()
    station.csms.go_online()
    station.advance(90)
    assert len(station.csms.of("Heartbeat")) <= 1


# -- the clock

FIFTY_YEARS_S = 50 * 365.25 * 86400
DECEMBER = datetime(2026, 12, 1, 9, tzinfo=UTC)
"""Later than this software: a clock that shows it is plausible."""


def told_at(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["timestamp"])


def tell_time(station: VirtualStation, error: timedelta) -> None:
    """The CSMS's next Heartbeat answer is that wrong; one is asked for now."""
    station.csms.answers["Heartbeat"] = lambda request: {
        "currentTime": (station.utc + error).isoformat()
    }
    station.csms.call("TriggerMessage", {"requestedMessage": "Heartbeat"})
    station.settle()


def started_offline(**options: Any) -> tuple[VirtualStation, datetime]:
    """A station without a clock begins a charge before it has ever been connected."""
    station = VirtualStation(clock_error_s=-FIFTY_YEARS_S, start=False, **options)
    station.csms.reachable = False
    station.power_up()
    station.advance(5)
    station.sim.plug(1)
    station.advance(5)
    began = station.utc
    station.sim.button(1, "start")
    station.advance(300)
    return station, began


def test_what_happened_before_the_time_was_known_is_dated_right() -> None:
    """Fault F17"""
    station, began = started_offline()
    station.csms.go_online()
    station.advance(120)
    started = station.csms.events()[0]
    assert abs(told_at(started) - began) < timedelta(seconds=0.1)
    values = started["meterValue"][0]
    assert abs(datetime.fromisoformat(values["timestamp"]) - began) < timedelta(seconds=0.1)
    times = [told_at(event) for event in station.csms.events()]
    assert times == sorted(times)


def test_it_is_dated_right_after_a_crash_too() -> None:
    station, began = started_offline()
    station.restart(after_s=60)
    station.csms.go_online()
    station.advance(120)
    assert abs(told_at(station.csms.events()[0]) - began) < timedelta(seconds=0.1)


def test_it_is_dated_right_even_if_the_power_fails_before_it_is_told() -> None:
    """The correction is kept with the boot to which it belongs."""
    station, began = started_offline(variables=BACK_OFF)
    station.csms.answers["TransactionEvent"] = Refusal("InternalError")
    station.csms.go_online()
    station.advance(60)
    assert station.csms.events()
    station.csms.answers.clear()
    told = len(station.csms.events())
    station.restart(power_cut=True)
    station.advance(300)
    again = [event for event in station.csms.events()[told:] if event["seqNo"] == 0]
    assert abs(told_at(again[0]) - began) < timedelta(seconds=0.1)


def test_a_crash_does_not_make_the_station_forget_the_time() -> None:
    station, _ = started_offline()
    station.csms.go_online()
    station.advance(120)
    station.csms.go_offline()
    station.restart(after_s=60)
    assert abs(station.station.clock.utc() - station.utc) < timedelta(seconds=0.1)


@pytest.mark.parametrize(
    ("sources", "begin", "taken"),
    [
        ("Heartbeat", DECEMBER, True),
        ("Heartbeat,NTP", DECEMBER, True),
        ("NTP,Heartbeat", DECEMBER, False),
        ("NTP", DECEMBER, False),
        ("NTP,Heartbeat", DECEMBER - timedelta(days=20000), True),
        ("NTP", DECEMBER - timedelta(days=20000), False),
    ],
)
def test_the_time_comes_from_the_first_source_that_has_it(
    sources: str, begin: datetime, taken: bool
) -> None:
    """B01.FR.06, G02.FR.06, and the variable TimeSource"""
    station = VirtualStation(
        begin=begin, clock_error_s=-3600.0, variables={"ClockCtrlr.TimeSource": sources}
    ).boot()
    error = abs(station.station.clock.utc() - station.utc)
    assert (error < timedelta(seconds=0.1)) is taken
    assert error < timedelta(hours=1, seconds=1)


def test_a_heartbeat_sets_the_clock() -> None:
    """G02.FR.06"""
    station = VirtualStation().boot()
    tell_time(station, timedelta(minutes=7))
    told = datetime.fromisoformat(station.variable("ClockCtrlr", "DateTime"))
    assert abs(told - station.utc - timedelta(minutes=7)) < timedelta(seconds=0.1)


def test_the_way_of_an_answer_does_not_pull_at_the_clock() -> None:
    station = VirtualStation().boot()
    offset_s = station.station.clock.offset_s
    for error_ms in (400, -400, 900):
        tell_time(station, timedelta(milliseconds=error_ms))
    assert station.station.clock.offset_s == offset_s


@pytest.mark.parametrize(
    "step",
    [
        timedelta(hours=1),
        timedelta(hours=-1),
        timedelta(days=1),
        timedelta(days=-1),
        timedelta(days=-20000),
        timedelta(days=29000),
    ],
    ids=str,
)
def test_a_step_of_the_clock_repeats_and_drops_no_sample(step: timedelta) -> None:
    """Fault F18: to 1972 and to 2106 too"""
    station = VirtualStation(evses=1, variables={"SampledDataCtrlr.TxUpdatedInterval": "60"}).boot()
    station.sim.plug(1)
    station.advance(3)
    station.sim.button(1, "start")
    station.advance(630)
    tell_time(station, step)
    station.advance(3600)

    samples = [
        at
        for at, _, event in sent(station, "TransactionEvent")
        if event["triggerReason"] == "MeterValuePeriodic"
    ]
    assert gaps(samples) == pytest.approx([60.0] * (len(samples) - 1), abs=LATENCY_S)
    assert len(samples) in (70, 71)
    aligned = [
        (at, told_at(event))
        for at, _, event in sent(station, "TransactionEvent")
        if event["triggerReason"] == "MeterValueClock"
    ]
    assert all(moment.minute % 15 == 0 and moment.second == 0 for _, moment in aligned)
    assert all(gap_s <= 900.0 + LATENCY_S for gap_s in gaps([at for at, _ in aligned]))


def test_a_step_of_the_clock_does_not_move_a_timeout() -> None:
    """Fault F18"""
    station = VirtualStation(
        variables={"TxCtrlr.EVConnectionTimeOut": "30", "TxCtrlr.TxStartPoint": "Authorized"}
    ).boot()
    station.sim.token(CARD, evse=1)
    station.advance(10)
    tell_time(station, timedelta(days=1))
    tell_time(station, timedelta(days=-1))
    station.advance(15)
    assert [event["eventType"] for event in station.csms.events()] == ["Started"]
    station.advance(3)
    assert station.csms.events()[-1]["triggerReason"] == "EVConnectTimeout"
