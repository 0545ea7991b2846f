"""N02 to N08: what monitors tell, when, through outages and restarts, and what is refused."""

from typing import Any

import pytest

from station.bench.fake_csms import CallError
from station.bench.virtual import VirtualStation

POWER = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "Power"}}
STATE = {
    "component": {"name": "EVSE", "evse": {"id": 1}},
    "variable": {"name": "AvailabilityState"},
}
TIMEOUT = {"component": {"name": "TxCtrlr"}, "variable": {"name": "EVConnectionTimeOut"}}


@pytest.fixture
def station() -> VirtualStation:
    return VirtualStation().boot()


def ask(station: VirtualStation, address: Any, type: str, value: float = 1.0, **more: Any) -> Any:
    """Set one monitor; the result."""
    data = {**address, "type": type, "value": value, "severity": 4, **more}
    answer = station.csms.call("SetVariableMonitoring", {"setMonitoringData": [data]})
    return answer["setMonitoringResult"][0]


def install(station: VirtualStation, address: Any, type: str, *args: Any, **more: Any) -> int:
    result = ask(station, address, type, *args, **more)
    assert result["status"] == "Accepted", result
    return int(result["id"])


def events(station: VirtualStation) -> list[dict[str, Any]]:
    station.settle()
    return [event for call in station.csms.of("NotifyEvent") for event in call["eventData"]]


def values(station: VirtualStation) -> list[tuple[str, bool]]:
    return [(each["actualValue"], each.get("cleared", False)) for each in events(station)]


def charge(station: VirtualStation) -> None:
    station.sim.plug(1)
    station.sim.token("04A1B2C3", evse=1)
    station.advance(10)


def test_a_threshold_that_is_exceeded_when_it_is_set_is_told_at_once(
    station: VirtualStation,
) -> None:
    """N07.FR.16"""
    charge(station)
    install(station, POWER, "UpperThreshold", 100.0)
    (event,) = events(station)
    assert event["trigger"] == "Alerting"
    assert float(event["actualValue"]) > 100.0


def test_what_cleared_while_the_station_was_off_is_told_after_the_restart(
    station: VirtualStation,
) -> None:
    """N07.FR.13, N07.FR.14"""
    monitor_id = install(station, POWER, "UpperThreshold", 100.0)
    charge(station)
    assert [cleared for _, cleared in values(station)] == [False]
    station.kill(power_cut=True)
    station.reactor.at += 5
    station.world.evses[1].carry_out("unplug", {"side": "both"})
    station.csms.received.clear()
    station.restart(power_cut=True)
    station.advance(30)
    told = [event for event in events(station) if event["variableMonitoringId"] == monitor_id]
    assert [event.get("cleared") for event in told] == [True]


def test_an_event_is_told_once_whatever_moment_the_process_dies(station: VirtualStation) -> None:
    """N07.FR.13: monitor, what it has seen, and its event are one unit."""
    install(station, TIMEOUT, "Delta", 1.0)
    station.variable("TxCtrlr", "EVConnectionTimeOut", "77")
    station.restart()
    station.advance(60)
    assert [event["actualValue"] for event in events(station)] == ["77"]


@pytest.mark.parametrize(("severity", "arrives"), [(5, True), (6, False)])
def test_offline_only_what_is_grave_enough_waits(
    station: VirtualStation, severity: int, arrives: bool
) -> None:
    """N07.FR.04, N08.FR.03"""
    station.variable("MonitoringCtrlr", "OfflineQueuingSeverity", "5")
    install(station, STATE, "Delta", severity=severity)
    install(station, TIMEOUT, "Periodic", 30.0, severity=severity)
    station.csms.go_offline()
    station.advance(2)
    station.sim.plug(1)
    station.advance(40)
    station.csms.go_online()
    station.csms.received.clear()
    station.advance(25)
    triggers = {
        event["trigger"] for event in events(station) if event["timestamp"] < "2026-03-02T09:00:50"
    }
    assert triggers == ({"Delta", "Periodic"} if arrives else set())


