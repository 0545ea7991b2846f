"""Hands on the simulated hardware: what drivers, cars and faults do to a station."""

import math
from collections.abc import Callable
from typing import Protocol

from hal.api import (
    BoardDescription,
    ButtonKind,
    ButtonPressed,
    CableKind,
    Change,
    CommandKind,
    CommandResult,
    EvseDescription,
    FaultName,
    ReaderDescription,
    TokenPresented,
    TokenUnreadable,
)
from hal.board import EvseUnit
from hal.payment import CardDeclined, CardPresented, TerminalDescription
from hal.sim.meter import Glitch
from hal.sim.place import SIDES, EvseWorld
from hal.sim.signing import SigningMood
from hal.sim.terminal import BackOffice
from hal.sim.unit import SimUnit
from hal.sim.world import World
from hal.tokens import TOKEN_TYPES, OneCard, Rubbish, normalise, steps_for

MIN_CAPACITY_WH = 100.0


class SimError(ValueError):
    """The simulated world does not allow that; the text tells a person why."""


class Handled(Protocol):
    """The side of a simulated board that people reach."""

    description: BoardDescription
    world: World

    def do(self, evse: int, action: Callable[[EvseUnit, EvseWorld], None]) -> None: ...
    def emit(self, change: Change) -> None: ...


