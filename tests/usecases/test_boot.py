"""Functional block B: registration (B01 to B03), boot reasons, and what waits for acceptance."""

from typing import Any

import pytest
from msgspec.structs import replace

from station.bench.fake_csms import CallError, Refusal
from station.bench.virtual import VirtualStation
from station.ocpp.messages.provisioning import BootReason
from station.records import StoreHealth
from station.store.backend import Opening
from station.store.memory_disk import MemoryDisk
from tests.usecases.accounting import assert_wire_rules
from tests.usecases.linking import BACK_OFF, LATENCY_S, gaps, sent

TIMEOUT = {"OCPPCommCtrlr.MessageTimeout[Default]": "5"}
OWN_RETRY_S = 60.0
TOKEN = {"idToken": "04A1B2C3", "type": "ISO14443"}


def met(status: str, *, interval_s: int = 20, **options: Any) -> VirtualStation:
    """A station whose first BootNotification is answered with *status*."""
    station = VirtualStation(start=False, **options)
    station.csms.boot_status, station.csms.interval_s = status, interval_s
    station.power_up()
    station.settle()
    return station


def boots(station: VirtualStation) -> list[float]:
    return [at for at, _, _ in sent(station, "BootNotification")]


def accept(station: VirtualStation) -> None:
    station.csms.boot_status = "Accepted"
    station.advance(70)


# -- Accepted


def test_a_boot_is_told_first_and_then_every_connector() -> None:
    """B01.FR.01, B01.FR.05"""
    station = met("Accepted", evses=2, connectors=2)
    assert station.csms.actions()[0] == "BootNotification"
    told = [(s["evseId"], s["connectorId"]) for s in station.csms.of("StatusNotification")]
    assert told == [(1, 1), (1, 2), (2, 1), (2, 2)]
    boot = station.csms.of("BootNotification")[0]
    assert boot["reason"] == "PowerUp"
    assert boot["chargingStation"]["serialNumber"] == "CS001"


def test_the_interval_of_the_answer_is_that_of_the_heartbeat_and_lasts() -> None:
    """B01.FR.04"""
    station = met("Accepted", interval_s=77)
    assert station.variable("OCPPCommCtrlr", "HeartbeatInterval") == "77"
    station.csms.interval_s = 0
    station.restart()
    assert station.variable("OCPPCommCtrlr", "HeartbeatInterval") == "77"


def test_the_start_of_the_device_is_a_security_event() -> None:
    station = met("Accepted")
    assert station.csms.of("SecurityEventNotification")[0]["type"] == "StartupOfTheDevice"


# -- Pending (B02) and Rejected (B03)


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
@pytest.mark.parametrize(("interval_s", "expected"), [(20, 20.0), (0, OWN_RETRY_S)])
def test_a_station_that_is_not_accepted_asks_again_after_the_interval(
    status: str, interval_s: int, expected: float
) -> None:
    """B02.FR.04, B02.FR.07, B02.FR.08, B03.FR.05, B03.FR.06"""
    station = met(status, interval_s=interval_s)
    station.advance(200)
    assert len(boots(station)) >= 3
    assert len(station.csms.attempts) == 1, "B02.FR.06"
    waited = gaps(boots(station))
    assert waited == pytest.approx([expected] * len(waited), abs=LATENCY_S)


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
def test_nothing_else_is_sent_before_it_is_accepted(status: str) -> None:
    """B02.FR.02, B03.FR.02"""
    station = met(status)
    station.sim.plug(1)
    station.advance(3)
    station.sim.button(1, "start")
    station.sim.token("04A1B2C3", evse=2)
    station.advance(30)
    assert set(station.csms.actions()) == {"BootNotification"}

    accept(station)
    actions = station.csms.actions()
    assert {"StatusNotification", "TransactionEvent"} <= set(actions)
    kinds = [event["eventType"] for event in station.csms.events()]
    assert kinds[0] == "Started"


def test_a_rejected_station_refuses_every_call() -> None:
    """B03.FR.08"""
    station = met("Rejected")
    for action, payload in (
        ("GetVariables", {"getVariableData": []}),
        ("Reset", {"type": "Immediate"}),
        ("TriggerMessage", {"requestedMessage": "BootNotification"}),
        ("NoSuchAction", {}),
    ):
        with pytest.raises(CallError) as refused:
            station.csms.call(action, payload)
        assert refused.value.code == "SecurityError"


def test_a_pending_station_answers_calls() -> None:
    """B02.FR.01"""
    station = met("Pending")
    assert station.variable("TxCtrlr", "EVConnectionTimeOut", "45") == "45"
    assert set(station.csms.actions()) == {"BootNotification"}


def test_a_pending_station_sends_what_it_is_asked_to_trigger() -> None:
    """B02.FR.02"""
    station = met("Pending")
    for trigger, extra in (
        ("Heartbeat", {}),
        ("StatusNotification", {"evse": {"id": 1, "connectorId": 1}}),
    ):
        station.csms.take()
        answer = station.csms.call("TriggerMessage", {"requestedMessage": trigger, **extra})
        assert answer["status"] == "Accepted"
        station.advance(1)
        assert station.csms.actions() == [trigger]


def test_a_pending_station_starts_and_stops_nothing_remotely() -> None:
    """B02.FR.05"""
    station = met("Pending")
    start = {"idToken": TOKEN, "remoteStartId": 1, "evseId": 1}
    assert station.csms.call("RequestStartTransaction", start)["status"] == "Rejected"
    stop = {"transactionId": "some"}
    assert station.csms.call("RequestStopTransaction", stop)["status"] == "Rejected"


