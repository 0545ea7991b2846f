"""What the station is made of, and that it tells real values of it (B06, B07)."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from hal.api import FaultName, ReaderStatus, TokenUnreadable
from station.bench.fake_csms import Refusal
from station.bench.virtual import VirtualStation

CARD = "04A1B2C3"


@pytest.fixture
def station() -> VirtualStation:
    return VirtualStation(cable="socket").boot()


def read(station: VirtualStation, component: str, name: str, **place: Any) -> str:
    """The value of a variable as the CSMS gets it; *place*: evse, connector, instance, of."""
    address: dict[str, Any] = {"component": {"name": component}, "variable": {"name": name}}
    if "instance" in place:
        address["variable"]["instance"] = place["instance"]
    if "of" in place:
        address["component"]["instance"] = place["of"]
    if "evse" in place:
        address["component"]["evse"] = {"id": place["evse"]}
    if "connector" in place:
        address["component"]["evse"]["connectorId"] = place["connector"]
    answer = station.csms.call("GetVariables", {"getVariableData": [address]})
    (result,) = answer["getVariableResult"]
    assert result["attributeStatus"] == "Accepted", result
    return str(result["attributeValue"])


def charge(station: VirtualStation) -> None:
    station.sim.plug(1)
    station.sim.token(CARD, evse=1)
    station.advance(30.0)


def stop(station: VirtualStation) -> None:
    station.sim.unplug(1)
    station.settle()


def test_meter_tells_its_registers_and_what_flows(station: VirtualStation) -> None:
    """B06.FR.10"""
    before_wh = float(read(station, "FiscalMetering", "EnergyImportRegister", evse=1))
    charge(station)
    reading = station.board.reading(1)
    assert reading is not None
    assert reading.power_w > 1000
    assert float(read(station, "FiscalMetering", "EnergyImportRegister", evse=1)) > before_wh
    assert float(read(station, "FiscalMetering", "EnergyImport", evse=1)) > 0
    assert float(read(station, "FiscalMetering", "Frequency", evse=1)) == reading.frequency_hz
    for index, phase in enumerate(("L1", "L2", "L3")):
        current_a = float(read(station, "EVSE", "ACCurrent", evse=1, instance=phase))
        voltage_v = float(read(station, "EVSE", "ACVoltage", evse=1, instance=phase))
        assert current_a == pytest.approx(reading.current_a[index], abs=0.5)
        assert voltage_v == pytest.approx(reading.voltage_v[index], abs=5)
    assert float(read(station, "ChargingStation", "Power")) == pytest.approx(
        float(read(station, "EVSE", "Power", evse=1)), abs=100
    )


def test_without_a_transaction_there_is_no_energy_of_one(station: VirtualStation) -> None:
    """B06.FR.13"""
    assert read(station, "FiscalMetering", "EnergyImport", evse=1) == ""


def test_main_meter_is_the_feed(station: VirtualStation) -> None:
    charge(station)
    feed = station.board.reading(0)
    assert feed is not None
    assert read(station, "ElectricalFeed", "SupplyPhases") == "3"
    assert float(read(station, "ElectricalFeed", "Power")) == pytest.approx(feed.power_w, rel=0.1)
    assert float(read(station, "ElectricalFeed", "Energy")) == pytest.approx(feed.energy_wh, abs=20)
    voltage_v = float(read(station, "ElectricalFeed", "ACVoltage", instance="L1"))
    assert voltage_v == pytest.approx(feed.voltage_v[0], abs=5)


def test_devices_of_an_evse_tell_what_the_board_sees(station: VirtualStation) -> None:
    looks: dict[str, Callable[[], str]] = {
        "contactor": lambda: read(station, "PowerContactor", "Active", evse=1),
        "lock": lambda: read(station, "ConnectorPlugRetentionLock", "Active", evse=1, connector=1),
        "pilot": lambda: read(station, "CPPWMController", "State", evse=1),
        "offer": lambda: read(station, "CPPWMController", "Active", evse=1),
    }
    idle = {"contactor": "false", "lock": "false", "pilot": "A", "offer": "false"}
    assert {name: look() for name, look in looks.items()} == idle
    charge(station)
    charging = {"contactor": "true", "lock": "true", "pilot": "C", "offer": "true"}
    assert {name: look() for name, look in looks.items()} == charging
    stop(station)
    assert {name: look() for name, look in looks.items()} == idle


def test_contactor_closings_outlive_a_power_cut(station: VirtualStation) -> None:
    for _ in range(3):
        charge(station)
        stop(station)
    assert read(station, "PowerContactor", "Count", evse=1) == "3"
    assert read(station, "PowerContactor", "Count", evse=2) == "0"
    station.restart(power_cut=True)
    assert read(station, "PowerContactor", "Count", evse=1) == "3"


def test_bay_sensor_tells_of_a_vehicle(station: VirtualStation) -> None:
    assert read(station, "BayOccupancySensor", "Active", evse=1) == "false"
    station.sim.bay(1, occupied=True)
    station.settle()
    assert read(station, "BayOccupancySensor", "Active", evse=1) == "true"


@pytest.mark.parametrize(
    ("fault", "own"),
    [
        (FaultName.OVER_CURRENT, "Overload"),
        (FaultName.CONTACTOR_STUCK_OPEN, "Tripped"),
        (FaultName.RESIDUAL_CURRENT, "Problem"),
    ],
)
def test_a_fault_shows_at_station_evse_and_connector(
    station: VirtualStation, fault: FaultName, own: str
) -> None:
    assert read(station, "EVSE", own, evse=1) == "false"
    station.sim.fault(1, fault, active=True)
    charge(station)  # a contactor that cannot close shows when it is to be closed
    assert read(station, "EVSE", own, evse=1) == "true"
    assert read(station, "EVSE", "Problem", evse=1) == "true"
    assert read(station, "EVSE", "Problem", evse=2) == "false"
    assert read(station, "Connector", "Problem", evse=1, connector=1) == "true"
    assert read(station, "ChargingStation", "Problem") == "true"
    latched = "true" if own == "Tripped" else "false"
    assert read(station, "ChargingStation", "Tripped") == latched


def test_time_since_energy_flowed_is_counted_from_its_end(station: VirtualStation) -> None:
    assert read(station, "EVSE", "PostChargingTime", evse=1) == ""
    charge(station)
    assert read(station, "EVSE", "PostChargingTime", evse=1) == ""
    stop(station)
    station.advance(60.0)
    assert float(read(station, "EVSE", "PostChargingTime", evse=1)) == pytest.approx(62, abs=3)


def test_reader_that_fails_is_a_problem_of_that_reader(station: VirtualStation) -> None:
    assert read(station, "TokenReader", "Problem", evse=1, of="evse1") == "false"
    assert read(station, "TokenReader", "Problem", of="station") == "false"
    at = station.reactor.now()
    station.board.emit(ReaderStatus(at, "evse1", 1, "no answer on the bus"))
    station.settle()
    assert read(station, "TokenReader", "Problem", evse=1, of="evse1") == "true"
    assert read(station, "TokenReader", "Problem", of="station") == "false"
    station.board.emit(ReaderStatus(at, "evse1", 1, ""))
    station.settle()
    assert read(station, "TokenReader", "Problem", evse=1, of="evse1") == "false"


def test_what_a_reader_cannot_read_is_counted(station: VirtualStation) -> None:
    for _ in range(3):
        station.board.emit(TokenUnreadable(station.reactor.now(), "station", None, "too short"))
    station.settle()
    assert read(station, "TokenReader", "Count", of="station", instance="Unreadable") == "3"
    assert read(station, "TokenReader", "Count", evse=1, of="evse1", instance="Unreadable") == "0"


def test_controller_knows_itself(station: VirtualStation) -> None:
    before_s = int(read(station, "Controller", "Uptime"))
    station.advance(100.0)
    assert int(read(station, "Controller", "Uptime")) == pytest.approx(before_s + 100, abs=1)
    assert read(station, "Controller", "Model") == station.board.description.model
    assert read(station, "Controller", "Count", instance="ContainedErrors") == "0"


def test_dead_clock_is_a_problem_until_the_csms_has_told_the_time() -> None:
    station = VirtualStation(clock_error_s=-1e9)
    station.csms.answers["BootNotification"] = None
    station.settle()
    variables = station.station.variables
    (entry,) = [
        each
        for each in variables.variables()
        if (each.address.component, each.address.variable) == ("ClockCtrlr", "Problem")
    ]
    assert entry.attributes[0].text() == "true"
    del station.csms.answers["BootNotification"]
    station.advance(120.0)
    assert entry.attributes[0].text() == "false"


def test_link_tells_how_long_it_stands_and_how_often_it_was_lost(station: VirtualStation) -> None:
    station.advance(200.0)
    assert float(read(station, "DataLink", "ConnectedTime")) > 200
    assert float(read(station, "OCPPCommCtrlr", "RoundTripTime")) < 1
    assert read(station, "DataLink", "Count", instance="Reconnects") == "0"
    station.csms.cut()
    station.advance(120.0)
    assert read(station, "DataLink", "Active") == "true"
    assert read(station, "DataLink", "Count", instance="Reconnects") == "1"
    assert float(read(station, "DataLink", "ConnectedTime")) < 120


def test_queue_depth_is_what_waits(station: VirtualStation) -> None:
    station.csms.answers["TransactionEvent"] = None
    charge(station)
    waiting = len(station.station.outbox)
    assert waiting > 0
    assert read(station, "OCPPCommCtrlr", "Entries", instance="Queue") == str(waiting)
    assert read(station, "OCPPCommCtrlr", "Entries", instance="QueuedTransactionEvents") == str(
        station.station.outbox.transaction_rows
    )
    size = str(station.station.outbox.total_bytes)
    assert read(station, "OCPPCommCtrlr", "Storage", instance="Queue") == size != "0"


def test_what_was_given_up_is_counted(station: VirtualStation) -> None:
    """E13.FR.04"""
    assert read(station, "OCPPCommCtrlr", "Count", instance="Undelivered") == "0"
    station.variable("OCPPCommCtrlr", "MessageAttempts", "1", instance="TransactionEvent")
    station.csms.answers["TransactionEvent"] = Refusal("InternalError")
    charge(station)
    assert station.station.outbox.undelivered > 0
    assert read(station, "OCPPCommCtrlr", "Count", instance="Undelivered") == str(
        station.station.outbox.undelivered
    )


def test_a_monitor_on_a_derived_variable_hears_at_once(station: VirtualStation) -> None:
    """N07: the device model tells of it, nobody has to sample."""
    answer = station.csms.call(
        "SetVariableMonitoring",
        {
            "setMonitoringData": [
                {
                    "value": 1,
                    "type": "Delta",
                    "severity": 5,
                    "component": {"name": "PowerContactor", "evse": {"id": 1}},
                    "variable": {"name": "Active"},
                }
            ]
        },
    )
    assert answer["setMonitoringResult"][0]["status"] == "Accepted"
    charge(station)
    told = [
        event["actualValue"]
        for each in station.csms.of("NotifyEvent")
        for event in each["eventData"]
        if event["component"]["name"] == "PowerContactor" and event["variable"]["name"] == "Active"
    ]
    assert told == ["true"]


def test_a_board_without_a_meter_has_no_meter_in_its_inventory() -> None:
    full = VirtualStation(start=False).description
    plain = replace(
        full,
        evses=tuple(replace(each, has_meter=False, has_bay_sensor=False) for each in full.evses),
        main_meter=None,
        readers=(),
    )
    station = VirtualStation(description=plain).boot()
    shown = {
        (each.address.component, each.address.variable)
        for each in station.station.variables.variables()
    }
    components = {component for component, _ in shown}
    assert components & {"BayOccupancySensor", "TokenReader"} == set()
    assert ("ElectricalFeed", "Power") not in shown
    assert ("FiscalMetering", "EnergyImportRegister") not in shown
    assert ("EVSE", "ACCurrent") not in shown
    assert ("ChargingStation", "Power") not in shown
