"""The world that outlives the process: saved at every edge, alive while nobody watches."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from hal.api import PilotState, Power
from hal.sim.board import sim_board_description
from hal.sim.world import World
from tests.unit.hal_fakes import SimBench, VirtualTime
from tests.unit.test_sim_board import act

DESCRIPTION = sim_board_description()
BOOT = "boot-1"


def bench_on(path: Path, time: VirtualTime, boot_id: str = BOOT) -> SimBench:
    world = World.load(path, DESCRIPTION, time.now, boot_id=boot_id)
    return SimBench(DESCRIPTION, time=time, world=world)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "world.json"


def test_car_and_register_survive_the_process(path: Path) -> None:
    time = VirtualTime(100.0)
    first = bench_on(path, time).charging(soc=40)
    first.run(600)
    register_wh = first.board.reading(1).energy_wh  # type: ignore[union-attr]
    first.board.halt()
    second = bench_on(path, time)
    assert second.world.note == ""
    assert second.report().plugged
    assert second.report().locked
    assert second.board.reading(1).energy_wh >= register_wh  # type: ignore[union-attr]
    second.offer()
    second.run(10)
    assert second.report().drawing


def test_killed_process_leaves_the_contactor_closed_until_the_lease_ends(path: Path) -> None:
    time = VirtualTime()
    first = bench_on(path, time).charging()
    first.run(60)
    power_w = first.board.reading(1).power_w  # type: ignore[union-attr]
    lease_end = first.world.evses[1].place.lease_until
    register_wh = first.world.evses[1].reading(time.now).energy_wh
    first.board.halt()
    left_s = lease_end - time.now
    assert 0 < left_s <= 2
    time.advance(3600)
    second = bench_on(path, time)
    assert not second.report().contactor_closed
    assert second.report().pilot is PilotState.B
    grown_wh = second.board.reading(1).energy_wh - register_wh  # type: ignore[union-attr]
    assert grown_wh == pytest.approx(power_w * left_s / 3600, abs=1)


def test_after_a_reboot_old_times_mean_nothing(path: Path) -> None:
    time = VirtualTime(1e6)
    first = bench_on(path, time).charging()
    first.hardware.unplug(1, after_s=100)
    first.board.halt()
    rebooted = VirtualTime(5.0)
    second = bench_on(path, rebooted, "boot-2")
    assert not second.report().contactor_closed
    assert second.report().plugged
    rebooted.advance(97)
    assert second.report().pilot is PilotState.B
    rebooted.advance(3.1)
    assert second.report().pilot is PilotState.A


def test_a_welded_contactor_goes_on_feeding_the_car_while_nobody_watches(path: Path) -> None:
    time = VirtualTime()
    first = bench_on(path, time).charging()
    first.hardware.fault(1, "contactor_welded", active=True)
    first.board.halt()
    time.advance(10)
    second = bench_on(path, time)
    time.advance(1)
    assert second.report().contactor_closed
    assert [fault.name.value for fault in second.report().faults] == ["contactor_welded"]


def test_plans_of_people_survive_the_process(path: Path) -> None:
    time = VirtualTime()
    first = bench_on(path, time)
    first.hardware.plug(1, soc=66, after_s=50)
    first.board.halt()
    time.advance(60)
    second = bench_on(path, time)
    assert second.report().plugged
    assert second.world.evses[1].place.car.soc == 66


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"boot_id": "boot-1"}',
        '{"boot_id": "boot-1", "evses": [{"evse": 1}]}',
        '{"boot_id": "boot-1", "evses": [{"evse": 1, "at": "now", "car": {}, "injected": [],'
        ' "agenda": []}]}',
        '{"boot_id": "boot-1", "evses": 5}',
    ],
)
def test_a_corrupt_file_gives_a_fresh_world_and_a_note(path: Path, text: str) -> None:
    path.write_text(text)
    world = World.load(path, DESCRIPTION, 3.0, boot_id=BOOT)
    assert "starts afresh" in world.note
    assert str(path) in world.note
    assert not world.evses[1].plugged
    assert json.loads(path.read_text())["boot_id"] == BOOT


def test_a_missing_file_is_no_news(path: Path) -> None:
    assert World.load(path, DESCRIPTION, 0.0, boot_id=BOOT).note == ""


def test_a_directory_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    world = World.load(tmp_path / "missing" / "world.json", DESCRIPTION, 0.0, boot_id=BOOT)
    bench = SimBench(DESCRIPTION, world=world)
    bench.charging()
    assert bench.report().drawing


def test_fewer_evses_than_were_saved_is_no_error(path: Path) -> None:
    bench_on(path, VirtualTime()).hardware.plug(2)
    world = World.load(path, sim_board_description(evses=1), 1.0, boot_id=BOOT)
    assert world.note == ""
    assert list(world.evses) == [1]


def test_a_connector_that_is_gone_is_unplugged(path: Path) -> None:
    description = sim_board_description(connectors=2)
    world = World.load(path, description, 0.0, boot_id=BOOT)
    SimBench(description, world=world).hardware.plug(1, connector=2)
    assert not World.load(path, DESCRIPTION, 1.0, boot_id=BOOT).evses[1].plugged


def test_a_socket_that_became_a_fixed_cable_keeps_its_car(path: Path) -> None:
    time = VirtualTime()
    bench_on(path, time).charging().board.halt()
    description = sim_board_description(cable="fixed")
    world = World.load(path, description, time.now, boot_id=BOOT)
    bench = SimBench(description, time=time, world=world)
    bench.offer()
    bench.run(5)
    assert bench.report().drawing
    assert not bench.report().locked
    bench.hardware.unplug(1)
    assert not bench.report().plugged


def test_unplug_all_takes_cars_and_cables_away_even_from_the_lock(path: Path) -> None:
    time = VirtualTime()
    bench_on(path, time).charging().board.halt()
    world = World.load(path, DESCRIPTION, time.now, boot_id=BOOT)
    world.unplug_all()
    report = SimBench(DESCRIPTION, time=time, world=world).report()
    assert not report.plugged
    assert not report.locked


def test_a_virtual_world_lives_on_between_processes() -> None:
    first = SimBench().charging()
    first.run(600)
    register_wh = first.board.reading(1).energy_wh  # type: ignore[union-attr]
    first.board.halt()
    first.time.advance(100)
    first.world.survive(first.time.now)
    second = SimBench(time=first.time, world=first.world)
    assert register_wh <= second.board.reading(1).energy_wh <= register_wh + 7  # type: ignore[union-attr]
    assert second.report().plugged
    assert not second.report().contactor_closed
    second.set(1, Power.OPEN_NOW)
    assert second.board.violations == []


def test_a_process_killed_in_a_soft_stop_takes_no_energy_back() -> None:
    first = SimBench().charging()
    first.set(1, Power.STOP_SOFT, permit_until=float("-inf"))
    first.time.advance(0.39)
    register_wh = first.world.evses[1].flow.register_wh
    flowed_wh = first.world.evses[1].flow.energy_until(first.time.now)
    first.board.halt()
    first.world.survive(first.time.now)
    assert first.world.evses[1].place.register_wh == pytest.approx(register_wh + flowed_wh)
    assert flowed_wh > 1.0


@given(st.data())
def test_killed_at_any_moment_the_world_goes_on_and_the_register_never_falls(
    tmp_path_factory: pytest.TempPathFactory, data: DataObject
) -> None:
    path = tmp_path_factory.mktemp("world") / "world.json"
    time, register_wh = VirtualTime(), 0
    for _ in range(data.draw(st.integers(1, 3))):
        bench = bench_on(path, time)
        assert bench.world.note == ""
        for _ in range(data.draw(st.integers(0, 12))):
            act(bench, data)
            time.advance(data.draw(st.sampled_from([0.0, 0.3, 1.0, 5.0, 1800.0])))
        reading = bench.board.reading(1)
        silent = bench.world.evses[1].is_mute
        assert silent or (reading is not None and reading.energy_wh >= register_wh)
        register_wh = max(register_wh, 0 if reading is None else reading.energy_wh)
        alive = bench.world.evses[1]
        bench.board.halt()
        reborn = World.load(path, DESCRIPTION, time.now, boot_id=BOOT).evses[1]
        alive.survive(time.now, same_boot=True)
        assert reborn.place == alive.place
        assert reborn.plugged is alive.plugged
        assert reborn.place.injected == alive.place.injected
        time.advance(data.draw(st.sampled_from([0.0, 1.0, 100.0])))
