"""How charges begin and end in tests of what their events carry."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from station.bench.virtual import VirtualStation
from tests.usecases.conftest import MakeStation
from tests.usecases.telling import Event, is_closed

TOKEN = "04A1B2C3"
REGISTER = "Energy.Active.Import.Register"
STARTED, UPDATED, ENDED = f"{REGISTER},Voltage", f"{REGISTER},SoC", f"{REGISTER},Frequency"
INTERVAL_S = 30
VARIABLES = {
    "SampledDataCtrlr.TxStartedMeasurands": STARTED,
    "SampledDataCtrlr.TxUpdatedMeasurands": UPDATED,
    "SampledDataCtrlr.TxUpdatedInterval": str(INTERVAL_S),
    "SampledDataCtrlr.TxEndedMeasurands": ENDED,
    "AlignedDataCtrlr.Interval": "0",
    "AuthCtrlr.OfflineTxForUnknownIdEnabled": "true",
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": "4",
    "OCPPCommCtrlr.RetryBackOffRandomRange": "0",
    "OCPPCommCtrlr.RetryBackOffRepeatTimes": "0",
}
Act = Callable[[VirtualStation], None]


def make(make_station: MakeStation, *points: str, **changed: str) -> VirtualStation:
    """A station of VARIABLES; *changed* by the name alone: TxEndedInterval="1"."""
    names = {key.partition(".")[2]: key for key in VARIABLES}
    names |= {"TxEndedInterval": "SampledDataCtrlr.TxEndedInterval"}
    variables = VARIABLES | {names[name]: value for name, value in changed.items()}
    station: VirtualStation = make_station(*points, variables=variables)
    return station


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def values_of(event: Event) -> list[tuple[str, set[str]]]:
    """Context and measurands of each element."""
    found = []
    for value in event.get("meterValue", ()):
        (context,) = {sample["context"] for sample in value["sampledValue"]}
        found.append((context, {sample["measurand"] for sample in value["sampledValue"]}))
    return found


def carried(context: str, measurands: str) -> tuple[str, set[str]]:
    return context, set(measurands.split(","))


def register_of(value: dict[str, Any]) -> float:
    (sample,) = (each for each in value["sampledValue"] if each["measurand"] == REGISTER)
    return float(sample["value"])


# -- how a charge may begin, and how it may end


def plug(station: VirtualStation) -> None:
    station.sim.plug(1)
    station.advance(3.0)


def token(station: VirtualStation, reader: int | None = 1) -> None:
    station.sim.token(TOKEN, evse=reader)
    station.advance(3.0)


def remotely(station: VirtualStation) -> None:
    request = {"idToken": {"idToken": TOKEN, "type": "Central"}, "remoteStartId": 7, "evseId": 1}
    assert station.csms.call("RequestStartTransaction", request)["status"] == "Accepted"
    station.advance(3.0)


def cable_first(station: VirtualStation) -> None:
    plug(station)
    token(station)


def token_first(station: VirtualStation) -> None:
    token(station)
    plug(station)


def remote_after_cable(station: VirtualStation) -> None:
    plug(station)
    remotely(station)


def remote_before_cable(station: VirtualStation) -> None:
    remotely(station)
    plug(station)


def offline(station: VirtualStation) -> None:
    station.csms.go_offline()
    cable_first(station)


def refused_later(station: VirtualStation) -> None:
    station.csms.answers["TransactionEvent"] = lambda event: (
        {"idTokenInfo": {"status": "Invalid"}}
        if event["transactionInfo"].get("chargingState") == "Charging"
        else {}
    )
    cable_first(station)


each_begin = pytest.mark.parametrize(
    "begin", [cable_first, token_first, remote_after_cable, remote_before_cable, offline]
)


def charged(station: VirtualStation, begin: Act, duration_s: float) -> list[Event]:
    """What was told of a charge so far."""
    begin(station)
    station.advance(duration_s)
    assert is_closed(station)
    return back(station)


def back(station: VirtualStation) -> list[Event]:
    station.csms.go_online()
    station.advance(20.0)
    return station.csms.events()


def by_token(station: VirtualStation) -> None:
    token(station)


def by_token_offline(station: VirtualStation) -> None:
    station.csms.go_offline()
    token(station)
    station.advance(8.0)


def by_pulling(station: VirtualStation) -> None:
    station.sim.unplug(1, side="ev")


def by_pulling_for_too_long(station: VirtualStation) -> None:
    station.variable("TxCtrlr", "StopTxOnEVSideDisconnect", "false")
    station.sim.unplug(1, side="ev")
    station.advance(40.0)


def by_the_car(station: VirtualStation) -> None:
    station.variable("TxCtrlr", "TxStopPoint", "EnergyTransfer")
    station.sim.ev(1, "B")


def by_the_csms(station: VirtualStation) -> None:
    (row,) = station.station.transactions.all()
    request = {"transactionId": row.id}
    assert station.csms.call("RequestStopTransaction", request)["status"] == "Accepted"


each_end = pytest.mark.parametrize(
    "end",
    [by_token, by_token_offline, by_pulling, by_pulling_for_too_long, by_the_car, by_the_csms],
)


def ended(station: VirtualStation, end: Act) -> Event:
    end(station)
    station.advance(10.0)
    (event,) = (each for each in back(station) if each["eventType"] == "Ended")
    return event
