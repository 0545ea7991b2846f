"""What outlives the process: the surroundings of every EVSE, in memory or in a file.

In virtual time a World is handed from one "process" to the next; a real process
keeps it in a file that is written at every edge. The file needs no fsync: it
has to survive the death of the process, not of the machine.
"""

import json
import logging
import os
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from hal.api import BoardDescription, FaultName, MeterReading
from hal.sim.ev import Car
from hal.sim.meter import MainLoad, MeterState, main_reading
from hal.sim.place import EvseWorld, Place
from hal.sim.signing import MeterMemory
from hal.sim.terminal import Payment, TerminalBook

log = logging.getLogger(__name__)


class World:
    """Everything around a station."""

    def __init__(
        self,
        description: BoardDescription,
        now: float = 0.0,
        *,
        path: Path | None = None,
        boot_id: str = "",
        places: dict[int, Place] | None = None,
        terminals: dict[str, TerminalBook] | None = None,
    ) -> None:
        known = places or {}
        self.description = description
        self.evses = {
            evse.id: EvseWorld(evse, known.get(evse.id) or Place(evse.id, now))
            for evse in description.evses
        }
        books = terminals or {}
        self.terminals = {
            each.id: books.get(each.id) or TerminalBook(each.id) for each in description.terminals
        }
        self.main_load = MainLoad(now)
        self.note = ""
        """What a person should know about how this world came to be."""
        self._path, self._boot_id = path, boot_id
        self._unwritable = False

    @classmethod
    def load(
        cls, path: Path, description: BoardDescription, now: float, *, boot_id: str
    ) -> "World":
        """The world of *path* as it is now; a fresh one, with a note, if that cannot be read."""
        try:
            places, terminals, saved_boot_id = _read(path)
            world = cls(
                description,
                now,
                path=path,
                boot_id=boot_id,
                places=places,
                terminals=terminals,
            )
            for evse in world.evses.values():
                evse.survive(now, same_boot=saved_boot_id == boot_id)
            world.main_load = _main_load(path, now, same_boot=saved_boot_id == boot_id)
        except FileNotFoundError:
            world = cls(description, now, path=path, boot_id=boot_id)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            world = cls(description, now, path=path, boot_id=boot_id)
            world.note = f"{path}: {error}; the simulated hardware starts afresh"
        world.save()
        return world

    @property
    def is_kept(self) -> bool:
        """There is a file to write at every edge."""
        return self._path is not None

    def survive(self, now: float) -> None:
        """A virtual process has died with this world in its hands; *now* the next one starts."""
        for evse in self.evses.values():
            evse.survive(now, same_boot=True)

    def main_reading(self, now: float) -> MeterReading | None:
        """What the main meter measures, if there is one; may be called from any thread."""
        described = self.description.main_meter
        if described is None:
            return None
        flows = (evse.flow for evse in self.evses.values())
        return main_reading(flows, self.main_load, described, now)

    def unplug_all(self) -> None:
        """Every car and cable is gone, locked or not."""
        for evse in self.evses.values():
            evse.place.locked = False
            evse.place.agenda.clear()
            evse.unplug(side="both")
        self.save()

    def save(self) -> None:
        """Write the file, if there is one; a killed process leaves the old or the new one."""
        if self._path is None:
            return
        saved = {
            "boot_id": self._boot_id,
            "main_load": asdict(self.main_load),
            "evses": [asdict(evse.place) for evse in self.evses.values()],
            "terminals": [asdict(book) for book in self.terminals.values()],
        }
        fresh = self._path.with_suffix(".new")
        try:
            fresh.write_text(json.dumps(saved))
            os.replace(fresh, self._path)
        except OSError as error:
            if not self._unwritable:
                log.warning("the simulated hardware is not saved: %s", error)
            self._unwritable = True
        else:
            self._unwritable = False


def _read(path: Path) -> tuple[dict[int, Place], dict[str, TerminalBook], str]:
    saved = json.loads(path.read_text())
    places = [_place(entry) for entry in saved["evses"]]
    books = [_book(entry) for entry in saved.get("terminals", ())]
    return (
        {place.evse: place for place in places},
        {book.id: book for book in books},
        str(saved["boot_id"]),
    )


def _book(entry: dict[str, Any]) -> TerminalBook:
    """What the station lets it take it will say anew."""
    entry = _only_known(TerminalBook, entry)
    entry["payments"] = [Payment(**_only_known(Payment, each)) for each in entry["payments"]]
    return TerminalBook(**{**entry, "payable": ()})


def _main_load(path: Path, now: float, *, same_boot: bool) -> MainLoad:
    entry = json.loads(path.read_text()).get("main_load")
    load = MainLoad(now) if entry is None else MainLoad(**_only_known(MainLoad, entry))
    return load if same_boot else MainLoad(now, load.used_wh)


def _place(entry: dict[str, Any]) -> Place:
    entry = _only_known(Place, entry)
    entry["car"] = Car(**_only_known(Car, entry["car"]))
    entry["meter"] = MeterState(**_only_known(MeterState, entry.get("meter", {})))
    entry["injected"] = [FaultName(name) for name in entry["injected"]]
    entry["agenda"] = [(due, action, arguments) for due, action, arguments in entry["agenda"]]
    entry["signing"] = MeterMemory(**_only_known(MeterMemory, entry.get("signing", {})))
    return Place(**entry)


def _only_known(cls: Callable[..., Any], entry: dict[str, Any]) -> dict[str, Any]:
    names = {each.name for each in fields(cls)}  # type: ignore[arg-type]
    return {name: value for name, value in entry.items() if name in names}
