"""The simulated car, as the board sees it."""

import pytest

from hal.api import FaultName, PilotState, Power
from hal.sim.hardware import SimError
from tests.unit.hal_fakes import SimBench


@pytest.fixture
def bench() -> SimBench:
    return SimBench()


def test_car_waits_in_b_for_an_offer_and_is_ready_a_second_after_it(bench: SimBench) -> None:
    bench.hardware.plug(1)
    bench.time.advance(30)
    assert bench.report().pilot is PilotState.B
    bench.offer()
    bench.time.advance(0.99)
    assert bench.report().pilot is PilotState.B
    bench.time.advance(0.01)
    assert bench.report().pilot is PilotState.C
    assert bench.report().contactor_closed


def test_car_draws_its_own_limit_after_a_ramp(bench: SimBench) -> None:
    bench.hardware.plug(1, current_a=13, phases=1)
    bench.offer(limit_a=32.0)
    currents = []
    for _ in range(8):
        bench.run(0.75)
        reading = bench.board.reading(1)
        assert reading is not None
        currents.append(reading.current_a[0])
    assert currents == sorted(currents)
    assert len(set(currents)) == 5
    assert reading.current_a == (13.0, 0.0, 0.0)
    assert reading.power_w == 13 * 230.0


def test_car_that_is_full_just_while_it_lets_go_lets_go(bench: SimBench) -> None:
    bench.hardware.plug(1, soc=99.95, capacity_wh=100)
    bench.offer()
    bench.run(1.9)
    assert bench.board.reading(1).current_a[0] > 0.0  # type: ignore[union-attr]
    bench.set(1, Power.STOP_SOFT)
    bench.time.advance(5.0)
    assert bench.report().pilot is PilotState.B
    assert bench.board.reading(1).soc_percent == 100.0  # type: ignore[union-attr]


def test_car_follows_a_lower_limit_at_once_and_a_higher_one_by_a_ramp(bench: SimBench) -> None:
    bench.charging(current_a=32)
    bench.offer(limit_a=8.0)
    assert bench.board.reading(1).current_a[0] == 8.0  # type: ignore[union-attr]
    bench.offer(limit_a=16.0)
    bench.run(1)
    assert 8.0 < bench.board.reading(1).current_a[0] < 16.0  # type: ignore[union-attr]
    bench.run(3)
    assert bench.board.reading(1).current_a[0] == 16.0  # type: ignore[union-attr]


def test_car_that_is_stopped_in_its_ramp_lets_go_all_the_same(bench: SimBench) -> None:
    bench.hardware.plug(1)
    bench.offer()
    bench.run(2.0)
    assert 0.0 < bench.board.reading(1).current_a[0] < 16.0  # type: ignore[union-attr]
    bench.set(1, Power.STOP_SOFT)
    bench.time.advance(5.0)
    assert bench.report().pilot is PilotState.B
    assert not bench.report().contactor_closed


def test_car_tapers_near_full_and_stops_when_full(bench: SimBench) -> None:
    bench.charging(soc=79.9, capacity_wh=10_000)
    powers = []
    while bench.report().pilot is PilotState.C:
        bench.run(60)
        powers.append(bench.board.reading(1).power_w)  # type: ignore[union-attr]
    assert powers == sorted(powers, reverse=True)
    assert len(set(powers)) == 6
    assert bench.report().pilot is PilotState.B
    assert not bench.report().contactor_closed
    reading = bench.board.reading(1)
    assert reading is not None
    assert reading.soc_percent == 100.0
    assert reading.energy_wh == pytest.approx(2010, abs=1)


def test_full_car_never_asks_for_energy(bench: SimBench) -> None:
    bench.hardware.plug(1, soc=100)
    bench.offer()
    bench.run(60)
    assert bench.report().pilot is PilotState.B


def test_car_lets_go_when_the_offer_is_withdrawn_and_resumes_when_it_returns(
    bench: SimBench,
) -> None:
    bench.charging()
    bench.set(1, Power.STOP_SOFT)
    assert bench.report().contactor_closed
    bench.time.advance(0.5)
    assert bench.report().pilot is PilotState.B
    assert not bench.report().contactor_closed
    bench.offer()
    bench.run(5)
    assert bench.report().drawing


def test_car_that_was_ready_once_does_not_hesitate_as_long_again(bench: SimBench) -> None:
    bench.hardware.plug(1, ready_after_s=60)
    bench.offer()
    bench.run(61)
    assert bench.report().pilot is PilotState.C
    bench.offer(limit_a=0.0)
    bench.run(2)
    assert bench.report().pilot is PilotState.B
    bench.offer()
    bench.run(1.5)
    assert bench.report().pilot is PilotState.C


def test_car_does_not_start_below_six_amperes(bench: SimBench) -> None:
    bench.hardware.plug(1)
    bench.offer(limit_a=5.0)
    bench.run(10)
    assert bench.report().pilot is PilotState.B
    assert not bench.report().offering


def test_car_suspends_and_resumes_by_itself(bench: SimBench) -> None:
    bench.charging()
    bench.hardware.ev(1, "B")
    assert bench.report().pilot is PilotState.B
    assert not bench.report().contactor_closed
    bench.run(60)
    assert bench.report().pilot is PilotState.B
    bench.hardware.ev(1, "C")
    bench.run(1.5)
    assert bench.report().drawing


def test_car_that_asks_for_ventilation_is_not_charged_in_a_room_without(bench: SimBench) -> None:
    bench.hardware.plug(1)
    bench.hardware.ev(1, "D")
    bench.offer()
    bench.run(5)
    assert bench.report().pilot is PilotState.D
    assert not bench.report().contactor_closed


def test_car_can_be_told_to_be_ready_before_its_time(bench: SimBench) -> None:
    bench.hardware.plug(1, ready_after_s=3600)
    bench.offer()
    bench.run(3)
    bench.hardware.ev(1, "C")
    bench.run(1)
    assert bench.report().pilot is PilotState.C


def test_a_state_needs_a_car(bench: SimBench) -> None:
    with pytest.raises(SimError, match="no EV is connected"):
        bench.hardware.ev(1, "B")


def test_state_of_charge_rises_with_the_energy_taken(bench: SimBench) -> None:
    bench.charging(soc=50, capacity_wh=50_000)
    bench.run(3600)
    reading = bench.board.reading(1)
    assert reading is not None
    assert reading.soc_percent == pytest.approx(50 + reading.energy_wh / 500, abs=0.1)


def test_a_car_that_is_refused_by_a_fault_goes_on_when_it_clears(bench: SimBench) -> None:
    bench.charging()
    bench.hardware.fault(1, FaultName.RESIDUAL_CURRENT, active=True)
    assert not bench.report().contactor_closed
    bench.run(5)
    assert bench.report().pilot is PilotState.B
    bench.hardware.fault(1, FaultName.RESIDUAL_CURRENT, active=False)
    bench.run(5)
    assert bench.report().drawing
    assert bench.board.violations == []
