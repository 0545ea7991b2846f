"""The password for HTTP Basic authentication (A01): its change, its last resort, its secrecy."""

from functools import cache
from typing import Any

import msgspec
import pytest

from station.bench.virtual import FIRST_PASSWORD, VirtualStation
from tests.usecases.test_connection import HERE, QUICK, SECURE, quick, set_variable, told, trust
from tests.usecases.test_durability import KillSwitch, MortalStation

Payload = dict[str, Any]

NEW, NEWER = "canary-new-password-1", "canary-newer-password-2"


def change(station: VirtualStation, password: str) -> Payload:
    return set_variable(station, "SecurityCtrlr", "BasicAuthPassword", password)


def shown(station: VirtualStation, since: int = 0) -> list[str]:
    """Passwords of the attempts since then."""
    return [target.password for target in station.csms.targets[since:]]


# -- A01


def test_after_the_answer_the_station_comes_back_with_the_new_password() -> None:
    """A01.FR.01, A01.FR.03"""
    station = VirtualStation().boot()
    tried = len(station.csms.targets)
    assert change(station, NEW)["attributeStatus"] == "Accepted"
    station.csms.at(HERE, password=NEW)
    station.advance(1)
    assert shown(station, tried) == [NEW]
    assert station.csms.target is not None
    assert station.csms.target.user == station.identity
    assert station.csms.of("BootNotification") == []
    assert [way for _, way, _ in station.csms.frames].count(">") > 0
    station.restart(power_cut=True)
    assert shown(station)[-1] == NEW


def test_the_change_is_in_the_security_log() -> None:
    """A01.FR.11"""
    station = VirtualStation().boot()
    change(station, NEW)
    assert told(station)[-1] == "ReconfigurationOfSecurityParameters BasicAuthPassword"


INVALID = (
    "",
    "15-characters-x",
    "x" * 65,
    "tab\tin-the-middle-of-it",
    "nul\x00in-the-middle-of-it",
)


@pytest.mark.parametrize("password", INVALID, ids=repr)
def test_a_bad_password_is_rejected_and_nothing_changes(password: str) -> None:
    """A01.FR.04, A00.FR.205"""
    station = VirtualStation().boot()
    tried = len(station.csms.targets)
    answer = change(station, password)
    assert answer["attributeStatus"] == "Rejected"
    assert "in-the-middle" not in str(answer)
    station.advance(60)
    assert len(station.csms.targets) == tried
    station.restart()
    assert shown(station)[-1] == FIRST_PASSWORD


@pytest.mark.parametrize(
    "password", ["x" * 16, "x" * 64, "Ünïcode passwörd, späces: fine", "a:b:c:d:e:f:g:h:i"]
)
def test_every_other_password_is_sent_as_it_is(password: str) -> None:
    """A00.FR.205 as amended"""
    station = VirtualStation().boot()
    assert change(station, password)["attributeStatus"] == "Accepted"
    station.advance(1)
    assert shown(station)[-1] == password


def test_setting_the_password_in_force_changes_nothing() -> None:
    station = VirtualStation().boot()
    tried = len(station.csms.targets)
    assert change(station, FIRST_PASSWORD)["attributeStatus"] == "Accepted"
    station.advance(60)
    assert len(station.csms.targets) == tried


def test_a_password_of_long_ago_can_be_set_again_after_a_restart() -> None:
    station = VirtualStation().boot()
    change(station, NEW)
    station.restart()
    change(station, FIRST_PASSWORD)
    station.advance(1)
    assert shown(station)[-1] == FIRST_PASSWORD


def test_with_profile_3_no_password_is_sent_and_a_change_needs_no_reconnect() -> None:
    """A00.FR.401"""
    station = VirtualStation(url=SECURE, security_profile=3).boot()
    assert shown(station) == [""]
    change(station, NEW)
    station.advance(60)
    assert shown(station) == [""]


# -- the last resort


