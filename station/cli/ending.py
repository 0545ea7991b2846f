"""What the process does when its station has ended: leave, fail, or begin anew."""

import os
import sys
from typing import NoReturn

STOP, RESTART, FAILED = "stop", "restart", "failed"
RESTART_BY_SYSTEMD = 75
"""EX_TEMPFAIL; the unit lists it in RestartForceExitStatus."""
RESTARTED_PID = "JOULEPOST_RESTARTED_PID"


def act_on(ending: str) -> int:
    """The exit code for *ending*, one of STOP, RESTART and FAILED; a restart may not return."""
    if ending == STOP:
        return 0
    if ending != RESTART:
        return 1
    return RESTART_BY_SYSTEMD if is_supervised() else begin_anew()


def is_supervised() -> bool:
    """systemd started this very process, and will start it again."""
    return os.environ.get("SYSTEMD_EXEC_PID") == str(os.getpid())


def was_restarted() -> bool:
    """This process is its own successor: a child that inherited the mark has another pid."""
    return os.environ.get(RESTARTED_PID) == str(os.getpid())


def begin_anew() -> NoReturn:
    """The same process id with the same arguments."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.environ[RESTARTED_PID] = str(os.getpid())
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - that is the point
