"""Messages that wait in the queue for more to say: not overtaken, and not changed late."""

import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from station.bench.virtual import VirtualStation
from station.csms.holds import LONGEST_S
from station.ocpp.messages.common import EVSE
from station.ocpp.messages.transactions import (
    Transaction,
    TransactionEvent,
    TransactionEventRequest,
    TriggerReason,
)
from station.records import SendClass


def event(transaction: str, seq_no: int, **fields: Any) -> TransactionEventRequest:
    return TransactionEventRequest(
        event_type=TransactionEvent.UPDATED,
        timestamp=datetime(2026, 3, 2, 9, tzinfo=UTC),
        trigger_reason=TriggerReason.TRIGGER,
        seq_no=seq_no,
        transaction_info=Transaction(transaction_id=transaction),
        **fields,
    )


class Owing:
    """Owes messages of a station, each in a turn of its own."""

    def __init__(self) -> None:
        self.station = VirtualStation().boot()

    def owe(self, transaction: str, seq_no: int, *, held: bool = False) -> int:
        found: list[int] = []
        session = self.station.station.session

        def turn() -> None:
            request = event(transaction, seq_no)
            found.append(
                session.owe(
                    request,
                    send_class=SendClass.TRANSACTION,
                    transaction_id=transaction,
                    seq_no=seq_no,
                    held=held,
                )
            )

        self.station.reactor.post(turn)
        self.station.advance(1)
        return found[0]

    def turn(self, job: Any, *args: Any) -> Any:
        found: list[Any] = []
        self.station.reactor.post(lambda: found.append(job(*args)))
        self.station.advance(1)
        return found[0]

    def amend(self, row_id: int, transaction: str, seq_no: int) -> bool:
        told = event(transaction, seq_no, evse=EVSE(id=2))
        return bool(self.turn(self.station.station.session.amend, row_id, told))

    def release(self, row_id: int) -> None:
        self.turn(self.station.station.session.release, row_id)

    def heard(self) -> list[tuple[str, int, bool]]:
        """Transaction, number, and whether it says more than at first."""
        return [
            (each["transactionInfo"]["transactionId"], each["seqNo"], "evse" in each)
            for each in self.station.csms.events()
        ]


def test_a_held_message_waits_and_so_does_what_follows_in_its_transaction() -> None:
    owing = Owing()
    held = owing.owe("a", 0, held=True)
    owing.owe("a", 1)
    owing.owe("b", 0)
    assert owing.heard() == [("b", 0, False)]
    assert owing.amend(held, "a", 0)
    assert owing.heard() == [("b", 0, False)]
    owing.release(held)
    assert owing.heard() == [("b", 0, False), ("a", 0, True), ("a", 1, False)]


def test_a_held_message_waits_in_the_backlog_too() -> None:
    owing = Owing()
    owing.station.csms.go_offline()
    held = owing.owe("a", 0, held=True)
    owing.owe("a", 1)
    owing.owe("b", 0)
    owing.station.csms.go_online()
    owing.station.advance(20)
    assert owing.heard() == [("b", 0, False)]
    owing.release(held)
    assert owing.heard() == [("b", 0, False), ("a", 0, False), ("a", 1, False)]


def test_what_may_have_been_sent_is_not_changed_any_more() -> None:
    owing = Owing()
    owing.station.csms.answers["TransactionEvent"] = None
    held = owing.owe("a", 0, held=True)
    owing.release(held)
    assert owing.heard() == [("a", 0, False)]
    assert not owing.amend(held, "a", 0)
    plain = owing.owe("a", 1)
    assert not owing.amend(plain, "a", 1)


def test_after_a_restart_nothing_is_held_unless_it_is_recalled_before_the_link_is_up() -> None:
    owing = Owing()
    first, second = owing.owe("a", 0, held=True), owing.owe("b", 0, held=True)
    station = owing.station
    station.kill()
    station.reactor.at += 3
    station.world.survive(station.reactor.at)
    station.power_up()
    recalled = station.station.session.recall(second)
    assert recalled == event("b", 0)
    assert station.station.session.recall(999) is None
    station.advance(5)
    assert owing.heard() == [("a", 0, False)]
    assert not owing.amend(first, "a", 0)
    assert owing.amend(second, "b", 0)
    owing.release(second)
    assert owing.heard() == [("a", 0, False), ("b", 0, True)]


def test_a_message_that_nobody_releases_is_sent_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    owing = Owing()
    owing.owe("a", 0, held=True)
    owing.station.advance(LONGEST_S)
    owing.owe("b", 0)
    assert sorted(owing.heard()) == [("a", 0, False), ("b", 0, False)]
    told = [record for record in caplog.records if "was held for" in record.message]
    assert [record.levelno for record in told] == [logging.ERROR]


def test_a_turn_that_is_undone_holds_nothing(caplog: pytest.LogCaptureFixture) -> None:
    owing = Owing()
    session = owing.station.station.session

    def failing() -> None:
        session.owe(event("a", 0), send_class=SendClass.TRANSACTION, transaction_id="a", held=True)
        raise ZeroDivisionError

    owing.station.reactor.post(failing, source="metering")
    owing.station.advance(LONGEST_S + 1)
    owing.owe("b", 0)
    assert owing.heard() == [("b", 0, False)]
    assert not [record for record in caplog.records if "was held for" in record.message]
