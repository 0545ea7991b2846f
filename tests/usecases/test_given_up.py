"""E13: messages that the CSMS does not take, and a CSMS that takes nothing at all."""

from itertools import pairwise
from typing import Any

import pytest

from station.bench.fake_csms import Refusal
from station.bench.virtual import VirtualStation
from station.link import LinkProblem
from tests.usecases.accounting import undelivered_events
from tests.usecases.linking import BACK_OFF, RETRIES, charging, gaps, sent

HOUR_S = 3600.0


def times_of(station: VirtualStation, action: str, mark: int) -> list[float]:
    return [at for at, _, _ in sent(station, action, mark)]


def test_an_interval_of_hours_is_kept_to() -> None:
    """E13.FR.01, E13.FR.02, E13.FR.03"""
    interval = {"OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]": "5400"}
    station = charging(variables={**RETRIES, **interval})
    station.csms.answers["TransactionEvent"] = Refusal("InternalError")
    mark = len(station.csms.frames)
    station.sim.ev(1, "B")
    station.advance(5 * HOUR_S)
    tries = times_of(station, "TransactionEvent", mark)
    assert gaps(tries) == pytest.approx([5400, 10800], abs=1.0)
    assert station.station.outbox.undelivered == 1


def test_a_security_event_is_tried_every_hour_for_as_long_as_it_takes() -> None:
    """A04.FR.02: guaranteed, so it is never given up."""
    interval = {"OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]": "5400"}
    station = VirtualStation(variables={**RETRIES, **interval}, start=False)
    station.csms.answers["SecurityEventNotification"] = Refusal("InternalError")
    station.power_up()
    station.advance(10 * HOUR_S)
    tries = times_of(station, "SecurityEventNotification", 0)
    assert gaps(tries) == pytest.approx([HOUR_S] * (len(tries) - 1), abs=1.0)
    assert len(tries) >= 10
    assert station.station.outbox.undelivered == 0


def test_what_is_given_up_can_be_seen_and_the_next_message_follows() -> None:
    """E13.FR.04"""
    station = charging(variables=RETRIES)
    refused: list[int] = []

    def refuse_first(event: dict[str, Any]) -> Any:
        refused.append(event["seqNo"])
        return Refusal("InternalError") if event["seqNo"] == refused[0] else {}

    station.csms.answers["TransactionEvent"] = refuse_first
    station.sim.ev(1, "B")
    station.advance(1)
    station.sim.ev(1, "C")
    station.advance(30)
    (kept,) = undelivered_events(station).values()
    assert [event["seqNo"] for event in kept] == refused[:1]
    assert refused == [refused[0]] * 3 + [refused[0] + 1]


def deaf(station: VirtualStation) -> None:
    """The CSMS answers nothing any more, and what stands before it answers pings."""
    for action in ("TransactionEvent", "Heartbeat", "StatusNotification", "MeterValues"):
        station.csms.answers[action] = None


def test_a_csms_that_answers_nothing_for_ten_minutes_is_dialled_anew() -> None:
    station = charging(variables={**BACK_OFF, **RETRIES})
    tried = len(station.csms.attempts)
    deaf(station)
    for _ in range(12):
        station.sim.ev(1, "B")
        station.advance(30)
        station.sim.ev(1, "C")
        station.advance(30)
    assert len(station.csms.attempts) == tried + 1
    finding = station.station.connection.findings["1"]
    assert finding.down.problem is LinkProblem.SILENT
    station.advance(2 * HOUR_S)
    again = [later - earlier for earlier, later in pairwise(station.csms.attempts[tried:])]
    assert min(again, default=600.0) >= 600.0, "it is no storm"


def test_a_csms_from_which_anything_is_heard_is_left_alone() -> None:
    """E13: it takes no events, but it lives; a new connection would change nothing."""
    station = charging(variables=RETRIES)
    tried = len(station.csms.attempts)
    station.csms.answers["TransactionEvent"] = None
    for _ in range(60):
        station.sim.ev(1, "B")
        station.advance(30)
        station.sim.ev(1, "C")
        station.advance(30)
        station.variable("OCPPCommCtrlr", "HeartbeatInterval")
    assert len(station.csms.attempts) == tried
    assert station.station.outbox.undelivered > 10
