"""The simulated board: the interlock is in force on it, and it judges itself."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from msgspec.structs import replace

from hal.api import (
    Change,
    CommandKind,
    CommandResult,
    EvseReport,
    FaultName,
    PilotState,
    Power,
)
from hal.board import Step, step
from hal.interlock import SWITCHING_TIME_S, Decision
from hal.sim.board import SimBoard, sim_board_description
from hal.sim.hardware import SimError, SimHardware
from tests.unit.hal_fakes import SimBench

OPENING = (
    FaultName.RESIDUAL_CURRENT,
    FaultName.GROUND_FAULT,
    FaultName.OVER_TEMPERATURE,
    FaultName.OVER_CURRENT,
    FaultName.UNDER_VOLTAGE,
    FaultName.PILOT_FAULT,
    FaultName.DIODE_FAULT,
    FaultName.EMERGENCY_STOP,
    FaultName.BOARD_SILENT,
)


@pytest.fixture
def bench() -> SimBench:
    return SimBench()


def is_closed(bench: SimBench) -> bool:
    return bench.world.evses[1].place.closed


def test_every_evse_is_reported_once_at_the_start(bench: SimBench) -> None:
    assert [c.evse for c in bench.changes if isinstance(c, EvseReport)] == [1, 2]


def test_what_somebody_did_before_the_start_is_reported_at_the_start(bench: SimBench) -> None:
    seen: list[Change] = []
    board = SimBoard(bench.description, bench.world, bench.time.monotonic, bench.time.call_at)
    SimHardware(board, bench.time.monotonic).plug(1)
    board.start(seen.append)
    first = next(change for change in seen if isinstance(change, EvseReport) and change.evse == 1)
    assert first.pilot is PilotState.B


def test_contactor_opens_when_the_lease_lapses(bench: SimBench) -> None:
    bench.charging()
    bench.time.advance(1.99)
    assert is_closed(bench)
    bench.time.advance(0.01)
    assert not is_closed(bench)
    assert not bench.report().contactor_closed
    assert not bench.report().offering
    assert bench.board.violations == []


def test_a_lease_renewed_after_it_lapsed_closes_again(bench: SimBench) -> None:
    bench.charging()
    bench.time.advance(60)
    assert not is_closed(bench)
    bench.run(5)
    assert bench.report().drawing


def test_a_lease_far_ahead_is_cut_to_its_length(bench: SimBench) -> None:
    bench.charging()
    bench.board.renew(1, bench.time.now + 3600)
    bench.time.advance(4.0)
    assert not is_closed(bench)
    assert bench.board.violations == []


def test_open_now_opens_under_load_and_soft_stop_waits_for_the_ev(bench: SimBench) -> None:
    bench.charging()
    bench.set(1, Power.STOP_SOFT)
    assert is_closed(bench)
    assert not bench.report().offering
    bench.time.advance(0.4)
    assert not is_closed(bench)
    bench.offer()
    bench.run(5)
    bench.set(1, Power.OPEN_NOW)
    assert not is_closed(bench)


def test_soft_stop_of_an_ev_that_does_not_let_go_opens_after_six_seconds(
    bench: SimBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.charging()
    monkeypatch.setattr("hal.sim.ev.LETS_GO_S", 3600.0)
    bench.set(1, Power.STOP_SOFT, permit_until=float("-inf"))
    bench.time.advance(5.99)
    assert is_closed(bench)
    bench.time.advance(0.01)
    assert not is_closed(bench)
    assert bench.board.violations == []


def test_unplugging_under_load_opens(bench: SimBench) -> None:
    bench.charging()
    bench.hardware.unplug(1)
    assert not is_closed(bench)
    assert bench.report().pilot is PilotState.A


@pytest.mark.parametrize("name", OPENING)
def test_grave_faults_open_the_contactor_and_clear(bench: SimBench, name: FaultName) -> None:
    bench.charging()
    bench.hardware.fault(1, name, active=True)
    assert not is_closed(bench)
    assert bench.faults() == [name]
    bench.hardware.fault(1, name, active=False)
    assert bench.faults() == []
    bench.run(5)
    assert bench.report().drawing


def test_pilot_fault_shows_state_e(bench: SimBench) -> None:
    bench.charging()
    bench.hardware.fault(1, "pilot_fault", active=True)
    assert bench.report().pilot is PilotState.E


def test_silent_meter_keeps_its_last_reading_and_opens_nothing(bench: SimBench) -> None:
    bench.charging()
    before = bench.board.reading(1)
    bench.hardware.fault(1, "meter_silent", active=True)
    bench.run(600)
    assert bench.board.reading(1) == before
    assert bench.faults() == [FaultName.METER_SILENT]
    assert is_closed(bench)
    bench.hardware.fault(1, "meter_silent", active=False)
    assert bench.board.reading(1).energy_wh > before.energy_wh + 1800  # type: ignore[union-attr]


def test_a_silent_board_was_last_polled_when_it_fell_silent(bench: SimBench) -> None:
    bench.hardware.fault(1, "board_silent", active=True)
    bench.time.advance(3)
    assert bench.board.polled_at(1) == 0.0
    assert bench.board.polled_at(2) == 3.0


def test_welded_contactor_is_found_by_the_interlock_when_it_should_open(bench: SimBench) -> None:
    bench.charging()
    bench.hardware.fault(1, "contactor_welded", active=True)
    bench.run(10)
    assert bench.faults() == []
    bench.set(1, Power.OPEN_NOW)
    bench.time.advance(SWITCHING_TIME_S)
    assert bench.faults() == [FaultName.CONTACTOR_WELDED]
    assert bench.report().contactor_closed
    bench.hardware.fault(1, "contactor_welded", active=False)
    assert bench.faults() == []
    assert not bench.report().contactor_closed
    assert bench.board.violations == []


def test_contactor_that_welds_while_idle_is_found(bench: SimBench) -> None:
    bench.hardware.fault(1, "contactor_welded", active=True)
    bench.time.advance(1)
    assert bench.faults() == [FaultName.CONTACTOR_WELDED]


def test_plug_is_not_let_go_of_while_a_welded_contactor_feeds_it(bench: SimBench) -> None:
    bench.charging()
    bench.hardware.fault(1, "contactor_welded", active=True)
    bench.set(1, Power.OPEN_NOW, lock=False)
    bench.time.advance(10)
    assert bench.report().locked
    bench.board.command(CommandKind.UNLOCK, 1, 1, bench.results.append)
    assert bench.results == [CommandResult.FAILED]


def test_contactor_that_does_not_close_is_found_and_latched(bench: SimBench) -> None:
    bench.hardware.fault(1, "contactor_stuck_open", active=True)
    bench.hardware.plug(1)
    bench.offer()
    bench.run(5)
    assert bench.faults() == [FaultName.CONTACTOR_STUCK_OPEN]
    assert not bench.world.evses[1].place.coil
    bench.world.evses[1].place.injected.clear()  # repaired, but nobody has reset it
    bench.run(5)
    assert bench.faults() == [FaultName.CONTACTOR_STUCK_OPEN]
    bench.board.command(CommandKind.RESET_FAULTS, 1, None, bench.results.append)
    assert bench.results == [CommandResult.DONE]
    bench.run(5)
    assert bench.report().drawing


def test_clearing_an_injected_fault_resets_its_latch(bench: SimBench) -> None:
    bench.charging()
    bench.hardware.fault(1, "contactor_stuck_open", active=True)
    bench.run(1)
    assert bench.faults() == [FaultName.CONTACTOR_STUCK_OPEN]
    bench.hardware.fault(1, "contactor_stuck_open", active=False)
    assert bench.faults() == []
    bench.run(5)
    assert bench.report().drawing


def test_a_stuck_lock_is_reported_and_no_energy_flows(bench: SimBench) -> None:
    bench.hardware.fault(1, "lock_stuck", active=True)
    bench.hardware.plug(1)
    bench.offer()
    bench.run(5)
    assert bench.faults() == [FaultName.LOCK_STUCK]
    assert not is_closed(bench)
    bench.hardware.fault(1, "lock_stuck", active=False)
    bench.run(5)
    assert bench.report().drawing


def test_unlock_opens_the_lock_of_a_socket(bench: SimBench) -> None:
    bench.hardware.plug(1)
    bench.set(1, Power.OPEN_NOW)
    assert bench.report().locked
    bench.board.command(CommandKind.UNLOCK, 1, 1, bench.results.append)
    assert bench.results == [CommandResult.DONE]
    assert not bench.report().locked
    bench.time.advance(60)
    assert not bench.report().locked


def test_unlock_fails_when_the_lock_is_stuck(bench: SimBench) -> None:
    bench.hardware.plug(1)
    bench.set(1, Power.OPEN_NOW)
    bench.hardware.fault(1, "lock_stuck", active=True)
    bench.board.command(CommandKind.UNLOCK, 1, 1, bench.results.append)
    bench.time.advance(2)
    assert bench.results == [CommandResult.FAILED]
    assert bench.report().locked


def test_unlock_is_unsupported_for_a_fixed_cable() -> None:
    bench = SimBench(sim_board_description(cable="fixed"))
    bench.hardware.plug(1)
    bench.board.command(CommandKind.UNLOCK, 1, 1, bench.results.append)
    assert bench.results == [CommandResult.UNSUPPORTED]


def test_self_test_is_done_without_load_only(bench: SimBench) -> None:
    bench.board.command(CommandKind.SELF_TEST, 1, None, bench.results.append)
    bench.charging()
    bench.board.command(CommandKind.SELF_TEST, 1, None, bench.results.append)
    assert bench.results == [CommandResult.DONE, CommandResult.FAILED]


def test_interrupting_the_pilot_takes_the_offer_away_for_four_seconds(bench: SimBench) -> None:
    bench.hardware.plug(1, ready_after_s=3600)
    bench.offer()
    bench.board.command(CommandKind.INTERRUPT_PILOT, 1, None, bench.results.append)
    assert bench.report().plugged
    assert not bench.report().offering
    bench.run(4)
    assert bench.results == [CommandResult.DONE]
    assert bench.report().offering


def test_stop_opens_everything_and_fails_what_is_under_way(bench: SimBench) -> None:
    bench.charging()
    assert bench.board.stop()
    assert not is_closed(bench)
    count = len(bench.changes)
    bench.time.advance(60)
    assert len(bench.changes) == count
    assert bench.world.evses[1].place.locked  # what the lock does next is the core's to say


def test_stop_says_when_a_contactor_stays_closed(bench: SimBench) -> None:
    bench.charging()
    bench.hardware.fault(1, "contactor_welded", active=True)
    assert not bench.board.stop()


def test_reports_come_only_with_changes(bench: SimBench) -> None:
    bench.charging()
    count = len(bench.changes)
    bench.run(600)
    assert len(bench.changes) == count


def test_a_fixed_cable_reports_connector_and_no_cable_rating() -> None:
    bench = SimBench(sim_board_description(cable="fixed", connectors=2))
    bench.hardware.plug(1, connector=2)
    report = bench.report()
    assert (report.connector, report.plugged, report.cable_max_a) == (2, True, None)
    bench.offer()
    bench.run(5)
    assert bench.report().drawing
    assert not bench.report().locked


def test_a_cable_without_an_ev_is_plugged_but_in_pilot_state_a(bench: SimBench) -> None:
    bench.hardware.plug(1, side="station")
    assert bench.report().plugged
    assert bench.report().cable_max_a == 32.0
    assert bench.report().pilot is PilotState.A
    bench.hardware.plug(1, side="ev")
    assert bench.report().pilot is PilotState.B
    bench.hardware.unplug(1, side="ev")
    assert bench.report().pilot is PilotState.A
    assert bench.report().plugged
    assert bench.report().connector == 1


def test_a_car_at_one_evse_leaves_the_other_alone(bench: SimBench) -> None:
    bench.charging()
    bench.hardware.fault(2, "emergency_stop", active=True)
    assert is_closed(bench)


def test_energy_is_the_integral_of_power(bench: SimBench) -> None:
    bench.hardware.plug(1, current_a=32, soc=75, capacity_wh=8000)
    bench.offer(limit_a=20.0)
    world = bench.world.evses[1]
    before, integral_wh = world.place.register_wh, 0.0
    for tick in range(4000):
        if tick % 7 == 0:
            bench.board.renew(1, bench.time.now + 2.0)
        power_w = bench.board.reading(1).power_w  # type: ignore[union-attr]
        bench.time.advance(0.25)
        integral_wh += power_w * 0.25 / 3600
    world.advance(bench.time.now)
    assert world.place.register_wh - before == pytest.approx(integral_wh, rel=2e-3)
    assert world.place.car.soc - 75 == pytest.approx(integral_wh / 80, rel=2e-3)


def test_the_judge_sees_a_contactor_closed_against_the_rules(
    bench: SimBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    always = Decision(True, False, frozenset(), math.inf, math.inf)
    monkeypatch.setattr("hal.board.decide", lambda *_: always)
    bench.hardware.fault(1, "ground_fault", active=True)
    found = [violation.partition(": ")[2] for violation in bench.board.violations]
    assert found == [
        "closed against OPEN_NOW",
        "closed in pilot state A",
        "closed in spite of ground_fault",
    ]


def test_the_judge_sees_an_offer_without_permission_and_a_soft_stop_without_end(
    bench: SimBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.charging()
    always = Decision(True, False, frozenset(), math.inf, math.inf)
    monkeypatch.setattr("hal.board.decide", lambda *_: always)
    bench.set(1, Power.OFFER, permit_until=bench.time.now)
    assert "closed without permission" in bench.board.violations[-1]
    bench.set(1, Power.STOP_SOFT)
    bench.time.advance(6.1)
    bench.set(1, Power.STOP_SOFT)
    assert any("0.100 s after it had to open" in each for each in bench.board.violations)


def test_the_judge_sees_a_contactor_that_opens_too_late(bench: SimBench) -> None:
    bench.charging()
    bench.board.halt()  # the board hangs
    bench.time.advance(10)
    bench.set(1, Power.OPEN_NOW)
    assert len(bench.board.violations) == 1
    assert "after it had to open" in bench.board.violations[0]


def test_a_charge_of_three_hours_takes_few_looks(
    bench: SimBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    def counted(*arguments: Any) -> Step:
        nonlocal looks
        looks += 1
        return step(*arguments)

    monkeypatch.setattr("hal.board.step", counted)
    bench.hardware.plug(1, soc=40, capacity_wh=30_000)
    bench.offer()
    bench.run(3 * 3600)
    assert bench.world.evses[1].place.car.soc > 90
    assert 10 < looks < 60


ACTIONS = (
    "plug",
    "plug_station",
    "unplug",
    "unplug_ev",
    "unplug_station",
    "ev",
    "fault",
    "offer",
    "soft",
    "open",
    "renew",
    "far",
    "unlock",
    "reset",
    "wake",
)


def act(bench: SimBench, data: DataObject) -> None:
    action = data.draw(st.sampled_from(ACTIONS))
    hardware, board = bench.hardware, bench.board
    try:
        match action:
            case "plug":
                hardware.plug(1, soc=data.draw(st.sampled_from([30.0, 79.99, 99.99])))
            case "plug_station":
                hardware.plug(1, side="station")
            case "unplug" | "unplug_ev" | "unplug_station":
                hardware.unplug(1, side=action.removeprefix("unplug").lstrip("_") or "both")
            case "ev":
                hardware.ev(1, data.draw(st.sampled_from(["B", "C", "D"])))
            case "fault":
                name = data.draw(st.sampled_from(FaultName))
                hardware.fault(1, name, active=data.draw(st.booleans()))
            case "offer":
                limit_a = data.draw(st.sampled_from([5.0, 6.0, 16.0, 100.0]))
                bench.offer(limit_a=limit_a, lock=data.draw(st.booleans()))
            case "soft" | "open":
                power = Power.STOP_SOFT if action == "soft" else Power.OPEN_NOW
                bench.set(1, power, lock=data.draw(st.booleans()))
            case "renew" | "far":
                ahead_s = 2.0 if action == "renew" else 50.0
                board.renew(1, bench.time.now + ahead_s)
            case "unlock" | "reset" | "wake":
                kind = {
                    "unlock": CommandKind.UNLOCK,
                    "reset": CommandKind.RESET_FAULTS,
                    "wake": CommandKind.INTERRUPT_PILOT,
                }[action]
                bench.commands += 1
                board.command(kind, 1, 1, bench.results.append)
    except SimError:
        pass  # the world does not allow it now


@given(st.data(), st.sampled_from(["socket", "fixed"]), st.booleans())
def test_whatever_happens_the_judge_finds_nothing(
    data: DataObject, cable: str, ventilated: bool
) -> None:
    description = sim_board_description(evses=1, cable=cable)
    evse = replace(description.evses[0], allows_ventilation=ventilated)
    bench = SimBench(replace(description, evses=(evse,)))
    register_wh = 0
    for _ in range(data.draw(st.integers(1, 30))):
        act(bench, data)
        bench.time.advance(data.draw(st.sampled_from([0.0, 0.1, 0.2, 0.4, 1.0, 2.0, 7.0, 900.0])))
        reading = bench.board.reading(1)
        assert reading is not None
        assert reading.energy_wh >= register_wh
        register_wh = reading.energy_wh
        report, place = bench.report(), bench.world.evses[1].place
        assert report.contactor_closed is place.closed
        assert report.locked is place.locked
        if reading.power_w > 0:
            assert place.closed
    assert bench.board.violations == []
    bench.time.advance(10)
    assert not place.coil  # nobody has renewed the lease
    assert len(bench.results) == bench.commands  # each answered once