def test_a_triggered_boot_notification_is_sent_at_once_and_says_so() -> None:
    station = met("Pending", interval_s=3600)
    station.csms.boot_status = "Accepted"
    station.csms.take()
    answer = station.csms.call("TriggerMessage", {"requestedMessage": "BootNotification"})
    assert answer["status"] == "Accepted"
    station.settle()
    assert station.csms.of("BootNotification")[0]["reason"] == "Triggered"
    assert len(station.csms.of("StatusNotification")) == 2


def test_an_accepted_station_has_no_boot_to_trigger() -> None:
    """F06.FR.17"""
    station = met("Accepted")
    answer = station.csms.call("TriggerMessage", {"requestedMessage": "BootNotification"})
    assert answer["status"] == "Rejected"


# -- no answer at all


@pytest.mark.parametrize("answer", [None, Refusal("InternalError"), {"status": "Perhaps"}])
def test_a_boot_without_a_sound_answer_is_tried_again(answer: Any) -> None:
    station = VirtualStation(start=False, variables=TIMEOUT)
    station.csms.answers["BootNotification"] = answer
    station.power_up()
    station.advance(150)
    assert len(boots(station)) == 3
    assert set(station.csms.actions()) == {"BootNotification"}
    assert_wire_rules(station)
    station.csms.answers.clear()
    station.advance(70)
    assert "StatusNotification" in station.csms.actions()


def test_a_boot_cut_short_by_the_network_is_told_again_on_the_next_connection() -> None:
    station = VirtualStation(start=False, variables=BACK_OFF)
    station.csms.answers["BootNotification"] = None
    station.power_up()
    station.advance(1)
    station.csms.answers.clear()
    station.csms.cut()
    station.advance(10)
    assert len(boots(station)) >= 2
    assert station.station.session.online


def test_the_boot_timer_outlives_a_reconnect() -> None:
    """B02.FR.04: a reconnect is no reason to ask before the interval is over."""
    station = met("Pending", interval_s=60, variables=BACK_OFF)
    station.advance(10)
    station.csms.cut()
    station.advance(30)
    assert station.csms.connected
    assert len(boots(station)) == 1
    station.advance(30)
    assert len(boots(station)) == 2
    assert gaps(boots(station)) == pytest.approx([60.0], abs=LATENCY_S)


def test_a_boot_due_while_offline_is_told_as_soon_as_there_is_a_link() -> None:
    station = met("Pending", interval_s=20, variables=BACK_OFF)
    station.csms.go_offline()
    station.advance(60)
    station.csms.boot_status = "Accepted"
    station.csms.go_online()
    station.advance(33)
    assert station.station.session.online


# -- why it booted (B01.FR.09)


def reason(station: VirtualStation) -> str:
    return str(station.csms.of("BootNotification")[-1]["reason"])


def test_a_power_cut_is_a_power_up() -> None:
    station = VirtualStation().boot()
    station.restart(power_cut=True)
    assert reason(station) == "PowerUp"


def test_a_crash_is_an_application_reset() -> None:
    station = VirtualStation().boot()
    station.restart()
    assert reason(station) == "ApplicationReset"


def test_a_polite_end_is_a_local_reset() -> None:
    station = VirtualStation().boot()
    station.station.stop()
    station.advance(10)
    station.restart()
    assert reason(station) == "LocalReset"


@pytest.mark.parametrize("kind", ["Immediate", "OnIdle"])
def test_a_reset_that_happens_at_once_is_a_remote_reset(kind: str) -> None:
    station = VirtualStation().boot()
    assert station.csms.call("Reset", {"type": kind})["status"] == "Accepted"
    station.advance(30)
    assert reason(station) == "RemoteReset"
    assert station.restarts == 1


def test_a_reset_that_had_to_wait_is_a_scheduled_reset() -> None:
    station = VirtualStation(cable="fixed").boot()
    station.sim.plug(1)
    station.advance(3)
    station.sim.button(1, "start")
    station.advance(10)
    assert station.csms.call("Reset", {"type": "OnIdle"})["status"] == "Scheduled"
    station.advance(60)
    assert station.restarts == 0
    station.sim.unplug(1)
    station.advance(30)
    assert station.restarts == 1
    assert reason(station) == "ScheduledReset"
    assert station.csms.events()[-1]["eventType"] == "Ended"


def test_a_crash_after_a_reset_is_told_as_the_crash_it_is() -> None:
    station = VirtualStation().boot()
    station.csms.call("Reset", {"type": "Immediate"})
    station.advance(30)
    station.restart()
    assert reason(station) == "ApplicationReset"


class LostDisk(MemoryDisk):
    """What the last process wrote was damaged and set aside."""

    def open(self) -> Opening:
        return replace(super().open(), health=StoreHealth.REPLACED)


def test_whoever_lost_his_memory_does_not_say_why_he_booted() -> None:
    station = VirtualStation(disk=LostDisk()).boot()
    station.csms.received.clear()
    assert station.station.boot_reason is BootReason.UNKNOWN


def test_a_boot_that_the_csms_asked_to_be_told_of_is_triggered() -> None:
    station = VirtualStation(start=False)
    station.csms.boot_status = "Pending"
    station.power_up()
    station.settle()
    assert station.csms.call("TriggerMessage", {"requestedMessage": "BootNotification"})
    station.settle()
    assert reason(station) == "Triggered"
