"""Start point DataSigned: the transaction begins with the signed begin, and never without it."""

from typing import Any

import pytest

from hal.api import SIGNING_S, FaultName
from station.bench.virtual import VirtualStation
from station.blocks.metering.data_signed import AGAIN_S, ATTEMPTS
from station.events import TokenAnswered
from station.ocmf.data_set import parse
from station.ocpp.messages.common import AuthorizationStatus
from tests.usecases.accounting import assert_in_order
from tests.usecases.charges import offline, remote_after_cable, remote_before_cable
from tests.usecases.conftest import MakeStation
from tests.usecases.signing import (
    CARD,
    checked,
    end,
    kinds,
    make,
    plug,
    reasons,
    show,
    signatures,
)
from tests.usecases.telling import is_closed, told

MOODS = pytest.mark.parametrize("mood", ["refuses", "late"])


def built(make_station: MakeStation, *points: str, **more: Any) -> VirtualStation:
    return make(make_station, *(points or ("DataSigned",)), **more)


def test_the_transaction_begins_when_the_meter_has_signed(make_station: MakeStation) -> None:
    """E01.FR.04, E01.FR.15: with the data set that it waited for."""
    station = built(make_station)
    plug(station)
    station.sim.token(CARD, evse=1)
    station.advance(0.2)
    assert station.station.transactions.all() == []
    assert not is_closed(station)
    station.advance(15)
    assert told(station) == [
        "Started SignedDataReceived EVConnected",
        "Updated ChargingStateChanged Charging",
    ]
    started = station.csms.events()[0]
    assert started["idToken"]["idToken"] == CARD
    assert started["evse"] == {"id": 1, "connectorId": 1}
    assert reasons(checked(station, started)) == "B"
    end(station)
    assert reasons(checked(station, station.csms.events()[-1])) == "BE"
    assert station.world.evses[1].place.signing.pages == 2, "the begin was asked once"
    assert_in_order(station)


def test_nothing_waits_for_a_signature_that_is_there(make_station: MakeStation) -> None:
    """The Started event is complete from the beginning: it is not held."""
    station = built(make_station)
    plug(station)
    station.sim.token(CARD, evse=1)
    station.advance(0.4)
    assert kinds(station.csms.events()) == ["Started"]


@pytest.mark.parametrize("begin", [remote_after_cable, remote_before_cable, offline])
def test_it_begins_so_whoever_authorises(make_station: MakeStation, begin: Any) -> None:
    station = built(make_station)
    begin(station)
    station.advance(10)
    station.csms.go_online()
    station.advance(20)
    started = station.csms.events()[0]
    assert started["triggerReason"] in ("SignedDataReceived", "RemoteStart")
    assert reasons(checked(station, started)) == "B"
    assert is_closed(station)


def test_where_nobody_needs_authorisation_the_cable_asks_for_the_signature(
    make_station: MakeStation,
) -> None:
    station = built(make_station, "DataSigned", variables={"AuthCtrlr.Enabled": "false"})
    plug(station)
    station.advance(10)
    assert told(station)[0] == "Started SignedDataReceived EVConnected"
    station.sim.unplug(1)
    station.advance(5)
    assert kinds(station.csms.events())[-1] == "Ended"
    plug(station)
    station.advance(10)
    assert kinds(station.csms.events())[-1] == "Updated", "the next car, the next transaction"


def test_another_start_point_that_comes_first_begins_the_transaction(
    make_station: MakeStation,
) -> None:
    station = built(make_station, "DataSigned,PowerPathClosed")
    plug(station)
    show(station)
    station.advance(10)
    started = station.csms.events()[0]
    assert started["triggerReason"] == "Authorized"
    assert reasons(checked(station, started)) == "B"


def test_each_transaction_needs_a_signature_of_its_own(make_station: MakeStation) -> None:
    """The same car stays and its driver comes again: what was signed for the last counts not."""
    station = built(make_station)
    plug(station)
    for _ in range(2):
        show(station)
        station.advance(15)
        assert is_closed(station)
        show(station)
        station.advance(15)
    events = station.csms.events()
    started = [event for event in events if event["eventType"] == "Started"]
    assert [event["triggerReason"] for event in started] == ["SignedDataReceived"] * 2
    assert len({signatures(event)[0] for event in started}) == 2


# -- a meter that does not sign


