"""What the bench CSMS answers to each action, and how a test can make it misbehave."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

Payload = dict[str, Any]


@dataclass(frozen=True)
class Refuse:
    """Answer with a CALLERROR."""

    code: str = "InternalError"
    description: str = ""


@dataclass(frozen=True)
class Raw:
    """Answer with this text, unchecked; `{id}` in it becomes the id of the CALL."""

    text: str


class Silence(Enum):
    """Do not answer at all."""

    NO_ANSWER = "no answer"


NO_ANSWER = Silence.NO_ANSWER


@dataclass(frozen=True)
class Delay:
    """Wait, then answer with *then* (None: as usual); other messages are served meanwhile."""

    seconds: float
    then: "Reply | None" = None


Reply = Payload | Refuse | Raw | Silence | Delay
# A callable gets the station's id and the payload; None means "as usual".
Behaviour = Reply | Callable[[str, Payload], Reply | None]

EMPTY_ANSWERS = frozenset(
    {
        "ClearedChargingLimit",
        "FirmwareStatusNotification",
        "LogStatusNotification",
        "MeterValues",
        "NotifyChargingLimit",
        "NotifyCustomerInformation",
        "NotifyDisplayMessages",
        "NotifyEvent",
        "NotifyMonitoringReport",
        "NotifyReport",
        "PublishFirmwareStatusNotification",
        "ReportChargingProfiles",
        "ReservationStatusUpdate",
        "SecurityEventNotification",
        "StatusNotification",
    }
)
FIXED_ANSWERS: Mapping[str, Payload] = {
    "DataTransfer": {"status": "UnknownVendorId"},
    "Get15118EVCertificate": {"status": "Failed", "exiResponse": ""},
    "GetCertificateStatus": {"status": "Failed"},
    "NotifyEVChargingNeeds": {"status": "Rejected"},
    "NotifyEVChargingSchedule": {"status": "Accepted"},
    "SignCertificate": {"status": "Rejected"},
}


class Answers:
    """Decides what to say; *behaviour* overrides it per action (`"*"`: for all others)."""

    def __init__(self, accept: Collection[str] | None, interval_s: int) -> None:
        self._accept = None if accept is None else frozenset(token.lower() for token in accept)
        self.interval_s = interval_s
        self.boot_status = "Accepted"
        self.behaviour: dict[str, Behaviour] = {}
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def reply(self, station: str, action: str, payload: Payload) -> Reply:
        override = self.behaviour.get(action, self.behaviour.get("*"))
        if callable(override):
            override = override(station, payload)
        return self._filled_in(override, action, payload)

    def usual(self, action: str, payload: Payload) -> Payload:
        """The answer of a CSMS that has nothing against the station."""
        if action in EMPTY_ANSWERS:
            return {}
        if action in FIXED_ANSWERS:
            return dict(FIXED_ANSWERS[action])
        if action == "BootNotification":
            interval_s = self.interval_s
            return {**self._time(), "interval": interval_s, "status": self.boot_status}
        if action == "Heartbeat":
            return self._time()
        if action == "Authorize":
            return {"idTokenInfo": self._verdict(payload["idToken"])}
        assert action == "TransactionEvent", action
        if "idToken" not in payload:
            return {}
        return {"idTokenInfo": self._verdict(payload["idToken"])}

    def _filled_in(self, override: Reply | None, action: str, payload: Payload) -> Reply:
        if override is None:
            return self.usual(action, payload)
        if isinstance(override, Delay):
            return Delay(override.seconds, self._filled_in(override.then, action, payload))
        return override

    def _verdict(self, id_token: Payload) -> Payload:
        # C02: a start button has no token that a list could hold.
        known = self._accept is None or id_token["type"] == "NoAuthorization"
        known = known or id_token["idToken"].lower() in (self._accept or ())
        return {"status": "Accepted" if known else "Invalid"}

    def _time(self) -> Payload:
        now = self.now().astimezone(UTC)
        return {"currentTime": now.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
