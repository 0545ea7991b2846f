"""Tells systemd that the station is ready, alive or stopping (sd_notify); elsewhere silent."""

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)

PETS_PER_TIMEOUT = 3
"""systemd asks for two; one more, so that a late cycle is not fatal."""
HUNG_S = 5.0
"""A thread that has not gone round for so long will not do so any more."""


class Watchdog:
    """The service manager's view of this process; every method returns at once.

    Only the core calls `pet`, after a full control cycle: when the core or the board hangs,
    systemd restarts the process, whatever its other threads still do.
    """

    def __init__(
        self, environ: Mapping[str, str], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._monotonic = monotonic
        self._address = notify_address(environ)
        self.timeout_s = watchdog_timeout_s(environ)
        """After this much silence systemd restarts the service; None when it does not watch."""
        self._due_at = float("-inf")
        self._told_hung = False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if self._address else None

    @property
    def interval_s(self) -> float | None:
        """How often `pet` has to be called at least."""
        return None if self.timeout_s is None else self.timeout_s / PETS_PER_TIMEOUT

    def ready(self, status: str = "") -> None:
        self._notify("READY=1", status)

    def status(self, status: str) -> None:
        """One line for `systemctl status`."""
        self._notify("", status)

    def pet(self, alive_at: float = float("inf")) -> None:
        """May be called more often than needed; what is not due is not sent.

        *alive_at*: when the board, without which nothing opens a contactor, last lived.
        """
        interval_s, now = self.interval_s, self._monotonic()
        if now - alive_at > HUNG_S:
            if not self._told_hung:
                log.critical("the board hangs; systemd is to restart the station")
            self._told_hung = True
            return
        self._told_hung = False
        if interval_s is not None and now >= self._due_at:
            self._due_at = now + interval_s / 2
            self._notify("WATCHDOG=1")

    def stopping(self, status: str = "") -> None:
        self._notify("STOPPING=1", status)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _notify(self, state: str, status: str = "") -> None:
        if self._socket is None:
            return
        lines = [state] if state else []
        if status:
            lines.append("STATUS=" + " ".join(status.split()))
        try:
            self._socket.sendto("\n".join(lines).encode(), socket.MSG_DONTWAIT, self._address)
        except OSError as error:
            log.debug("systemd was not told %s: %s", state or "the status", error)


def notify_address(environ: Mapping[str, str]) -> str:
    """Where to send: a path, an abstract name (leading NUL), or nothing."""
    path = environ.get("NOTIFY_SOCKET", "")
    if path.startswith("@"):
        return "\0" + path[1:]
    return path if path.startswith("/") else ""


def watchdog_timeout_s(environ: Mapping[str, str]) -> float | None:
    """None when systemd does not watch, or watches another process than this one."""
    usec, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if pid and pid != str(os.getpid()):
        return None
    if not (usec.isascii() and usec.isdigit()) or int(usec[:18]) == 0:
        return None
    return int(usec[:18]) / 1_000_000
