"""A month without a CSMS: what is queued, what has to go, and how it is told afterwards (E04, E11).

Time is coarse here: while nobody charges, the clock is put forward from one meter value to the
next, and the timers in between run late, once. What is told is told by the station itself.
"""

from bisect import bisect_left
from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from station.bench.fake_csms import Refusal
from station.bench.virtual import VirtualStation
from station.ocpp.messages.common import MeterValue, SampledValue
from station.ocpp.messages.transactions import (
    Transaction,
    TransactionEvent,
    TransactionEventRequest,
    TriggerReason,
)
from station.records import SendClass, StoreHealth
from station.store.backend import WINDOW
from station.store.dropped import DROPPED, numbers
from station.store.outbox import FETCH_BATCH, LIVE_WINDOW
from tests.usecases.accounting import (
    assert_energy_conserved,
    first_copies,
    queued,
    register_wh,
    told_events,
)
from tests.usecases.linking import BACK_OFF, CARD, sent

QUIET = {
    **BACK_OFF,
    "OCPPCommCtrlr.MessageTimeout[Default]": "5",
    "SampledDataCtrlr.TxUpdatedInterval": "0",
    "AlignedDataCtrlr.Interval": "0",
    "AuthCtrlr.OfflineTxForUnknownIdEnabled": "true",
}
SELDOM = {"OCPPCommCtrlr.RetryBackOffWaitMinimum": "3600"}
UNTHROTTLED = {"OCPPCommCtrlr.BacklogMessageRate": "0"}
DAYS, EVENTS, STEP_S = 30, 3330, 26.0
"""An event every 26 s, day and night: 100,000 in a month."""
ONE = [SampledValue(value=1.0)]
Times = dict[tuple[str, int], datetime]
"""When each event happened, by transaction and seqNo."""


def plug_in(station: VirtualStation, evse: int) -> None:
    station.sim.plug(evse)
    station.advance(3)
    station.sim.token(CARD, evse=evse)
    station.advance(60)
    assert station.world.evses[evse].place.closed
    station.sim.ev(evse, "B")
    station.advance(3)


def leave(station: VirtualStation, evse: int) -> None:
    station.sim.ev(evse, "C")
    station.advance(30)
    station.sim.token(CARD, evse=evse)
    station.advance(8)
    station.sim.unplug(evse)
    station.advance(5)
    assert station.station.transactions.on_evse(evse) is None


def sample(station: VirtualStation, count: int, times: Times | None = None) -> None:
    """Meter values of every transaction that runs, *count* times."""
    transactions, clock = station.station.transactions, station.station.clock

    def turn(turns: int) -> None:
        for _ in range(turns):
            station.reactor.at += STEP_S
            for row in transactions.all():
                if times is not None:
                    times[row.id, row.next_seq] = station.utc
                value = MeterValue(timestamp=clock.utc(), sampled_value=ONE)
                transactions.update(row.id, TriggerReason.METER_VALUE_PERIODIC, [value])

    for done in range(0, count, 20):
        station.reactor.post(turn, min(20, count - done))
        station.reactor.run_ready()
    station.advance(5)


def owe_a_day(station: VirtualStation, name: str, times: Times) -> None:
    """The events of a transaction that lasts a day, as block E would owe them."""
    last = EVENTS - 1

    def turn(first: int) -> None:
        for seq_no in range(first, min(first + 30, EVENTS)):
            station.reactor.at += STEP_S
            times[name, seq_no] = station.utc
            kind = {0: TransactionEvent.STARTED, last: TransactionEvent.ENDED}.get(seq_no)
            event = TransactionEventRequest(
                event_type=kind or TransactionEvent.UPDATED,
                timestamp=station.station.clock.utc(),
                trigger_reason=TriggerReason.METER_VALUE_PERIODIC,
                seq_no=seq_no,
                transaction_info=Transaction(transaction_id=name),
                meter_value=[MeterValue(timestamp=station.utc, sampled_value=ONE)],
            )
            station.station.session.owe(
                event, send_class=SendClass.TRANSACTION, transaction_id=name, seq_no=seq_no
            )

    for first in range(0, EVENTS, 30):
        station.reactor.post(turn, first)
        station.reactor.run_ready()
    station.advance(5)


def drain(station: VirtualStation, until: int = 0) -> None:
    station.csms.go_online()
    while not station.csms.connected:
        station.advance(10)
    while station.station.outbox.transaction_rows > until:
        station.advance(5)


def dropped(station: VirtualStation, transaction_id: str) -> list[int]:
    """The seqNos that the station says it has dropped."""
    rows = station.station.store.table(DROPPED).all()
    mine = [row for row in rows if row.transaction_id == transaction_id]
    return sorted(number for row in mine for number in numbers(row.runs))


