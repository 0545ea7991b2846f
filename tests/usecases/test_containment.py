"""What a bug may cost: a turn that fails is undone, and its source alone suffers."""

from collections.abc import Callable
from typing import Any

import pytest

from hal.api import FaultName
from station.bench.fake_csms import CallError
from station.bench.virtual import VirtualStation
from station.charging.steps import TransactionStep
from station.events import EvseChanged, TokenShown
from station.life import Ending
from station.ocpp.messages.transactions import TransactionEventRequest

BUG = "a bug"


def fails(times: int) -> Callable[..., None]:
    """A handler with a bug that shows so many times."""
    left = [times]

    def handler(*_: Any) -> None:
        if left[0] > 0:
            left[0] -= 1
            raise RuntimeError(BUG)

    return handler


@pytest.fixture
def station() -> VirtualStation:
    return VirtualStation(evses=2).boot()


def charge(station: VirtualStation, evse: int) -> None:
    station.sim.plug(evse)
    station.advance(5)
    station.sim.token(f"04A1B2C{evse}", evse=evse)
    station.advance(30)


def closed(station: VirtualStation, evse: int) -> bool:
    return station.station.evses.get(evse).report.contactor_closed


def test_a_turn_of_an_evse_that_fails_opens_that_evse_only(station: VirtualStation) -> None:
    charge(station, 1)
    charge(station, 2)
    station.station.events.subscribe(EvseChanged, fails(1))
    station.sim.ev(1, state="B")
    station.advance(1)
    assert (closed(station, 1), closed(station, 2)) == (False, True)

    station.sim.ev(1, state="C")
    station.advance(60)
    assert closed(station, 1)
    assert station.station.ending is None
    station.assert_safe()


def test_the_status_that_a_failed_turn_would_have_told_is_told_afterwards(
    station: VirtualStation,
) -> None:
    """G01.FR.01"""
    station.station.events.subscribe(EvseChanged, fails(1))
    station.sim.plug(1)
    station.advance(30)
    told = [
        (message["evseId"], message["connectorStatus"])
        for message in station.csms.of("StatusNotification")
    ]
    assert told == [(1, "Occupied")]


def test_a_grave_fault_ends_the_transaction_although_its_turn_failed(
    station: VirtualStation,
) -> None:
    """E06.FR.16"""
    charge(station, 1)
    station.station.events.subscribe(EvseChanged, fails(1))
    station.sim.fault(1, name=FaultName.GROUND_FAULT, active=True)
    station.advance(30)
    ended = station.csms.events()[-1]
    assert (ended["eventType"], ended["transactionInfo"]["stoppedReason"]) == (
        "Ended",
        "GroundFault",
    )


def test_the_second_failure_of_an_evse_within_ten_minutes_ends_the_process(
    station: VirtualStation,
) -> None:
    station.station.events.subscribe(EvseChanged, fails(2))
    station.sim.plug(1)
    station.advance(60)
    assert station.station.ending is None
    station.sim.unplug(1)
    station.advance(60)
    assert (station.ended, station.restarts) == (Ending.FAILED, 1)


def test_the_third_boot_after_failures_offers_no_energy_until_a_reset(
    station: VirtualStation,
) -> None:
    for _ in range(3):
        station.station.end(Ending.FAILED, None)
        station.advance(60)
    assert station.restarts == 3
    assert station.station.safe_mode
    charge(station, 1)
    assert not closed(station, 1)

    station.csms.call("Reset", {"type": "Immediate"})
    station.advance(60)
    assert not station.station.safe_mode
    station.sim.token("04A1B2C1", evse=1)
    station.advance(30)
    assert closed(station, 1)


def test_failures_long_ago_do_not_add_up_to_safe_mode(station: VirtualStation) -> None:
    for _ in range(4):
        station.station.end(Ending.FAILED, None)
        station.advance(3600)
        station.restart(power_cut=True)
    assert not station.station.safe_mode


def test_a_station_that_cannot_start_ends_and_does_not_linger() -> None:
    station = VirtualStation(start=False)
    station.power_up()
    station.station.resets.start = fails(1)  # type: ignore[method-assign]
    station.advance(60)
    assert (station.ended, station.restarts) == (Ending.FAILED, 1)
    assert station.station.session.online


def test_a_handler_that_fails_is_answered_internal_error_and_the_next_call_as_ever(
    station: VirtualStation,
) -> None:
    triggers = station.station.context.queries.triggers
    works, broken = triggers["Heartbeat"], fails(1)
    triggers["Heartbeat"] = lambda *where: broken() or works(*where)
    with pytest.raises(CallError, match="InternalError"):
        station.csms.call("TriggerMessage", {"requestedMessage": "Heartbeat"})
    answer = station.csms.call("TriggerMessage", {"requestedMessage": "Heartbeat"})
    assert answer == {"status": "Accepted"}


def test_an_answer_that_nobody_can_digest_is_not_fetched_again_and_again(
    station: VirtualStation,
) -> None:
    station.station.session.on_owed_result(TransactionEventRequest, fails(10_000))
    charge(station, 1)
    station.advance(600)
    events = station.csms.events()
    assert len(events) == len({event["seqNo"] for event in events})
    assert station.station.outbox.transaction_rows == 0


def test_a_step_whose_event_could_not_be_kept_is_taken_again(station: VirtualStation) -> None:
    """The driver shows the token again, and it is as if the first time had not been."""
    station.variable("TxCtrlr", "TxStartPoint", "EVConnected")
    station.sim.plug(1)
    station.advance(5)
    station.station.events.subscribe(TransactionStep, fails(1))
    station.sim.token("04A1B2C1", evse=1)
    station.advance(2.5)
    assert not station.station.evses.get(1).is_offering
    assert len(station.csms.events()) == 1

    station.sim.token("04A1B2C1", evse=1)
    station.advance(30)
    events = station.csms.events()
    assert [event["seqNo"] for event in events] == list(range(len(events)))
    assert events[0]["eventType"] == "Started"
    assert closed(station, 1)


def test_a_token_whose_turn_failed_can_be_shown_again(station: VirtualStation) -> None:
    station.station.events.subscribe(TokenShown, fails(1))
    charge(station, 1)
    assert station.csms.actions() == ["StatusNotification"]
    station.sim.token("04A1B2C1", evse=1)
    station.advance(30)
    assert closed(station, 1)


def test_whatever_was_contained_is_counted(station: VirtualStation) -> None:
    """Turns that failed, and effects that failed after their turn was durable."""
    station.station.events.subscribe(TokenShown, fails(1))
    station.sim.token("04A1B2C1", evse=1)
    station.advance(1)
    station.reactor.post(station.station.store.after_commit, fails(1))
    station.advance(1)
    assert station.station.snapshot().station["contained_failures"] == 2
