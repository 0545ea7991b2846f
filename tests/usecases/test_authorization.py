"""C01, C02 and C04: who is asked about a token, when, and what nobody may do without one."""

from typing import Any

import pytest

from station.bench.virtual import VirtualStation
from tests.usecases.conftest import MakeStation
from tests.usecases.telling import forget, is_closed, is_locked, told

TOKEN = "04A1B2C3"


@pytest.mark.parametrize("start", ["EVConnected", "PowerPathClosed", "EnergyTransfer"])
@pytest.mark.parametrize("status", ["Accepted", "Invalid"])
def test_energy_is_offered_once_the_csms_has_accepted_the_token(
    make_station: MakeStation, start: str, status: str
) -> None:
    """C01.FR.01, C01.FR.02, E02.FR.20"""
    station: VirtualStation = make_station(start)
    station.csms.answers["Authorize"] = {"idTokenInfo": {"status": status}}
    station.sim.plug(1)
    station.advance(30.0)
    assert not is_closed(station)
    forget(station)
    station.sim.token(TOKEN, evse=1)
    station.advance(10.0)
    token = {"idToken": TOKEN, "type": "ISO14443"}
    assert station.csms.of("Authorize") == [{"idToken": token}]
    assert is_closed(station) is (status == "Accepted")
    events = station.csms.events()
    if status == "Accepted":
        assert events[0]["idToken"] == token
        flows = start == "EnergyTransfer"  # which starts it later
        assert events[0]["triggerReason"] == ("ChargingStateChanged" if flows else "Authorized")
    else:
        assert events == []


@pytest.mark.parametrize("stop", ["Authorized", "EVConnected"])
def test_token_that_began_ends_without_asking_the_csms(
    make_station: MakeStation, stop: str
) -> None:
    """C01.FR.03, E07.FR.01, E07.FR.02, E07.FR.07"""
    station: VirtualStation = make_station(stop=stop, cable="socket")
    station.sim.plug(1)
    station.advance(2.0)
    station.sim.token(TOKEN, evse=1)
    station.advance(10.0)
    assert is_locked(station)
    forget(station)
    station.sim.token(TOKEN, evse=1)
    station.advance(8.0)
    assert station.csms.of("Authorize") == []
    event = station.csms.events()[0]
    assert event["triggerReason"] == "StopAuthorized"
    assert event["idToken"] == {"idToken": TOKEN, "type": "ISO14443"}
    assert not is_closed(station)
    assert not is_locked(station)


def test_csms_is_asked_about_nothing_but_tokens_that_were_shown(make_station: MakeStation) -> None:
    """C01.FR.04"""
    station: VirtualStation = make_station(stop="Authorized")
    for button in ("start", "stop"):
        station.sim.plug(1)
        station.advance(3.0)
        station.sim.button(1, button)
        station.advance(8.0)
        station.sim.unplug(1)
        station.advance(3.0)
    request: dict[str, Any] = {"idToken": {"idToken": TOKEN, "type": "ISO14443"}, "evseId": 1}
    station.csms.call("RequestStartTransaction", {**request, "remoteStartId": 1})
    station.sim.plug(1)
    station.advance(8.0)
    station.sim.unplug(1)
    station.advance(3.0)
    assert station.csms.of("Authorize") == []
    station.sim.token("1234", type="KeyCode", evse=1)
    station.advance(3.0)
    assert station.csms.of("Authorize") == [{"idToken": {"idToken": "1234", "type": "KeyCode"}}]


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("status", ["Pending", "Rejected"])
def test_operator_decides_whether_anybody_charges_before_the_csms_accepts(
    status: str, enabled: bool
) -> None:
    """B02.FR.03, B03.FR.01"""
    wanted = {"TxCtrlr.TxBeforeAcceptedEnabled": "true" if enabled else "false"}
    station = VirtualStation(variables=wanted, start=False)
    station.csms.boot_status, station.csms.interval_s = status, 40
    station.power_up()
    station.settle()
    station.sim.plug(1)
    station.advance(2.0)
    station.sim.button(1, "start")
    station.advance(10.0)
    assert is_closed(station) is enabled
    assert station.csms.actions() == ["BootNotification"]
    station.csms.boot_status = "Accepted"
    station.advance(60.0)
    started = ["Started Authorized EVConnected", "Updated ChargingStateChanged Charging"]
    assert told(station) == (started if enabled else [])
    station.assert_safe()


def test_guessing_key_codes_takes_ever_longer(make_station: MakeStation) -> None:
    """C04.FR.06"""
    station: VirtualStation = make_station()
    station.csms.answers["Authorize"] = {"idTokenInfo": {"status": "Invalid"}}
    station.sim.plug(1)
    for number in range(3600):
        station.sim.token(f"{number:04}", type="KeyCode", evse=1)
        station.advance(1.0)
    assert 3 < len(station.csms.of("Authorize")) < 15
    station.csms.answers.clear()
    station.sim.token(TOKEN, evse=1)  # a card is no guess
    station.advance(10.0)
    assert is_closed(station)


def test_key_code_that_is_right_makes_earlier_slips_forgotten(make_station: MakeStation) -> None:
    """C04.FR.06"""
    station: VirtualStation = make_station(stop="Authorized")
    station.csms.answers["Authorize"] = lambda request: {
        "idTokenInfo": {
            "status": "Accepted" if request["idToken"]["idToken"] == "1234" else "Invalid"
        }
    }
    station.sim.plug(1)
    station.advance(2.0)
    for _ in range(3):
        for code in ("1111", "2222", "1234"):
            station.sim.token(code, type="KeyCode", evse=1)
            station.advance(8.0)
        assert is_closed(station)
        station.sim.token("1234", type="KeyCode", evse=1)
        station.advance(8.0)
        assert not is_closed(station)
