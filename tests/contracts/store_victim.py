"""A process that commits for ever and says what is durable, until it is killed.

Its notes are a ledger: unit n sets "total" to n and adds note n, and queues message n.
"""

import sys
import time
from pathlib import Path

import msgspec

from station.reactor import Reactor
from station.records import OutboxRow, SendClass
from station.store.core_store import CoreStore
from station.store.database import Database
from station.store.outbox import Outbox
from station.store.thread_store import ThreadStore
from tests.contracts.stores import NOTES, Note


def main(path: Path) -> None:
    reactor = Reactor(time.monotonic)
    store = CoreStore(reactor, ThreadStore(Database(path), reactor.post, time.monotonic))
    notes, outbox = store.table(NOTES), Outbox(store)

    def write(number: int) -> None:
        notes.put(Note(id=f"n{number}"))
        notes.put(Note(id="total", text=str(number)))
        outbox.append(
            OutboxRow(
                id=0,
                send_class=SendClass.TRANSACTION,
                action="TransactionEvent",
                payload=msgspec.Raw(b"{}"),
                seq_no=number,
            )
        )
        store.after_commit(print, number)
        store.after_commit(sys.stdout.flush)
        reactor.post(write, number + 1)

    reactor.post(write, len(notes.all()) or 1)
    reactor.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
