"""Ports that the core is given: the store, the outbox, the CSMS. Implementations stand above."""

from collections.abc import Callable, Collection, Container
from typing import Any, Generic, Protocol, TypeVar

from station.ocpp.registration import Input, Registration
from station.ocpp.rpc import CallFailed
from station.ocpp.types import Message, Request
from station.pki.key import KeyKind
from station.records import OutboxRow, Row, SendClass, StoreHealth, Table

R = TypeVar("R", bound=Message)
Q = TypeVar("Q", bound=Request[Any])


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

    @property
    def health(self) -> StoreHealth:
        """VOLATILE: what is written now will be forgotten."""
        ...


class Room(Protocol):
    """What of the outbox may go when there is no room for everything."""

    def limit(self, *, rows: int, size_bytes: int) -> None:
        """From now on the outbox is thinned when it is longer than that."""
        ...

    def pin(self, row_id: int) -> None:
        """This message is not to be dropped: it is in flight, or waits for more to say."""
        ...

    def unpin(self, row_id: int) -> None: ...

    on_full: Callable[[str], Any]
    """Told, with a line for a person, when thinning begins; again after room was found."""


class Outbox(Protocol):
    """Messages owed to the CSMS; every change belongs to the unit of the present turn."""

    def append(self, row: OutboxRow) -> OutboxRow:
        """Queue *row* under a new id; its own id is ignored."""
        ...

    def head(self, send_class: SendClass, held: Container[int] = ()) -> OutboxRow | None:
        """The row of a class to send next; None when there is none or it is being fetched.

        Class TRANSACTION offers live events whose transaction has no past in the queue;
        what waited while offline is class BACKLOG, whatever it was appended as. A row in
        *held* is passed over, and with it what follows in the same transaction.
        """
        ...

    def get(self, row_id: int) -> OutboxRow | None:
        """The whole row; None when it is not queued, or not in memory."""
        ...

    def update(self, row: OutboxRow) -> None:
        """Replace a queued row; it keeps its place. LookupError: it is not queued."""
        ...

    def remove(self, row_id: int) -> None: ...

    def to_undelivered(self, row_id: int, reason: str) -> None:
        """E13.FR.04: give the message up, and keep it where it can be seen and counted."""
        ...

    def mark_all_offline(self) -> None:
        """Everything queued now waited while offline (E11.FR.07)."""
        ...

    def has_transaction(self, transaction_id: str) -> bool:
        """Whether events of this transaction are queued."""
        ...

    @property
    def transaction_rows(self) -> int:
        """How many transaction events are queued."""
        ...

    @property
    def total_bytes(self) -> int:
        """What all queued rows take."""
        ...

    @property
    def undelivered(self) -> int:
        """How many messages were given up (E13.FR.04)."""
        ...

    @property
    def last_id(self) -> int:
        """The id of the newest row ever appended."""
        ...

    @property
    def room(self) -> Room: ...

    def __len__(self) -> int: ...


class Pending(Generic[R]):
    """An answer that needs a lane: created by a handler, completed by `resolve`, once.

    Not resolved within *deadline_s*, it becomes *late*.
    """

    def __init__(self, deadline_s: float, late: R) -> None:
        self.deadline_s, self.late = deadline_s, late
        self._answer: R | None = None
        self._listener: Callable[[R], None] | None = None

    def resolve(self, answer: R) -> None:
        """Give the answer; later calls do nothing."""
        if self._answer is not None:
            return
        self._answer = answer
        if self._listener is not None:
            self._listener(answer)

    @property
    def is_resolved(self) -> bool:
        """Answered, or too late to be."""
        return self._answer is not None

    def on_resolved(self, listener: Callable[[R], None]) -> None:
        self._listener = listener
        if self._answer is not None:
            listener(self._answer)


class KeyStore(Protocol):
    """The station's private keys, by ids of ours; none ever leaves it (A02.FR.05, A03.FR.05).

    Whatever may block is called on a lane: everything but `key_file`.
    """

    def generate(self, key_id: str, kind: KeyKind) -> bytes:
        """Make a key pair and keep it durably; its public key (DER, SubjectPublicKeyInfo)."""
        ...

    def csr(self, key_id: str, *, common_name: str, organization: str) -> str:
        """A signing request for the key, signed with it, as PEM."""
        ...

    def key_file(self, key_id: str) -> str:
        """What `SSLContext.load_cert_chain` takes as key file; answers at once."""
        ...

    def delete(self, key_id: str) -> None:
        """Destroy the key if it is there."""
        ...

    def keep_only(self, key_ids: Collection[str]) -> None:
        """Destroy every other key: a power cut may have left one that nobody knows."""
        ...


class Csms(Protocol):
    """The other side of the protocol, as a block sees it."""

    @property
    def online(self) -> bool:
        """Connected and accepted: a CALL would leave now."""
        ...

    @property
    def connected(self) -> bool:
        """The socket is up, whether or not the CSMS has accepted the station."""
        ...

    @property
    def registration(self) -> Registration: ...

    @property
    def last_sent_at(self) -> float:
        """When the last CALL was sent, in monotonic seconds."""
        ...

    def happened(self, happened: Input) -> None:
        """Move the registration (the boot block knows what was answered)."""
        ...

    def when_flushed(self, job: Callable[[], Any]) -> None:
        """Run *job* once nothing is in flight and no transaction event could be sent now."""
        ...

    def answer(self, request_type: type[Q], handler: Callable[[Q], Message | Pending[Any]]) -> None:
        """Let *handler* answer every CALL of this type; it returns, and never waits."""
        ...

    def call(
        self,
        request: Request[R],
        on_result: Callable[[R | CallFailed], Any],
        *,
        send_class: SendClass = SendClass.PROMPT,
        asked_for: bool = False,
    ) -> None:
        """Send *request* when its turn comes; *on_result* runs once, in a turn of its own.

        Without a connection it fails with Failure.LOST in the next turn.
        """
        ...

    def latest(
        self,
        key: str,
        build: Callable[[], Request[Any]],
        *,
        asked_for: bool = False,
        on_settled: Callable[[], Any] | None = None,
    ) -> None:
        """Send what *build* returns, until acknowledged; a newer one of *key* replaces it.

        *on_settled* runs in the turn of its answer (a CALLERROR too), unless it was replaced.
        """
        ...

    def owe(
        self,
        request: Request[Any],
        *,
        send_class: SendClass,
        transaction_id: str = "",
        seq_no: int = 0,
        held: bool = False,
    ) -> int:
        """Commit *request* to the outbox with this turn; returns its outbox id.

        *held*: it is not sent before `release`; after a restart it is not held any more.
        """
        ...

    def amend(self, row_id: int, request: Request[Any]) -> bool:
        """Replace what a held message says, with this turn; False: it may have been sent."""
        ...

    def release(self, row_id: int) -> None:
        """Let a held message be sent once this turn is durable."""
        ...

    def recall(self, row_id: int) -> Request[Any] | None:
        """Hold a message of the process before, while this one starts, and tell what it says.

        Only for a message of which the caller knows that it was held to the end: every copy that
        the CSMS gets must be the same. None: it is not queued any more, or not in memory.
        """
        ...

    def on_owed_result(
        self, request_type: type[Request[R]], handler: Callable[[OutboxRow, R], Any]
    ) -> None:
        """Let *handler* see the answer to an owed request, in the unit that deletes its row."""
        ...
