"""Token readers: whether each answers, and what it could not read."""

from hal.api import ReaderDescription, ReaderStatus, TokenUnreadable
from station.blocks.inventory.observed import observed
from station.context import Context
from station.device_model import Boolean, Integer, Variable


class Reader:
    """One reader; its id is the instance of the component."""

    def __init__(self, context: Context, description: ReaderDescription) -> None:
        self._id, self._evse_id = description.id, description.evse
        self._variables = context.variables
        self._problem = False
        self._unreadable = 0
        self._problem_variable: Variable[bool] = observed(
            "TokenReader",
            "Problem",
            Boolean(),
            "true while the reader does not answer",
            component_instance=description.id,
        )
        self._count_variable: Variable[int] = observed(
            "TokenReader",
            "Count",
            Integer(min=0),
            "how often the reader gave what is no token, since the program began",
            instance="Unreadable",
            component_instance=description.id,
        )
        self._provide()
        context.events.subscribe(ReaderStatus, self._on_status)
        context.events.subscribe(TokenUnreadable, self._on_unreadable)

    def _provide(self) -> None:
        variables, evse_id = self._variables, self._evse_id
        variables.declare(self._problem_variable, evse_id)
        variables.provide(self._problem_variable, lambda: self._problem, evse_id, announced=True)
        variables.declare(self._count_variable, evse_id)
        variables.provide(self._count_variable, lambda: self._unreadable, evse_id, announced=True)

    def _on_status(self, event: ReaderStatus) -> None:
        if event.reader == self._id:
            self._problem = bool(event.problem)
            self._variables.touch(self._problem_variable, self._evse_id)

    def _on_unreadable(self, event: TokenUnreadable) -> None:
        if event.reader == self._id:
            self._unreadable += 1
            self._variables.touch(self._count_variable, self._evse_id)


class Readers:
    """All of them."""

    def __init__(self, context: Context) -> None:
        self._all = [Reader(context, each) for each in context.board.description.readers]
