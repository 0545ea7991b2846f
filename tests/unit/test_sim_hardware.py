"""Hands on the simulated hardware: what they do, and what they are refused."""

from typing import Any

import pytest

from hal.api import ButtonKind, ButtonPressed, FaultName, PilotState, Power, TokenPresented
from hal.sim.board import sim_board_description
from hal.sim.hardware import SimError
from tests.unit.hal_fakes import SimBench


@pytest.fixture
def bench() -> SimBench:
    return SimBench()


def test_plugging_and_unplugging_may_be_planned(bench: SimBench) -> None:
    bench.hardware.plug(1, after_s=10)
    bench.hardware.unplug(1, after_s=30)
    bench.time.advance(9.9)
    assert not bench.report().plugged
    bench.time.advance(0.1)
    assert bench.report().pilot is PilotState.B
    bench.time.advance(20)
    assert not bench.report().plugged


def test_a_planned_plug_finds_the_place_taken_and_is_left_undone(bench: SimBench) -> None:
    bench.hardware.plug(1, soc=10, after_s=10)
    bench.hardware.plug(1, soc=50)
    bench.time.advance(10)
    assert bench.world.evses[1].place.car.soc == 50


def test_lock_holds_the_plug_on_the_station_side(bench: SimBench) -> None:
    bench.charging()
    with pytest.raises(SimError, match="the lock of EVSE 1 holds the plug"):
        bench.hardware.unplug(1, side="station")
    bench.hardware.unplug(1, side="ev")
    assert bench.report().pilot is PilotState.A
    assert bench.report().plugged


def test_a_driver_who_pulls_at_both_ends_gets_the_plug_when_the_lock_lets_go(
    bench: SimBench,
) -> None:
    bench.charging()
    bench.hardware.unplug(1)
    assert bench.report().pilot is PilotState.A
    assert bench.report().plugged
    bench.set(1, Power.OPEN_NOW, lock=False)
    assert not bench.report().plugged


def test_a_cable_pulled_from_the_station_stays_on_the_car(bench: SimBench) -> None:
    bench.hardware.plug(1, soc=44)
    bench.hardware.unplug(1, side="station")
    assert not bench.report().plugged
    bench.hardware.plug(1, side="station")
    assert bench.report().pilot is PilotState.B
    assert bench.world.evses[1].place.car.soc == 44


def test_tokens_come_from_the_reader_where_they_are_shown(bench: SimBench) -> None:
    bench.changes.clear()
    bench.hardware.token("04A1B2C3")
    bench.hardware.token("1234", type="KeyCode", evse=2)
    assert bench.changes == [
        TokenPresented(0.0, "station", None, "04A1B2C3", "ISO14443"),
        TokenPresented(0.0, "evse2", 2, "1234", "KeyCode"),
    ]


def test_buttons_are_reported_and_the_emergency_button_is_a_fault(bench: SimBench) -> None:
    bench.changes.clear()
    bench.hardware.button(1, "start")
    bench.hardware.button(1, "stop")
    assert bench.changes == [
        ButtonPressed(0.0, 1, ButtonKind.START),
        ButtonPressed(0.0, 1, ButtonKind.STOP),
    ]
    bench.hardware.button(1, "emergency")
    assert bench.faults() == [FaultName.EMERGENCY_STOP]


def test_the_bay_is_reported(bench: SimBench) -> None:
    bench.hardware.bay(1, occupied=True)
    assert bench.report().bay_occupied is True
    bench.hardware.bay(1, occupied=False)
    assert bench.report().bay_occupied is False


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("plug", {"evse": 3}, "no EVSE 3"),
        ("plug", {"evse": 1, "connector": 2}, "no connector 2"),
        ("plug", {"evse": 1, "side": "left"}, "side is one of ev, station, both"),
        ("plug", {"evse": 1, "soc": 101}, "soc must be 0 to 100"),
        ("plug", {"evse": 1, "soc": float("nan")}, "soc must be 0 to 100"),
        ("plug", {"evse": 1, "phases": 4}, "phases must be 1 to 3"),
        ("plug", {"evse": 1, "current_a": -1}, "current_a must be"),
        ("plug", {"evse": 1, "capacity_wh": 0}, "capacity_wh must be"),
        ("plug", {"evse": 1, "after_s": -1}, "after_s must be"),
        ("plug", {"evse": 1, "ready_after_s": float("inf")}, "ready_after_s must be"),
        ("unplug", {"evse": 1}, "nothing is plugged in"),
        ("unplug", {"evse": 9}, "no EVSE 9"),
        ("ev", {"evse": 1, "state": "F"}, "B, C or D"),
        ("fault", {"evse": 1, "name": "gremlin", "active": True}, "known: residual_current"),
        ("button", {"evse": 1, "kind": "red"}, "known: start, stop, emergency"),
        ("token", {"id_token": ""}, "0 characters, and a token has 1 to 36"),
        ("token", {"id_token": "x" * 37}, "37 characters, and a token has 1 to 36"),
        ("token", {"id_token": "a\nb"}, "characters that OCPP does not allow"),
        ("token", {"id_token": "04", "type": "RFID"}, "unknown token type"),
        ("token", {"id_token": "04", "evse": 7}, "no EVSE 7"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(
    bench: SimBench, method: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(SimError, match=message):
        getattr(bench.hardware, method)(**arguments)


def test_a_place_that_is_taken_is_refused(bench: SimBench) -> None:
    bench.hardware.plug(1, side="station")
    with pytest.raises(SimError, match="a cable is already in the socket"):
        bench.hardware.plug(1, side="station")
    bench.hardware.plug(1, side="ev")
    with pytest.raises(SimError, match="already connected"):
        bench.hardware.plug(1)


def test_an_evse_serves_one_connector_at_a_time() -> None:
    bench = SimBench(sim_board_description(connectors=2))
    bench.hardware.plug(1, connector=2, side="station")
    with pytest.raises(SimError, match="in use at its connector 2"):
        bench.hardware.plug(1, connector=1)


def test_a_fixed_cable_has_one_movable_side() -> None:
    bench = SimBench(sim_board_description(cable="fixed"))
    with pytest.raises(SimError, match="the cable is fixed"):
        bench.hardware.plug(1, side="station")
    bench.hardware.plug(1)
    with pytest.raises(SimError, match="the cable is fixed"):
        bench.hardware.unplug(1, side="station")
    bench.hardware.unplug(1)
    assert not bench.report().plugged
