"""E01.FR.15, E07.FR.06: every trigger and every stopped reason of the standard, and how it arises.

The tables are whole: what has no story here says why it cannot arise.
"""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from hal.api import FAULTS, FaultName
from station.bench.virtual import VirtualStation
from station.ocpp.messages.transactions import Reason, TriggerReason
from tests.usecases.conftest import MakeStation

TOKEN, PASS = "04A1B2C3", "04FFEE01"
Event = dict[str, Any]
Act = Callable[[VirtualStation], None]
R, T = Reason, TriggerReason


def plug(station: VirtualStation) -> None:
    station.sim.plug(1)
    station.advance(3.0)


def unplug(station: VirtualStation) -> None:
    station.sim.unplug(1)
    station.advance(3.0)


def drive_in(station: VirtualStation) -> None:
    station.sim.bay(1, occupied=True)
    station.advance(1.0)


def drive_off(station: VirtualStation) -> None:
    station.sim.bay(1, occupied=False)
    station.advance(3.0)


def swipe(station: VirtualStation) -> None:
    station.sim.token(TOKEN, evse=1)
    station.advance(8.0)


def stop_button(station: VirtualStation) -> None:
    station.sim.button(1, "stop")
    station.advance(8.0)


def pause(station: VirtualStation) -> None:
    station.sim.ev(1, "B")
    station.advance(8.0)


def wait(station: VirtualStation) -> None:
    station.advance(120.0)


def refuse(station: VirtualStation) -> None:
    """Every token of an event is refused from now on."""

    def answer(event: Event) -> dict[str, Any]:
        return {"idTokenInfo": {"status": "Invalid"}} if "idToken" in event else {}

    station.csms.answers["TransactionEvent"] = answer


def master_pass(station: VirtualStation) -> None:
    group = {"groupIdToken": {"idToken": "MASTER", "type": "Central"}}
    station.csms.answers["Authorize"] = {"idTokenInfo": {"status": "Accepted", **group}}
    station.sim.token(PASS, evse=1)
    station.advance(8.0)


def call(action: str, payload: dict[str, Any]) -> Act:
    def act(station: VirtualStation) -> None:
        assert station.csms.call(action, payload)["status"] == "Accepted"
        station.advance(8.0)

    return act


def stop_remotely(station: VirtualStation) -> None:
    (row,) = station.station.transactions.all()
    call("RequestStopTransaction", {"transactionId": row.id})(station)


def fault(name: FaultName) -> Act:
    def act(station: VirtualStation) -> None:
        station.sim.fault(1, name, active=True)
        station.advance(12.0)

    return act


def power_cut(station: VirtualStation) -> None:
    station.restart(power_cut=True)
    station.advance(8.0)


def crash(station: VirtualStation) -> None:
    station.restart()
    station.advance(8.0)


def signed_value(station: VirtualStation) -> None:
    station.reactor.post(station.station.transactions.note_signed, 1)
    station.advance(1.0)


START_REMOTELY = call(
    "RequestStartTransaction",
    {"idToken": {"idToken": TOKEN, "type": "Central"}, "remoteStartId": 1, "evseId": 1},
)
ASK = call("TriggerMessage", {"requestedMessage": "TransactionEvent"})
RESET = call("Reset", {"type": "Immediate"})
CHARGE = [drive_in, plug, swipe]

Story = tuple[list[Act], dict[str, str]]
"""What happens, and variables: START and STOP are the points."""

