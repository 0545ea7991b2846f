"""The simulated hardware of a real process: board on a thread, a link to cut, and the world."""

import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hal.api import BoardDescription
from hal.sim.hardware import SimError, SimHardware
from hal.sim.terminal import BackOffice
from hal.sim.thread import SimBoardThread
from hal.sim.world import World
from station.control import ControlError
from station.io.csms_link import ThreadLink
from station.link import (
    FrameIn,
    Link,
    LinkDown,
    LinkFact,
    LinkProblem,
    LinkStage,
    LinkTarget,
    PongIn,
)
from station.main import Surroundings

log = logging.getLogger(__name__)

HOW = ("close", "reset", "silent")


class CuttableLink:
    """A link whose network can be taken away; implements `link.Link` over a real one."""

    def __init__(self, inner: Link) -> None:
        self._inner = inner
        self._up = True
        self._silent = False
        self._generation = 0
        self._on_fact: Callable[[LinkFact], Any] = lambda _: None

    def set(self, *, up: bool, how: str) -> None:
        """From any thread; plain attributes, read by the core and the link thread."""
        self._up = up
        self._silent = not up and how == "silent"
        if up:
            return
        if how == "close":
            self._inner.close(self._generation)
        elif how == "reset":
            self._inner.abort(self._generation, LinkProblem.RESET)

    def start(self, on_fact: Callable[[LinkFact], Any]) -> None:
        self._on_fact = on_fact
        self._inner.start(self._fact)

    def open(self, target: LinkTarget, generation: int) -> None:
        self._generation = generation
        if self._up:
            self._inner.open(target, generation)
        else:
            problem = LinkProblem.TIMEOUT if self._silent else LinkProblem.UNREACHABLE
            detail = "the simulated network is down"
            self._on_fact(LinkDown(generation, problem, detail, stage=LinkStage.TCP))

    def send(self, generation: int, text: str) -> None:
        if not self._silent:
            self._inner.send(generation, text)

    def ping(self, generation: int) -> None:
        if not self._silent:
            self._inner.ping(generation)

    def close(self, generation: int, code: int = 1000, *, flush_s: float = 1.0) -> None:
        self._inner.close(generation, code, flush_s=flush_s)

    def abort(self, generation: int, problem: LinkProblem) -> None:
        self._inner.abort(generation, problem)

    def handled(self, generation: int, count: int = 1) -> None:
        self._inner.handled(generation, count)

    def stop(self, timeout_s: float) -> bool:
        return self._inner.stop(timeout_s)

    def _fact(self, fact: LinkFact) -> None:
        if self._silent and isinstance(fact, FrameIn | PongIn):
            self._inner.handled(fact.generation)
            return
        self._on_fact(fact)


class Controls:
    """Implements `control.SimControls` on the simulated hardware."""

    def __init__(self, hardware: SimHardware, link: CuttableLink, power_file: Path) -> None:
        self._hardware, self._link, self._power_file = hardware, link, power_file

    def plug(self, evse: int, **car: Any) -> None:
        self._do(self._hardware.plug, evse, **car)

    def unplug(self, evse: int, *, after_s: float = 0.0, side: str = "both") -> None:
        self._do(self._hardware.unplug, evse, after_s=after_s, side=side)

    def ev(self, evse: int, state: str) -> None:
        self._do(self._hardware.ev, evse, state)

    def fault(self, evse: int, name: str, *, active: bool) -> None:
        self._do(self._hardware.fault, evse, name, active=active)

    def meter(self, evse: int, glitch: str, *, for_s: float = 0.0) -> None:
        self._do(self._hardware.meter, evse, glitch, for_s=for_s)

    def signing(self, evse: int, meter: str) -> None:
        self._do(self._hardware.signing, evse, meter)

    def button(self, evse: int, kind: str) -> None:
        self._do(self._hardware.button, evse, kind)

    def bay(self, evse: int, *, occupied: bool) -> None:
        self._do(self._hardware.bay, evse, occupied=occupied)

    def token(self, id_token: str, *, type: str = "ISO14443", evse: int | None = None) -> None:
        self._do(self._hardware.token, id_token, type=type, evse=evse)

    def card(self, evse: int | None = None, *, declined: bool = False) -> None:
        self._do(self._hardware.card, evse, declined=declined)

    def link(self, *, up: bool, how: str = "close") -> None:
        if how not in HOW:
            raise ControlError(f"how must be one of {', '.join(HOW)}")
        self._link.set(up=up, how=how)

    def power(self) -> None:
        """The next process finds another boot id, as after a real power cut."""
        self._power_file.write_text(str(power_cycles(self._power_file) + 1))
        os.kill(os.getpid(), signal.SIGKILL)

    @staticmethod
    def _do(action: Callable[..., None], *args: Any, **options: Any) -> None:
        try:
            action(*args, **options)
        except SimError as error:
            raise ControlError(str(error)) from error


def simulated_hardware(
    description: BoardDescription,
    state_dir: Path,
    kernel_boot_id: str,
    *,
    unplugged: bool = False,
    back_office: BackOffice | None = None,
) -> Surroundings:
    """The board, the world that outlives the process, and the hands on both."""
    power_file = state_dir / "power_cycles"
    boot_id = f"{kernel_boot_id}/{power_cycles(power_file)}"
    world = World.load(
        state_dir / "world.json", description, time.monotonic(), boot_id=kernel_boot_id
    )
    if world.note:
        log.warning("%s", world.note)
    if unplugged:
        world.unplug_all()
    board = SimBoardThread(description, world, time.monotonic)
    link = CuttableLink(ThreadLink())
    hardware = SimHardware(board, time.monotonic, back_office)
    return Surroundings(
        board=board, link=link, boot_id=boot_id, controls=Controls(hardware, link, power_file)
    )


def power_cycles(file: Path) -> int:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return 0