def test_a_level_that_silences_is_no_amnesia(station: VirtualStation) -> None:
    """N05.FR.03, N07.FR.15: what was not told is not told late either."""
    install(station, TIMEOUT, "Delta", severity=8)
    assert station.csms.call("SetMonitoringLevel", {"severity": 7}) == {"status": "Accepted"}
    station.variable("TxCtrlr", "EVConnectionTimeOut", "77")
    station.csms.call("SetMonitoringLevel", {"severity": 8})
    assert events(station) == []
    station.variable("TxCtrlr", "EVConnectionTimeOut", "90")
    assert values(station) == [("90", False)]


def test_the_level_lasts(station: VirtualStation) -> None:
    station.csms.call("SetMonitoringLevel", {"severity": 3})
    station.csms.call("SetMonitoringBase", {"monitoringBase": "HardWiredOnly"})
    station.restart(power_cut=True)
    station.advance(60)
    assert station.variable("MonitoringCtrlr", "ActiveMonitoringLevel") == "3"
    assert station.variable("MonitoringCtrlr", "ActiveMonitoringBase") == "HardWiredOnly"


def test_a_monitor_of_transactions_rests_between_them(station: VirtualStation) -> None:
    """SetMonitoringData.transaction"""
    install(station, POWER, "LowerThreshold", 100.0, transaction=True)
    station.advance(10)
    assert events(station) == []
    station.sim.plug(1)
    station.sim.token("04A1B2C3", evse=1)
    station.advance(10)
    told = events(station)
    assert told != []
    assert all(event["transactionId"] for event in told)


def test_periods_on_the_clock_begin_at_its_multiples(station: VirtualStation) -> None:
    """N08.FR.05, N08.FR.07"""
    install(station, TIMEOUT, "PeriodicClockAligned", 60.0)
    station.advance(185)
    stamps = [event["timestamp"][11:19] for event in events(station)]
    assert stamps == ["09:01:00", "09:02:00", "09:03:00"]
    assert {event["trigger"] for event in events(station)} == {"Periodic"}


def test_periods_begin_anew_with_the_process(station: VirtualStation) -> None:
    """N07.FR.13, N08.FR.06"""
    install(station, TIMEOUT, "Periodic", 60.0)
    station.advance(50)
    station.restart()
    station.csms.received.clear()
    station.advance(50)
    assert events(station) == []
    station.advance(10)
    assert len(events(station)) == 1


def test_nothing_is_told_while_monitoring_is_off_and_what_changed_meanwhile_is_after(
    station: VirtualStation,
) -> None:
    install(station, TIMEOUT, "UpperThreshold", 200.0)
    station.variable("MonitoringCtrlr", "Enabled", "false")
    station.variable("TxCtrlr", "EVConnectionTimeOut", "300")
    assert events(station) == []
    station.variable("MonitoringCtrlr", "Enabled", "true")
    assert values(station) == [("300", False)]


@pytest.mark.parametrize(
    ("address", "type", "value", "more", "status", "reason"),
    [
        (TIMEOUT, "UpperThreshold", 1e9, {}, "Rejected", "ValueOutOfRange"),  # N04.FR.06
        (TIMEOUT, "LowerThreshold", 0, {}, "Rejected", "ValueOutOfRange"),
        (TIMEOUT, "Periodic", 0, {}, "Rejected", "ValueOutOfRange"),
        (TIMEOUT, "PeriodicClockAligned", 0.5, {}, "Rejected", "ValueOutOfRange"),
        (TIMEOUT, "Delta", 1, {"severity": 10}, "Rejected", "ValueOutOfRange"),
        (TIMEOUT, "Delta", 1, {"severity": -1}, "Rejected", "ValueOutOfRange"),
        (TIMEOUT, "Delta", 1, {"id": 4711}, "Rejected", "NotFound"),  # N04.FR.13
        (TIMEOUT, "Delta", 1, {"id": 1}, "Rejected", "UnsupportedRequest"),  # N04.FR.18
        (
            {"component": {"name": "ChargingStation"}, "variable": {"name": "SupplyPhases"}},
            "Delta",
            1,
            {},
            "UnsupportedMonitorType",
            "UnsupportedParam",
        ),
    ],
)
def test_a_monitor_that_cannot_be_is_refused_with_a_reason(
    station: VirtualStation,
    address: Any,
    type: str,
    value: float,
    more: dict[str, int],
    status: str,
    reason: str,
) -> None:
    """N04.FR.05, N04.FR.06, N04.FR.13, N04.FR.18"""
    result = ask(station, address, type, value, **more)
    assert (result["status"], result["statusInfo"]["reasonCode"]) == (status, reason)
    assert "id" not in result


