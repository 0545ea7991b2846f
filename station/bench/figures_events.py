"""Transaction events through the real store on a real disk, without the rest of a station."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from station.charging.rows import TRANSACTIONS, TransactionRow
from station.reactor import Reactor
from station.records import OutboxRow, SendClass, Worth
from station.store.core_store import CoreStore
from station.store.database import Database
from station.store.outbox import Outbox
from station.store.thread_store import ThreadStore

TRANSACTION = "0b1e4a9c-7d55-4d0e-8c0e-3f5f1f7f9a11"
SAMPLED = (
    '{"timestamp":"2026-03-02T09:10:00.000Z","sampledValue":['
    '{"value":12345.0,"context":"Sample.Periodic","measurand":"Energy.Active.Import.Register",'
    '"unitOfMeasure":{"unit":"Wh"}},'
    '{"value":11040.0,"context":"Sample.Periodic","measurand":"Power.Active.Import",'
    '"unitOfMeasure":{"unit":"W"}}]}'
)
PAYLOAD = (
    '{"eventType":"Updated","timestamp":"2026-03-02T09:10:00.000Z",'
    '"triggerReason":"MeterValuePeriodic","seqNo":17,'
    f'"transactionInfo":{{"transactionId":"{TRANSACTION}","chargingState":"Charging"}},'
    f'"evse":{{"id":1,"connectorId":1}},"meterValue":[{SAMPLED}]}}'
).encode()


class EventRun:
    """A reactor and the real store on a disk; nothing else of a station.

    With a *quota* the queue is full after so many events, and thinned from then on.
    """

    def __init__(self, path: Path, events: int, quota: int | None = None) -> None:
        path.parent.mkdir(parents=True)
        self.events = events
        self._reactor = Reactor(time.monotonic)
        self._backend = ThreadStore(Database(path), self._reactor.post, time.monotonic)
        self._store = CoreStore(self._reactor, self._backend)
        self._outbox = Outbox(self._store)
        self._transactions = self._store.table(TRANSACTIONS)
        if quota is not None:
            self._outbox.room.limit(rows=quota, size_bytes=10**9)
        self._durable = 0
        self._one_by_one = False

    @property
    def groups(self) -> int:
        return self._backend.groups

    def burst(self) -> float:
        """Events per second when all of them wait: the lane groups what it finds."""
        for number in range(self.events):
            self._reactor.post(self._turn, number)
        return self._run()

    def one_by_one(self) -> float:
        """Events per second when the next one comes after the last is durable."""
        self._one_by_one = True
        self._reactor.post(self._turn, 0)
        return self._run()

    def _run(self) -> float:
        began = time.perf_counter()
        self._reactor.run()
        passed_s = time.perf_counter() - began
        if not self._store.stop(30.0) or self._durable < self.events:
            raise RuntimeError("the store did not make every event durable")
        return self.events / passed_s

    def _turn(self, number: int) -> None:
        self._transactions.put(
            TransactionRow(
                id=TRANSACTION,
                started_at=datetime(2026, 3, 2, 9, tzinfo=UTC),
                evse_id=1,
                connector_id=1,
                next_seq=number + 1,
            )
        )
        self._outbox.append(event_row(0, TRANSACTION, number))
        self._store.after_commit(self._is_durable, number)

    def _is_durable(self, number: int) -> None:
        self._durable += 1
        if self._durable == self.events:
            self._reactor.stop()
        elif self._one_by_one:
            self._reactor.post(self._turn, number + 1)


def event_row(row_id: int, transaction_id: str, seq_no: int) -> OutboxRow:
    """A meter value of a transaction, as it stands in the queue."""
    return OutboxRow(
        id=row_id,
        send_class=SendClass.TRANSACTION,
        action="TransactionEvent",
        payload=msgspec.Raw(PAYLOAD),
        transaction_id=transaction_id,
        seq_no=seq_no,
        worth=Worth.SAMPLE,
    )


def bytes_written() -> int:
    """What this process has caused to be written to a disk."""
    lines = Path(f"/proc/{os.getpid()}/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("write_bytes:")).split()[1])
