"""F06: the CSMS asks for meter values and transaction events."""

from typing import Any

import pytest

from station.bench.virtual import VirtualStation
from station.ocpp.messages.remote_control import MessageTrigger
from tests.usecases.conftest import MakeStation
from tests.usecases.telling import Event, forget

TOKEN = "04A1B2C3"
UPDATED = "Power.Active.Import,SoC"


def trigger(station: VirtualStation, message: str, **evse: int) -> str:
    request: dict[str, Any] = {"requestedMessage": message} | ({"evse": evse} if evse else {})
    status = str(station.csms.call("TriggerMessage", request)["status"])
    station.advance(1.0)
    return status


def charging(make_station: MakeStation) -> VirtualStation:
    measured = {"SampledDataCtrlr.TxUpdatedMeasurands": UPDATED}
    station: VirtualStation = make_station(variables=measured)
    station.sim.plug(1)
    station.advance(2.0)
    station.sim.token(TOKEN, evse=1)
    station.advance(10.0)
    forget(station)
    return station


def measurands(message: Event) -> set[str]:
    return {s["measurand"] for value in message["meterValue"] for s in value["sampledValue"]}


def test_triggered_event_carries_the_measurands_of_updates(make_station: MakeStation) -> None:
    """F06.FR.07, E02.FR.16"""
    station = charging(make_station)
    assert trigger(station, "TransactionEvent", id=1) == "Accepted"
    (event,) = station.csms.events()
    assert (event["eventType"], event["triggerReason"]) == ("Updated", "Trigger")
    assert event["transactionInfo"]["chargingState"] == "Charging"
    assert measurands(event) == {"Power.Active.Import", "SoC"}


def test_triggered_values_are_those_of_the_clock(make_station: MakeStation) -> None:
    """F06.FR.06, F06.FR.11"""
    station = charging(make_station)
    assert trigger(station, "MeterValues") == "Accepted"
    assert [message["evseId"] for message in station.csms.of("MeterValues")] == [0, 1, 2]
    for message in station.csms.of("MeterValues"):
        assert measurands(message) == {"Energy.Active.Import.Register"}


@pytest.mark.parametrize("evse", [{"id": 2}, {"id": 9}])
def test_event_of_an_evse_without_a_transaction_is_refused(
    make_station: MakeStation, evse: dict[str, int]
) -> None:
    """F06.FR.05"""
    station = charging(make_station)
    assert trigger(station, "TransactionEvent", **evse) == "Rejected"
    assert station.csms.events() == []


def test_event_is_refused_while_nothing_runs(make_station: MakeStation) -> None:
    """F06.FR.05"""
    station: VirtualStation = make_station()
    assert trigger(station, "TransactionEvent") == "Rejected"


def test_transaction_without_an_evse_tells_its_state(make_station: MakeStation) -> None:
    """F06.FR.07"""
    station: VirtualStation = make_station("Authorized")
    station.sim.token(TOKEN)
    station.advance(3.0)
    forget(station)
    assert trigger(station, "TransactionEvent") == "Accepted"
    (event,) = station.csms.events()
    assert event["transactionInfo"]["chargingState"] == "Idle"
    assert "evse" not in event


def test_status_is_told_for_one_connector_only(make_station: MakeStation) -> None:
    """F06.FR.12"""
    station: VirtualStation = make_station()
    assert trigger(station, "StatusNotification") == "Rejected"
    assert trigger(station, "StatusNotification", id=1) == "Rejected"
    assert trigger(station, "StatusNotification", id=1, connectorId=9) == "Rejected"
    assert station.csms.of("StatusNotification") == []


ANSWERS = {
    "BootNotification": "Rejected",  # F06.FR.17: the last one was accepted
    "LogStatusNotification": "Accepted",
    "FirmwareStatusNotification": "NotImplemented",  # no firmware is updated by OCPP yet
    "Heartbeat": "Accepted",
    "MeterValues": "Accepted",
    "SignChargingStationCertificate": "Accepted",
    "SignV2GCertificate": "NotImplemented",  # there is no ISO 15118
    "StatusNotification": "Rejected",  # F06.FR.12: without a connector
    "TransactionEvent": "Rejected",  # F06.FR.05: nothing runs
    "SignCombinedCertificate": "NotImplemented",
    "PublishFirmwareStatusNotification": "NotImplemented",
}


@pytest.mark.parametrize("message", list(MessageTrigger))
def test_every_message_that_can_be_named_has_its_answer(
    make_station: MakeStation, message: MessageTrigger
) -> None:
    """F06.FR.05, F06.FR.08, F06.FR.10: what is accepted is sent, and nothing else."""
    station: VirtualStation = make_station()
    station.variable("SecurityCtrlr", "OrganizationName", "joulepost")
    forget(station)
    assert trigger(station, message) == ANSWERS[message]
    sent = {"SignChargingStationCertificate": "SignCertificate"}.get(message, message)
    assert (station.csms.of(sent) != []) is (ANSWERS[message] == "Accepted")
