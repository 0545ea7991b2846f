"""Functional blocks B and G: heartbeats, and where the station has its time from."""

import pytest

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
