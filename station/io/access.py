"""The command that sets up APN and VPN: an argv of the installer's, the settings on its stdin.

No shell, nothing of the settings in argv or environment, nothing of its output in a log: it may
repeat the passwords that it was given.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence

DEADLINE_S = 60.0
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class AccessError(Exception):
    """The command did not do it; one line without its settings."""


class AccessCommand:
    """Blocks until the command has ended; for a lane."""

    def __init__(self, argv: Sequence[str], deadline_s: float = DEADLINE_S) -> None:
        self._argv, self._deadline_s = list(argv), deadline_s

    def __call__(self, settings: bytes) -> None:
        name = self._argv[0]
        try:
            process = subprocess.Popen(
                self._argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"PATH": os.environ.get("PATH", PATH)},
                start_new_session=True,  # its children end with it
            )
        except OSError as error:
            raise AccessError(f"{name}: {error.strerror}") from error
        try:
            process.communicate(settings, self._deadline_s)
        except subprocess.TimeoutExpired as error:
            _end(process)
            raise AccessError(f"{name}: not done within {self._deadline_s:.0f} s") from error
        if process.returncode != 0:
            raise AccessError(f"{name}: {_reason(process.returncode)}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):  # it may have just ended by itself
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def _reason(returncode: int) -> str:
    if returncode > 0:
        return f"exit code {returncode}"
    return f"ended by {signal.Signals(-returncode).name}"
