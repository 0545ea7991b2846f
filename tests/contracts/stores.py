"""Stores of every kind behind one handle, for the contract suite and the unit tests."""

import random
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from station.reactor import Reactor
from station.records import Record, StoreHealth, Table
from station.store.backend import Disk
from station.store.core_store import CoreStore
from station.store.database import MEMORY, Database
from station.store.inline_store import FaultyDisk, InlineStore
from station.store.memory_disk import MemoryDisk
from station.store.thread_store import ThreadStore
from station.store.units import Unit

FULL = sqlite3.OperationalError("database or disk is full")
PATIENCE_S = 20.0


def damaged() -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


class Note(Record, frozen=True, kw_only=True):
    id: str
    text: str = ""


NOTES = Table("note", Note, key=lambda note: note.id)


class SteppedReactor(Reactor):
    """The real reactor on a clock that only `advance` moves."""

    def __init__(self) -> None:
        self.time = 0.0
        self.posted = threading.Event()
        super().__init__(lambda: self.time)
        self.failures: list[Exception] = []
        self.on_failure = lambda _, error: self.failures.append(error)

    def post(
        self, job: Callable[..., Any], *args: Any, source: str = "", urgent: bool = False
    ) -> None:
        super().post(job, *args, source=source, urgent=urgent)
        self.posted.set()

    def advance(self, duration_s: float) -> None:
        until = self.time + duration_s
        self.run_ready()
        while (due_at := self.next_due()) is not None and due_at <= until:
            self.time = max(self.time, due_at)
            self.run_ready()
        self.time = until


class GatedDisk(FaultyDisk):
    """A disk that can be held up, refuse, or die with its process."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk)
        self.disk = disk
        self.gate = threading.Event()
        self.gate.set()
        self.dead = False
        self.on_apply: Callable[[], object] | None = None

    def apply(self, unit: Unit) -> None:
        if self.on_apply is not None:
            self.on_apply()
        self.gate.wait(PATIENCE_S)
        if self.dead:
            raise sqlite3.OperationalError("killed")
        super().apply(unit)


class Harness:
    """One process after another on one disk."""

    store: CoreStore
    reactor: SteppedReactor

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.start()

    def start(self) -> None:
        self.reactor = SteppedReactor()
        self.store = self.make_store()
        self.notes = self.store.table(NOTES)
        self.health: list[StoreHealth] = []
        self.store.on_health(self.health.append)
        self.reactor.run_ready()

    def make_store(self) -> CoreStore:
        raise NotImplementedError

    def turn(self, job: Callable[..., Any], *args: Any) -> None:
        """Run *job* as a turn; nothing becomes durable meanwhile unless the lane is a thread."""
        self.reactor.post(job, *args, source="test")
        self.reactor.run_ready()

    def put(self, key: str, text: str = "", *effect: Any) -> None:
        def job() -> None:
            self.notes.put(Note(id=key, text=text))
            if effect:
                self.store.after_commit(*effect)

        self.turn(job)

    def delete(self, key: str) -> None:
        self.turn(self.notes.delete, key)

    def rows(self) -> list[tuple[str, str]]:
        return [(note.id, note.text) for note in self.notes.all()]

    def restart(self) -> None:
        """Stop cleanly and start again."""
        assert self.store.stop(PATIENCE_S)
        self.start()

    def settle(self) -> None:
        """Until everything handed over is durable and reported."""
        raise NotImplementedError

    def wait_for(self, happened: Callable[[], object]) -> None:
        raise NotImplementedError

    def pass_time(self, duration_s: float) -> None:
        self.reactor.advance(duration_s)

    def block(self) -> None:
        raise NotImplementedError

    def unblock(self) -> None:
        raise NotImplementedError

    def fail_with(self, error: sqlite3.Error | None) -> None:
        raise NotImplementedError

    def kill(self) -> None:
        """What is not durable is lost; then start again."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class VirtualHarness(Harness):
    lane: InlineStore

    def make_store(self) -> CoreStore:
        self.lane = InlineStore(self.reactor, random.Random(7), self.disk)
        return CoreStore(self.reactor, self.lane)

    def settle(self) -> None:
        self.wait_for(lambda: self.store.outstanding == 0)

    def wait_for(self, happened: Callable[[], object]) -> None:
        for _ in range(1000):
            if happened():
                return
            self.reactor.advance(0.1)
        raise AssertionError("it did not happen within 100 s")

    def block(self) -> None:
        self.lane.stall_until(float("inf"))

    def unblock(self) -> None:
        self.lane.stall_until(0.0)

    def fail_with(self, error: sqlite3.Error | None) -> None:
        self.lane.fail_with(error)

    def kill(self) -> None:
        self.lane.kill()
        self.start()

    def close(self) -> None:
        self.lane.fail_with(None)
        self.store.stop(PATIENCE_S)
        if isinstance(self.disk, Database):
            self.disk.discard()


class ThreadHarness(Harness):
    disk: GatedDisk

    def __init__(self, disk: Disk) -> None:
        super().__init__(GatedDisk(disk))

    def make_store(self) -> CoreStore:
        lane = ThreadStore(self.disk, self.reactor.post, time.monotonic, retry_first_s=0.01)
        return CoreStore(self.reactor, lane)

    def settle(self) -> None:
        self.wait_for(lambda: self.store.outstanding == 0)

    def wait_for(self, happened: Callable[[], object]) -> None:
        self.reactor.run_ready()
        while not happened():
            assert self.reactor.posted.wait(PATIENCE_S)
            self.reactor.posted.clear()
            self.reactor.run_ready()

    def block(self) -> None:
        self.disk.gate.clear()

    def unblock(self) -> None:
        self.disk.gate.set()

    def fail_with(self, error: sqlite3.Error | None) -> None:
        self.disk.error = error

    def kill(self) -> None:
        self._die()
        self.disk = GatedDisk(self.disk.disk)
        self.start()

    def close(self) -> None:
        self._die()

    def _die(self) -> None:
        self.disk.dead = True
        self.disk.gate.set()
        self.store.stop(PATIENCE_S)


KINDS: dict[str, Callable[[Path], Harness]] = {
    "thread": lambda folder: ThreadHarness(Database(folder / "station.db")),
    "inline-file": lambda folder: VirtualHarness(Database(folder / "station.db")),
    "inline-sql": lambda _: VirtualHarness(Database(MEMORY)),
    "inline-memory": lambda _: VirtualHarness(MemoryDisk()),
}
