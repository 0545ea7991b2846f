"""Registration with the CSMS (B01 to B03): what it has answered, and what may therefore be sent.

Theory of operation. The state is history: it outlives connections, because a reconnect
is no boot (Part 4, section 5.3). While a BootNotification is open the state of before
holds; only its answer moves it.
"""

from collections.abc import Mapping
from enum import StrEnum


class Registration(StrEnum):
    NONE = "None"  # not answered since the process started
    PENDING = "Pending"
    REJECTED = "Rejected"
    ACCEPTED = "Accepted"


class Input(StrEnum):
    """What can happen to a registration."""

    BOOT_ACCEPTED = "boot accepted"
    BOOT_PENDING = "boot pending"
    BOOT_REJECTED = "boot rejected"
    BOOT_FAILED = "boot failed"  # CALLERROR, timeout or lost connection
    DISCONNECTED = "disconnected"
    CSMS_CHANGED = "csms changed"  # B10.FR.10: another network profile, so boot again


_R, _I = Registration, Input

TRANSITIONS: Mapping[tuple[Registration, Input], Registration] = {
    **{(state, _I.BOOT_ACCEPTED): _R.ACCEPTED for state in _R},
    **{(state, _I.BOOT_PENDING): _R.PENDING for state in _R},
    **{(state, _I.BOOT_REJECTED): _R.REJECTED for state in _R},
    **{(state, _I.BOOT_FAILED): state for state in _R},
    **{(state, _I.DISCONNECTED): state for state in _R},
    **{(state, _I.CSMS_CHANGED): _R.NONE for state in _R},
}


def next_state(state: Registration, happened: Input) -> Registration:
    return TRANSITIONS[state, happened]  # total: a test enumerates the product


def may_send(state: Registration, action: str, *, asked_for: bool) -> bool:
    """Whether a CALL may leave: B01.FR.08, B02.FR.02, B03.FR.02.

    *asked_for* marks what a TriggerMessage, GetBaseReport or GetReport has caused.
    """
    if action == "BootNotification" or state is Registration.ACCEPTED:
        return True
    return state is Registration.PENDING and asked_for
