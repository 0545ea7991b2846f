"""Simulated meters: they integrate piecewise constant power exactly, and can be made to lie."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from msgspec.structs import replace

from hal.api import MainMeterDescription, MeterReading
from hal.errors import HardwareFault

VOLTAGE_V = 230.0
FREQUENCY_HZ = 50.0
REACTIVE_SHARE = 0.1
"""Of the active power; what is imported is inductive."""
POWER_FACTOR = round(1 / math.hypot(1, REACTIVE_SHARE), 3)
BASE_LOAD_W = 40.0
"""What the station itself needs, on L1 of the main meter."""
LIMIT_WH = 10**8
"""The registers of the simulated meters have eight digits and begin anew after that."""
NEAR_LIMIT_WH = 20
JUMP_WH = 1_000_000

NO_PHASES = (0.0, 0.0, 0.0)


class Glitch(StrEnum):
    """What can be wrong with a simulated meter; the last two are done and over at once."""

    NONE = "none"
    ZERO = "zero"  # everything is 0, as while it starts
    JUMP = "jump"  # the register says 1,000,000 Wh more
    FALL = "fall"  # … or half of what it was
    FFFF = "ffff"  # the register has all its bits set
    NAN = "nan"
    FROZEN = "frozen"  # power is told, and the register stands still
    ROLLOVER = "rollover"  # the register is about to begin anew
    REPLACE = "replace"  # another meter, which begins at 0


@dataclass
class MeterState:
    """What is special about one meter; saved."""

    glitch: str = Glitch.NONE
    until: float = math.inf
    """When the glitch ends."""
    offset_wh: float = 0.0
    """What it shows is so much more than what has flowed (another meter, or it was frozen)."""
    phase_offsets_wh: list[float] = field(default_factory=lambda: list(NO_PHASES))
    shown_wh: float = 0.0
    """When the glitch began."""

    def has(self, glitch: Glitch, now: float) -> bool:
        return self.glitch == glitch and now < self.until

    def is_well(self, now: float) -> bool:
        return self.glitch == Glitch.NONE or now >= self.until


class Flow(NamedTuple):
    """What flows from `at` on; immutable, so that any thread may read it."""

    at: float
    register_wh: float
    current_a: float = 0.0
    """Per phase."""
    phases: int = 3
    soc: float | None = None
    soc_per_wh: float = 0.0
    until: float = float("inf")
    """The next edge: nothing is known of what flows after it."""
    by_phase_wh: tuple[float, ...] = NO_PHASES

    @property
    def power_w(self) -> float:
        return self.current_a * VOLTAGE_V * self.phases

    def energy_until(self, now: float) -> float:
        """Watt-hours that flowed from `at` to *now*."""
        return self.power_w * max(0.0, min(now, self.until) - self.at) / 3600.0

    def by_phase_until(self, now: float) -> list[float]:
        """The register of each phase."""
        registers = [*self.by_phase_wh]
        each_wh = self.energy_until(now) / max(1, self.phases)
        for phase in range(self.phases):
            registers[phase] += each_wh
        return registers

    def reading(self, evse: int, meter_phases: int, now: float) -> MeterReading:
        energy_wh = self.energy_until(now)
        soc = self.soc
        if soc is not None:
            soc = round(min(100.0, soc + energy_wh * self.soc_per_wh), 1)
        present = _present(_currents(self.current_a, self.phases, meter_phases))
        by_phase_wh = self.by_phase_until(now)
        return _reading(evse, now, self.register_wh + energy_wh, present, by_phase_wh, soc)


def counted(reading: MeterReading, state: MeterState, exact_wh: float) -> MeterReading:
    """*reading* as this meter counts; *exact_wh* has flowed in all."""
    if state.offset_wh == 0.0 and exact_wh < LIMIT_WH:
        return reading
    register_wh = int(exact_wh + state.offset_wh) % LIMIT_WH
    phases = zip(reading.energy_by_phase_wh, state.phase_offsets_wh, strict=False)
    return replace(
        reading,
        energy_wh=register_wh,
        reactive_import_varh=int(register_wh * REACTIVE_SHARE),
        energy_by_phase_wh=tuple(int(wh + offset) for wh, offset in phases),
    )


def told(reading: MeterReading, state: MeterState, now: float) -> MeterReading:
    """*reading* as it reaches the board, glitches and all."""
    if state.is_well(now):
        return reading
    nothing = (0.0,) * len(reading.current_a)
    lies: dict[str, dict[str, Any]] = {
        Glitch.ZERO: {
            "energy_wh": 0,
            "energy_by_phase_wh": (0,) * len(nothing),
            "reactive_import_varh": 0,
            "power_w": 0.0,
            "power_by_phase_w": nothing,
            "current_a": nothing,
            "voltage_v": nothing,
        },
        Glitch.JUMP: {"energy_wh": reading.energy_wh + JUMP_WH},
        Glitch.FALL: {"energy_wh": max(0, reading.energy_wh - int(state.shown_wh / 2))},
        Glitch.FFFF: {"energy_wh": 0xFFFFFFFF},
        Glitch.NAN: {"energy_wh": math.nan, "power_w": math.nan},
        Glitch.FROZEN: {"energy_wh": int(state.shown_wh)},
    }
    return replace(reading, **lies.get(state.glitch, {}))


class Metered(Protocol):
    """The surroundings that a meter hangs in."""

    def told(self, now: float) -> MeterReading: ...

    @property
    def is_mute(self) -> bool: ...


class SimMeter:
    """Implements hal.devices.Meter."""

    def __init__(self, place: Metered) -> None:
        self._place = place

    def read(self, at: float) -> MeterReading:
        if self._place.is_mute:
            raise HardwareFault("ElectricalMeter", "it does not answer")
        return self._place.told(at)


@dataclass
class MainLoad:
    """What the station needs besides its EVSEs; saved."""

    at: float
    used_wh: float = 0.0

    def used_until(self, now: float) -> float:
        return self.used_wh + BASE_LOAD_W * max(0.0, now - self.at) / 3600.0


def main_reading(
    flows: Iterable[Flow], load: MainLoad, described: MainMeterDescription, now: float
) -> MeterReading:
    """The main meter: everything that flows into the EVSEs, and the station's own load."""
    base_wh, base_a = load.used_until(now), BASE_LOAD_W / VOLTAGE_V
    register_wh, by_phase_wh = base_wh, [base_wh, 0.0, 0.0]
    currents = [base_a, 0.0, 0.0]
    for flow in flows:
        register_wh += flow.register_wh + flow.energy_until(now)
        for phase, phase_wh in enumerate(flow.by_phase_until(now)):
            by_phase_wh[phase] += phase_wh
            currents[phase] += flow.current_a if phase < flow.phases else 0.0
    present = _present(tuple(currents[: described.phases]))
    return _reading(0, now, register_wh, present, by_phase_wh)


