"""The states of a log upload, and what moves it from one to another: the whole table."""

from enum import Enum, auto


class State(Enum):
    IDLE = auto()
    UPLOADING = auto()
    """The file is put together or is on its way."""
    WAITING = auto()
    """An attempt has failed; the next one is due later."""


class Input(Enum):
    REQUESTED = auto()
    """A GetLog was accepted; whatever ran before is given up."""
    SUCCEEDED = auto()
    FAILED = auto()
    """And another attempt is left."""
    GAVE_UP = auto()
    """The last attempt failed, or no other could do better."""
    DUE = auto()
    """The time of the next attempt has come."""


IDLE, UPLOADING, WAITING = State.IDLE, State.UPLOADING, State.WAITING
TRANSITIONS: dict[tuple[State, Input], State] = {
    (IDLE, Input.REQUESTED): UPLOADING,
    (IDLE, Input.SUCCEEDED): IDLE,  # of an upload that was given up: ignored, as below
    (IDLE, Input.FAILED): IDLE,
    (IDLE, Input.GAVE_UP): IDLE,
    (IDLE, Input.DUE): IDLE,
    (UPLOADING, Input.REQUESTED): UPLOADING,
    (UPLOADING, Input.SUCCEEDED): IDLE,
    (UPLOADING, Input.FAILED): WAITING,
    (UPLOADING, Input.GAVE_UP): IDLE,
    (UPLOADING, Input.DUE): UPLOADING,
    (WAITING, Input.REQUESTED): UPLOADING,
    (WAITING, Input.SUCCEEDED): WAITING,
    (WAITING, Input.FAILED): WAITING,
    (WAITING, Input.GAVE_UP): WAITING,
    (WAITING, Input.DUE): UPLOADING,
}
