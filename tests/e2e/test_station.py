"""A station process ends in every way there is, and the next one on the same folder goes on."""

import json
import signal
from typing import Any

from station.bench.csms import NO_ANSWER, Behaviour, Delay
from station.bench.csms_thread import BenchCsmsThread
from tests.e2e.conftest import CONFIGURED, MakeSim
from tests.e2e.heard import (
    assert_accounted,
    events,
    last_status,
    messages,
    the_record,
    wait,
    wait_for_boot,
)
from tests.e2e.rig import IDENTITY, Sim


def test_killed_before_the_token_was_answered_it_forgets_the_token_only(
    sim: Sim, csms: BenchCsmsThread
) -> None:
    csms.behaviour["Authorize"] = NO_ANSWER
    sim.wait_until_accepted()
    sim.plug()
    sim.token()
    wait(csms, lambda seen: messages(seen, "Authorize"))
    csms.behaviour.clear()
    sim.restart()
    assert wait_for_boot(csms, 2) == "ApplicationReset"
    wait(csms, lambda seen: last_status(seen, 1) == "Occupied")
    assert not sim.evse()["authorized"]
    sim.wait_until_accepted()
    sim.token()
    sim.until(lambda state: state["evses"][0]["drawing"])
    sim.token()
    assert_accounted(csms, sim)


def test_killed_as_soon_as_it_has_started_it_goes_on_charging(
    sim: Sim, csms: BenchCsmsThread
) -> None:
    """The contactor may not even have closed."""
    sim.wait_until_accepted()
    sim.plug()
    sim.token()
    wait(csms, events)
    sim.restart()
    assert wait_for_boot(csms, 2) == "ApplicationReset"
    resumed = sim.until(lambda state: state["evses"][0]["drawing"])
    assert resumed["transactions"][0]["id"] == the_record(csms).transaction_id
    so_far = len(events(csms))
    wait(csms, lambda seen: len(events(seen)) >= so_far + 2)
    sim.token()
    assert assert_accounted(csms, sim).stopped_reason == "Local"


def test_killed_while_an_answer_is_outstanding_it_sends_the_same_event_again(
    sim: Sim, csms: BenchCsmsThread
) -> None:
    """E11.FR.07: what was in flight is offline now, and nothing else of it has changed."""
    csms.behaviour["TransactionEvent"] = unanswered(from_seq_no=2)
    sim.charge()
    wait(csms, lambda seen: any(event["seqNo"] == 2 for event in events(seen)))
    csms.behaviour.clear()
    sim.restart()
    sim.until(lambda state: state["evses"][0]["drawing"])
    sim.token()
    record = assert_accounted(csms, sim)
    assert record.duplicates == [2]
    first, again = (event for event in events(csms) if event["seqNo"] == 2)
    assert again == first | {"offline": True}


def test_killed_while_it_drains_its_backlog_it_sends_the_rest(
    sim: Sim, csms: BenchCsmsThread
) -> None:
    sim.charge()
    sim.post("link", up=False)
    queued = sim.until(lambda state: state["queue"]["transaction_events"] >= 3)
    backlog = queued["queue"]["transaction_events"]
    csms.behaviour["TransactionEvent"] = Delay(0.2)
    sim.post("link", up=True)
    wait(csms, lambda seen: sum(event["offline"] for event in events(seen)) >= 2)
    sim.kill()
    csms.behaviour.clear()
    sim.start()
    sim.until(lambda state: state["evses"][0]["drawing"])
    sim.token()
    record = assert_accounted(csms, sim)
    assert record.offline_events >= backlog
    assert len(record.duplicates) <= 1


def test_killed_again_and_again_it_loses_and_doubles_nothing(
    make_sim: MakeSim, csms: BenchCsmsThread
) -> None:
    """At its start, before it is registered, while it resumes, as it charges, as it stops."""
    sim = make_sim().start()
    sim.charge()
    sim.restart()
    sim.process.wait_for("started (")
    sim.restart()
    wait_for_boot(csms, 2)
    sim.restart()
    sim.until(lambda state: state["evses"][0]["contactor_closed"])
    sim.restart()
    sim.until(lambda state: state["evses"][0]["drawing"])
    sim.token()
    sim.restart()
    sim.wait_until_accepted()
    if sim.state()["transactions"]:  # the token of the last run came too late
        sim.until(lambda state: state["evses"][0]["drawing"])
        sim.token()
    assert_accounted(csms, sim)