class Present(NamedTuple):
    """What a meter tells besides its registers, while the same current flows."""

    power_w: float
    currents_a: tuple[float, ...]
    voltages_v: tuple[float, ...]
    powers_w: tuple[float, ...]
    reactive_var: float
    power_factor: float


@lru_cache(64)
def _currents(current_a: float, phases: int, meter_phases: int) -> tuple[float, ...]:
    return tuple(current_a if phase < phases else 0.0 for phase in range(meter_phases))


@lru_cache(64)
def _present(currents_a: tuple[float, ...]) -> Present:
    power_w = sum(currents_a) * VOLTAGE_V
    return Present(
        power_w,
        currents_a,
        (VOLTAGE_V,) * len(currents_a),
        tuple(each * VOLTAGE_V for each in currents_a),
        power_w * REACTIVE_SHARE,
        POWER_FACTOR if power_w else 1.0,
    )


def _reading(
    evse: int,
    now: float,
    register_wh: float,
    present: Present,
    by_phase_wh: list[float],
    soc_percent: float | None = None,
) -> MeterReading:
    phases = len(present.currents_a)
    return MeterReading(
        evse=evse,
        at=now,
        energy_wh=int(register_wh),
        power_w=present.power_w,
        current_a=present.currents_a,
        voltage_v=present.voltages_v,
        frequency_hz=FREQUENCY_HZ,
        soc_percent=soc_percent,
        export_wh=0,
        energy_by_phase_wh=tuple(map(int, by_phase_wh[:phases])),
        power_by_phase_w=present.powers_w,
        reactive_import_varh=int(register_wh * REACTIVE_SHARE),
        reactive_export_varh=0,
        reactive_power_var=present.reactive_var,
        power_factor=present.power_factor,
    )
