"""SIGKILL between every two effects of a charge: nothing is lost, nothing is told twice.

A driver plugs in, presents a card, charges, presents it again and leaves. The process is
killed at every step it takes in public (before and after each commit, before each frame and
each setpoint, after each turn), started again, and the driver goes on as people do.
"""

from collections.abc import Callable, Iterator
from functools import cache

import pytest

from hal.api import EvseSetpoint
from station.bench.virtual import VirtualStation
from station.store.memory_disk import MemoryDisk
from station.store.units import Unit
from tests.usecases.accounting import (
    assert_energy_conserved,
    assert_in_order,
    told_events,
)

CARD = "04A1B2C3"
CASES = (
    ("online", "resume"),
    ("online", "end"),
    ("online", "from the plug"),
    ("offline", "resume"),
    ("flapping", "resume"),
    ("flapping", "end"),
    ("flapping", "slow disk"),
)
"""How the link behaves, and what a station makes of a transaction that a restart interrupted."""
CHUNKS = 2
DULL = frozenset({"board", "permission"})
"""Turns of these sources change nothing that outlives them."""


class Killed(BaseException):
    """SIGKILL: nothing in the station may catch it."""


class KillSwitch:
    """Counts what the process does, and ends it at a given count."""

    def __init__(self, at: int) -> None:
        self.at, self.count = at, 0

    def tick(self) -> None:
        self.count += 1
        if self.count == self.at:
            raise Killed


class MortalDisk(MemoryDisk):
    """A disk whose process may die just before and just after each commit."""

    def __init__(self, switch: KillSwitch) -> None:
        super().__init__()
        self.switch = switch

    def apply(self, unit: Unit) -> None:
        self.switch.tick()
        super().apply(unit)
        self.switch.tick()


class MortalStation(VirtualStation):
    """A station that is killed, and started again, where its switch says."""

    def __init__(self, switch: KillSwitch, **options: object) -> None:
        self.switch = switch
        self.kills = 0
        super().__init__(disk=MortalDisk(switch), **options)  # type: ignore[arg-type]

    def power_up(self) -> None:
        super().power_up()
        link, board = self.station.ports.link, self.board
        send, apply = link.send, board.apply

        def mortal_send(generation: int, text: str) -> None:
            self.switch.tick()
            send(generation, text)

        def mortal_apply(setpoint: EvseSetpoint) -> None:
            self.switch.tick()
            apply(setpoint)

        link.send, board.apply = mortal_send, mortal_apply
        self.reactor.on_turn = self._on_turn

    def _on_turn(self, source: str, late_s: float, took_s: float) -> None:
        if source not in DULL:
            self.switch.tick()

    def live(self, duration_s: float) -> None:
        """Let time pass; die if it must be, and be started again at once."""
        until = self.reactor.at + duration_s
        try:
            self.reactor.advance_to(until)
        except Killed:
            self.kills += 1
            self.restart(after_s=1.0)
            self.reactor.advance_to(max(until, self.reactor.at))


Step = tuple[float, Callable[[VirtualStation], object]]


def card(station: VirtualStation, *, wants: bool) -> None:
    """The driver presents the card, unless the station already does what it is for."""
    if (station.station.transactions.grants.of(1) is not None) is not wants:
        station.sim.token(CARD, evse=1)


def charge(link: str) -> Iterator[Step]:
    """What happens, and how long to wait before it."""
    if link == "offline":
        yield 0.0, lambda s: s.csms.go_offline()
    yield 0.0, lambda s: s.sim.plug(1)
    yield 3.0, lambda s: card(s, wants=True)
    yield 3.0, lambda s: card(s, wants=True)
    if link == "flapping":
        yield 2.0, lambda s: s.csms.cut()
    yield 5.0, lambda s: card(s, wants=True)
    yield 3.0, lambda s: s.sim.ev(1, "B")
    if link == "flapping":
        yield 0.5, lambda s: s.csms.cut()
    yield 3.0, lambda s: s.sim.ev(1, "C")
    if link == "flapping":
        yield 4.0, lambda s: s.csms.go_offline()
    yield 8.0, lambda s: card(s, wants=False)
    if link == "flapping":
        yield 0.5, lambda s: s.csms.go_online()
    yield 3.0, lambda s: card(s, wants=False)
    yield 3.0, lambda s: s.sim.unplug(1)
    yield 3.0, lambda s: s.csms.go_online()
    yield 40.0, lambda s: None


def run(link: str, kill_at: int, how: str = "resume") -> MortalStation:
    switch = KillSwitch(0)
    points = "EVConnected" if how == "from the plug" else "PowerPathClosed"
    station = MortalStation(
        switch,
        evses=1,
        cable="socket",
        disk_latency_s=(2.0, 4.0) if how == "slow disk" else (0.001, 0.005),
        variables={
            "AuthCtrlr.OfflineTxForUnknownIdEnabled": "true",
            "OCPPCommCtrlr.RetryBackOffWaitMinimum": "1",
            "OCPPCommCtrlr.RetryBackOffRandomRange": "1",
            "SampledDataCtrlr.TxUpdatedInterval": "7",
            "TxCtrlr.TxResumption": "End" if how == "end" else "Resume",
            "TxCtrlr.TxStartPoint": points,
            "TxCtrlr.TxStopPoint": points,
        },
    )
    station.advance(2)
    switch.count, switch.at = 0, kill_at
    for wait_s, act in charge(link):
        station.live(wait_s)
        act(station)
    return station


@cache
def moments(link: str, how: str) -> int:
    """How many moments there are to be killed at."""
    return run(link, 0, how).switch.count


@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.parametrize(("link", "how"), CASES)
def test_a_charge_survives_sigkill_at_every_moment(link: str, how: str, chunk: int) -> None:
    """I1 to I6 of the campaign, exhaustively for one charge."""
    for kill_at in range(1 + chunk, moments(link, how) + 1, CHUNKS):
        station = run(link, kill_at, how)
        try:
            assert station.kills == 1
            assert_in_order(station)
            assert_energy_conserved(station, {1: 0.0})
            assert told_events(station), "nothing was charged at all"
        except AssertionError as error:
            error.add_note(f"killed at {kill_at} of {moments(link, how)}")
            raise