TRIGGERS: dict[TriggerReason, Story] = {
    T.AUTHORIZED: ([plug, swipe], {}),
    T.CABLE_PLUGGED_IN: ([plug], {"START": "EVConnected"}),
    T.CHARGING_STATE_CHANGED: ([*CHARGE, pause], {}),
    T.DEAUTHORIZED: ([refuse, *CHARGE], {}),
    T.ENERGY_LIMIT_REACHED: (
        [refuse, *CHARGE, wait],
        {
            "STOP": "EnergyTransfer",
            "TxCtrlr.StopTxOnInvalidId": "false",
            "TxCtrlr.MaxEnergyOnInvalidId": "100",
        },
    ),
    T.EV_COMMUNICATION_LOST: ([*CHARGE, unplug], {}),
    T.EV_CONNECT_TIMEOUT: ([swipe, wait], {"START": "Authorized"}),
    T.METER_VALUE_CLOCK: ([*CHARGE, wait], {"AlignedDataCtrlr.Interval": "60"}),
    T.METER_VALUE_PERIODIC: ([*CHARGE, wait], {"SampledDataCtrlr.TxUpdatedInterval": "30"}),
    T.TRIGGER: ([*CHARGE, ASK], {}),
    T.STOP_AUTHORIZED: ([*CHARGE, swipe], {}),
    T.EV_DETECTED: ([drive_in], {"START": "ParkingBayOccupancy"}),
    T.EV_DEPARTED: ([drive_in, drive_off], {"START": "ParkingBayOccupancy"}),
    T.REMOTE_START: ([plug, START_REMOTELY], {}),
    T.REMOTE_STOP: ([*CHARGE, stop_remotely], {}),
    T.ABNORMAL_CONDITION: ([*CHARGE, fault(FaultName.OVER_TEMPERATURE)], {}),
    T.SIGNED_DATA_RECEIVED: ([plug, signed_value], {"START": "EVConnected"}),
    T.RESET_COMMAND: ([*CHARGE, RESET], {}),
}
NO_SUCH_TRIGGER: dict[TriggerReason, str] = {
    T.CHARGING_RATE_CHANGED: "needs LimitChangeSignificance of smart charging (K), not built yet",
    T.TIME_LIMIT_REACHED: "nothing here limits the time of a charge; OCPP 2.1 brings that (E16)",
    T.UNLOCK_COMMAND: "UnlockConnector (F05) is not built yet",
}

REASONS: dict[Reason, Story] = {
    R.DE_AUTHORIZED: ([refuse, *CHARGE], {}),
    R.EMERGENCY_STOP: ([*CHARGE, fault(FaultName.EMERGENCY_STOP)], {}),
    R.EV_DISCONNECTED: ([*CHARGE, unplug], {}),
    R.GROUND_FAULT: ([*CHARGE, fault(FaultName.RESIDUAL_CURRENT)], {}),
    R.IMMEDIATE_RESET: ([*CHARGE, RESET], {}),
    R.LOCAL: ([*CHARGE, swipe], {}),
    R.MASTER_PASS: ([*CHARGE, master_pass], {"AuthCtrlr.MasterPassGroupId": "MASTER"}),
    R.OTHER: ([*CHARGE, fault(FaultName.PILOT_FAULT)], {}),
    R.OVERCURRENT_FAULT: ([*CHARGE, fault(FaultName.OVER_CURRENT)], {}),
    R.POWER_LOSS: ([*CHARGE, power_cut], {"TxCtrlr.TxResumption": "End"}),
    R.POWER_QUALITY: ([*CHARGE, fault(FaultName.UNDER_VOLTAGE)], {"STOP": "EnergyTransfer"}),
    R.REBOOT: ([*CHARGE, crash], {"TxCtrlr.TxResumption": "End"}),
    R.REMOTE: ([*CHARGE, stop_remotely], {}),
    R.STOPPED_BY_EV: ([*CHARGE, pause], {"STOP": "EnergyTransfer"}),
    R.TIMEOUT: ([swipe, wait], {"START": "Authorized"}),
}
NO_SUCH_REASON: dict[Reason, str] = {
    R.ENERGY_LIMIT_REACHED: "the one limit there is, MaxEnergyOnInvalidId, ends a charge because"
    " its token was refused: DeAuthorized; limits that a driver sets come with OCPP 2.1 (E16)",
    R.LOCAL_OUT_OF_CREDIT: "no credit is kept at the station",
    R.SOC_LIMIT_REACHED: "the station sets no limit to the state of charge; the EV does",
    R.TIME_LIMIT_REACHED: "nothing here limits the time of a charge; OCPP 2.1 brings that (E16)",
}