def test_a_request_beyond_the_limits_is_an_error(station: VirtualStation) -> None:
    """N02.FR.07, N04.FR.09, N06.FR.06, N06.FR.07"""
    one = {**TIMEOUT, "type": "Delta", "value": 1.0, "severity": 4}
    with pytest.raises(CallError, match="OccurrenceConstraintViolation"):
        station.csms.call("SetVariableMonitoring", {"setMonitoringData": [one] * 101})
    with pytest.raises(CallError, match="OccurrenceConstraintViolation"):
        station.csms.call("ClearVariableMonitoring", {"id": list(range(101))})
    request = {"requestId": 1, "componentVariable": [TIMEOUT] * 101}
    with pytest.raises(CallError, match="OccurrenceConstraintViolation"):
        station.csms.call("GetMonitoringReport", request)


def test_a_report_of_monitors_knows_the_same_wildcards_as_other_reports(
    station: VirtualStation,
) -> None:
    """N02.FR.16, N02.FR.17, N02.FR.18, N02.FR.19, N02.FR.20, N02.FR.21: one selection for both."""
    for evse in (1, 2):
        place = {"component": {"name": "EVSE", "evse": {"id": evse}}}
        install(station, {**place, "variable": {"name": "AvailabilityState"}}, "Delta")
        install(station, {**place, "variable": {"name": "Power"}}, "Delta", 500.0)
    for wanted, count in (
        ({"component": {"name": "EVSE"}}, 4),
        ({"component": {"name": "evse", "evse": {"id": 2}}}, 2),
        ({"component": {"name": "EVSE"}, "variable": {"name": "POWER"}}, 2),
    ):
        station.csms.received.clear()
        request = {"requestId": 3, "componentVariable": [wanted]}
        assert station.csms.call("GetMonitoringReport", request)["status"] == "Accepted"
        station.settle()
        (part,) = station.csms.of("NotifyMonitoringReport")
        assert len(part["monitor"]) == count


def test_a_fault_is_told_with_its_code_and_again_when_it_is_over(station: VirtualStation) -> None:
    """N07.FR.06: component, variable and code of the one table (station/charging/faults.py)."""
    station.sim.fault(1, "over_temperature", active=True)
    station.settle()
    station.sim.fault(1, "over_temperature", active=False)
    raised, over = events(station)
    assert raised["component"] == {"name": "TemperatureSensor", "evse": {"id": 1}}
    assert (raised["actualValue"], raised["techCode"]) == ("true", "CX003")
    assert (over["actualValue"], over.get("techCode")) == ("false", None)


def test_a_fault_is_told_although_it_came_while_offline(station: VirtualStation) -> None:
    station.csms.go_offline()
    station.advance(2)
    station.sim.fault(1, "ground_fault", active=True)
    station.advance(60)
    station.csms.go_online()
    station.advance(120)
    assert [event["actualValue"] for event in events(station)] == ["true"]


def test_a_replaced_preconfigured_monitor_can_be_cleared_and_comes_back_with_the_base(
    station: VirtualStation,
) -> None:
    """N03.FR.03, N03.FR.04, N04.FR.15"""

    def there() -> list[str]:
        station.csms.received.clear()
        place = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "SecurityProfile"}}
        request = {"requestId": 3, "componentVariable": [place]}
        if station.csms.call("GetMonitoringReport", request)["status"] == "EmptyResultSet":
            return []
        station.settle()
        (part,) = station.csms.of("NotifyMonitoringReport")
        return [each["id"] for each in part["monitor"][0]["variableMonitoring"]]

    (monitor_id,) = there()
    answer = station.csms.call("ClearVariableMonitoring", {"id": [monitor_id]})
    assert answer["clearMonitoringResult"][0]["status"] == "Accepted"
    assert there() == []
    station.csms.call("SetMonitoringBase", {"monitoringBase": "All"})
    assert there() == [monitor_id]
