"""The simulated meters: what they count, and how they lie when they are told to."""

from pathlib import Path

import pytest

from hal.api import FaultName, MeterReading
from hal.registers import HOLD_S, Doubt
from hal.sim.hardware import SimError
from hal.sim.meter import BASE_LOAD_W, LIMIT_WH, NEAR_LIMIT_WH, Glitch
from hal.sim.world import World
from station.web.sim_api import GLITCHES
from tests.unit.hal_fakes import SimBench, VirtualTime
from tests.unit.test_sim_world import BOOT, DESCRIPTION, bench_on


def read(bench: SimBench, evse: int = 1) -> MeterReading:
    reading = bench.board.reading(evse)
    assert reading is not None
    return reading


def counted_wh(bench: SimBench) -> int:
    return read(bench).counted[0] or 0


@pytest.fixture
def bench() -> SimBench:
    bench = SimBench().charging(capacity_wh=1e6)
    bench.run(3600.0)
    return bench


def test_every_quantity_is_told(bench: SimBench) -> None:
    reading = read(bench)
    for name in MeterReading.__struct_fields__:
        assert getattr(reading, name) not in (None, ()) or name == "carried", name
    assert sum(reading.energy_by_phase_wh) == pytest.approx(reading.energy_wh, abs=3)
    assert sum(reading.power_by_phase_w) == pytest.approx(reading.power_w)


def test_the_main_meter_counts_all_evses_and_the_station_itself(bench: SimBench) -> None:
    """J01.FR.04"""
    first, main = read(bench), read(bench, 0)
    assert main.evse == 0
    used_wh = BASE_LOAD_W * (bench.time.now - bench.world.main_load.at) / 3600
    assert main.energy_wh == pytest.approx(first.energy_wh + used_wh, abs=2)
    assert main.power_w == pytest.approx(first.power_w + BASE_LOAD_W)
    assert main.soc_percent is None
    bench.run(600.0)
    later = read(bench, 0)
    assert later.energy_wh - main.energy_wh == pytest.approx(main.power_w / 6, abs=2)


def test_the_station_goes_on_needing_energy_when_its_process_has_died(
    tmp_path: Path,
) -> None:
    bench = bench_on(tmp_path / "world.json", VirtualTime())
    bench.time.advance(7200.0)
    bench.hardware.bay(1, occupied=True)  # an edge: it is written down
    before_wh = read(bench, 0).energy_wh
    assert before_wh == int(2 * BASE_LOAD_W)
    again = World.load(tmp_path / "world.json", DESCRIPTION, bench.time.now, boot_id=BOOT)
    assert (again.main_reading(bench.time.now) or read(bench)).energy_wh == before_wh


LIES = [Glitch.ZERO, Glitch.JUMP, Glitch.FALL, Glitch.FFFF, Glitch.NAN]


@pytest.mark.parametrize("glitch", LIES)
def test_a_short_glitch_costs_nothing_and_raises_nothing(bench: SimBench, glitch: Glitch) -> None:
    """J02.FR.16"""
    before_wh = counted_wh(bench)
    bench.hardware.meter(1, glitch, for_s=3.0)
    last_wh = before_wh
    for _ in range(6):
        bench.run(1.0)
        assert last_wh <= counted_wh(bench)
        last_wh = counted_wh(bench)
    power_w = read(bench).power_w
    assert counted_wh(bench) - before_wh == pytest.approx(power_w * 6 / 3600, abs=1)
    assert bench.faults() == []


@pytest.mark.parametrize("glitch", LIES)
def test_a_glitch_that_lasts_makes_the_meter_silent_until_it_is_over(
    bench: SimBench, glitch: Glitch
) -> None:
    bench.hardware.meter(1, glitch)
    bench.run(5.0)
    assert bench.faults() == []
    bench.run(2.0)
    assert bench.faults() == [FaultName.METER_SILENT]
    assert bench.report().contactor_closed
    bench.hardware.meter(1, "none")
    bench.run(1.0)
    assert bench.faults() == []


def test_a_register_that_stands_still_makes_the_meter_silent(bench: SimBench) -> None:
    before_wh = counted_wh(bench)
    bench.hardware.meter(1, "frozen")
    bench.run(60.0)
    assert bench.faults() == []
    assert read(bench).at == bench.time.now
    bench.run(60.0)
    assert bench.faults() == [FaultName.METER_SILENT]
    bench.hardware.meter(1, "none")
    bench.run(1.0)
    assert bench.faults() == []
    power_w = read(bench).power_w
    assert counted_wh(bench) - before_wh == pytest.approx(power_w * 121 / 3600, abs=1)


def test_another_meter_is_believed_after_a_while(bench: SimBench) -> None:
    before_wh = counted_wh(bench)
    bench.hardware.meter(1, "replace")
    bench.run(10.0)
    assert bench.faults() == [FaultName.METER_SILENT]
    bench.run(HOLD_S[Doubt.FALL])
    assert bench.faults() == []
    power_w = read(bench).power_w
    assert read(bench).energy_wh == pytest.approx(power_w * 40 / 3600, abs=1)
    assert counted_wh(bench) - before_wh == pytest.approx(power_w * 40 / 3600, abs=4)


def test_a_register_that_rolls_over_loses_nothing(bench: SimBench) -> None:
    before_wh = counted_wh(bench)
    bench.hardware.meter(1, "rollover")
    assert read(bench).energy_wh == LIMIT_WH - NEAR_LIMIT_WH
    assert counted_wh(bench) == before_wh
    bench.run(60.0)
    power_w = read(bench).power_w
    assert read(bench).energy_wh < LIMIT_WH // 2
    assert counted_wh(bench) - before_wh == pytest.approx(power_w / 60, abs=1)
    assert bench.faults() == []


def test_a_board_that_starts_with_a_lying_meter_does_not_believe_it(bench: SimBench) -> None:
    bench.hardware.meter(1, "ffff")
    bench.board.halt()
    again = SimBench(world=bench.world, time=bench.time)
    assert again.board.reading(1) is None


def test_what_cannot_be_is_refused(bench: SimBench) -> None:
    with pytest.raises(SimError, match="glitch is one of none, zero, jump"):
        bench.hardware.meter(1, "melt")
    with pytest.raises(SimError, match="there is no EVSE 9"):
        bench.hardware.meter(9, "zero")
    with pytest.raises(SimError, match="for_s"):
        bench.hardware.meter(1, "zero", for_s=-1.0)


def test_the_local_api_knows_every_glitch() -> None:
    assert tuple(Glitch) == GLITCHES
