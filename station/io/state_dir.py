"""The folder that holds everything a station remembers: one process at a time may use it."""

import fcntl
import os
from contextlib import ExitStack
from pathlib import Path

from station.config import ConfigError

DATABASE = "station.db"
KEYS = "keys"
"""The folder of private keys; nobody but the station may read it."""


def lock_state_dir(state_dir: Path, stack: ExitStack) -> None:
    """Hold the folder until *stack* ends: two processes would ruin each other's queue.

    What is locked is the folder itself, so that a disk that has gone read-only keeps no
    station from starting with all it knew; a first start needs one that can be written.
    """
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        folder = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigError(f"state folder {state_dir}: {error.strerror}") from error
    stack.callback(os.close, folder)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise ConfigError(f"state folder {state_dir} is in use by another station") from error
    if not (state_dir / DATABASE).exists() and not os.access(state_dir, os.W_OK | os.X_OK):
        raise ConfigError(f"state folder {state_dir} may not be written")
