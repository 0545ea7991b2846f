"""A CSMS with a memory and with moods: whom it accepts, and how badly it behaves meanwhile."""

import random
from dataclasses import dataclass, field
from typing import Any

import orjson

from station.bench.fake_csms import FakeCsms, Refusal

Payload = dict[str, Any]

PLAIN, FRIEND, MATE, MASTER, INVALID, BLOCKED, LOCAL, GUEST = (
    "04A1B2C3",
    "04FFEE11",
    "04FFEE22",
    "0400AA01",
    "04DEAD00",
    "04B10C00",
    "04E5E001",
    "04C0FFEE",
)
MASTER_GROUP = "MASTERS"
ACCEPTED: Payload = {"status": "Accepted"}
KNOWN: dict[str, Payload] = {
    PLAIN: ACCEPTED,
    FRIEND: {**ACCEPTED, "groupIdToken": {"idToken": "FAMILY", "type": "Central"}},
    MATE: {**ACCEPTED, "groupIdToken": {"idToken": "FAMILY", "type": "Central"}},
    MASTER: {**ACCEPTED, "groupIdToken": {"idToken": MASTER_GROUP, "type": "Central"}},
    INVALID: {"status": "Invalid"},
    BLOCKED: {"status": "Blocked"},
    LOCAL: {**ACCEPTED, "evseId": [1]},
    GUEST: ACCEPTED,
}
"""What the CSMS says of a token while it is well; LOCAL charges at EVSE 1 only (C01.FR.21)."""
REFUSALS = (
    "Invalid",
    "Blocked",
    "Expired",
    "Unknown",
    "ConcurrentTx",
    "NoCredit",
    "NotAllowedTypeEVSE",
    "NotAtThisLocation",
    "NotAtThisTime",
)
MOODS = ("well", "refuses", "silent", "error", "garbage", "late", "too late")
LATE_S, TOO_LATE_S = 3.0, 7.0
"""Sooner and later than the MessageTimeout of the campaign, which is 5 s."""


@dataclass
class Persona:
    """Answers Authorize and TransactionEvent as its mood is."""

    csms: FakeCsms
    rng: random.Random
    moods: dict[str, str] = field(default_factory=dict)
    """By action; an action that is not here is answered well."""

    def __post_init__(self) -> None:
        self.csms.answers["Authorize"] = self._authorize
        self.csms.answers["TransactionEvent"] = self._transaction_event

    def cheer_up(self) -> None:
        self.moods.clear()

    def _authorize(self, request: Payload) -> Any:
        info = KNOWN.get(request["idToken"]["idToken"], {"status": "Unknown"})
        return self._answer("Authorize", {"idTokenInfo": info})

    def _transaction_event(self, request: Payload) -> Any:
        token = request.get("idToken")
        if token is None:
            well: Payload = {}
        elif token["type"] in ("NoAuthorization", "Central"):
            well = {"idTokenInfo": ACCEPTED}
        else:
            well = {"idTokenInfo": KNOWN.get(token["idToken"], {"status": "Unknown"})}
        return self._answer("TransactionEvent", well)

    def _answer(self, action: str, well: Payload) -> Any:
        match self.moods.get(action, "well"):
            case "refuses":
                return {"idTokenInfo": {"status": self.rng.choice(REFUSALS)}}
            case "silent":
                return None
            case "error":
                return Refusal("InternalError")
            case "garbage":
                return {"idTokenInfo": {"status": "Perhaps"}, "messageContent": 5}
            case "late":
                return self._later(LATE_S, action, well)
            case "too late":
                return self._later(TOO_LATE_S, action, well)
        return well

    def _later(self, wait_s: float, action: str, answer: Payload) -> None:
        text = orjson.dumps([3, self._asked(action), answer]).decode()
        self.csms.reactor.call_later(wait_s, self._send, text, source="wire")

    def _send(self, text: str) -> None:
        if self.csms.connected:  # perhaps over another connection than the one that asked
            self.csms.send_text(text)

    def _asked(self, action: str) -> str:
        """The id of the CALL that is being answered."""
        frames = (orjson.loads(text) for _, way, text in reversed(self.csms.frames) if way == ">")
        return next(str(frame[1]) for frame in frames if frame[0] == 2 and frame[2] == action)
