"""`link.findings` of /api/state: what is wrong with the connection, and what to do about it."""

from typing import Any

from station import advice
from station.bench.virtual import VirtualStation
from station.link import LinkDown, LinkProblem, LinkStage


def findings(station: VirtualStation) -> list[dict[str, Any]]:
    return list(station.station.snapshot().link["findings"])


def test_a_station_at_work_has_no_finding() -> None:
    assert findings(VirtualStation().boot()) == []


def test_an_attempt_that_failed_is_explained_until_one_succeeds() -> None:
    station = VirtualStation(evses=1).boot()
    station.csms.go_offline()
    station.settle()
    (found,) = findings(station)
    assert found["slot"] == "1"
    assert found["step"] in [str(step) for step in advice.Step]
    assert found["problem"]
    assert len(found["advice"]) > 40
    station.csms.go_online()
    station.advance(600)
    assert findings(station) == []


def test_the_doctor_and_the_api_share_their_advice() -> None:
    station = VirtualStation(evses=1).boot()
    station.csms.go_offline()
    station.settle()
    connection = station.station.connection
    down = LinkDown(1, LinkProblem.UNAUTHORIZED, "HTTP 401", stage=LinkStage.UPGRADE)
    (before,) = connection.findings.values()
    connection.findings["1"] = type(before)("1", before.url, before.at, down, 1)
    (found,) = findings(station)
    assert found["advice"] == advice.PROBLEM_ADVICE[LinkProblem.UNAUTHORIZED]
    assert found["step"] == "credentials"


def test_a_station_without_a_slot_is_told_where_to_write_one() -> None:
    station = VirtualStation(url="")
    station.settle()
    (found,) = findings(station)
    assert found["step"] == "settings"


def test_a_rejected_station_is_told_whom_to_ask() -> None:
    station = VirtualStation(evses=1, start=False)
    station.csms.boot_status = "Rejected"
    station.power_up()
    station.settle()
    (found,) = findings(station)
    assert (found["step"], found["problem"]) == ("boot", "the CSMS has answered Rejected")