@MOODS
def test_without_a_signature_there_is_no_transaction_and_no_energy(
    make_station: MakeStation, mood: str
) -> None:
    station = built(make_station)
    answers: list[TokenAnswered] = []
    station.station.events.subscribe(TokenAnswered, answers.append)
    station.sim.signing(1, mood)
    plug(station)
    show(station)
    for _ in range(100):
        station.advance(1)
        assert not is_closed(station)
        assert station.station.transactions.all() == []
    assert station.csms.events() == []
    assert station.station.transactions.grants.all() == [], "the driver must come again"
    last = answers[-1]
    assert (last.evse_id, last.accepted, last.status) == (1, False, AuthorizationStatus.ACCEPTED)
    assert station.world.evses[1].place.signing.in_transaction is False
    station.sim.unplug(1)
    station.advance(5)
    assert_in_order(station)


def test_the_meter_is_asked_a_few_times_and_then_no_more(make_station: MakeStation) -> None:
    station = built(make_station)
    asked: list[str] = []
    sign = station.board.sign

    def count(evse: int, moment: Any, who: str, on_result: Any) -> None:
        asked.append(str(moment))
        sign(evse, moment, who, on_result)

    station.board.sign = count  # type: ignore[method-assign]
    station.sim.signing(1, "refuses")
    plug(station)
    show(station)
    station.advance(600)
    assert asked.count("begin") == ATTEMPTS
    show(station)
    station.advance(600)
    assert asked.count("begin") == 2 * ATTEMPTS, "a new authorisation, a new attempt"


def test_a_meter_that_signs_again_in_time_is_enough(make_station: MakeStation) -> None:
    station = built(make_station)
    station.sim.signing(1, "refuses")
    plug(station)
    show(station)
    station.sim.signing(1, "signs")
    station.advance(AGAIN_S + 10)
    assert told(station)[0] == "Started SignedDataReceived EVConnected"
    assert is_closed(station)


def test_without_sign_readings_nothing_begins_and_the_log_says_why(
    make_station: MakeStation, caplog: pytest.LogCaptureFixture
) -> None:
    """E01.FR.04 holds only while SampledDataCtrlr.SignReadings is true."""
    station = built(make_station, variables={"SampledDataCtrlr.SignReadings": "false"})
    plug(station)
    show(station)
    station.advance(30)
    assert station.csms.events() == []
    assert not is_closed(station)
    assert "TxStartPoint is DataSigned, and SampledDataCtrlr.SignReadings is false" in caplog.text


# -- what happens meanwhile


def test_a_driver_who_leaves_meanwhile_leaves_nothing_behind(make_station: MakeStation) -> None:
    station = built(make_station)
    plug(station)
    station.sim.token(CARD, evse=1)
    station.advance(0.2)
    station.sim.unplug(1)
    station.advance(60)
    assert station.csms.events() == []
    assert station.world.evses[1].place.signing.in_transaction is False, "END was told"
    plug(station)
    show(station)
    station.advance(10)
    started = station.csms.events()[0]
    assert reasons(checked(station, started)) == "B"
    station.assert_safe()


def test_what_was_signed_for_one_driver_is_not_used_for_another(
    make_station: MakeStation,
) -> None:
    station = built(make_station)
    plug(station)
    station.sim.token(CARD, evse=1)
    station.advance(0.1)
    station.sim.token(CARD, evse=1)  # thinks better of it
    station.advance(0.05)
    grants = station.station.transactions.grants
    for grant in grants.all():
        grants.drop(grant)
    station.advance(2.5)
    show(station, card="0000CAFE")
    station.advance(10)
    events = station.csms.events()
    assert [event["idToken"]["idToken"] for event in events if "idToken" in event] == ["0000CAFE"]
    (data_set,) = checked(station, events[0])
    assert data_set.identification == "0000CAFE"
    station.assert_safe()


@pytest.mark.parametrize("after_s", [0.1, 0.25, 0.33, 0.4, 1.0])
def test_a_restart_meanwhile_begins_anew(make_station: MakeStation, after_s: float) -> None:
    station = built(make_station)
    plug(station)
    station.sim.token(CARD, evse=1)
    station.advance(after_s)
    station.restart()
    station.advance(30)
    events = station.csms.events()
    assert kinds(events).count("Started") == 1
    assert reasons(checked(station, events[0])) == "B"
    assert is_closed(station)
    end(station)
    station.advance(20)
    told = [data for _, data in signatures(station.csms.events()[-1]) if data]
    assert reasons([parse(told[0]), parse(told[-1])]) == "BE"
    assert_in_order(station)


def test_a_silent_meter_lets_no_transaction_begin(make_station: MakeStation) -> None:
    """METER_SILENT forbids new transactions (NO_NEW); the driver must come again."""
    station = built(make_station)
    station.sim.fault(1, FaultName.METER_SILENT, active=True)
    plug(station)
    show(station)
    station.advance(SIGNING_S)
    assert station.csms.events() == []
    station.sim.fault(1, FaultName.METER_SILENT, active=False)
    show(station)
    station.advance(10)
    assert told(station)[0] == "Started SignedDataReceived EVConnected"
