"""Functional block A: security events, the log of them, and their way to the CSMS."""

import msgspec

from station.bench.virtual import VirtualStation
from station.blocks.security_events import KEPT, first_broken


def types(station: VirtualStation) -> list[str]:
    return [row.type for row in station.station.security_events.entries()]


def test_a_critical_event_is_delivered_after_an_outage_and_a_power_cut() -> None:
    """A04.FR.01, A04.FR.02"""
    station = VirtualStation(start=False)
    station.csms.reachable = False
    station.power_up()
    station.settle()
    station.restart(power_cut=True)
    station.csms.go_online()
    station.advance(120)

    told = [event["type"] for event in station.csms.of("SecurityEventNotification")]
    assert told == ["StartupOfTheDevice", "StartupOfTheDevice"]


def test_a_critical_event_is_never_given_up() -> None:
    """A04.FR.02"""
    station = VirtualStation()
    station.csms.answers["SecurityEventNotification"] = None
    station.advance(7 * 86400)
    assert station.station.outbox.undelivered == 0

    del station.csms.answers["SecurityEventNotification"]
    station.csms.received.clear()
    station.advance(2 * 3600)
    assert len(station.csms.of("SecurityEventNotification")) == 1
    station.advance(86400)
    assert len(station.csms.of("SecurityEventNotification")) == 1


def test_every_event_is_in_the_log_and_only_critical_ones_are_told() -> None:
    """A04.FR.04, A01.FR.11"""
    station = VirtualStation().boot()
    data = {
        "component": {"name": "SecurityCtrlr"},
        "variable": {"name": "BasicAuthPassword"},
        "attributeValue": "a-brand-new-password",
    }
    station.csms.call("SetVariables", {"setVariableData": [data]})
    assert types(station)[-1] == "ReconfigurationOfSecurityParameters"
    assert station.csms.of("SecurityEventNotification") == []


def test_a_wrong_clock_that_the_csms_sets_right_is_an_event() -> None:
    station = VirtualStation(clock_error_s=-3600.0)
    station.settle()
    assert "SettingSystemTime" in types(station)


def test_a_boot_that_the_csms_asked_for_is_told_from_any_other() -> None:
    """A04.FR.01"""
    station = VirtualStation().boot()
    station.csms.take()
    station.csms.call("Reset", {"type": "Immediate"})
    station.advance(120)
    told = [event["type"] for event in station.csms.of("SecurityEventNotification")]
    assert told == ["ResetOrReboot"]


def test_a_full_disk_is_told_although_nothing_can_be_written() -> None:
    """A04.FR.01"""
    station = VirtualStation().boot()
    station.csms.take()
    station.backend.fail_with(OSError(28, "No space left on device"))
    station.variable("OCPPCommCtrlr", "WebSocketPingInterval", "61")
    station.advance(10)
    told = [event["type"] for event in station.csms.of("SecurityEventNotification")]
    assert told == ["MemoryExhaustion"]


def test_an_invalid_message_is_logged_once_a_minute() -> None:
    station = VirtualStation().boot()
    for _ in range(5):
        station.csms.send_text('[2, "x')
        station.settle()
    assert types(station).count("InvalidMessages") == 1
    station.advance(60)
    station.csms.send_text("nonsense")
    station.settle()
    assert types(station).count("InvalidMessages") == 2


def test_the_log_is_a_chain_that_shows_a_change_in_its_middle() -> None:
    station = VirtualStation()
    for _ in range(3):
        station.settle()
        station.restart()
    entries = list(station.station.security_events.entries())
    assert len(entries) >= 4
    assert first_broken(entries) is None

    forged = msgspec.structs.replace(entries[1], type="FirmwareUpdated")
    assert first_broken([entries[0], forged, *entries[2:]]) == forged.number
    assert first_broken([entries[0], *entries[2:]]) == entries[2].number


def test_the_log_rolls_and_stays_a_chain() -> None:
    """A04.FR.04"""
    station = VirtualStation().boot()
    for _ in range(KEPT + 20):
        station.csms.send_text("nonsense")
        station.advance(61)
    entries = list(station.station.security_events.entries())
    assert len(entries) == KEPT
    assert first_broken(entries) is None
