"""How a transfer fails."""

from station.transfers import TransferEnd


class TransferError(Exception):
    """The attempt is over; *detail* is one line for a person and never holds a credential."""

    def __init__(self, end: TransferEnd, detail: str) -> None:
        super().__init__(f"{end}: {detail}")
        self.end, self.detail = end, detail[:300]
