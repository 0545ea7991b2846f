"""The same seed gives the same life, frame by frame, whatever the hash seed of the process."""

import os
import subprocess
import sys
from pathlib import Path

from station.bench.day import day_station, run_day
from tests.usecases.campaign import Life

ROOT = Path(__file__).parents[2]
LIVES = range(6)
TRACES = f"""
import logging
from tests.usecases.test_determinism import traces
logging.disable(logging.CRITICAL)
print("\\n".join(traces({list(LIVES)})))
"""


def traces(seeds: list[int]) -> list[str]:
    found = []
    for seed in seeds:
        life = Life(seed)
        life.run()
        found.append(life.station.trace())
    return found


def under_hash_seed(hash_seed: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", TRACES],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_the_trace_of_a_seed_is_the_same_again_and_under_other_hash_seeds() -> None:
    here = traces(list(LIVES))
    assert here == under_hash_seed("1")
    assert here == under_hash_seed("20261122")


def test_another_seed_is_another_life() -> None:
    lived = traces(list(LIVES))
    assert len(set(lived)) == len(lived)


def test_a_day_of_charging_is_the_same_day_again() -> None:
    first, second = day_station(seed=7), day_station(seed=7)
    for station in (first, second):
        run_day(station)
    assert first.trace() == second.trace()
