"""A repository without a store: rows in a dictionary, in the order of their first put."""

from typing import Generic

from station.records import Row, Table


class MemoryRows(Generic[Row]):
    def __init__(self, table: Table[Row]) -> None:
        self._table = table
        self._rows: dict[str, Row] = {}
        self.writes = 0

    def get(self, key: str) -> Row | None:
        return self._rows.get(key)

    def put(self, row: Row) -> None:
        self.writes += 1
        self._rows[self._table.key(row)] = row

    def delete(self, key: str) -> None:
        self.writes += 1
        self._rows.pop(key, None)

    def all(self) -> list[Row]:
        return list(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)
