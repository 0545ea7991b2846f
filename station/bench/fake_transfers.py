"""Transfers in virtual time: what would be sent where, with the results that a test wants."""

from collections import deque

from station.transfers import (
    Transfer,
    TransferEnd,
    TransferProtocol,
    TransferResult,
    Upload,
)


class FakeTransfer:
    """Implements `transfers.Transfer`; how long it takes is up to the lane."""

    def __init__(self, upload: Upload, result: TransferResult) -> None:
        self.upload, self._result = upload, result
        self.data = b""
        self.cancelled = False

    def run(self) -> TransferResult:
        self.data = self.upload.file.render()
        return self._result

    def cancel(self) -> None:
        self.cancelled = True


class FakeTransfers:
    """Implements `transfers.Transfers`; survives the process, as servers do."""

    def __init__(self) -> None:
        self.unusable: dict[TransferProtocol, str] = {}
        self.results: deque[TransferEnd] = deque()
        """How the next transfers end; when there is none left, well."""
        self.made: list[FakeTransfer] = []

    def upload(self, upload: Upload) -> Transfer:
        end = self.results.popleft() if self.results else TransferEnd.DONE
        made = FakeTransfer(upload, TransferResult(end, "as the test wants"))
        self.made.append(made)
        return made