def test_the_old_password_has_its_turn_after_two_refusals_of_the_new_one() -> None:
    station = quick(variables={"OCPPCommCtrlr.NetworkProfileConnectionAttempts": "9"})
    tried = len(station.csms.targets)
    station.csms.at(HERE, password="somebody else's")
    change(station, NEW)
    station.advance(11)
    assert shown(station, tried) == [NEW, NEW, FIRST_PASSWORD, NEW, FIRST_PASSWORD, NEW]


@pytest.mark.parametrize("status", [404, 429, 503])
def test_other_refusals_do_not_bring_the_old_password_back(status: int) -> None:
    station = quick()
    change(station, NEW)
    tried = len(station.csms.targets)
    station.csms.at(HERE, status=status)
    station.advance(60)
    assert set(shown(station, tried)) == {NEW}


def test_if_only_the_old_one_works_it_stays_in_force() -> None:
    station = quick()
    change(station, NEW)
    station.csms.at(HERE, password=FIRST_PASSWORD)
    station.advance(10)
    assert station.csms.connected
    assert told(station)[-1].endswith("the previous one is in force again")
    tried = len(station.csms.targets)
    station.csms.cut()
    station.restart()
    station.advance(10)
    assert set(shown(station, tried)) == {FIRST_PASSWORD}
    assert change(station, NEW)["attributeStatus"] == "Accepted"
    station.csms.at(HERE, password=NEW)
    station.advance(1)
    assert shown(station)[-1] == NEW


def test_once_the_new_one_has_worked_the_old_one_is_forgotten() -> None:
    """A01.FR.03"""
    station = quick()
    change(station, NEW)
    station.advance(1)
    tried = len(station.csms.targets)
    station.csms.at(HERE, password="somebody else's")
    station.csms.cut()
    station.advance(60)
    assert set(shown(station, tried)) == {NEW}
    assert FIRST_PASSWORD not in stored(station)


def test_refusals_are_one_security_event_per_series() -> None:
    """A00.FR.316, of the event FailedToAuthenticateAtCsms"""
    station = quick()
    for _ in range(2):
        station.csms.at(HERE, status=401)
        station.csms.cut()
        station.advance(120)
        station.csms.at(HERE, status=None)
        station.advance(60)
        assert station.csms.connected
    assert [line.split()[0] for line in told(station)].count("FailedToAuthenticateAtCsms") == 2


# -- where a password comes from


def test_the_preset_of_the_manufacturer_wins_over_the_password_file() -> None:
    station = VirtualStation(variables={"SecurityCtrlr.BasicAuthPassword": NEW}).boot()
    for _ in range(2):
        assert shown(station)[-1] == NEW
        station.restart()


def test_what_the_csms_has_set_stays_until_the_installer_writes_something_else() -> None:
    for how in ("file", "variable"):
        station = VirtualStation(
            configured={"SecurityCtrlr.BasicAuthPassword": "from-the-installer-1"}
        ).boot()
        assert shown(station)[-1] == "from-the-installer-1"
        change(station, NEW)
        station.restart()
        assert shown(station)[-1] == NEW
        if how == "file":
            station.password = NEWER
        else:
            station.configured = {"SecurityCtrlr.BasicAuthPassword": NEWER}
        station.restart()
        assert shown(station)[-1] == NEWER
        assert any(line.endswith("BasicAuthPassword by configuration") for line in told(station))
        change(station, NEW)
        station.restart()
        assert shown(station)[-1] == NEW


# -- durability


def stored(station: VirtualStation) -> str:
    """Everything on the disk of the station."""
    station.kill()
    text = repr(station.disk.__dict__)
    station.power_up()
    station.settle()
    return text


def live(kill_at: int) -> MortalStation:
    switch = KillSwitch(0)
    station = MortalStation(switch, evses=1, variables=QUICK)
    station.advance(2)
    switch.count, switch.at = 0, kill_at
    data = {
        "component": {"name": "SecurityCtrlr"},
        "variable": {"name": "BasicAuthPassword"},
        "attributeValue": NEW,
    }
    station.csms.send_call("SetVariables", {"setVariableData": [data]})
    station.live(3)
    return station


