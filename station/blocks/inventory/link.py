"""The way to the CSMS: for how long it stands, how often it had to be found, what waits for it."""

from station.blocks.inventory.observed import observed
from station.context import Context
from station.device_model import Boolean, Decimal, Integer
from station.events import CsmsConnected, CsmsLost

ACTIVE = observed("DataLink", "Active", Boolean(), "true while connected to the CSMS")
CONNECTED_TIME = observed(
    "DataLink",
    "ConnectedTime",
    Decimal(unit="s", min=0.0),
    "for how long the present connection stands; empty without one",
)
RECONNECTS = observed(
    "DataLink",
    "Count",
    Integer(min=0),
    "how often the connection was made anew since the program began",
    instance="Reconnects",
)
QUEUED = observed(
    "OCPPCommCtrlr",
    "Entries",
    Integer(min=0),
    "messages that wait for the CSMS",
    instance="Queue",
)
QUEUED_TRANSACTION_EVENTS = observed(
    "OCPPCommCtrlr",
    "Entries",
    Integer(min=0),
    "transaction events among the messages that wait for the CSMS",
    instance="QueuedTransactionEvents",
)
QUEUED_BYTES = observed(
    "OCPPCommCtrlr",
    "Storage",
    Integer(unit="B", min=0),
    "what the messages that wait for the CSMS take",
    instance="Queue",
)
UNDELIVERED = observed(
    "OCPPCommCtrlr",
    "Count",
    Integer(min=0),
    "messages that were given up after their last attempt, and are kept on the station",
    instance="Undelivered",
)


class DataLink:
    """Counts connections; asks the outbox how full it is."""

    def __init__(self, context: Context) -> None:
        self._variables, self._now = context.variables, context.reactor.now
        self._up_at: float | None = None
        self._reconnects = 0
        variables, outbox = context.variables, context.outbox
        for number, getter in (
            (RECONNECTS, lambda: self._reconnects),
            (QUEUED, lambda: len(outbox)),
            (QUEUED_TRANSACTION_EVENTS, lambda: outbox.transaction_rows),
            (QUEUED_BYTES, lambda: outbox.total_bytes),
            (UNDELIVERED, lambda: outbox.undelivered),
        ):
            variables.declare(number)
            variables.provide(number, getter, announced=number is RECONNECTS)
        variables.declare(ACTIVE)
        variables.provide(ACTIVE, lambda: self._up_at is not None, announced=True)
        variables.declare(CONNECTED_TIME)
        variables.provide(CONNECTED_TIME, self._connected_s)
        context.events.subscribe(CsmsConnected, self._on_connected)
        context.events.subscribe(CsmsLost, self._on_lost)

    def _connected_s(self) -> float | None:
        return None if self._up_at is None else round(self._now() - self._up_at, 3)

    def _on_connected(self, event: CsmsConnected) -> None:
        self._up_at = self._now()
        self._reconnects += not event.first
        self._touch()

    def _on_lost(self, _: CsmsLost) -> None:
        self._up_at = None
        self._touch()

    def _touch(self) -> None:
        self._variables.touch(ACTIVE)
        self._variables.touch(RECONNECTS)