class SimHardware:
    """Each method checks at once what can be known, and returns when the fact is posted."""

    def __init__(
        self,
        board: Handled,
        monotonic: Callable[[], float],
        back_office: BackOffice | None = None,
    ) -> None:
        self._board = board
        self._monotonic = monotonic
        self._back_office = back_office
        self._cards: dict[str, OneCard] = {}
        """What lies on each reader."""

    def plug(
        self,
        evse: int,
        *,
        connector: int = 1,
        current_a: float = 16.0,
        phases: int = 3,
        soc: float = 30.0,
        capacity_wh: float = 60000.0,
        after_s: float = 0.0,
        ready_after_s: float = 1.0,
        side: str = "both",
    ) -> None:
        description = self._evse(evse)
        fixed = _is_fixed(description, connector)
        _check_side(side, fixed=fixed)
        _check_range("current_a", current_a, 0.0, 1000.0)
        _check_range("phases", phases, 1, 3)
        _check_range("soc", soc, 0.0, 100.0)
        _check_range("capacity_wh", capacity_wh, MIN_CAPACITY_WH, 1e9)
        _check_range("ready_after_s", ready_after_s, 0.0, 1e9)
        if after_s == 0.0:
            self._check_free(evse, connector, side)
        arguments = {
            "connector": connector,
            "side": side,
            "current_a": float(current_a),
            "phases": int(phases),
            "soc": float(soc),
            "capacity_wh": float(capacity_wh),
            "ready_after_s": float(ready_after_s),
        }
        self._act(evse, after_s, "plug", arguments)

    def unplug(self, evse: int, *, after_s: float = 0.0, side: str = "both") -> None:
        self._evse(evse)
        world = self._board.world.evses[evse]
        place = world.place
        _check_side(side, fixed=world.is_fixed)
        if after_s == 0.0:
            if not (place.ev_side or place.station_side):
                raise SimError(f"nothing is plugged in at EVSE {evse}")
            if side == "station" and place.locked:
                raise SimError(f"the lock of EVSE {evse} holds the plug: unlock it first")
        self._act(evse, after_s, "unplug", {"side": side})

    def ev(self, evse: int, state: str) -> None:
        self._evse(evse)
        if state not in ("B", "C", "D"):
            raise SimError(f"the EV's state is B, C or D, not {state!r}")
        if not self._board.world.evses[evse].connected:
            raise SimError(f"no EV is connected to EVSE {evse}")
        self._act(evse, 0.0, "set_ev_state", {"state": state})

    def fault(self, evse: int, name: str, *, active: bool) -> None:
        self._evse(evse)
        try:
            fault = FaultName(name)
        except ValueError:
            known = ", ".join(each.value for each in FaultName)
            raise SimError(f"unknown fault {name!r}; known: {known}") from None

        def set_fault(unit: EvseUnit, world: EvseWorld) -> None:
            world.set_fault(name=fault, active=active)
            if not active:  # whoever repairs it resets it
                unit.command(CommandKind.RESET_FAULTS, world.seen(), world.place.at, _ignore)

        self._board.do(evse, set_fault)

    def meter(self, evse: int, glitch: str, *, for_s: float = 0.0) -> None:
        """Have the meter lie (`Glitch`), for so long, or until it is told "none"."""
        if not self._evse(evse).has_meter:
            raise SimError(f"EVSE {evse} has no meter")
        if glitch not in [each.value for each in Glitch]:
            raise SimError(f"glitch is one of {', '.join(Glitch)}, not {glitch!r}")
        _check_range("for_s", for_s, 0.0, 1e9)

        def set_glitch(unit: EvseUnit, world: EvseWorld) -> None:
            until = world.place.at + for_s if for_s else math.inf
            world.set_glitch(Glitch(glitch), until)
            if glitch == Glitch.ROLLOVER and isinstance(unit, SimUnit):
                unit.trust_meter()  # as if the register had always been up there

        self._board.do(evse, set_glitch)

    def signing(self, evse: int, meter: str) -> None:
        """What the meter does from now on when it is asked to sign (`SigningMood`)."""
        if not self._evse(evse).signs:
            raise SimError(f"the meter of EVSE {evse} cannot sign")
        if meter not in [mood.value for mood in SigningMood]:
            raise SimError(f"meter is one of {', '.join(SigningMood)}, not {meter!r}")

        def set_mood(_: EvseUnit, world: EvseWorld) -> None:
            world.place.signing.mood = meter

        self._board.do(evse, set_mood)

    def button(self, evse: int, kind: str) -> None:
        self._evse(evse)
        try:
            button = ButtonKind(kind)
        except ValueError:
            known = ", ".join(each.value for each in ButtonKind)
            raise SimError(f"unknown button {kind!r}; known: {known}") from None
        if button is ButtonKind.EMERGENCY:  # it stays pressed until the fault is cleared
            self.fault(evse, FaultName.EMERGENCY_STOP, active=True)
        else:
            self._board.emit(ButtonPressed(self._monotonic(), evse, button))

    def bay(self, evse: int, *, occupied: bool) -> None:
        if not self._evse(evse).has_bay_sensor:
            raise SimError(f"EVSE {evse} has no parking bay sensor")
        self._act(evse, 0.0, "set_bay", {"occupied": occupied})

    def token(self, id_token: str, *, type: str = "ISO14443", evse: int | None = None) -> None:
        if type not in TOKEN_TYPES:
            raise SimError(f"unknown token type {type!r}; known: {', '.join(TOKEN_TYPES)}")
        reader, now = self._reader(evse), self._monotonic()
        steps = steps_for(type, reader.token_type, reader.normalise)
        token = normalise(id_token, type, steps)
        if isinstance(token, Rubbish):
            self._board.emit(TokenUnreadable(now, reader.id, reader.evse, token.why))
            raise SimError(f"the reader cannot make a token of type {type} of it: {token.why}")
        if self._cards.setdefault(reader.id, OneCard()).is_new(token, type, now):
            self._board.emit(TokenPresented(now, reader.id, reader.evse, token, type))

    def card(self, evse: int | None = None, *, declined: bool = False) -> None:
        """Hold a card to the payment terminal for this EVSE; its back office does the rest."""
        evse = self._only_evse() if evse is None else self._evse(evse).id
        terminal = self._terminal(evse)
        book = self._board.world.terminals[terminal.id]
        if evse not in book.payable:
            raise SimError(f"the terminal takes no card for EVSE {evse} now")

        def pay(_: EvseUnit, __: EvseWorld) -> None:
            now = self._monotonic()
            if declined:
                self._board.emit(CardDeclined(now, terminal.id, evse))
                return
            payment = book.authorise(evse)
            self._board.emit(CardPresented(now, terminal.id, evse, payment.reference))
            if self._back_office is not None:
                self._back_office(evse)

        self._board.do(evse, pay)

    def _terminal(self, evse: int) -> TerminalDescription:
        for terminal in self._board.description.terminals:
            if terminal.evse in (None, evse):
                return terminal
        raise SimError(f"no payment terminal serves EVSE {evse}")

    def _only_evse(self) -> int:
        if self._count() > 1:
            raise SimError("which EVSE is paid for must be said: there are several")
        return self._board.description.evses[0].id

    def _evse(self, evse: int) -> EvseDescription:
        for description in self._board.description.evses:
            if description.id == evse:
                return description
        raise SimError(f"there is no EVSE {evse}; there are 1 to {self._count()}")

    def _count(self) -> int:
        return len(self._board.description.evses)

    def _reader(self, evse: int | None) -> ReaderDescription:
        if evse is not None:
            self._evse(evse)
        for reader in self._board.description.readers:
            if reader.evse == evse:
                return reader
        raise SimError("no reader there: " + ("the station" if evse is None else f"EVSE {evse}"))

    def _check_free(self, evse: int, connector: int, side: str) -> None:
        world = self._board.world.evses[evse]
        place = world.place
        if world.connected or (side == "ev" and place.ev_side):
            raise SimError(f"an EV is already connected to EVSE {evse}")
        if side != "ev" and place.station_side and side == "station":
            raise SimError(f"a cable is already in the socket of EVSE {evse}")
        if place.connector not in (None, connector):
            raise SimError(f"EVSE {evse} is in use at its connector {place.connector}")

    def _act(self, evse: int, after_s: float, action: str, arguments: dict[str, object]) -> None:
        _check_range("after_s", after_s, 0.0, 1e9)
        if after_s > 0.0:
            due = self._monotonic() + after_s
            self._board.do(evse, lambda _, world: world.schedule(due, action, arguments))
        else:
            self._board.do(evse, lambda _, world: world.carry_out(action, arguments))


def _is_fixed(description: EvseDescription, connector: int) -> bool:
    for each in description.connectors:
        if each.id == connector:
            return each.cable is CableKind.FIXED
    count = len(description.connectors)
    raise SimError(f"EVSE {description.id} has no connector {connector}; it has 1 to {count}")


def _check_side(side: str, *, fixed: bool) -> None:
    if side not in SIDES:
        raise SimError(f"side is one of {', '.join(SIDES)}, not {side!r}")
    if fixed and side == "station":
        raise SimError("the cable is fixed to the station: only its EV side can be moved")


def _check_range(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise SimError(f"{name} must be {least:g} to {most:g}, not {value!r}")


def _ignore(_: CommandResult) -> None:
    return
