"""The reusable states of part 6, with their errata, played on a virtual station.

A state performs the hand's work and checks what the test tool checks. Messages are matched as
the tool matches them: what a step expects may arrive in any order within a few seconds and is
then used up; what no step expects (meter values, heartbeats) is left alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from station.bench.csms_schema import Schemas
from station.bench.virtual import VirtualStation
from tests.conformance.frames import broken_frames

Payload = dict[str, Any]
Wanted = str | int | bool | Sequence[str] | Callable[[Any], bool]

ID_TOKEN = {"idToken": "04A1B2C3", "type": "ISO14443"}
STEP_S = 0.25
CARD_GONE_S = 2.25
"""A card that comes back sooner has never left the reader."""
PATIENCE_S = 15.0
"""How long the tool waits for what a step expects; longer than the EV needs to react."""
TRANSACTION_DURATION_S = 10.0
NOT_RESUMABLE = ("Authorized", "PowerPathClosed", "EnergyTransfer")
"""Stop points that end a transaction at the moment its driver stops it."""


def at(payload: Payload, path: str) -> Any:
    """The value at a dotted *path*, or None: "transactionInfo.chargingState"."""
    value: Any = payload
    for name in path.split("."):
        if isinstance(value, list):
            value = value[int(name)] if int(name) < len(value) else None
        else:
            value = value.get(name) if isinstance(value, dict) else None
    return value


def fits(payload: Payload, wanted: dict[str, Wanted]) -> bool:
    """Whether *payload* holds every wanted value: equal, one of several, or as a function says."""
    for path, value in wanted.items():
        found = at(payload, path)
        if callable(value):
            if not value(found):
                return False
        elif isinstance(value, list | tuple):
            if found not in value:
                return False
        elif found != value:
            return False
    return True


def given(value: Any) -> bool:
    return value is not None


def absent(value: Any) -> bool:
    return value is None


def anyone(_: Payload) -> bool:
    return True


@dataclass
class Inbox:
    """CALLs of the station that no step has used up yet."""

    station: VirtualStation
    seen: int
    calls: list[tuple[str, Payload]] = field(default_factory=list)

    def refresh(self) -> None:
        received = self.station.csms.received
        self.calls += received[self.seen :]
        self.seen = len(received)

    def take(
        self, action: str, wanted: dict[str, Wanted], *, may: Callable[[Payload], bool] = anyone
    ) -> Payload | None:
        self.refresh()
        for index, (name, payload) in enumerate(self.calls):
            if name == action and fits(payload, wanted) and may(payload):
                del self.calls[index]
                return payload
        return None

    def forget_before(self, payload: Payload, action: str) -> None:
        """Drop what arrived before this CALL, which stays."""
        self.calls = self.calls[self.calls.index((action, payload)) :]

    def all(self, action: str) -> list[Payload]:
        self.refresh()
        return [payload for name, payload in self.calls if name == action]

    def clear(self) -> None:
        self.refresh()
        self.calls.clear()


class Tool:
    """The tester: hands on the station, and the eyes of the test tool on its messages.

    `csms.received` belongs to the tools: tests take messages with `expect`, not from there. Two
    tools may test two EVSEs of one station; each sees the transactions of its own.
    """

    def __init__(
        self,
        station: VirtualStation,
        *,
        evse: int = 1,
        connector: int = 1,
        id_token: dict[str, str] | None = None,
        how: str = "local",
        reader: int | None = 0,
    ) -> None:
        self.station, self.csms, self.sim = station, station.csms, station.sim
        self.evse, self.connector = evse, connector
        self.id_token = id_token or ID_TOKEN
        self.how = how
        """How sessions are authorised and stopped unless a case says: "local" or "remote"."""
        self.reader = evse if reader == 0 else reader
        """Where the token is presented: at the reader of an EVSE, or (None) of the station."""
        self.inbox = Inbox(station, len(self.csms.received))
        self._known: set[tuple[str, int, str]] = set()
        self.events: list[Payload] = []
        """Every TransactionEvent of the station, in order of arrival."""
        self._places: dict[str, int] = {}
        """The EVSE of each transaction, once an event has named it."""
        self._events_seen = len(self.csms.received)
        self.is_bay_occupied = self.is_authorized = self.is_connected = False
        self.is_cached = False
        """The token is known to the station: it need not ask the CSMS again."""
        self._before_authorized = 0
        self.read_points()

    # -- looking

    def read_points(self) -> None:
        """Learn the configured start and stop points, as the tool does before a case."""
        self.start_points = self.station.variable("TxCtrlr", "TxStartPoint").split(",")
        self.stop_points = self.station.variable("TxCtrlr", "TxStopPoint").split(",")

    def set(self, component: str, name: str, value: str, **place: Any) -> None:
        """A configuration state: set a variable and insist that it took."""
        got = self.station.variable(component, name, value, **place)
        assert got == value, f"{component}.{name} is {got!r}, not {value!r}"
        self.read_points()

    def wait(self, duration_s: float) -> None:
        self.station.advance(duration_s)
        self._note()

    def expect(
        self, action: str, wanted: dict[str, Wanted] | None = None, *, within_s: float = PATIENCE_S
    ) -> Payload:
        """The CALL that a step expects, waited for and used up."""
        waited_s = 0.0
        may = self._is_mine if action == "TransactionEvent" else anyone
        while (found := self.inbox.take(action, wanted or {}, may=may)) is None:
            if waited_s >= within_s:
                left = "\n  ".join(f"{name} {payload}" for name, payload in self.inbox.calls)
                raise AssertionError(f"no {action} with {wanted}; there was:\n  {left}")
            self.wait(STEP_S)
            waited_s += STEP_S
        self._note()
        return found

    def expect_event(
        self, wanted: dict[str, Wanted] | None = None, *, within_s: float = PATIENCE_S
    ) -> Payload:
        return self.expect("TransactionEvent", wanted, within_s=within_s)

    def expect_none(
        self, action: str, wanted: dict[str, Wanted] | None = None, *, within_s: float = 5.0
    ) -> None:
        """Nothing of the kind arrives, nor has arrived unused."""
        self.wait(within_s)
        found = [call for call in self.inbox.all(action) if fits(call, wanted or {})]
        assert found == [], f"unexpected {action}: {found}"

    def expect_status(
        self, status: str, *, evse: int | None = None, connector: int | None = None
    ) -> None:
        """A connector's status, by StatusNotification or by NotifyEvent."""
        place = {"evse": evse or self.evse, "connector": connector or self.connector}
        self._expect_report(status, place)

    def _expect_report(self, status: str, place: dict[str, int]) -> None:
        old = {
            "connectorStatus": status,
            "evseId": place["evse"],
            "connectorId": place["connector"],
        }
        new = {
            "eventData.0.trigger": "Delta",
            "eventData.0.actualValue": status,
            "eventData.0.component.name": "Connector",
            "eventData.0.variable.name": "AvailabilityState",
            "eventData.0.component.evse.id": place["evse"],
            "eventData.0.component.evse.connectorId": place["connector"],
        }
        waited_s = 0.0
        while not (
            self.inbox.take("StatusNotification", old) or self.inbox.take("NotifyEvent", new)
        ):
            statuses = self.inbox.all("StatusNotification")
            assert waited_s < PATIENCE_S, f"no report of {status} at {place}, only {statuses}"
            self.wait(STEP_S)
            waited_s += STEP_S

    def _note(self) -> None:
        self.inbox.refresh()
        received = self.csms.received
        new = [each for name, each in received[self._events_seen :] if name == "TransactionEvent"]
        self._events_seen = len(received)
        for event in new:
            if _identity(event) in self._known:
                continue  # a retry is the same event
            self._known.add(_identity(event))
            self.events.append(event)
            if "evse" in event:
                self._places[event["transactionInfo"]["transactionId"]] = event["evse"]["id"]

    def _is_mine(self, event: Payload) -> bool:
        """Of a transaction on this EVSE, or on one that nobody knows yet."""
        self._note()
        place = self._places.get(event["transactionInfo"]["transactionId"], self.evse)
        return place == self.evse

    # -- the transaction

    @property
    def transaction_id(self) -> str:
        """Of the transaction begun last on this EVSE."""
        self._note()
        started = [e for e in self.events if e["eventType"] == "Started" and self._is_mine(e)]
        assert started, "no transaction has begun"
        return str(started[-1]["transactionInfo"]["transactionId"])

    @property
    def is_running(self) -> bool:
        self._note()
        kinds = [event["eventType"] for event in self.events if self._is_mine(event)]
        return kinds.count("Started") > kinds.count("Ended")

    def events_of(self, transaction_id: str | None = None) -> list[Payload]:
        """Events of a transaction, the last one unless told otherwise, by seqNo."""
        wanted = transaction_id or self.transaction_id
        mine = [e for e in self.events if e["transactionInfo"]["transactionId"] == wanted]
        return sorted(mine, key=lambda event: int(event["seqNo"]))

    def _starts(self, *points: str) -> bool:
        return any(point in self.start_points for point in points)

    def _ends(self, *points: str) -> bool:
        return any(point in self.stop_points for point in points)

    # -- reusable states: before the charge

    def booted(self, *, reset: str | None = None) -> Payload:
        """Power cycle, or a Reset of type *reset*; returns the BootNotification."""
        self.inbox.clear()
        if reset is None:
            self.station.restart(power_cut=True)
            self.sim = self.station.sim
        else:
            assert self.csms.call("Reset", {"type": reset}) == {"status": "Accepted"}
        boot = self.expect_boot()
        self.expect_all_available()
        self.expect("SecurityEventNotification", {"type": ("StartupOfTheDevice", "ResetOrReboot")})
        return boot

    def expect_boot(self, *, within_s: float = 60.0) -> Payload:
        """A BootNotification; what arrived before it is forgotten."""
        waited_s = 0.0
        while not (boots := self.inbox.all("BootNotification")) and waited_s < within_s:
            self.wait(STEP_S)
            waited_s += STEP_S
        assert boots, f"no BootNotification within {within_s} s"
        self.inbox.forget_before(boots[0], "BootNotification")
        self.sim = self.station.sim
        return self.expect("BootNotification")

    def connectors(self) -> list[tuple[int, int]]:
        return [
            (evse.id, connector.id)
            for evse in self.station.description.evses
            for connector in evse.connectors
        ]

    def expect_all(self, status: str, evse: int | None = None) -> None:
        """Every connector, of one EVSE or of all, reports *status*."""
        for number, connector in self.connectors():
            if evse in (None, number):
                self.expect_status(status, evse=number, connector=connector)

    def expect_all_available(self) -> None:
        self.expect_all("Available")

    def parking_bay_occupied(self) -> None:
        self.sim.bay(self.evse, occupied=True)
        self.is_bay_occupied = True
        if self._starts("ParkingBayOccupancy"):
            self.expect_event({"triggerReason": "EVDetected", "eventType": "Started"})

    def ev_connected_pre_session(self, **car: Any) -> None:
        if not self.is_bay_occupied:
            self.parking_bay_occupied()
        running = self.is_running
        self.sim.plug(self.evse, connector=self.connector, **car)
        self.is_connected = True
        self.expect_status("Occupied")
        begins = self._starts("EVConnected") or (
            self.is_authorized and self._starts("PowerPathClosed")
        )
        states = ["EVConnected"]
        if self.is_authorized:
            states += ["SuspendedEVSE", "Charging"]
        if running or begins:
            self.expect_event(
                {
                    "eventType": "Updated" if running else "Started",
                    "triggerReason": ("CablePluggedIn", "ChargingStateChanged", "RemoteStart"),
                    "transactionInfo.chargingState": states,
                    "evse.id": self.evse,
                    "evse.connectorId": self.connector,
                }
            )

    def authorized(self, how: str | None = None) -> None:
        """A: a token is presented; B: the CSMS starts remotely."""
        if not (self.is_bay_occupied or self.is_connected):
            self.parking_bay_occupied()
        self._note()
        self._before_authorized = len(self.events)
        if (how or self.how) == "remote":
            self._authorized_remotely()
        else:
            self._authorized_locally()
        self.is_authorized = True

    def _begins_with_authorization(self) -> bool:
        return self._starts("Authorized") or (self.is_connected and self._starts("PowerPathClosed"))

    def _authorized_locally(self) -> None:
        running, begins = self.is_running, self._begins_with_authorization()
        self.present()
        if not self.is_cached:
            self.expect("Authorize", {"idToken": lambda token: fits(token, dict(self.id_token))})
        if running or begins:
            self._expect_authorization_event("Authorized", running=running)

    def _authorized_remotely(self) -> None:
        running, begins = self.is_running, self._begins_with_authorization()
        answer = self.request_start()
        assert answer["status"] == "Accepted", answer
        if running:  # F02.FR.01
            assert answer.get("transactionId") == self.transaction_id
        if self.station.variable("AuthCtrlr", "AuthorizeRemoteStart") == "true":
            if not self.is_cached:
                self.expect("Authorize", {"idToken.idToken": self.id_token["idToken"]})
        if running or begins:
            self._expect_authorization_event("RemoteStart", running=running)

    def present(self) -> None:
        """The driver's hand: the token before the reader, once the last one is gone from there."""
        token = self.id_token
        self.wait(CARD_GONE_S)
        self.sim.token(token["idToken"], type=token["type"], evse=self.reader)

    def request_start(self, remote_start_id: int = 4711, **fields: Any) -> Payload:
        """Send a RequestStartTransaction for the tool's token and EVSE."""
        request = {
            "idToken": self.id_token,
            "remoteStartId": remote_start_id,
            "evseId": self.evse,
            **fields,
        }
        return self.csms.call("RequestStartTransaction", request)

    def _expect_authorization_event(self, trigger: str, *, running: bool) -> None:
        wanted: dict[str, Wanted] = {
            "eventType": "Updated" if running else "Started",
            "triggerReason": trigger,
            "idToken.idToken": self.id_token["idToken"],
            "idToken.type": self.id_token["type"],
        }
        if trigger == "RemoteStart":
            wanted["transactionInfo.remoteStartId"] = given
        self.expect_event(wanted)

    # -- reusable states: the charge

    def energy_transfer_started(self) -> None:
        if not self.is_authorized:
            self.authorized()
        if not self.is_connected:
            self.ev_connected_pre_session()
        triggers = ["ChargingStateChanged"]
        if not self.is_running:  # the first event also tells why it could begin (F01.FR.25)
            triggers += ["RemoteStart" if self.how == "remote" else "Authorized"]
        charging: dict[str, Wanted] = {
            "triggerReason": triggers,
            "transactionInfo.chargingState": "Charging",
        }
        if not self.is_running and self._starts("DataSigned"):
            self.expect_event({"triggerReason": "SignedDataReceived", "eventType": "Started"})
        if not any(fits(event, charging) for event in self.events[self._before_authorized :]):
            event = self.expect_event(charging)
            assert event["eventType"] in ("Started", "Updated")

    def energy_transfer_suspended(self) -> None:
        """The EV suspends."""
        self._begin_if_needed()
        self.wait(TRANSACTION_DURATION_S)
        was_running = self.is_running
        self.sim.ev(self.evse, "B")
        if not was_running:
            return
        if self._ends("EnergyTransfer"):
            self.expect_event(
                {
                    "eventType": "Ended",
                    "transactionInfo.stoppedReason": "StoppedByEV",
                    "transactionInfo.chargingState": ("EVConnected", "SuspendedEV"),
                }
            )
        else:
            self.expect_event(
                {
                    "eventType": "Updated",
                    "triggerReason": "ChargingStateChanged",
                    "transactionInfo.chargingState": ("EVConnected", "SuspendedEV"),
                }
            )

    def _begin_if_needed(self) -> None:
        if not (self.is_authorized and self.is_connected):
            self.energy_transfer_started()

    def stop_authorized(self, how: str | None = None) -> None:
        """A: the same token again; B: the CSMS stops remotely. Errata 6.2.117."""
        self._begin_if_needed()
        self.wait(TRANSACTION_DURATION_S)
        if (how or self.how) == "remote":
            request = {"transactionId": self.transaction_id}
            answer = self.csms.call("RequestStopTransaction", request)
            assert answer["status"] == "Accepted", answer
            trigger, reasons = "RemoteStop", ["Remote"]
            token: dict[str, Wanted] = {}
        else:
            self.present()
            trigger, reasons = "StopAuthorized", ["Local", None]
            token = {"idToken.idToken": (None, self.id_token["idToken"])}  # type: ignore[dict-item]
        first = self.expect_event({"triggerReason": trigger, **token})
        self.is_authorized = False
        if not self._ends(*NOT_RESUMABLE):
            assert first["eventType"] == "Updated", first
            return
        if first["eventType"] != "Ended":
            first = self.expect_event(
                {
                    "eventType": "Ended",
                    "triggerReason": "ChargingStateChanged",
                    "transactionInfo.chargingState": "EVConnected",
                }
            )
        assert first["transactionInfo"].get("stoppedReason") in reasons, first

    def deauthorized(self, *, stops_energy: bool = True) -> None:
        """Errata 6.2.118: the CSMS no longer accepts the token that started the transaction.

        Set the answer beforehand: `csms.answers["TransactionEvent"]`.
        """
        if not stops_energy:
            return
        event = self.expect_event({"triggerReason": "Deauthorized"})
        assert at(event, "transactionInfo.chargingState") in ("EVConnected", "SuspendedEVSE"), event
        self.is_authorized = False
        if self._ends(*NOT_RESUMABLE):
            assert event["eventType"] == "Ended", event
            assert event["transactionInfo"]["stoppedReason"] == "DeAuthorized", event
        else:
            assert event["eventType"] == "Updated", event

    # -- reusable states: after the charge

    def ev_connected_post_session(self) -> None:
        if self.is_authorized:
            self.stop_authorized()
        if self.is_running:
            self.expect_event(
                {
                    "triggerReason": "ChargingStateChanged",
                    "transactionInfo.chargingState": "EVConnected",
                }
            )

    def ev_disconnected(self) -> None:
        if self.is_authorized:
            self.ev_connected_post_session()
        running = self.is_running
        self.sim.unplug(self.evse)
        self.is_connected = False
        self.expect_status("Available")
        if running:
            ended = self.expect_event(
                {
                    "triggerReason": "EVCommunicationLost",
                    "transactionInfo.chargingState": "Idle",
                }
            )
            wanted = "Ended" if self._ends("EVConnected") else "Updated"
            assert ended["eventType"] == wanted, ended

    def parking_bay_unoccupied(self) -> None:
        if self.is_connected:
            self.ev_disconnected()
        running = self.is_running
        self.sim.bay(self.evse, occupied=False)
        self.is_bay_occupied = False
        if running and self._ends("ParkingBayOccupancy"):
            ended = self.expect_event({"triggerReason": "EVDeparted", "eventType": "Ended"})
            reason = "Remote" if self.how == "remote" else "Local"
            assert ended["transactionInfo"].get("stoppedReason", "Local") == reason, ended

    # -- reusable states: other

    def unavailable(self, evse: int | None = None, connector: int | None = None) -> None:
        """The station, an EVSE or a connector is set Inoperative."""
        request: Payload = {"operationalStatus": "Inoperative"}
        if evse is not None:
            request["evse"] = {"id": evse} | ({"connectorId": connector} if connector else {})
        assert self.csms.call("ChangeAvailability", request)["status"] == "Accepted"
        for number, other in self.connectors():
            if evse in (None, number) and connector in (None, other):
                self.expect_status("Unavailable", evse=number, connector=other)

    def reserved(self, reservation_id: int = 7, **fields: Any) -> None:
        request = {
            "id": reservation_id,
            "evseId": self.evse,
            "idToken": self.id_token,
            "expiryDateTime": self.station.in_seconds(3600),
            **fields,
        }
        assert self.csms.call("ReserveNow", request)["status"] == "Accepted"
        for number, connector in self.connectors():
            if number == self.evse:
                self.expect_status("Reserved", evse=number, connector=connector)

    def id_token_cached(self, how: str | None = None) -> None:
        """Memory state IdTokenCached: one whole charge puts the token into the cache."""
        self.parking_bay_occupied()
        self.authorized(how)
        self.ev_connected_pre_session()
        self.energy_transfer_started()
        self.stop_authorized(how)
        self.ev_disconnected()
        self.parking_bay_unoccupied()
        self.is_cached = True
        self.inbox.clear()

    # -- after the scenario

    def finish(self, schemas: Schemas | None = None) -> None:
        """What holds after every scenario: gapless events, sound frames, a safe contactor."""
        self._note()
        for transaction_id in dict.fromkeys(
            event["transactionInfo"]["transactionId"] for event in self.events
        ):
            check_events(self.events_of(transaction_id))
        self.station.assert_safe()
        if schemas is not None:
            assert broken_frames(self.csms.frames, schemas) == []


def _identity(event: Payload) -> tuple[str, int, str]:
    return event["transactionInfo"]["transactionId"], event["seqNo"], event["timestamp"]


def check_events(events: list[Payload]) -> None:
    """The events of one transaction, by seqNo: nothing missing, begun once, ended once."""
    numbers = [event["seqNo"] for event in events]
    assert numbers == list(range(len(numbers))), f"seqNo with gaps or repeats: {numbers}"
    kinds = [event["eventType"] for event in events]
    assert kinds[0] == "Started", kinds
    assert kinds.count("Started") == 1, kinds
    assert "Ended" not in kinds[:-1], kinds
