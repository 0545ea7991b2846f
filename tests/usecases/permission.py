"""Who may charge, worked out without the station's code: from what people showed and the CSMS said.

The model is generous where nobody outside can know better (what was said just before a link broke
may or may not have arrived), and strict everywhere else: no contactor is closed for anybody whom
nobody accepted, and whoever was refused, stopped or has left takes no more energy.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.usecases.knowledge import FAR, Knowledge, group_of, same, verdict_of
from tests.usecases.wire import Call, Settings, Wire
from tests.usecases.witness import ARRIVES_S, Witness

OPENS_WITHIN_S = 6.5
"""The offer ends at once; an EV that goes on drawing is cut off after 6 s (IEC 61851-1)."""
ASKED_WITHIN_S = 90.0
"""For so long after a token was shown an answer about it may still have an effect."""
ANSWERED_WITHIN_S = 5.5
"""The MessageTimeout of these stations, and a little."""
OVERSHOOT_WH = 60
"""22 kW for a second of looking and the 6 s until the contactor is open."""
DEAUTHORISES = frozenset({"StopAuthorized", "RemoteStop", "Deauthorized", "EVConnectTimeout"})
AUTHORISES = frozenset({"Authorized", "RemoteStart"})


class Accepted(NamedTuple):
    """Somebody may charge from now on."""

    at: float
    evse: int | None
    """None: wherever a cable will be."""
    token: str
    """Empty for the start button."""
    last: float
    """It may have come so late."""


class Revoked(NamedTuple):
    """Nobody may charge here any more, unless accepted anew."""

    at: float
    by: float
    """When the contactor must be open."""
    why: str


class Demand(NamedTuple):
    """A token that somebody has shown, or that the CSMS wants to charge with."""

    at: float
    token: str
    evse: int | None


class Span(NamedTuple):
    """A transaction on an EVSE, from Started to Ended, and when it got that EVSE."""

    name: str
    begin: float
    bound: float
    end: float


@dataclass
class Model:
    """Everything that gave or took permission, per EVSE."""

    witness: Witness
    wire: Wire
    settings: Settings
    events: dict[str, list[dict[str, Any]]]
    """Every event of each transaction, in order of seqNo."""
    accepted: list[Accepted] = field(default_factory=list)
    revoked: dict[int, list[Revoked]] = field(default_factory=lambda: defaultdict(list))
    spans: dict[int, list[Span]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.knowledge = Knowledge(self.witness, self.wire, self.settings)
        self._evses = {name: evse_of(events) for name, events in self.events.items()}
        self._demands = [
            Demand(act.at, same(act.token), act.evse)
            for act in self.witness.acts
            if act.kind == "token"
        ]
        self._note_transactions()
        self._note_buttons()
        self._note_remote()
        for demand in self._demands:
            self._note_demand(demand)
        self._note_verdicts()
        self._note_departures()

    # -- who was accepted

    def _note_buttons(self) -> None:
        for act in self.witness.acts:
            if act.kind == "start":
                self.accepted.append(Accepted(act.at, act.evse, "", act.at))
            elif act.kind == "stop" and act.evse is not None:
                self._revoke(act.evse, act.at, "stop button")

    def _note_remote(self) -> None:
        for call in self.wire.requests("RequestStartTransaction"):
            if call.status not in ("", "Accepted"):
                continue
            evse, token = call.payload.get("evseId"), same(call.payload["idToken"]["idToken"])
            end = (call.answered_at or call.at) + ARRIVES_S
            asks = self.settings.could_be("AuthCtrlr.AuthorizeRemoteStart", call.at, end)
            if call.payload["idToken"]["type"] == "Central":
                asks = {"false"}  # C03.FR.01, C05.FR.01
            if "false" in asks:
                self.accepted.append(Accepted(call.at, evse, token, end))
            if "true" in asks:
                self._demands.append(Demand(call.at, token, evse))

    def _note_demand(self, demand: Demand) -> None:
        self._note_own(demand)
        until = demand.at + ASKED_WITHIN_S
        asked = [
            call
            for call in self.wire.calls("Authorize")
            if same(call.payload["idToken"]["idToken"]) == demand.token
            and demand.at - 0.001 <= call.at <= until
        ]
        for call in asked:
            if verdict_of(call) == "Accepted" and call.answered_at is not None and call.answer:
                info = call.answer["idTokenInfo"]
                if not self._is_surely_master({group_of(info)}, demand.at, until):
                    at = call.answered_at
                    for evse in _allowed(demand.evse, info):
                        self.accepted.append(Accepted(at, evse, demand.token, at + ARRIVES_S))
        if self._may_be_known(demand, until) or self._may_be_unknown(demand, until, asked):
            until = max([demand.at, *(call.at + ANSWERED_WITHIN_S for call in asked)])
            self.accepted.append(Accepted(demand.at, demand.evse, demand.token, until))

    def _may_be_known(self, demand: Demand, until: float) -> bool:
        """Whether the station may have taken its own word for it (C10 to C14)."""
        groups = self.knowledge.may_be_good(demand.token, demand.at, until)
        trusts = any(
            "true" in self.settings.could_be(name, demand.at, until)
            for name in (
                "AuthCtrlr.LocalAuthorizeOffline",
                "AuthCtrlr.LocalPreAuthorize",
                "AuthCtrlr.DisableRemoteAuthorization",
            )
        )
        return bool(groups) and trusts and not self._is_surely_master(groups, demand.at, until)

    def _may_be_unknown(self, demand: Demand, until: float, asked: list[Call]) -> bool:
        """C15.FR.08: unknown tokens may charge while nobody can be asked."""
        name = "AuthCtrlr.OfflineTxForUnknownIdEnabled"
        if "true" not in self.settings.could_be(name, demand.at, until):
            return False
        if self.knowledge.is_surely_listed(demand.token, demand.at, until):
            return False
        if any(not self.knowledge.arrived(call) for call in asked):
            return True
        since = self.witness.up_since(demand.at)
        heard_at = asked[0].at if asked else until
        if since is None or since != self.witness.up_since(heard_at):
            return True  # it was lost before the CSMS could be asked
        boots = [call for call in self.wire.calls("BootNotification") if call.status == "Accepted"]
        began = max((end for _, end in self.witness.gaps if end <= demand.at), default=0.0)
        return not any(began <= (boot.answered_at or FAR) <= demand.at for boot in boots)

    def _is_surely_master(self, groups: set[str], begin: float, end: float) -> bool:
        """C16.FR.03: a master pass starts nothing."""
        masters = self.settings.could_be("AuthCtrlr.MasterPassGroupId", begin, end)
        return "" not in masters and len(masters) == 1 and groups == masters

    # -- who was not, or no longer

    def _revoke(self, evse: int, at: float, why: str, within_s: float = OPENS_WITHIN_S) -> None:
        if self.witness.acted(at - ARRIVES_S, at + ARRIVES_S):
            self.revoked[evse].append(Revoked(at, at + within_s, why))

    def _note_transactions(self) -> None:
        for name, events in self.events.items():
            evse = self._evses[name]
            if evse is None:
                continue
            begin, bound, end = -FAR, FAR, FAR
            for event in events:
                at = self.born(name, event)
                if "evse" in event:
                    bound = min(bound, at)
                if event["eventType"] == "Started":
                    begin = at
                if event["eventType"] == "Ended":
                    end = at
                    self.revoked[evse].append(Revoked(at, at, f"{name} ended"))
                elif event["triggerReason"] in DEAUTHORISES:
                    self._revoke(evse, at, f"{name} {event['triggerReason']}")
            self.spans[evse].append(Span(name, begin, bound, end))
        for call in self.wire.requests("RequestStopTransaction"):
            evse = self._evses.get(call.payload["transactionId"])
            if evse is not None and call.status == "Accepted" and call.answered_at is not None:
                self._revoke(evse, call.answered_at, "RequestStopTransaction")

    def born(self, name: str, event: dict[str, Any]) -> float:
        return self.witness.born[name, event["seqNo"]][-1].at

    def _note_own(self, demand: Demand) -> None:
        """C01.FR.03 (a): the token that charges here is shown again, and so it ends."""
        if demand.evse is None or not self.witness.view(demand.evse, demand.at - 0.001).closed:
            return
        for name in self.events:
            if self._evses[name] == demand.evse and self._runs(name, demand.at):
                if self._authorised_by(name, demand.at) == demand.token:
                    self._revoke(demand.evse, demand.at, "the same token again")

    def _runs(self, name: str, at: float) -> bool:
        first, last = self.events[name][0], self.events[name][-1]
        return self.born(name, first) < at - 1.0 and at < self.born(name, last)

    def _authorised_by(self, name: str, at: float) -> str | None:
        """Whose authorisation was told last."""
        tokens = [
            same(event["idToken"]["idToken"])
            for event in self.events[name]
            if "idToken" in event and authorises(event) and self.born(name, event) <= at
        ]
        return tokens[-1] if tokens else None

    def _note_verdicts(self) -> None:
        """E05: the CSMS judges the token of a transaction that runs."""
        refused: dict[str, list[float]] = defaultdict(list)
        for call in self.wire.calls("TransactionEvent"):
            name = call.payload["transactionInfo"]["transactionId"]
            evse, verdict, at = self._evses.get(name), verdict_of(call), call.answered_at
            if evse is None or verdict is None or at is None:
                continue
            if verdict == "Accepted":
                if any(self._may_go_on(before) for before in refused[name]):
                    token = self._authorised_by(name, at) or ""
                    self.accepted.append(Accepted(at, evse, token, at + ARRIVES_S))
                continue
            refused[name].append(at)
            carried = call.payload.get("idToken", {}).get("idToken")
            if carried is not None and same(carried) != self._authorised_by(name, call.at):
                continue  # of whoever stopped it
            if self.knowledge.arrived(call) and not self._may_go_on(at):
                self._revoke(evse, at + ARRIVES_S, "refused in TransactionEventResponse")

    def _may_go_on(self, at: float) -> bool:
        """Whether a refusal then may have left the transaction its authorisation."""
        name = "TxCtrlr.StopTxOnInvalidId"
        return "false" in self.settings.could_be(name, at - 1, at + 1)

    def _note_departures(self) -> None:
        """E09.FR.01: the EV has gone, and with it the permission."""
        name = "TxCtrlr.StopTxOnEVSideDisconnect"
        for evse in self.witness.views:
            for at in [end for _, end in self.witness.connected(evse)]:
                certain = self.witness.acted(at - 0.5, at + 1.0)
                still_gone = not self.witness.view(evse, at + 1.0).connected
                ran = any(span.begin < at < span.end for span in self.spans[evse])
                if certain and still_gone and ran:
                    if self.settings.is_surely(name, "true", at - 0.1, at + 1.0):
                        self._revoke(evse, at, "the EV has gone", within_s=1.0)

    # -- the verdict

    def assert_right(self) -> None:
        """I8: closed only for who may charge, and only within a transaction that says for whom."""
        for name in self.events:
            self._assert_tokens_accepted(name)
            self._assert_stopped_by_right(name)
        for evse in self.witness.views:
            for begin, end in self.witness.closed(evse):
                if not self.witness.falsified(evse, begin - OPENS_WITHIN_S, end):
                    self._assert_accepted(evse, begin, end)
                    self._assert_within_transaction(evse, begin, end)
        self._assert_energy_after_refusal()
        self._assert_out_of_service()

    def _assert_tokens_accepted(self, name: str) -> None:
        """Whoever a transaction names as authorised was accepted, and for this EVSE."""
        evse = self._evses[name]
        for event in self.events[name]:
            token = event.get("idToken", {}).get("idToken")
            if token is None or not authorises(event):
                continue
            at = self.born(name, event)
            assert any(
                accepted.token == same(token)
                and accepted.at <= at
                and self._holds_until(accepted, evse, at)
                and (evse is None or accepted.evse in (None, evse))
                for accepted in self.accepted
            ), f"{name}: nobody accepted {token} by {at:.3f}"

    def _assert_stopped_by_right(self, name: str) -> None:
        """C01.FR.03, C09.FR.03, C09.FR.11, C16: its own token, one of its group, a master pass."""
        for event in self.events[name]:
            token = event.get("idToken", {}).get("idToken")
            if token is None or event["triggerReason"] != "StopAuthorized":
                continue
            at = self.born(name, event)
            owner = self._authorised_by(name, at)
            if same(token) == owner or owner is None:
                continue
            groups = self.knowledge.may_be_good(same(token), at - ASKED_WITHIN_S, at)
            groups |= self.knowledge.told_groups(same(token), at - ASKED_WITHIN_S, at)
            name_of_masters = "AuthCtrlr.MasterPassGroupId"
            entitled = self.settings.could_be(name_of_masters, at - ASKED_WITHIN_S, at)
            entitled |= self.knowledge.told_groups(owner, -FAR, at)
            entitled |= self.knowledge.may_be_good(owner, -FAR, at)
            assert (groups & entitled) - {""}, f"{token} of {groups} has stopped {name}: {entitled}"

    def _assert_accepted(self, evse: int, begin: float, end: float) -> None:
        if "false" in self.settings.could_be("AuthCtrlr.Enabled", begin - 10, end):
            return
        for revoked in [Revoked(-FAR, -FAR, "nobody was accepted yet"), *self.revoked[evse]]:
            closed_at = max(begin, revoked.by + 0.001)
            if closed_at >= end:
                continue
            assert any(
                accepted.at <= closed_at
                and self._outlives(accepted, revoked, evse)
                and self._came_in_time(accepted, evse)
                for accepted in self.accepted
            ), f"EVSE {evse} is closed from {begin:.3f} to {end:.3f}, {revoked}"

    def _outlives(self, accepted: Accepted, revoked: Revoked, evse: int) -> bool:
        """Whether it is no older than what was revoked; one without an EVSE may have waited."""
        if accepted.evse is None:
            return accepted.last >= revoked.at - self._longest_wait_s
        return accepted.evse == evse and accepted.last >= revoked.at

    def _holds_until(self, accepted: Accepted, evse: int | None, at: float) -> bool:
        """For a while, or as long as an EV that came in time stays connected."""
        came_by, spans = accepted.last + self._connects_within_s, []
        if evse is not None:
            spans = self.witness.connected(evse)
        stays = any(begin <= came_by and at <= end for begin, end in spans)
        return stays or at - self._longest_wait_s <= accepted.last

    def _came_in_time(self, accepted: Accepted, evse: int) -> bool:
        """C01.FR.26: an EV that comes too late is nobody's any more."""
        comes = [begin for begin, end in self.witness.connected(evse) if end >= accepted.at]
        return bool(comes) and comes[0] <= accepted.last + self._connects_within_s

    @property
    def _connects_within_s(self) -> float:
        """EVConnectionTimeOut, once more after every restart, and what nobody counted."""
        waits = self.settings.could_be("TxCtrlr.EVConnectionTimeOut", -FAR, FAR)
        dead_s = sum(end - begin for begin, end in self.witness.gaps)
        return max(int(wait) for wait in waits) * (1 + len(self.witness.deaths)) + dead_s + 6.0

    @property
    def _longest_wait_s(self) -> float:
        return self._connects_within_s + ASKED_WITHIN_S

    def _assert_within_transaction(self, evse: int, begin: float, end: float) -> None:
        points = ",".join(self.settings.could_be("TxCtrlr.TxStartPoint", begin - 60, end))
        if "EnergyTransfer" in points:
            return  # it is closed to reach it
        assert any(span.begin <= begin and end <= span.end + 0.001 for span in self.spans[evse]), (
            f"EVSE {evse} is closed from {begin:.3f} to {end:.3f} without a transaction"
        )

    def _assert_energy_after_refusal(self) -> None:
        """E05.FR.03: a refused token takes MaxEnergyOnInvalidId at most, all in all."""
        for call in self.wire.calls("TransactionEvent"):
            name, at = call.payload["transactionInfo"]["transactionId"], call.answered_at
            evse = self._evses.get(name)
            if evse is None or at is None or verdict_of(call) in (None, "Accepted"):
                continue
            events = self.events[name]
            born, last = self.born(name, events[0]), self.born(name, events[-1])
            if not self.knowledge.arrived(call) or self._hears_more(name, at, last):
                continue
            if self.witness.falsified(evse, born, last) or not self.witness.acted(at, last):
                continue
            allowed = self.settings.could_be("TxCtrlr.MaxEnergyOnInvalidId", at, last)
            begin_wh = self.witness.register(evse, born)
            refused_wh = self.witness.register(evse, at) - begin_wh
            refused_wh = self.witness.register(evse, at) - begin_wh
            most_wh = max(refused_wh, *(int(wh) for wh in allowed))
            taken_wh = self.witness.register(evse, last) - begin_wh
            assert taken_wh <= most_wh + OVERSHOOT_WH, f"{name}: {taken_wh} Wh after a refusal"

    def _assert_out_of_service(self) -> None:
        """G03.FR.06, G04.FR.07: what the CSMS has taken out of service begins nothing."""
        calls = self.wire.requests("ChangeAvailability")
        for index, call in enumerate(calls):
            inoperative = call.payload["operationalStatus"] == "Inoperative"
            if not inoperative or call.status != "Accepted" or call.answered_at is None:
                continue
            place, at = call.payload.get("evse"), call.answered_at
            later = (c.at for c in calls[index + 1 :] if c.payload.get("evse") == place)
            until = next(later, FAR)
            for evse in self.witness.views if place is None else (place["id"],):
                for span in self.spans[evse]:
                    begun = at < span.bound < until
                    assert not begun, f"{span.name} begins at EVSE {evse}, which is Inoperative"

    def _hears_more(self, name: str, since: float, last: float) -> bool:
        """Whether the token may have been accepted again, here or at a reader."""
        answered = any(
            call.payload["transactionInfo"]["transactionId"] == name
            and (call.answered_at or 0.0) > since
            and verdict_of(call) == "Accepted"
            for call in self.wire.calls("TransactionEvent")
        )
        return answered or any(
            since < accepted.at < last and accepted.evse in (None, self._evses[name])
            for accepted in self.accepted
        )


def authorises(event: dict[str, Any]) -> bool:
    """Whether the token in it, if there is one, is of whoever may charge from then on."""
    return event["eventType"] == "Started" or event["triggerReason"] in AUTHORISES


def evse_of(events: list[dict[str, Any]]) -> int | None:
    """The EVSE of a transaction, once it has told one."""
    return next((event["evse"]["id"] for event in events if "evse" in event), None)


def _allowed(evse: int | None, info: dict[str, Any]) -> list[int | None]:
    """C01.FR.21: a token may be for some EVSEs only."""
    only = info.get("evseId")
    if only is None:
        return [evse]
    return [each for each in only if evse in (None, each)]
