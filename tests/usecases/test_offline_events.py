"""Functional block E: events that waited while offline, and what they say of it (E04, E11)."""

from station.bench.virtual import VirtualStation
from station.store.backend import WINDOW
from tests.usecases.accounting import (
    assert_energy_conserved,
    assert_in_order,
    queued,
    register_wh,
)
from tests.usecases.linking import BACK_OFF, CARD, RETRIES, charging


def flags(station: VirtualStation) -> list[tuple[int, bool]]:
    return [(event["seqNo"], event["offline"]) for event in station.csms.events()]


def test_live_events_are_not_offline_and_queued_ones_are() -> None:
    """E04.FR.03, E11.FR.07"""
    station = charging(variables={**RETRIES, **BACK_OFF})
    station.csms.go_offline()
    station.sim.ev(1, "B")
    station.advance(2)
    station.sim.ev(1, "C")
    station.advance(3)
    station.csms.go_online()
    station.advance(20)
    station.sim.ev(1, "B")
    station.advance(2)
    assert flags(station) == [(0, False), (1, False), (2, True), (3, True), (4, False)]


def test_an_event_in_flight_when_the_link_drops_is_offline_when_it_is_sent_again() -> None:
    """E11.FR.07"""
    station = charging(variables={**RETRIES, **BACK_OFF})
    station.csms.answers["TransactionEvent"] = None
    station.sim.ev(1, "B")
    station.advance(1)
    station.csms.cut()
    station.csms.answers.clear()
    station.advance(10)
    assert flags(station)[-2:] == [(2, False), (2, True)]


def test_an_event_that_was_not_acknowledged_before_a_restart_is_offline() -> None:
    station = charging(variables=RETRIES)
    station.csms.answers["TransactionEvent"] = None
    station.sim.ev(1, "B")
    station.advance(1)
    station.csms.answers.clear()
    station.restart()
    station.advance(5)
    assert (2, True) in flags(station)


def test_waiting_for_the_answer_to_a_boot_notification_is_not_offline() -> None:
    station = VirtualStation(start=False)
    station.csms.answers["BootNotification"] = None
    station.power_up()
    station.advance(2)
    station.sim.plug(1)
    station.advance(1)
    station.sim.button(1, "start")
    station.advance(5)
    station.csms.answers.clear()
    station.advance(120)
    (started,) = [e for e in station.csms.events() if e["eventType"] == "Started"]
    assert started["offline"] is False


def test_new_events_go_ahead_of_the_backlog_but_never_of_their_own_past() -> None:
    station = charging(variables={**RETRIES, **BACK_OFF})
    station.csms.go_offline()
    for _ in range(4):
        station.sim.ev(1, "B")
        station.advance(2)
        station.sim.ev(1, "C")
        station.advance(2)
    station.csms.latency_s = (0.2, 0.2)
    station.csms.take()
    station.csms.go_online()
    while not station.csms.connected:
        station.advance(0.5)
    station.sim.plug(2)
    station.advance(0.1)
    station.sim.button(2, "start")
    station.sim.ev(1, "B")
    station.advance(30)
    told = [
        (event["transactionInfo"]["transactionId"], event["seqNo"])
        for event in station.csms.events()
    ]
    old, new = station.station.transactions.on_evse(1), station.station.transactions.on_evse(2)
    assert old is not None
    assert new is not None
    assert [number for name, number in told if name == old.id] == list(range(2, 11))
    assert told.index((new.id, 0)) < told.index((old.id, 9))


OFTEN = {"SampledDataCtrlr.TxUpdatedInterval": "30"}


def test_a_day_offline_is_told_afterwards_in_order_and_whole() -> None:
    """F6 of the campaign: more than the memory holds of whole messages."""
    station = charging(variables={**BACK_OFF, **OFTEN})
    before = register_wh(station)
    station.csms.go_offline()
    for _ in range(24):
        station.advance(3000)
        station.sim.ev(1, "B")
        station.advance(600)
        station.sim.ev(1, "C")
    waiting = queued(station)
    assert waiting > WINDOW
    station.csms.go_online()
    station.advance(300)
    assert queued(station) == 0
    numbers = [event["seqNo"] for event in station.csms.events()]
    assert numbers == list(range(len(numbers)))
    assert sum(offline for _, offline in flags(station)) >= waiting
    station.sim.token(CARD, evse=1)
    station.advance(10)
    station.sim.unplug(1)
    station.advance(10)
    assert_in_order(station)
    assert register_wh(station)[1] > before[1] + 20000.0
    assert_energy_conserved(station, {1: 0.0, 2: 0.0})


def test_a_month_offline_is_survived_and_told() -> None:
    """Fault F6: a car comes each day; the station never stops trying."""
    station = VirtualStation(evses=1).boot()
    station.csms.go_offline()
    tried = len(station.csms.attempts)
    for _ in range(30):
        station.sim.plug(1)
        station.advance(3)
        station.sim.button(1, "start")
        station.advance(1800)
        station.sim.unplug(1)
        station.advance(86400 - 1803)
    assert len(station.csms.attempts) - tried > 30 * 24 * 8
    station.csms.go_online()
    station.advance(1000)
    assert queued(station) == 0
    kinds = [event["eventType"] for event in station.csms.events()]
    assert (kinds.count("Started"), kinds.count("Ended")) == (30, 30)
    assert_in_order(station)


def test_a_restart_in_a_day_offline_loses_nothing_of_it() -> None:
    """Fault F6"""
    station = charging(variables={**BACK_OFF, **OFTEN})
    station.csms.go_offline()
    for power_cut in (False, True, False):
        station.advance(25000)
        station.restart(power_cut=power_cut)
    station.csms.go_online()
    station.advance(300)
    station.sim.token(CARD, evse=1)
    station.advance(10)
    station.sim.unplug(1)
    station.advance(10)
    assert_in_order(station)
    assert_energy_conserved(station, {1: 0.0, 2: 0.0})
    assert len(station.csms.events()) > WINDOW
