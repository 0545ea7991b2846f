"""Fixtures of the end-to-end tests: one bench CSMS, and simulated stations as processes."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from station.bench.csms_thread import BenchCsmsThread
from tests.e2e.rig import IDENTITY, PASSWORD, QUICK, ROOT, Child, Sim

MakeSim = Callable[..., Sim]
JOULEPOST = (sys.executable, "-m", "station")
CONFIGURED = (sys.executable, "-m", "tests.e2e.configured_sim")
"""A program like `joulepost` that takes a few settings of a configuration file."""


@pytest.fixture
def csms() -> Iterator[BenchCsmsThread]:
    """Knows the station's password, and has seen no message that breaks its schema."""
    with BenchCsmsThread(passwords={IDENTITY: PASSWORD}) as csms:
        yield csms
    assert csms.violations == []


@pytest.fixture
def make_sim(tmp_path: Path, csms: BenchCsmsThread) -> Iterator[MakeSim]:
    """Builds stations that are not started yet: options of `joulepost sim`, and variables."""
    sims: list[Sim] = []

    def make(
        *options: str,
        csms_url: str = csms.url,
        program: tuple[str | Path, ...] = JOULEPOST,
        cwd: Path = ROOT,
        **variables: str,
    ) -> Sim:
        folder = tmp_path / f"station-{len(sims)}"
        folder.mkdir()
        presets = QUICK | {key.replace("__", "."): value for key, value in variables.items()}
        sims.append(Sim(folder, csms_url, (*program, "sim", *options), presets, cwd))
        return sims[-1]

    yield make
    for child in [child for sim in sims for child in sim.children]:
        child.kill()
        print(child.text)  # pytest shows it beside a failure
        assert "interlock violated" not in child.text
        assert_no_bug_shows(child)


@pytest.fixture
def start() -> Iterator[Callable[..., Child]]:
    """Runs any command."""
    children: list[Child] = []

    def start(*words: str | Path, cwd: Path = ROOT) -> Child:
        children.append(Child(*words, cwd=cwd))
        return children[-1]

    yield start
    for child in children:
        child.kill()
        print(child.text)
        assert_no_bug_shows(child)


@pytest.fixture
def run(start: Callable[..., Child]) -> Callable[..., Child]:
    """Runs `joulepost` with these words."""
    return lambda *words: start(*JOULEPOST, *words)


@pytest.fixture
def sim(make_sim: MakeSim) -> Sim:
    """One EVSE with a cable of its own, running."""
    return make_sim().start()


def assert_no_bug_shows(child: Child) -> None:
    for words in ("Traceback", "Exception ignored", "internal error"):
        assert words not in child.text
