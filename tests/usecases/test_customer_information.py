"""N09, N10: what the station tells of a customer, what it forgets, and what has to stay."""

from typing import Any

import pytest

from station.bench.virtual import VirtualStation

TOKEN = {"idToken": "04a1b2c3", "type": "ISO14443"}
CERTIFICATE = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "aa",
    "issuerKeyHash": "bb",
    "serialNumber": "1",
}


def ask(station: VirtualStation, report: bool, clear: bool, **who: Any) -> dict[str, Any]:
    request = {"requestId": 1, "report": report, "clear": clear, **(who or {"idToken": TOKEN})}
    return station.csms.call("CustomerInformation", request)


def told(station: VirtualStation) -> list[str]:
    station.settle()
    return [part["data"] for part in station.csms.of("NotifyCustomerInformation")]


def charging() -> VirtualStation:
    station = VirtualStation().boot()
    station.sim.plug(1)
    station.sim.token("04A1B2C3", evse=1)
    station.advance(10)
    return station


def test_a_running_transaction_is_told_of_and_goes_on() -> None:
    """N10.FR.03: what it needs is kept as long as it lasts, and the answer says so."""
    station = charging()
    assert ask(station, report=True, clear=True)["status"] == "Accepted"
    data = "".join(told(station))
    assert "kept as long as it lasts: transaction" in data
    assert station.world.evses[1].place.closed
    station.sim.token("04A1B2C3", evse=1)
    station.advance(10)
    assert station.csms.events()[-1]["eventType"] == "Ended"


def test_what_was_forgotten_stays_forgotten_over_a_power_cut() -> None:
    """N10.FR.03: the cache no longer knows the token, however it is spelled."""
    station = charging()
    station.sim.token("04A1B2C3", evse=1)
    station.settle()
    station.sim.unplug(1)
    station.settle()
    ask(station, report=False, clear=True)
    assert told(station) == ["cleared"]
    station.restart(power_cut=True)
    station.csms.received.clear()
    ask(station, report=True, clear=False)
    assert told(station) == [""]


def test_what_was_cleared_is_told_although_the_link_is_lost_meanwhile() -> None:
    """N10.FR.03: the information is gone from here, so its message must not be lost."""
    station = charging()
    station.csms.answers["NotifyCustomerInformation"] = None
    ask(station, report=True, clear=True)
    station.settle()
    station.restart(power_cut=True)
    station.csms.received.clear()
    del station.csms.answers["NotifyCustomerInformation"]
    station.advance(120)
    assert "transaction" in "".join(told(station))


def test_no_line_holds_the_token_itself() -> None:
    station = charging()
    ask(station, report=True, clear=False)
    assert "04A1B2C3" not in "".join(told(station)).upper()


def test_the_local_list_is_told_of_and_kept() -> None:
    """N10.FR.03, N10.FR.06: only the CSMS changes the list."""
    station = VirtualStation().boot()
    entry = {"idToken": TOKEN, "idTokenInfo": {"status": "Accepted"}}
    update = {"versionNumber": 3, "updateType": "Full", "localAuthorizationList": [entry]}
    station.csms.call("SendLocalList", update)
    ask(station, report=True, clear=True)
    (data,) = told(station)
    assert "local authorization list: Accepted" in data
    assert "kept until SendLocalList removes it" in data
    assert station.csms.call("GetLocalListVersion", {})["versionNumber"] == 3


def test_nothing_is_kept_by_certificate() -> None:
    """N09.FR.06; N10.FR.09 is for the CSMS"""
    station = charging()
    assert ask(station, True, False, customerCertificate=CERTIFICATE)["status"] == "Accepted"
    assert told(station) == [""]


@pytest.mark.parametrize(
    "who",
    [
        {"customerIdentifier": "somebody", "idToken": TOKEN},
        {"customerCertificate": CERTIFICATE, "idToken": TOKEN},
        {"customerCertificate": CERTIFICATE, "customerIdentifier": "somebody"},
    ],
)
def test_two_names_for_a_customer_are_one_too_many(who: dict[str, Any]) -> None:
    """N09.FR.09"""
    station = VirtualStation().boot()
    assert ask(station, True, False, **who)["status"] == "Invalid"
    assert told(station) == []


def test_neither_report_nor_clear_asks_for_nothing() -> None:
    """N09.FR.07, N10.FR.07"""
    station = VirtualStation().boot()
    assert ask(station, False, False)["status"] == "Rejected"


def test_nothing_is_told_or_forgotten_before_the_station_is_accepted() -> None:
    """N09.FR.03, N10.FR.05"""
    station = VirtualStation(start=False)
    station.csms.answers["BootNotification"] = lambda _: {
        "status": "Pending",
        "interval": 300,
        "currentTime": station.in_seconds(0),
    }
    station.power_up()
    station.settle()
    answer = ask(station, True, True)
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "CSNotAccepted")
