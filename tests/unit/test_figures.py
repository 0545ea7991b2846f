"""The figures of `make bench`: what counts as met, how it is printed, the peer's framing."""

from pathlib import Path

import orjson
import pytest
from wsproto.frame_protocol import FrameProtocol

from station.bench import figures
from station.bench.figures_measure import Effort, Figure
from station.bench.figures_peer import _split


def fake_measurement(effort: Effort, directory: Path) -> list[Figure]:
    assert directory.is_dir()
    return [
        Figure("quick enough", 0.25, "s", 0.35, note="of 3", others="somebody 7.3"),
        Figure("too slow", 900.0, "/s", 1500.0, more_is_better=True),
        Figure("for information", 12.3, "kB"),
    ]


def broken_measurement(effort: Effort, directory: Path) -> list[Figure]:
    raise OSError("no such thing")


@pytest.mark.parametrize(
    ("value", "more_is_better", "met"),
    [(0.9, False, True), (1.0, False, True), (1.1, False, False), (1.1, True, True)],
)
def test_a_figure_is_held_against_its_target(value: float, more_is_better: bool, met: bool) -> None:
    assert Figure("x", value, "s", 1.0, more_is_better).met is met
    assert Figure("x", value, "s").met is None


def test_the_table_names_what_misses_its_target_and_the_exit_code_does_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(figures, "MEASUREMENTS", (fake_measurement,))
    assert figures.main(["--quick", "--json", str(tmp_path / "figures.json")]) == 0
    lines = capsys.readouterr().out.splitlines()[2:]
    assert [line.split() for line in lines] == [
        ["quick", "enough", "0.25", "s", "≤", "0.35", "s", "met"],
        ["of", "3"],
        ["others:", "somebody", "7.3"],
        ["too", "slow", "900", "/s", "≥", "1,500", "/s", "MISSED"],
        ["for", "information", "12.3", "kB"],
    ]
    written = orjson.loads((tmp_path / "figures.json").read_bytes())
    assert [(each["name"], each["met"]) for each in written] == [
        ("quick enough", True),
        ("too slow", False),
        ("for information", None),
    ]


def test_a_measurement_that_fails_to_run_is_an_exit_code_and_the_others_are_still_taken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(figures, "MEASUREMENTS", (broken_measurement, fake_measurement))
    assert figures.main([]) == 1
    told = capsys.readouterr()
    assert "broken_measurement failed" in told.err
    assert "quick enough" in told.out


@pytest.mark.parametrize("size", [0, 1, 125, 126, 1000, 70_000])
def test_the_peer_reads_masked_frames_of_any_size_whole_or_in_pieces(size: int) -> None:
    text = "é" * (size // 2) + "x" * (size % 2)
    frame = bytes(FrameProtocol(client=True, extensions=[]).send_data(text))
    assert _split(frame + b"next") == (1, text.encode(), b"next")
    for cut in (0, 1, 2, 5, len(frame) - 1):
        assert _split(frame[:cut]) is None
