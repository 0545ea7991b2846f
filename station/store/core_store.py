"""The core's store: ends turns, hands their units to a lane, releases effects once durable.

Theory of operation. Everything here runs on the core thread. A turn's writes are
one unit with a serial number; its effects wait in `_waiting` behind that unit and
behind every earlier one. The lane reports serials as durable, in a turn of its own;
the effects up to it run when that turn ends, outside any unit. What an effect
writes is a unit of its own. While the store is VOLATILE nothing waits.
"""

import logging
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from station.reactor import Reactor, Timer
from station.records import Row, StoreHealth, Table
from station.store.backend import Backend
from station.store.repository import TableRepository
from station.store.units import Effect, Turn, to_sql_name

log = logging.getLogger(__name__)

STALLED_AFTER_S = 10.0


class CoreStore:
    """Implements `context.Store` and `reactor.TurnKeeper` over a *backend*."""

    def __init__(self, reactor: Reactor, backend: Backend) -> None:
        self.reactor = reactor
        self.backend = backend
        self.turn = Turn()
        self._repositories: dict[str, TableRepository[Any]] = {}
        self._waiting: deque[tuple[int, float, list[Effect]]] = deque()
        self._ready: deque[Effect] = deque()
        self._serial = 0
        self._stall_timer: Timer | None = None
        self._listeners: list[Callable[[StoreHealth], Any]] = []
        self.effect_failures = 0
        self.last_problem = ""
        self.on_latency: Callable[[float], Any] | None = None
        """Told for every unit how many seconds passed until it was durable (metrics)."""
        self.rewriters: list[Callable[[], Any]] = []
        """Write again what is not in a repository, when the disk has lost everything."""
        self.opening = backend.start(self)
        self.health = self.opening.health
        self.last_problem = self.opening.detail
        reactor.keeper = self

    def table(self, table: Table[Row]) -> TableRepository[Row]:
        known = self._repositories.get(table.name)
        if known is None:
            stored = self.opening.tables.pop(to_sql_name(table.name), [])
            known = self._repositories[table.name] = TableRepository(table, self.turn, stored)
        elif known.table.row_type is not table.row_type:
            raise ValueError(f"table {table.name!r} is declared twice, with different rows")
        return cast(TableRepository[Row], known)

    def after_commit(self, effect: Callable[..., Any], *args: Any) -> None:
        self.turn.effects.append((self.reactor.source, effect, args))

    def on_health(self, callback: Callable[[StoreHealth], Any]) -> None:
        """Tell *callback* of every change, and soon of a health that is not OK already."""
        self._listeners.append(callback)
        if self.health is not StoreHealth.OK:
            self.reactor.post(callback, self.health, source="store")

    @property
    def outstanding(self) -> int:
        """Units that are not durable yet."""
        return len(self._waiting)

    def commit(self) -> None:
        turn = self.turn
        if not turn.unit and not turn.effects and not self._ready:
            return
        self._end_unit()
        while self._ready:
            source, effect, args = self._ready.popleft()
            self.reactor.source = source
            try:
                effect(*args)
            except Exception:
                self.effect_failures += 1
                log.exception("an effect of %s failed", source or "the core")
                turn.abandon()
            else:
                self._end_unit()

    def abandon(self) -> None:
        self.turn.abandon()

    def stop(self, timeout_s: float) -> bool:
        """Make durable what was committed and close; only after the last turn."""
        return self.backend.stop(timeout_s)

    def on_durable(self, serial: int) -> None:
        now = self.reactor.now()
        while self._waiting and self._waiting[0][0] <= serial:
            _, handed_at, effects = self._waiting.popleft()
            self._ready.extend(effects)
            if self.on_latency is not None:
                self.on_latency(now - handed_at)
        if self.health is StoreHealth.VOLATILE and serial < self._serial:
            self._waiting.append((self._serial, now, []))
        if self.health in (StoreHealth.STALLED, StoreHealth.VOLATILE):
            self._set_health(StoreHealth.OK)
            self._watch()

    def on_failed(self, problem: str) -> None:
        self.last_problem = problem
        while self._waiting:
            self._ready.extend(self._waiting.popleft()[2])
        self._set_health(StoreHealth.VOLATILE)

    def on_replaced(self, problem: str) -> None:
        self.last_problem = problem
        for table, rows in self.opening.tables.items():
            self.turn.unit.update({(table, key): (order, blob) for key, order, blob in rows})
        for repository in self._repositories.values():
            repository.rewrite()
        for rewrite in self.rewriters:
            rewrite()
        self._serial += 1
        self.backend.write(self._serial, self.turn.take_unit(), whole=True)
        self._waiting.append((self._serial, self.reactor.now(), []))
        self._watch()
        self._set_health(StoreHealth.REPLACED)

    def _end_unit(self) -> None:
        turn = self.turn
        effects = turn.take_effects() if turn.effects else []
        if turn.unit:
            self._serial += 1
            self.backend.write(self._serial, turn.take_unit())
            if self.health is not StoreHealth.VOLATILE:
                self._waiting.append((self._serial, self.reactor.now(), effects))
                self._watch()
                return
        if self._waiting:
            self._waiting[-1][2].extend(effects)
        else:
            self._ready.extend(effects)

    def _watch(self) -> None:
        """One timer for the oldest unit, and none while nothing is outstanding."""
        if self._stall_timer is None and self._waiting:
            due_at = self._waiting[0][1] + STALLED_AFTER_S
            self._stall_timer = self.reactor.call_at(due_at, self._look, source="store")

    def _look(self) -> None:
        self._stall_timer = None
        if not self._waiting:
            return
        if self.reactor.now() < self._waiting[0][1] + STALLED_AFTER_S:
            self._watch()
        elif self.health is not StoreHealth.STALLED:
            self._set_health(StoreHealth.STALLED)

    def _set_health(self, health: StoreHealth) -> None:
        if health is self.health:
            return
        if health is StoreHealth.OK:
            self.last_problem = ""
        log.warning("the store is %s (was %s) %s", health, self.health, self.last_problem)
        self.health = health
        for callback in self._listeners:
            callback(health)
