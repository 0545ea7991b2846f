"""The port `transfers.Transfers` as it is in production."""

from msgspec import Struct

from station.io.transfer.targets import Targets
from station.transfers import Transfer, TransferProtocol, Upload


class Limits(Struct, frozen=True):
    """Of one attempt."""

    deadline_s: float = 600.0
    step_s: float = 30.0
    """Longest time without any progress."""
    size_bytes: int = 32_000_000


class FileTransfers:
    """Transfers as the configuration allows them.

    SFTP has no authority that vouches for a server: only what *known_hosts* names (a file as
    of OpenSSH) is trusted, and without that file SFTP is not offered.
    """

    def __init__(
        self, targets: Targets, known_hosts: str = "", limits: Limits | None = None
    ) -> None:
        self._targets, self._known_hosts = targets, known_hosts
        self._limits = limits or Limits()

    @property
    def unusable(self) -> dict[TransferProtocol, str]:
        if self._known_hosts:
            return {}
        return {TransferProtocol.SFTP: "[transfers] known_hosts is not configured"}

    def upload(self, upload: Upload) -> Transfer:
        from station.io.transfer.upload import FileUpload

        return FileUpload(upload, self._targets, self._known_hosts, self._limits)
