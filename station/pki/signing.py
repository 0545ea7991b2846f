"""How far a request for a certificate has come (A02, A03): states, inputs and a total table.

Theory of operation. A request is WANTED by the CSMS (TriggerMessage) or by the station itself
(one month before expiry). A key pair is made, the CSMS is asked to have it signed, and asked
again after CertSigningWaitMinimum, then after twice that time, and so on. After the last time
the station is SILENT: it asks no more, but still takes a certificate for that key. A bad
certificate makes it silent at once (A02.FR.20).
"""

from collections.abc import Mapping
from enum import Enum, StrEnum


class Signing(StrEnum):
    """States of a request."""

    IDLE = "Idle"
    MAKING = "Making"  # a key pair; ends with the process
    ASKING = "Asking"  # the CSMS, now or as soon as it can be reached
    WAITING = "Waiting"  # for the certificate, until it is time to ask again
    SILENT = "Silent"  # for the certificate, for as long as it takes


class Input(Enum):
    """What can happen to a request."""

    WANTED = "a certificate is wanted"
    KEY_MADE = "the key pair is there"
    KEY_FAILED = "no key pair could be made"
    ACCEPTED = "the CSMS will have it signed"
    LAST_ACCEPTED = "as ACCEPTED, and the station has asked often enough"
    REFUSED = "the CSMS will not have it signed"
    DUE = "it is time to ask again"
    GOOD = "a good certificate has come"
    BAD = "a bad certificate has come"


IGNORE = None
_S, _I = Signing, Input

TRANSITIONS: Mapping[tuple[Signing, Input], Signing | None] = {
    **{(state, what): IGNORE for state in _S for what in _I},
    (_S.IDLE, _I.WANTED): _S.MAKING,
    (_S.MAKING, _I.KEY_MADE): _S.ASKING,
    (_S.MAKING, _I.KEY_FAILED): _S.IDLE,
    (_S.ASKING, _I.ACCEPTED): _S.WAITING,
    (_S.ASKING, _I.LAST_ACCEPTED): _S.SILENT,  # A02.FR.19, A03.FR.19
    (_S.ASKING, _I.REFUSED): _S.IDLE,
    (_S.WAITING, _I.DUE): _S.ASKING,  # A02.FR.17, A03.FR.17
    (_S.WAITING, _I.WANTED): _S.MAKING,  # A02.FR.02: a new key pair
    (_S.SILENT, _I.WANTED): _S.MAKING,
    **{(state, _I.GOOD): _S.IDLE for state in (_S.ASKING, _S.WAITING, _S.SILENT)},
    **{(state, _I.BAD): _S.SILENT for state in (_S.ASKING, _S.WAITING)},  # A02.FR.20
}


def next_state(state: Signing, happened: Input) -> Signing:
    after = TRANSITIONS[state, happened]
    return state if after is IGNORE else after
