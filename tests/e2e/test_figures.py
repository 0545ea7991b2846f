"""The measurements of `make bench` run on real processes; how fast they are is not tested."""

from collections.abc import Callable
from pathlib import Path

import pytest

from station.bench.figures_inventory import full_inventory
from station.bench.figures_lists import local_list, look_ups
from station.bench.figures_measure import (
    Effort,
    Figure,
    at_rest,
    charging,
    durable_events,
    get_variables,
)
from station.bench.figures_queue import full_queue, long_queue

SHORT = Effort(starts=1, settle_s=0.2, idle_s=0.2, charge_s=0.2, calls=20, events=20, rounds=1)


@pytest.mark.parametrize(
    "measurement",
    [
        at_rest,
        charging,
        get_variables,
        durable_events,
        full_inventory,
        local_list,
        look_ups,
        long_queue,
        full_queue,
    ],
)
def test_a_measurement_finds_something_to_measure(
    measurement: Callable[[Effort, Path], list[Figure]], tmp_path: Path
) -> None:
    figures = measurement(SHORT, tmp_path)
    assert all(figure.value >= 0 for figure in figures)
    assert figures[0].value > 0
