"""What each transaction has told, held against what really happened at its EVSE."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hal.sim.meter import NEAR_LIMIT_WH, Glitch
from station.bench.virtual import VirtualStation
from tests.usecases.accounting import (
    REGISTER,
    dropped_numbers,
    first_copies,
    told_events,
    undelivered_events,
)
from tests.usecases.knowledge import same
from tests.usecases.wire import Settings, Wire
from tests.usecases.witness import Born, Witness

Event = dict[str, Any]
SETTLES_S = 6.5
"""Two reports, and the 5 s that an EV has to take what is offered to it."""
WITHIN_S = 1.0
UNDURABLE_S = 20.0
"""The disk takes everything within this time, however much it stalls."""
AUTHORISES = ("Authorized", "RemoteStart")
BEGIN, END = "Transaction.Begin", "Transaction.End"
ROUNDED_WH = 2
"""Both ends are whole watt-hours."""


@dataclass
class Story:
    """One transaction: its events in order of seqNo, told or given up."""

    name: str
    events: list[Event]
    told: frozenset[int]
    """The seqNos that the CSMS has received."""
    evse: int | None
    dropped: frozenset[int] = frozenset()
    """Nobody was told these, for want of room."""

    @property
    def registers(self) -> list[tuple[Event, str, int, str]]:
        """Event, context, value in Wh and timestamp of every import register told."""
        return [
            (event, context, value, at)
            for event in self.events
            for context, at, value in registers(event)
        ]


def stories(station: VirtualStation) -> list[Story]:
    told, kept = told_events(station), undelivered_events(station)
    found, dropped = [], dropped_numbers(station)
    for name in {**told, **kept}:
        copies = first_copies(told.get(name, []))
        numbers = frozenset(event["seqNo"] for event in copies)
        lost = [event for event in kept.get(name, []) if event["seqNo"] not in numbers]
        events = sorted(copies + lost, key=lambda event: int(event["seqNo"]))
        evse = next((event["evse"]["id"] for event in events if "evse" in event), None)
        found.append(Story(name, events, numbers, evse, dropped.get(name, frozenset())))
    return found


@dataclass
class Truth:
    """Compares stories with what a witness has seen."""

    witness: Witness
    wire: Wire
    settings: Settings

    def assert_told(self, story: Story) -> None:
        self._assert_dated(story)
        self._assert_evse_once(story)
        self._assert_remote_start_once(story)
        self._assert_tokens(story)
        if story.evse is not None:
            self._assert_registers(story, story.evse)
            if not story.dropped:
                self._assert_states(story, story.evse)
            self._assert_flow(story, story.evse)

    def assert_offline_is_true(self) -> None:
        """E11.FR.07: `offline` says whether an event waited for this connection."""
        for call in self.wire.calls("TransactionEvent"):
            info, up_at = call.payload["transactionInfo"], self.witness.up_since(call.at)
            borns = self.witness.born[info["transactionId"], call.payload["seqNo"]]
            born = [each for each in borns if each.at <= call.at + 0.001][-1]  # frames: whole ms
            if up_at is None or abs(born.at - up_at) < 0.001:
                continue
            assert call.payload["offline"] is (born.at < up_at), (
                f"born at {born.at:.3f}, up since {up_at:.3f}, sent at {call.at:.3f}: "
                f"{call.payload}"
            )

    # -- one story

    def _born(self, story: Story, event: Event) -> Born:
        return self.witness.born[story.name, event["seqNo"]][-1]

    def _assert_dated(self, story: Story) -> None:
        """F17: an event bears the time at which it happened, whatever the clock said then."""
        for event in story.events:
            if event["seqNo"] in story.told:
                born, told_at = self._born(story, event), self.witness.at_of(event["timestamp"])
                if not self._knew_the_time(born.at):  # dated by the boot after it: not too early
                    assert born.at - WITHIN_S <= told_at, f"{story.name}: {event}"
                    continue
                assert abs(told_at - born.at) <= WITHIN_S, (
                    f"{story.name}: made at {born.at:.3f}, told as {told_at:.3f}: {event}"
                )

    def _knew_the_time(self, *moments: float) -> bool:
        """Whether the CSMS has told the time between the power cuts around each of them."""
        return all(self._knew_the_time_around(at) for at in moments)

    def _knew_the_time_around(self, at: float) -> bool:
        cuts = [act.at for act in self.witness.acts if act.kind == "power cut"]
        begin = max((cut for cut in cuts if cut <= at), default=float("-inf"))
        end = min((cut for cut in cuts if cut > at), default=float("inf"))
        answers = self.wire.calls("BootNotification") + self.wire.calls("Heartbeat")
        return any(
            begin < call.answered_at < end and "currentTime" in (call.answer or {})
            for call in answers
            if call.answered_at is not None
        )

    def _assert_evse_once(self, story: Story) -> None:
        """E01.FR.16: the EVSE is told once, and again only for another connector."""
        last: dict[str, int] | None = None
        for event in story.events:
            place = event.get("evse")
            if place is None or event["triggerReason"] == "Trigger":
                continue
            assert last is None or place["id"] == last["id"], f"{story.name} moved: {event}"
            assert place != last, f"{story.name}: the EVSE is told twice: {event}"
            last = place

    def _assert_remote_start_once(self, story: Story) -> None:
        """F01.FR.25: told once for each request, with the trigger that belongs to it."""
        asked = [
            call.payload["remoteStartId"]
            for call in self.wire.requests("RequestStartTransaction")
            if call.status in ("", "Accepted")
        ]
        told = [
            (event["transactionInfo"]["remoteStartId"], event)
            for event in story.events
            if "remoteStartId" in event["transactionInfo"]
        ]
        numbers = [number for number, _ in told]
        assert len(set(numbers)) == len(numbers), f"{story.name}: told twice: {numbers}"
        assert set(numbers) <= set(asked), f"{story.name}: nobody asked for {numbers}"
        for _, event in told:
            assert event["triggerReason"] == "RemoteStart" or event["eventType"] == "Ended", event
        triggers = [event["triggerReason"] for event in story.events]
        assert triggers.count("RemoteStart") <= len(numbers), f"{story.name}: {triggers} {numbers}"

    def _assert_tokens(self, story: Story) -> None:
        """E03.FR.01, E07.FR.02: a token is told once for each time that it did something."""
        shown: dict[str, int] = {}
        for event in story.events:
            token = event.get("idToken", {}).get("idToken")
            if token is None:
                assert event["triggerReason"] not in AUTHORISES, f"whose token? {event}"
                continue
            token = same(token)
            shown[token] = shown.get(token, 0) + 1
            at = self._born(story, event).at
            assert shown[token] <= self._times_shown(token, at), f"{story.name}: {event}"

    def _times_shown(self, token: str, until: float) -> int:
        """How often somebody may have meant this token to do something by then."""
        by_people = sum(
            act.at <= until
            and same(act.token) == token
            and (act.kind == "token" or (act.kind == "start" and not token))
            for act in self.witness.acts
        )
        by_csms = sum(
            call.at <= until and same(call.payload["idToken"]["idToken"]) == token
            for call in self.wire.requests("RequestStartTransaction")
        )
        return by_people + by_csms

    def _assert_registers(self, story: Story, evse: int) -> None:
        """I4: the values of both ends are those of the meter at that moment, to the watt-hour."""
        first, last = self._born(story, story.events[0]).at, self._born(story, story.events[-1]).at
        self._assert_never_less(story)
        begins = {value for _, context, value, _ in story.registers if context == BEGIN}
        ends = [value for _, context, value, _ in story.registers if context == END]
        if self.witness.lied(evse, last) or self.witness.falsified(evse, first, last):
            self._assert_no_more_than_flowed(story, evse, begins, ends)
            return
        assert len(begins) == 1, f"{story.name}: begins with {begins}"
        assert len(ends) == 1, f"{story.name}: ends with {ends}"
        named = next(event for event in story.events if "evse" in event)
        if named is not story.events[-1]:  # E01.FR.17, E02.FR.21
            contexts = [context for context, _, _ in registers(named)]
            assert BEGIN in contexts, f"{story.name}: no values of the begin: {named}"
        true = self.witness.register(evse, last)
        assert ends == [true], f"{story.name}: ends with {ends}, but the meter is at {true}"
        for event, _, value, at in story.registers:
            born = self._born(story, event).at
            if event["seqNo"] in story.told and self._knew_the_time(first, born):
                told_at = self.witness.at_of(at)
                least = self.witness.register(evse, told_at - WITHIN_S)
                most = self.witness.register(evse, told_at + WITHIN_S)
                assert least <= value <= most, (
                    f"{story.name}: {value} at {at}, not {least} to {most}: {event}"
                )

    def _assert_never_less(self, story: Story) -> None:
        """J02.FR.16: whatever a meter does, the register of a transaction does not fall."""
        for event in story.events:
            values = [value for _, _, value in sorted(registers(event), key=_moment)]
            assert values == sorted(values), f"{story.name}: {values}: {event}"

    def _assert_no_more_than_flowed(
        self, story: Story, evse: int, begins: set[int], ends: list[int]
    ) -> None:
        if not begins or not ends:
            return  # a meter that said nothing
        told_wh = max(ends) - min(begins)
        first, last = self._born(story, story.events[0]).at, self._born(story, story.events[-1]).at
        flowed_wh = self.witness.register(evse, last) - self.witness.register(evse, first)
        if self.witness.lied(evse, last, Glitch.ROLLOVER):
            flowed_wh += NEAR_LIMIT_WH  # another meter that begins at 0 looks like that too
        assert 0 <= told_wh <= flowed_wh + ROUNDED_WH, (
            f"{story.name}: {told_wh} Wh told, {flowed_wh} Wh flowed"
        )

    def _assert_states(self, story: Story, evse: int) -> None:
        """E01.FR.18, E02.FR.13: whatever lasts is told as it is."""
        told = [
            (self._born(story, event).at, event["transactionInfo"]["chargingState"])
            for event in story.events
            if "chargingState" in event["transactionInfo"]
        ]
        bound_at = min(self._born(story, event).at for event in story.events if "evse" in event)
        end_at = self._born(story, story.events[-1]).at
        seen = self.witness.views[evse]
        for index, (since, view) in enumerate(seen):
            until = seen[index + 1].at if index + 1 < len(seen) else self.witness.station.reactor.at
            begin, end = max(since, bound_at), min(until, end_at) - 0.001
            if view.faults or end - begin < SETTLES_S:
                continue
            if not self.witness.acted(end - SETTLES_S, end):
                continue
            said = ["", *(state for at, state in told if at <= end)][-1]
            assert said in self._allowed(evse, view, end), (
                f"{story.name} says {said!r} at {end:.3f}, but EVSE {evse} is {view}"
            )

    def _allowed(self, evse: int, view: Any, at: float) -> set[str]:
        if not view.connected:
            return {"Idle"}
        if view.drawing:
            return {"Charging"}
        if view.offer_a > 0.0:
            return {"SuspendedEV"}
        if self.witness.slow(at - SETTLES_S, at):
            return {"EVConnected", "SuspendedEVSE", "SuspendedEV"}
        return {"EVConnected", "SuspendedEVSE"}

    def _assert_flow(self, story: Story, evse: int) -> None:
        """TransactionType.timeSpentCharging: the seconds in which energy flowed."""
        first, last = self._born(story, story.events[0]).at, self._born(story, story.events[-1]).at
        told_s = story.events[-1]["transactionInfo"].get("timeSpentCharging")
        if told_s is None or not self.witness.acted(first, last):
            return
        if self.witness.falsified(evse, first, last):  # it ends later than the flow
            return
        true_s = sum(
            max(0.0, min(end, last) - max(begin, first))
            for begin, end in self.witness.drawing(evse)
        )
        assert abs(told_s - true_s) < 1.01, f"{story.name}: {told_s} s told, {true_s} s true"


def _moment(register: tuple[str, str, int]) -> datetime:
    return datetime.fromisoformat(register[1])


def registers(event: Event) -> list[tuple[str, str, int]]:
    """Context, timestamp and value in Wh of every import register that an event carries."""
    return [
        (sample.get("context", "Sample.Periodic"), value["timestamp"], int(sample["value"]))
        for value in event.get("meterValue", ())
        for sample in value["sampledValue"]
        if sample.get("measurand") == REGISTER and "phase" not in sample
    ]


def assert_stories(station: VirtualStation, truth: Truth) -> None:
    found = stories(station)
    for story in found:
        truth.assert_told(story)
    truth.assert_offline_is_true()
    assert_every_event_is_somewhere(station, truth.witness, found)


def assert_every_event_is_somewhere(
    station: VirtualStation, witness: Witness, found: list[Story]
) -> None:
    """I1: whatever was made was told, or is kept, or is listed as dropped; or died unborn.

    An event that was not durable when the process died was never told to anybody, and what it
    would have told is told by the one that takes its number.
    """
    dropped = dropped_numbers(station)
    accounted = {story.name: {event["seqNo"] for event in story.events} for story in found}
    for (name, number), borns in witness.born.items():
        if number in accounted.get(name, ()) or number in dropped.get(name, ()):
            continue
        at = borns[-1].at
        died = any(at <= death <= at + UNDURABLE_S for death in witness.deaths)
        assert died, f"{name}: event {number}, made at {at:.3f}, is nowhere"
