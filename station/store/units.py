"""What a turn writes: one unit of operations, undone as a whole or made durable as a whole."""

import re
from collections.abc import Callable
from typing import Any

Key = str | int
"""Text in the tables of blocks, an integer in queues (outbox, undelivered)."""

Operation = tuple[int, bytes] | None
"""Put (order, row as JSON), or delete."""

Unit = dict[tuple[str, Key], Operation]
"""The last operation on each (SQL table, key): a unit is atomic, so only the last one counts."""

Effect = tuple[str, Callable[..., Any], tuple[Any, ...]]
"""The source of the turn, what to call, with what."""

OUTBOX = "q_outbox"
UNDELIVERED = "q_undelivered"
QUARANTINE = "t_quarantine"

_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")


def to_sql_name(name: str) -> str:
    """The SQL table that holds the rows of the declared table *name*."""
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"a table name is lower-case letters, digits and _, not {name!r}")
    return f"t_{name}"


def is_queue(sql_name: str) -> bool:
    return sql_name.startswith("q_")


class Turn:
    """The operations of the present turn, how to undo them, and what waits for them."""

    __slots__ = ("effects", "undo", "unit")

    def __init__(self) -> None:
        self.unit: Unit = {}
        self.undo: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        self.effects: list[Effect] = []

    def write(
        self, table: str, key: Key, operation: Operation, undo: Callable[..., Any], *args: Any
    ) -> None:
        self.unit[table, key] = operation
        self.undo.append((undo, args))

    def take_unit(self) -> Unit:
        """End the unit: it can no longer be undone."""
        unit, self.unit = self.unit, {}
        self.undo.clear()
        return unit

    def take_effects(self) -> list[Effect]:
        effects, self.effects = self.effects, []
        return effects

    def abandon(self) -> None:
        """Undo every write, the last one first, and drop the effects."""
        for undo, args in reversed(self.undo):
            undo(*args)
        self.undo.clear()
        self.unit.clear()
        self.effects.clear()
