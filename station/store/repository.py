"""Rows of one declared table: all in memory, written through to the unit of the present turn."""

import logging
from typing import Generic

import msgspec

from station.records import Row, Table
from station.store.units import QUARANTINE, Turn, to_sql_name

log = logging.getLogger(__name__)

_encode = msgspec.json.Encoder().encode


class TableRepository(Generic[Row]):
    """Implements `context.Repository`."""

    def __init__(self, table: Table[Row], turn: Turn, stored: list[tuple[str, int, bytes]]) -> None:
        self.table = table
        self._turn = turn
        self._sql_name = to_sql_name(table.name)
        self._rows: dict[str, Row] = {}
        self._orders: dict[str, int] = {}
        self._next_order = stored[-1][1] + 1 if stored else 1
        self.set_aside = 0
        """Rows that no longer decode; they are kept in the quarantine table."""
        self._load(stored)

    def get(self, key: str) -> Row | None:
        return self._rows.get(key)

    def put(self, row: Row) -> None:
        key = self.table.key(row)
        blob = _encode(row)
        before = self._rows.get(key)
        if before is None:
            order = self._orders[key] = self._next_order
            self._next_order += 1
        else:
            order = self._orders[key]
        self._rows[key] = row
        self._turn.write(self._sql_name, key, (order, blob), self._restore, key, before, order)

    def delete(self, key: str) -> None:
        before = self._rows.pop(key, None)
        if before is not None:
            order = self._orders.pop(key)
            self._turn.write(self._sql_name, key, None, self._restore, key, before, order)

    def all(self) -> list[Row]:
        return list(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def rewrite(self) -> None:
        """Write every row again: the disk has lost them."""
        for key, row in self._rows.items():
            self._turn.unit[self._sql_name, key] = (self._orders[key], _encode(row))

    def _restore(self, key: str, before: Row | None, order: int) -> None:
        if before is None:
            del self._rows[key], self._orders[key]
            return
        moved = self._orders.get(key) != order
        self._rows[key] = before
        self._orders[key] = order
        if moved:
            self._rows = {each: self._rows[each] for each in sorted(self._rows, key=self._order)}

    def _order(self, key: str) -> int:
        return self._orders[key]

    def _load(self, stored: list[tuple[str, int, bytes]]) -> None:
        decode = msgspec.json.Decoder(self.table.row_type).decode
        for key, order, blob in stored:
            try:
                self._rows[key] = decode(blob)
            except (msgspec.MsgspecError, ValueError) as error:
                self._set_aside(key, order, blob, error)
            else:
                self._orders[key] = order

    def _set_aside(self, key: str, order: int, blob: bytes, error: Exception) -> None:
        log.error("a row of %s no longer loads and is set aside: %s", self.table.name, error)
        self.set_aside += 1
        self._turn.unit[self._sql_name, key] = None
        self._turn.unit[QUARANTINE, f"{self.table.name}/{key}"] = (order, blob)