def test_what_a_restart_interrupts_ends_if_the_owner_wants_that(
    make_sim: MakeSim, csms: BenchCsmsThread
) -> None:
    """[variables] "TxCtrlr.TxResumption" = "End" """
    sim = make_sim(program=(*CONFIGURED, "--end")).start()
    sim.charge()
    wait(csms, lambda seen: len(events(seen)) >= 2)
    sim.restart()
    record = assert_accounted(csms, sim)
    assert record.stopped_reason == "Reboot"
    assert events(csms)[-1]["triggerReason"] == "AbnormalCondition"
    assert not sim.evse()["contactor_closed"]


def test_after_a_power_cut_it_says_so_and_goes_on(sim: Sim, csms: BenchCsmsThread) -> None:
    sim.charge()
    sim.post("power")
    assert sim.process.wait() == -signal.SIGKILL
    sim.start()
    assert wait_for_boot(csms, 2) == "PowerUp"
    sim.until(lambda state: state["evses"][0]["drawing"])
    sim.token()
    assert_accounted(csms, sim)


def test_sigterm_opens_the_contactor_and_the_next_start_goes_on(
    sim: Sim, csms: BenchCsmsThread
) -> None:
    sim.charge()
    assert sim.process.stop(signal.SIGTERM) == 0
    assert not place(sim)["closed"]
    sim.start()
    assert wait_for_boot(csms, 2) == "LocalReset"
    sim.until(lambda state: state["evses"][0]["drawing"])
    sim.token()
    assert_accounted(csms, sim)


def test_an_immediate_reset_ends_the_charge_and_begins_anew_in_the_same_process(
    make_sim: MakeSim, csms: BenchCsmsThread
) -> None:
    """B12.FR.04; --unplugged spoke of the start, and the car that came since has stayed."""
    sim = make_sim("--unplugged").start()
    sim.charge()
    wait(csms, lambda seen: len(events(seen)) >= 2)
    assert csms.call(IDENTITY, "Reset", {"type": "Immediate"}) == {"status": "Accepted"}
    assert wait_for_boot(csms, 2) == "RemoteReset"
    record = the_record(csms)
    assert record.ended  # before the boot
    assert record.stopped_reason == "ImmediateReset"
    sim.api_of_run(2)
    assert sim.process.process.poll() is None
    assert sim.evse()["connectors"][0] | {"type": ""} == {
        "id": 1,
        "type": "",
        "status": "Occupied",
        "plugged": True,
    }
    assert_accounted(csms, sim)


def test_a_reset_on_idle_waits_for_the_driver_and_then_begins_anew(
    make_sim: MakeSim, csms: BenchCsmsThread
) -> None:
    """B12.FR.01"""
    sim = make_sim("--evses=2").start()
    sim.charge()
    assert csms.call(IDENTITY, "Reset", {"type": "OnIdle"}) == {"status": "Scheduled"}
    wait(csms, lambda seen: last_status(seen, 2) == "Unavailable")
    assert sim.evse()["drawing"]
    sim.token()
    assert wait_for_boot(csms, 2) == "ScheduledReset"
    assert the_record(csms).stopped_reason == "Local"
    wait(csms, lambda seen: last_status(seen, 2) == "Available")
    sim.api_of_run(2)
    assert sim.evse()["connectors"][0]["plugged"]
    assert_accounted(csms, sim)


def test_a_car_that_left_while_the_station_was_down_has_ended_its_charge(
    sim: Sim, csms: BenchCsmsThread
) -> None:
    sim.charge()
    sim.restart("--unplugged")
    assert wait_for_boot(csms, 2) == "ApplicationReset"
    record = assert_accounted(csms, sim)
    assert record.stopped_reason == "EVDisconnected"
    assert last_status(csms, 1) == "Available"


def unanswered(from_seq_no: int) -> Behaviour:
    return lambda _, event: NO_ANSWER if event["seqNo"] >= from_seq_no else None


def place(sim: Sim) -> dict[str, Any]:
    """The surroundings of EVSE 1 as they were saved."""
    return dict(json.loads((sim.state_dir / "world.json").read_text())["evses"][0])
