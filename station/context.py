"""The few ports that a block is given."""

from collections.abc import Callable
from typing import Any, Protocol

from station.records import Row, Table


class Repository(Protocol[Row]):
    """Rows of one table, all in memory; a write belongs to the unit of the present turn."""

    def get(self, key: str) -> Row | None: ...

    def put(self, row: Row) -> None:
        """Insert or replace; undone when the turn fails."""
        ...

    def delete(self, key: str) -> None:
        """Remove if there; undone when the turn fails."""
        ...

    def all(self) -> list[Row]:
        """Every row, in the order in which keys were first put."""
        ...

    def __len__(self) -> int: ...


class Store(Protocol):
    """What a turn wants to last, and what must wait until it does."""

    def table(self, table: Table[Row]) -> Repository[Row]:
        """The repository of *table*, loaded; the same object for the same name."""
        ...

    def after_commit(self, effect: Callable[..., Any], *args: Any) -> None:
        """Run *effect* on the core once everything written up to here is durable, in order.

        Runs at the end of the turn when nothing was written and nothing is owed.
        When the store is VOLATILE it no longer waits. Dropped when the turn fails.
        """
        ...