def play(make_station: MakeStation, story: Story) -> tuple[list[Event], list[Event]]:
    """The events before the last act of the story, and those that it causes."""
    (*before, last), settings = story
    variables = dict(settings)
    start = variables.pop("START", "PowerPathClosed")
    stop = variables.pop("STOP", "EVConnected,Authorized,ParkingBayOccupancy")
    station: VirtualStation = make_station(start, stop, variables=variables)
    for act in before:
        act(station)
    seen = len(station.csms.events())
    last(station)
    events: list[Event] = station.csms.events()
    return events[:seen], events[seen:]


@pytest.mark.parametrize("trigger", list(TRIGGERS))
def test_trigger_is_told_when_its_story_comes_to_it(
    make_station: MakeStation, trigger: TriggerReason
) -> None:
    """E01.FR.15, E02.FR.15, E02.FR.17, E03.FR.12, E06.FR.15, F01.FR.17, F03.FR.09"""
    before, after = play(make_station, TRIGGERS[trigger])
    assert trigger in [event["triggerReason"] for event in after]
    assert trigger is T.CHARGING_STATE_CHANGED or trigger not in [
        event["triggerReason"] for event in before
    ]


@pytest.mark.parametrize("reason", list(REASONS))
def test_stopped_reason_is_what_its_story_was_about(
    make_station: MakeStation, reason: Reason
) -> None:
    """E06.FR.08, E07.FR.05, E07.FR.06, C16.FR.08"""
    before, after = play(make_station, REASONS[reason])
    ended = [event for event in before + after if event["eventType"] == "Ended"]
    assert [event["transactionInfo"]["stoppedReason"] for event in ended] == [reason]


def test_every_member_is_accounted_for() -> None:
    """E07.FR.06"""
    for enum, arises, not_here in (
        (TriggerReason, TRIGGERS, NO_SUCH_TRIGGER),
        (Reason, REASONS, NO_SUCH_REASON),
    ):
        assert set(arises) | set(not_here) == set(enum)
        assert not set(arises) & set(not_here)
        assert all(not_here.values())


# -- finer points


def test_vehicle_that_leaves_the_bay_unauthorised_has_disconnected(
    make_station: MakeStation,
) -> None:
    """E07.FR.06: it moved away"""
    _, (ended,) = play(make_station, TRIGGERS[T.EV_DEPARTED])
    assert ended["transactionInfo"]["stoppedReason"] == "EVDisconnected"


@pytest.mark.parametrize(
    ("stop", "line"),
    [
        ("EVConnected", ("Updated", "AbnormalCondition", "SuspendedEVSE", None)),
        ("EnergyTransfer", ("Ended", "AbnormalCondition", "EVConnected", "PowerQuality")),
    ],
)
def test_contactor_that_opens_after_the_report_of_the_fault_opens_because_of_it(
    make_station: MakeStation, stop: str, line: tuple[str | None, ...]
) -> None:
    """E02.FR.17, E06.FR.16: on real boards the mirror contact lags behind"""
    station: VirtualStation = make_station(stop=stop)
    for act in CHARGE:
        act(station)
    told = len(station.csms.events())
    report = station.station.evses.get(1).report
    voltage = FAULTS[FaultName.UNDER_VOLTAGE]
    station.station.hardware.on_change(replace(report, faults=frozenset({voltage})))
    station.advance(0.001)
    assert station.station.evses.get(1).report.drawing
    station.station.hardware.on_change(
        replace(report, faults=frozenset({voltage}), drawing=False, contactor_closed=False)
    )
    station.advance(0.001)
    station.advance(0.1)
    first, *_ = station.csms.events()[told:]
    info = first["transactionInfo"]
    assert line == (
        first["eventType"],
        first["triggerReason"],
        info.get("chargingState"),
        info.get("stoppedReason"),
    )


def test_limit_that_stops_the_energy_is_not_the_evs_doing(make_station: MakeStation) -> None:
    """E07.FR.06"""
    station: VirtualStation = make_station(stop="EnergyTransfer")
    for act in CHARGE:
        act(station)
    station.station.queries.limit_a.register(lambda _: 0.0)
    station.station.context.refresh()
    station.advance(10.0)
    ended = station.csms.events()[-1]
    assert ended["eventType"] == "Ended"
    assert ended["transactionInfo"]["stoppedReason"] == "Other"
