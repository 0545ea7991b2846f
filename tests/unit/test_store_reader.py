"""What the CSMS will not get, read from the disk by the local API and a command."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from station.cli import main
from station.control import QueueView, UnreadableError
from station.records import OutboxRow, SendClass, Worth
from station.store.database import Database
from station.store.outbox import Outbox
from station.store.reader import QueueReader
from tests.contracts.stores import VirtualHarness

EVENT = {
    "eventType": "Updated",
    "timestamp": "2026-03-02T09:10:00.000Z",
    "triggerReason": "Authorized",
    "seqNo": 1,
    "transactionInfo": {"transactionId": "a"},
    "idToken": {"idToken": "04A1B2C3", "type": "ISO14443"},
}


class Station:
    """A disk, and the outbox on it."""

    def __init__(self, path: Path) -> None:
        self.harness = VirtualHarness(Database(path))
        self.outbox = Outbox(self.harness.store)

    def append(self, transaction_id: str, seq_no: int, worth: Worth = Worth.SAMPLE) -> int:
        row = OutboxRow(
            id=0,
            send_class=SendClass.TRANSACTION,
            action="TransactionEvent",
            payload=msgspec.Raw(msgspec.json.encode({**EVENT, "seqNo": seq_no})),
            transaction_id=transaction_id,
            seq_no=seq_no,
            worth=worth,
        )
        self.harness.turn(self.outbox.append, row)
        return self.outbox.last_id

    def give_up(self, transaction_id: str, seq_no: int) -> None:
        row_id = self.append(transaction_id, seq_no)
        self.harness.turn(self.outbox.to_undelivered, row_id, "InternalError")
        self.harness.settle()

    def thin(self, transaction_id: str) -> None:
        for seq_no in range(10):
            self.append(transaction_id, seq_no)
        quota = {"rows": 5, "size_bytes": 10**9}
        self.harness.turn(lambda: self.outbox.room.limit(**quota))
        self.harness.settle()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "station.db"


@pytest.fixture
def station(path: Path) -> Iterator[Station]:
    made = Station(path)
    yield made
    made.harness.close()


def test_messages_given_up_are_told_the_newest_first_and_name_nobody(
    path: Path, station: Station
) -> None:
    """E13.FR.04: discarded for the CSMS, and yet not lost."""
    for seq_no in range(3):
        station.give_up("a", seq_no)
    reader: QueueView = QueueReader(path)
    told = reader.undelivered(None, 2)
    assert [message["seq_no"] for message in told] == [2, 1]
    assert told[0] == {
        "id": 3,
        "action": "TransactionEvent",
        "transaction_id": "a",
        "seq_no": 2,
        "event_type": "Updated",
        "trigger_reason": "Authorized",
        "timestamp": EVENT["timestamp"],
        "reason": "InternalError",
    }
    assert [message["seq_no"] for message in reader.undelivered(told[-1]["id"], 2)] == [0]
    assert reader.undelivered(1, 2) == []


def test_what_was_thinned_is_told_by_transaction(path: Path, station: Station) -> None:
    """E04.FR.08, E11.FR.05, E12.FR.05, J02.FR.13: every gap is explained."""
    reader = QueueReader(path)
    assert reader.dropped() == []
    station.thin("a")
    assert reader.dropped() == [{"transaction_id": "a", "count": 5, "seq_nos": ["0-8/2"]}]


def test_a_row_that_no_longer_decodes_is_told_all_the_same(path: Path, station: Station) -> None:
    station.give_up("a", 1)
    station.harness.disk.apply({("q_undelivered", 9): (0, b"{")})
    told = QueueReader(path).undelivered(None, 9)
    assert [message["id"] for message in told] == [9, 1]
    assert told[0]["reason"] == "the row is damaged"
    station.harness.restart()
    assert Outbox(station.harness.store).undelivered == 2


def test_a_disk_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match=r"station\.db cannot be read"):
        QueueReader(tmp_path / "station.db").undelivered(None, 1)


# -- joulepost undelivered


def listed(capsys: pytest.CaptureFixture[str], path: Path) -> list[dict[str, Any]]:
    assert main(["undelivered", "--state-dir", str(path.parent)]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("running", [True, False])
def test_the_command_lists_everything_whether_or_not_the_station_runs(
    path: Path, station: Station, capsys: pytest.CaptureFixture[str], running: bool
) -> None:
    for seq_no in range(3):
        station.give_up("a", seq_no)
    station.thin("b")
    if not running:
        station.harness.close()
    before = sorted(path.parent.iterdir())
    *messages, dropped = listed(capsys, path)
    assert [message["payload"]["seqNo"] for message in messages] == [0, 1, 2]
    assert messages[0]["payload"]["idToken"] == EVENT["idToken"]
    assert dropped["dropped"]["transaction_id"] == "b"
    assert sorted(path.parent.iterdir()) == before, "it leaves nothing behind"


def test_more_than_a_page_is_listed_in_order(
    path: Path,
    station: Station,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("station.cli.undelivered.PAGE", 2)
    for seq_no in range(5):
        station.give_up("a", seq_no)
    assert [message["seq_no"] for message in listed(capsys, path)] == [0, 1, 2, 3, 4]


def test_a_folder_without_a_station_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["undelivered", "--state-dir", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"joulepost undelivered: state folder {tmp_path}: there is no station.db\n"
    )


def test_a_disk_that_cannot_be_read_is_exit_code_1(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_bytes(b"this is no database, however long one looks at it" * 100)
    assert main(["undelivered", "--state-dir", str(path.parent)]) == 1
    assert "station.db cannot be read" in capsys.readouterr().err
