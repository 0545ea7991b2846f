"""B07: base reports of the device model."""

from typing import Any

import pytest

from station.bench.virtual import VirtualStation


@pytest.fixture
def station() -> VirtualStation:
    return VirtualStation().boot()


def ask(station: VirtualStation, base: str, request_id: int = 17) -> str:
    request = {"requestId": request_id, "reportBase": base}
    return str(station.csms.call("GetBaseReport", request)["status"])


def parts(station: VirtualStation) -> list[dict[str, Any]]:
    station.settle()
    return station.csms.of("NotifyReport")


def names(report: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {
        (each["component"]["name"], each["variable"]["name"])
        for part in report
        for each in part["reportData"]
    }


def test_full_inventory_holds_every_variable_in_numbered_parts(station: VirtualStation) -> None:
    """B07.FR.01, B07.FR.03, B07.FR.04, B07.FR.08, B07.FR.10, B07.FR.12"""
    assert ask(station, "FullInventory") == "Accepted"
    report = parts(station)
    assert [part["seqNo"] for part in report] == list(range(len(report)))
    assert {part["requestId"] for part in report} == {17}
    assert [part.get("tbc", False) for part in report] == [True] * (len(report) - 1) + [False]
    every = {
        (entry.address.component, entry.address.variable)
        for entry in station.station.variables.variables()
    }
    assert names(report) == every
    assert all("variableCharacteristics" in each for part in report for each in part["reportData"])


def test_configuration_inventory_holds_what_the_operator_can_set(station: VirtualStation) -> None:
    """B07.FR.01, B07.FR.07, B07.FR.12"""
    assert ask(station, "ConfigurationInventory") == "Accepted"
    found = names(parts(station))
    assert ("TxCtrlr", "TxStartPoint") in found
    assert ("OCPPCommCtrlr", "ActiveNetworkProfile") not in found


def test_write_only_variables_are_reported_without_their_value(station: VirtualStation) -> None:
    """B07.FR.03"""
    ask(station, "FullInventory")
    attributes = [
        attribute
        for part in parts(station)
        for each in part["reportData"]
        for attribute in each["variableAttribute"]
    ]
    secret = [each for each in attributes if each.get("mutability") == "WriteOnly"]
    assert secret != []
    assert all("value" not in each for each in secret)


def values(report: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """(place, variable) -> value, a place as "EVSE 1" or "Connector 1.1"."""
    found = {}
    for each in (data for part in report for data in part["reportData"]):
        evse = each["component"].get("evse", {})
        place = ".".join(str(evse[name]) for name in ("id", "connectorId") if name in evse)
        name = f"{each['component']['name']} {place}".strip()
        found[name, each["variable"]["name"]] = each["variableAttribute"][0].get("value", "")
    return found


def test_summary_tells_what_is_available(station: VirtualStation) -> None:
    """B07.FR.09"""
    station.sim.plug(1)
    station.settle()
    assert ask(station, "SummaryInventory") == "Accepted"
    assert values(parts(station)) == {
        ("ChargingStation", "AvailabilityState"): "Available",
        ("EVSE 1", "AvailabilityState"): "Occupied",
        ("EVSE 2", "AvailabilityState"): "Available",
        ("Connector 1.1", "AvailabilityState"): "Occupied",
        ("Connector 2.1", "AvailabilityState"): "Available",
    }


def test_no_part_is_larger_than_what_a_modest_csms_takes(station: VirtualStation) -> None:
    ask(station, "FullInventory")
    parts(station)
    assert max(len(text) for _, _, text in station.csms.frames) < 20_000


def test_a_second_report_is_rejected_while_one_is_on_its_way(station: VirtualStation) -> None:
    """B07.FR.13"""
    station.csms.answers["NotifyReport"] = None
    assert ask(station, "FullInventory", 1) == "Accepted"
    assert ask(station, "FullInventory", 2) == "Rejected"


def test_a_lost_connection_ends_a_report_and_the_next_one_is_whole(station: VirtualStation) -> None:
    station.csms.answers["NotifyReport"] = None
    ask(station, "FullInventory", 1)
    station.csms.cut()
    station.advance(120)
    del station.csms.answers["NotifyReport"]
    station.csms.received.clear()
    assert ask(station, "FullInventory", 2) == "Accepted"
    report = parts(station)
    assert {part["requestId"] for part in report} == {2}
    assert report[-1].get("tbc", False) is False
