"""What metering costs: bytes on the SD card, rows in memory, bytes on the wire."""

from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import orjson
import pytest

from station.bench.virtual import VirtualStation
from station.blocks.metering.collected import MAX_BYTES
from station.blocks.metering.samples import MEASURABLE
from station.store.memory_disk import MemoryDisk
from station.store.units import Unit
from tests.usecases.charges import REGISTER, by_token, ended
from tests.usecases.conftest import MakeStation

HOUR_S = 3600
MINE = ("t_metered", "t_ended_sample", "t_sample_series", "t_sample_page")


class CountingDisk(MemoryDisk):
    """Counts what is written of each table."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes: Counter[str] = Counter()

    def apply(self, unit: Unit) -> None:
        for (table, _), operation in unit.items():
            self.bytes[table] += 0 if operation is None else len(operation[1])
        super().apply(unit)

    def of_metering(self) -> int:
        return sum(self.bytes[table] for table in MINE)


MakeCounted = Callable[..., tuple[VirtualStation, CountingDisk]]


@pytest.fixture
def counted(make_station: MakeStation) -> MakeCounted:
    def make(**variables: str) -> tuple[VirtualStation, CountingDisk]:
        disk = CountingDisk()
        presets = {
            "SampledDataCtrlr.TxUpdatedInterval": "0",
            "AlignedDataCtrlr.Interval": "0",
            **variables,
        }
        station = make_station(variables=presets, disk=disk)
        station.sim.plug(1, capacity_wh=1e6)
        station.advance(3.0)
        station.sim.token("04A1B2C3", evse=1)
        station.advance(10.0)
        disk.bytes.clear()
        return station, disk

    return make


def test_a_sample_a_second_of_everything_spares_the_card(counted: MakeCounted) -> None:
    """TxEndedInterval 1: 5.5 kB a second as messages; four hours of it"""
    station, disk = counted(
        **{
            "SampledDataCtrlr.TxEndedInterval": "1",
            "SampledDataCtrlr.TxEndedMeasurands": ",".join(MEASURABLE),
        }
    )
    written = [0]
    for _ in range(4):
        station.advance(HOUR_S)
        written.append(disk.of_metering())
    hours = [after - before for before, after in pairwise(written)]
    assert hours[0] / HOUR_S < 250
    assert hours[-1] / HOUR_S < 60
    rows = sum(len(disk.tables.get(table, {})) for table in MINE)
    assert rows < 80
    event = ended(station, by_token)
    assert MAX_BYTES / 4 < len(orjson.dumps(event["meterValue"])) <= MAX_BYTES + 2
    assert all(not disk.tables.get(table) for table in MINE)


def test_what_outlives_the_process_is_a_row_in_five_minutes(counted: MakeCounted) -> None:
    station, disk = counted()
    station.advance(10 * HOUR_S)
    assert 0 < disk.of_metering() < 10 * 12 * 1.1 * 400
    assert len(disk.tables["t_metered"]) == 1


def test_a_meter_at_rest_writes_nothing(counted: MakeCounted) -> None:
    station, disk = counted()
    station.sim.ev(1, "B")
    station.advance(400.0)
    disk.bytes.clear()
    station.advance(24 * HOUR_S)
    assert disk.of_metering() == 0


def test_both_kinds_of_samples_together_fit_too(counted: MakeCounted) -> None:
    station, _ = counted(
        **{
            "SampledDataCtrlr.TxEndedInterval": "1",
            "AlignedDataCtrlr.TxEndedInterval": "1",
            "AlignedDataCtrlr.TxEndedMeasurands": f"{REGISTER},Voltage,Current.Import",
        }
    )
    station.advance(HOUR_S)
    values = ended(station, by_token)["meterValue"]
    contexts = Counter(value["sampledValue"][0]["context"] for value in values)
    assert len(orjson.dumps(values)) <= MAX_BYTES + 2
    assert contexts["Transaction.Begin"] == contexts["Transaction.End"] == 1
    assert min(contexts["Sample.Periodic"], contexts["Sample.Clock"]) > 20
