"""File transfers over HTTP(S), FTP(S) and SFTP: one attempt at a time, with limits on all of it.

What each protocol needs is imported by the first transfer that uses it: a boot needs none.
"""

from station.io.transfer.port import FileTransfers, Limits
from station.io.transfer.targets import Targets

__all__ = ["FileTransfers", "Limits", "Targets"]