def assert_told_in_order(station: VirtualStation, since: int = 0) -> None:
    """I1 to I3: whole but for what is listed, in order, begun first, ended last, dated right."""
    for transaction_id, copies in told_events(station).items():
        events = first_copies(copies)
        told = [event["seqNo"] for event in events]
        assert told == sorted(told)
        assert sorted(told + dropped(station, transaction_id)) == list(range(told[-1] + 1))
        kinds = [event["eventType"] for event in events]
        assert (kinds[0], kinds[-1]) == ("Started", "Ended")
        assert set(kinds[1:-1]) <= {"Updated"}
        moments = [datetime.fromisoformat(event["timestamp"]) for event in events]
        assert moments == sorted(moments)
    assert all(event["offline"] for event in station.csms.events()[since:])


def in_any_second(moments: Iterable[float], within_s: float) -> int:
    """The most of *moments* that fell into so many seconds."""
    listed = sorted(moments)
    return max(bisect_left(listed, begin + within_s) - at for at, begin in enumerate(listed))


# -- 100,000 events


@pytest.mark.timeout(300)
def test_a_month_and_100_000_events_are_queued_and_told_in_order_over_restarts_and_cuts() -> None:
    """E04.FR.01, E04.FR.02, E04.FR.03, E04.FR.04, E12.FR.01, E12.FR.02; fault F6

    The process is killed in the middle of the outage and in the middle of telling; the link
    breaks while it tells. Nothing is lost, nothing is told out of order.
    """
    limits = {"OCPPCommCtrlr.QueueMaxMessages": "200000"}
    station = VirtualStation(variables={**QUIET, **SELDOM, **UNTHROTTLED, **limits}).boot()
    before = register_wh(station)
    station.csms.go_offline()
    times: Times = {}
    for day in range(DAYS):
        plug_in(station, 1)
        if day in (DAYS // 2, DAYS - 2):  # what comes after a power cut has no clock at first
            station.restart(power_cut=day > DAYS // 2)
            station.advance(3)
        leave(station, 1)
        owe_a_day(station, f"day-{day}", times)
    assert queued(station) >= 100_000
    assert station.station.outbox.whole <= WINDOW
    assert station.csms.events() == []

    total = queued(station)
    drain(station, until=total * 2 // 3)
    station.restart()
    assert queued(station) < total
    drain(station, until=total // 3)
    station.csms.cut()
    drain(station)
    assert station.station.outbox.whole <= WINDOW + LIVE_WINDOW + FETCH_BATCH
    assert_told_in_order(station)
    told = {name: first_copies(copies) for name, copies in told_events(station).items()}
    assert len(told) == 2 * DAYS
    assert station.station.outbox.dropped == 0
    for (name, seq_no), happened in times.items():
        moment = datetime.fromisoformat(told[name][seq_no]["timestamp"])
        assert abs((moment - happened).total_seconds()) < 0.1
    assert_energy_conserved(station, before)
    station.assert_safe()


# -- more than there is room for


def test_a_queue_that_is_full_keeps_every_begin_and_end_and_the_course_of_each_charge() -> None:
    """E04.FR.07, E04.FR.08, E11.FR.04, E11.FR.05, E12.FR.04, E12.FR.05, J02.FR.12, J02.FR.13"""
    limits = {"OCPPCommCtrlr.QueueMaxMessages": "400"}
    station = VirtualStation(variables={**QUIET, **SELDOM, **UNTHROTTLED, **limits}).boot()
    before = register_wh(station)
    samples: Times = {}
    plug_in(station, 1)
    online = len(station.csms.events())
    station.csms.go_offline()
    for number in range(10):
        if number:
            plug_in(station, 1)
        plug_in(station, 2)
        sample(station, 150, samples)
        if number == 5:
            station.restart()
        for evse in (1, 2):
            leave(station, evse)
        assert queued(station) <= 400
    drain(station)
    assert_told_in_order(station, since=online)
    assert station.station.outbox.dropped > 2000
    assert_energy_conserved(station, before)
    for name, copies in told_events(station).items():
        told = [event["seqNo"] for event in copies]
        gaps = [later - earlier for earlier, later in pairwise(told)]
        assert max(gaps) <= 32, "the course is kept, coarsely"
        assert {(name, number) for number in dropped(station, name)} <= samples.keys()
    events = station.csms.of("SecurityEventNotification")
    assert [event["type"] for event in events].count("MemoryExhaustion") == 1


def test_a_disk_that_fills_up_in_an_outage_costs_meter_values_and_nothing_else() -> None:
    """E04.FR.07, E04.FR.08; fault F23: what is new lives in memory, and is told from there."""
    limits = {"OCPPCommCtrlr.QueueMaxMessages": "400"}
    station = VirtualStation(variables={**QUIET, **SELDOM, **UNTHROTTLED, **limits}).boot()
    before = register_wh(station)
    station.csms.go_offline()
    for number in range(6):
        plug_in(station, 1)
        sample(station, 300)
        leave(station, 1)
        if number == 1:
            station.backend.fail_with(OSError("no space left on device"))
    assert station.station.store.health is StoreHealth.VOLATILE
    assert queued(station) <= 400
    drain(station)
    assert_told_in_order(station)
    assert len(told_events(station)) == 6
    assert_energy_conserved(station, before)
    station.backend.fail_with(None)
    station.advance(120)
    station.restart()
    assert (queued(station), station.station.outbox.dropped > 1000) == (0, True)


# -- the pace


def backlog(station: VirtualStation, events: int) -> None:
    """EVSE 1 charges; so many of its events wait when the link comes back."""
    plug_in(station, 1)
    station.csms.go_offline()
    sample(station, events)
    station.advance(60)


def connect(station: VirtualStation) -> int:
    """The link is back; how many frames there were before."""
    mark = len(station.csms.frames)
    station.csms.go_online()
    while not station.csms.connected:
        station.advance(0.1)
    return mark


def test_a_backlog_of_10_000_is_told_within_ten_minutes_and_at_its_pace() -> None:
    """G11 of the anchors, with a round trip of 50 ms; nobody need think of an attack."""
    station = VirtualStation(variables=QUIET).boot()
    backlog(station, 10_000)
    station.csms.latency_s = (0.025, 0.025)
    mark = connect(station)
    began = station.reactor.at
    while station.station.outbox.transaction_rows:
        station.advance(1)
    assert station.reactor.at - began < 600
    moments = [at for at, _, _ in sent(station, "TransactionEvent", mark)]
    assert len(moments) >= 10_000
    assert in_any_second(moments, 10.0) <= 20 + 10 * 20


def test_new_events_keep_their_place_while_a_backlog_is_told() -> None:
    """E04.FR.02: the driver who comes now is told of now."""
    pace = {"OCPPCommCtrlr.BacklogMessageRate": "2", "OCPPCommCtrlr.BacklogBurst": "1"}
    station = VirtualStation(variables={**QUIET, **pace}).boot()
    backlog(station, 200)
    mark = connect(station)
    station.advance(20)
    assert queued(station) > 100
    plugged_at = station.reactor.at
    plug_in(station, 2)
    station.sim.ev(1, "C")
    station.advance(5)
    new = station.station.transactions.on_evse(2)
    old = station.station.transactions.on_evse(1)
    assert new is not None
    assert old is not None
    at, _, event = next(
        each for each in sent(station, "TransactionEvent", mark) if told_of(each[2]) == new.id
    )
    assert event["eventType"] == "Started"
    assert (event["offline"], at - plugged_at < 4) == (False, True)
    assert queued(station) > 0
    station.advance(200)
    numbers_told = [event["seqNo"] for event in station.csms.events(old.id)]
    assert numbers_told == sorted(numbers_told), "its own past comes first all the same"
    assert queued(station) == 0


def told_of(event: dict[str, Any]) -> str:
    return str(event["transactionInfo"]["transactionId"])


def test_a_link_that_flaps_grants_no_burst_each_time() -> None:
    pace = {
        "OCPPCommCtrlr.BacklogMessageRate": "2",
        "OCPPCommCtrlr.BacklogBurst": "10",
        "OCPPCommCtrlr.RetryBackOffWaitMinimum": "1",
    }
    station = VirtualStation(variables={**QUIET, **pace}).boot()
    backlog(station, 400)
    mark = connect(station)
    for _ in range(12):
        station.advance(3)
        station.csms.cut()
        station.advance(2)
    moments = [at for at, _, _ in sent(station, "TransactionEvent", mark)]
    assert len({link for link, up in station.csms.links if up}) > 5
    for seconds in (3.0, 10.0, 30.0):
        assert in_any_second(moments, seconds) <= 10 + 2 * seconds + 1
    assert len(moments) > 50


def test_the_pace_can_be_changed_while_a_backlog_is_told() -> None:
    pace = {"OCPPCommCtrlr.BacklogMessageRate": "1", "OCPPCommCtrlr.BacklogBurst": "1"}
    station = VirtualStation(variables={**QUIET, **pace}).boot()
    backlog(station, 300)
    connect(station)
    station.advance(20)
    assert queued(station) > 250
    station.variable("OCPPCommCtrlr", "BacklogMessageRate", "0")
    station.advance(20)
    assert queued(station) == 0


def test_a_message_of_the_backlog_that_is_refused_waits_as_long_as_any() -> None:
    """E13.FR.03"""
    retries = {
        "OCPPCommCtrlr.MessageAttempts[TransactionEvent]": "3",
        "OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]": "4",
        "OCPPCommCtrlr.BacklogMessageRate": "0.1",
        "OCPPCommCtrlr.BacklogBurst": "1",
    }
    station = VirtualStation(variables={**QUIET, **retries}).boot()
    backlog(station, 20)
    station.csms.answers["TransactionEvent"] = Refusal("InternalError")
    mark = connect(station)
    station.advance(40)
    moments = [at for at, _, _ in sent(station, "TransactionEvent", mark)]
    waits = [later - earlier for earlier, later in pairwise(moments)]
    assert waits[:2] == pytest.approx([10, 10], abs=0.1), "4 s and 8 s, and the pace of one in 10 s"