@cache
def moments() -> int:
    return live(0).switch.count


def test_a_kill_at_any_moment_of_a_change_leaves_the_old_or_the_new_password() -> None:
    """A01.FR.01: what was answered with Accepted is durable."""
    assert moments() > 5
    kept = []
    for kill_at in range(1, moments() + 1):
        station = live(kill_at)
        station.advance(5)
        assert station.kills == 1
        answered = "csms-1" in station.csms.results
        assert shown(station)[-1] in ((NEW,) if answered else (NEW, FIRST_PASSWORD))
        station.csms.at(HERE, password=shown(station)[-1])
        station.csms.cut()
        station.advance(30)
        assert station.csms.connected
        kept.append(shown(station)[-1])
    assert {NEW, FIRST_PASSWORD} == set(kept)


def test_a_password_that_the_disk_cannot_keep_is_rejected() -> None:
    """A01.FR.03, A01.FR.04"""
    station = VirtualStation().boot()
    station.backend.fail_with(OSError(28, "No space left on device"))
    station.variable("OCPPCommCtrlr", "WebSocketPingInterval", "61")
    assert change(station, NEW)["attributeStatus"] == "Rejected"
    station.csms.cut()
    station.advance(60)
    assert shown(station)[-1] == FIRST_PASSWORD


# -- secrecy


def test_no_password_is_in_any_log_report_or_snapshot(caplog: pytest.LogCaptureFixture) -> None:
    """A01.FR.12"""
    caplog.set_level("DEBUG")
    station = quick(configured={"SecurityCtrlr.BasicAuthPassword": "canary-configured-word"})
    change(station, NEW)
    station.csms.at(HERE, status=401)
    station.advance(60)
    station.csms.at(HERE, status=None)
    station.advance(10)
    change(station, "canary\nbroken-password")
    change(station, NEWER)
    station.advance(5)
    mark = len(station.csms.frames)
    station.csms.call("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    item = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
    got = station.csms.call("GetVariables", {"getVariableData": [item]})["getVariableResult"][0]
    station.advance(5)
    assert got["attributeStatus"] == "Rejected"
    core = station.station
    seen = [
        caplog.text,
        str(station.csms.frames[mark:]),
        str([frame for frame in station.csms.frames if frame[1] == ">"]),
        str(core.snapshot()),
        str(msgspec.to_builtins(list(core.security_events.entries()))),
        repr(station.csms.targets),
        repr(core.connection.credentials._rows.all()),
        repr(core.config),
        str(core.connection.state) + str(core.connection.findings),
    ]
    assert [text for text in seen if "canary" in text] == []


def test_a_turn_that_fails_does_not_tell_the_password(caplog: pytest.LogCaptureFixture) -> None:
    station = VirtualStation().boot()

    def fails(_: object, __: object) -> None:
        raise RuntimeError("a bug")

    from station.blocks.connection.credentials import BASIC_AUTH_PASSWORD

    station.station.variables.watch(BASIC_AUTH_PASSWORD, fails)
    data = {
        "component": {"name": "SecurityCtrlr"},
        "variable": {"name": "BasicAuthPassword"},
        "attributeValue": NEW,
    }
    station.csms.send_call("SetVariables", {"setVariableData": [data]})
    station.advance(2)
    assert "a bug" in caplog.text
    assert "canary" not in caplog.text
    station.csms.cut()
    station.advance(60)
    assert shown(station)[-1] == FIRST_PASSWORD


def test_trust_is_not_needed_for_any_of_this() -> None:
    """Profile 2 sends the same password as profile 1 (A00.FR.301)."""
    station = VirtualStation(url=SECURE, security_profile=2).boot()
    trust(station)
    change(station, NEW)
    station.advance(1)
    assert shown(station)[-1] == NEW
