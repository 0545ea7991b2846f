"""Signed meter values: begin, course and end of a charge, as the meter signed them."""

from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from hal.api import SIGNING_S, FaultName
from station.bench.virtual import VirtualStation
from station.ocmf.transaction import account, check
from tests.usecases.accounting import assert_in_order
from tests.usecases.charges import Act, each_begin, each_end
from tests.usecases.conftest import MakeStation
from tests.usecases.signing import (
    CARD,
    SIGNING,
    begin,
    charge,
    checked,
    data_of,
    end,
    key_of,
    keys,
    kinds,
    make,
    plug,
    reasons,
    registers,
    show,
    signatures,
)
from tests.usecases.telling import Event, transaction_ids

PERIODIC = {"SampledDataCtrlr.TxUpdatedInterval": "30"}
ALIGNED = {"AlignedDataCtrlr.SignReadings": "true", "AlignedDataCtrlr.Interval": "60"}
COLLECTED = {"SampledDataCtrlr.TxEndedInterval": "30"}


def of(events: list[Event], kind: str) -> Event:
    (event,) = [event for event in events if event["eventType"] == kind]
    return event


def with_register(events: list[Event]) -> list[Event]:
    return [event for event in events if registers(event)]


# -- begin and end


def test_begin_and_end_are_signed_and_prove_what_was_charged(make_station: MakeStation) -> None:
    """J02.FR.21"""
    station = make(make_station)
    events = charge(station)
    started, ended = of(events, "Started"), of(events, "Ended")
    (first,) = checked(station, started)
    begin_again, last = checked(station, ended)
    assert reasons([first, last]) == "BE"
    assert begin_again.text == first.text
    whole = account([check(each, key_of(station)) for each in (first, last)])
    assert whole.is_good
    ((_, energy_wh),) = whole.energy_wh
    register_wh = int(station.world.evses[1].place.register_wh)
    assert energy_wh == register_wh, "the meter began at 0"
    assert first.identification == last.identification == CARD
    assert_in_order(station)


def test_the_begin_is_told_again_at_the_end_byte_by_byte(make_station: MakeStation) -> None:
    """What a meter has signed cannot be asked for again: it is kept with the transaction."""
    station = make(make_station)
    begin(station)
    station.restart()
    station.advance(20)
    end(station)
    events = station.csms.events(transaction_ids(station)[0])
    interrupted = signatures(of(events, "Ended"))[1:-1]
    assert [(context, bool(data)) for context, data in interrupted] == [
        ("Interruption.Begin", False),  # nobody can sign what has passed
        ("Interruption.End", True),
    ]
    (told,) = signatures(of(events, "Started"))
    assert told in signatures(of(events, "Ended"))
    assert told[0] == "Transaction.Begin"
    assert data_of(registers(of(events, "Started"))[0]) == told[1] != ""


@each_begin
def test_however_a_charge_begins_its_begin_is_signed(make_station: MakeStation, begin: Act) -> None:
    """E02.FR.14, E03.FR.10, E04.FR.10, E12.FR.10"""
    station = make(make_station, "EVConnected,Authorized")
    begin(station)
    station.advance(10)
    station.csms.go_online()
    station.advance(20)
    begins = [
        event
        for event in with_register(station.csms.events())
        if registers(event)[0]["context"] == "Transaction.Begin"
    ]
    assert begins
    data_sets = [checked(station, event)[0] for event in begins]
    assert reasons(data_sets) == "B" * len(begins)
    assert len({each.text for each in data_sets}) == 1, "one begin, however often it is told"


@each_end
def test_however_a_charge_ends_its_end_is_signed(make_station: MakeStation, end: Act) -> None:
    """E07.FR.12, E08.FR.12, E09.FR.08, E10.FR.07, E12.FR.10"""
    station = make(make_station)
    begin(station)
    station.advance(60)
    end(station)
    station.advance(15)
    station.csms.go_online()
    station.advance(30)
    ended = of(station.csms.events(transaction_ids(station)[0]), "Ended")
    data_sets = checked(station, ended)
    assert reasons(data_sets) == "BE"


def test_what_was_signed_while_offline_is_told_afterwards(make_station: MakeStation) -> None:
    """E04.FR.10, E08.FR.12, E11.FR.08, E12.FR.10"""
    station = make(make_station, variables=PERIODIC)
    station.csms.go_offline()
    begin(station)
    station.advance(100)
    end(station)
    station.csms.go_online()
    station.advance(30)
    events = with_register(station.csms.events())
    assert [event["offline"] for event in events] == [True] * len(events)
    data_sets = [checked(station, event)[-1] for event in events]
    assert reasons(data_sets) == "BCCCE"
    assert account([check(each, key_of(station)) for each in data_sets]).is_good
    assert_in_order(station)


def test_a_refused_driver_gets_signed_values_too(make_station: MakeStation) -> None:
    """E05.FR.06"""
    station = make(make_station)
    station.csms.answers["TransactionEvent"] = lambda event: (
        {"idTokenInfo": {"status": "Invalid"}} if event["eventType"] == "Started" else {}
    )
    plug(station)
    show(station)
    station.advance(20)
    events = station.csms.events()
    assert reasons(checked(station, of(events, "Started"))) == "B"
    assert reasons(checked(station, of(events, "Ended"))) == "BE"


# -- between begin and end


def test_samples_of_the_course_are_signed(make_station: MakeStation) -> None:
    """E02.FR.14, E11.FR.08, J02.FR.21"""
    station = make(make_station, variables=PERIODIC)
    events = with_register(charge(station, 100))
    data_sets = [checked(station, event)[-1] for event in events]
    assert reasons(data_sets) == "BCCCE"
    pages = [each.page for each in data_sets]
    assert pages == sorted(pages)
    values = [registers(event)[-1]["value"] for event in events]
    assert all(earlier <= later for earlier, later in pairwise(values))


def test_clock_aligned_samples_are_signed_where_that_is_wanted(make_station: MakeStation) -> None:
    """J01.FR.21"""
    station = make(make_station, variables=ALIGNED)
    begin(station)
    station.advance(130)
    clocked = [
        event for event in station.csms.events() if event["triggerReason"] == "MeterValueClock"
    ]
    assert len(clocked) >= 2
    for event in clocked:
        assert reasons(checked(station, event)) == "C"
    sent = [each for each in station.csms.of("MeterValues") if each["evseId"] == 2]
    assert len(sent) >= 2
    for each in sent:
        (data_set,) = checked(station, each, 2)
        assert (data_set.context, data_set.readings[0].reason) == ("F", "")


def test_a_sample_outside_of_transactions_waits_for_its_signature_and_no_longer(
    make_station: MakeStation,
) -> None:
    """J01.FR.21"""
    station = make(make_station, variables=ALIGNED)
    station.sim.signing(2, "late")
    station.csms.received.clear()
    station.advance(60)
    sent = station.csms.of("MeterValues")
    assert [each["evseId"] for each in sent] == [0, 1], "that of EVSE 2 waits"
    station.advance(SIGNING_S)
    _, first, second = station.csms.of("MeterValues")
    assert reasons(checked(station, first)) == ""
    assert signatures(second) == [("Sample.Clock", "")]
    assert first["meterValue"][0]["timestamp"] == second["meterValue"][0]["timestamp"]


def test_samples_on_request_are_signed(make_station: MakeStation) -> None:
    station = make(make_station, variables={"AlignedDataCtrlr.SignReadings": "true"})
    begin(station)
    station.csms.received.clear()
    station.csms.call("TriggerMessage", {"requestedMessage": "MeterValues"})
    station.csms.call("TriggerMessage", {"requestedMessage": "TransactionEvent"})
    station.advance(2)
    signed = [each for each in station.csms.of("MeterValues") if each["evseId"]]
    assert [reasons(checked(station, each, each["evseId"])) for each in signed] == ["C", ""]
    (event,) = station.csms.events()
    assert reasons(checked(station, event)) == "C"


def test_samples_for_the_end_are_signed_when_they_are_taken(make_station: MakeStation) -> None:
    """J02.FR.21: samples between begin and end too, each with what the meter showed then."""
    station = make(make_station, variables=COLLECTED)
    ended = of(charge(station, 150), "Ended")
    data_sets = checked(station, ended)
    assert reasons(data_sets) == "BCCCCCE"
    assert account([check(each, key_of(station)) for each in data_sets]).is_good


def test_a_sample_that_is_not_signed_yet_when_its_transaction_ends_is_waited_for(
    make_station: MakeStation,
) -> None:
    station = make(make_station, variables=COLLECTED)
    begin(station)
    row = station.station.transactions.all()[0]
    passed_s = (station.station.clock.utc() - row.started_at).total_seconds()
    station.advance(30 - passed_s + 0.01)  # taken just now; a signature takes 0.3 s
    station.sim.fault(1, FaultName.EMERGENCY_STOP, active=True)
    station.advance(5)
    assert reasons(checked(station, of(station.csms.events(), "Ended"))) == "BCE"


@pytest.mark.parametrize("interval_s", [1, 7])
def test_a_long_charge_keeps_some_signed_samples_spread_over_it(
    make_station: MakeStation, interval_s: int
) -> None:
    """J02.FR.20: begin and end always, and in between what there is room for."""
    variables = {"SampledDataCtrlr.TxEndedInterval": str(interval_s)}
    station = make(make_station, variables=variables)
    ended = of(charge(station, 1500), "Ended")
    data_sets = checked(station, ended)
    assert reasons(data_sets)[0] + reasons(data_sets)[-1] == "BE"
    assert 8 <= len(data_sets) <= 25
    moments = [each.readings[0].at for each in data_sets[1:-1]]
    steps = [(later - earlier).total_seconds() for earlier, later in pairwise(moments)]
    assert max(steps) <= 4 * min(steps) + 1
    assert len(str(ended)) < 65_000


# -- what the operator can set


def test_nothing_is_signed_unless_it_is_wanted(make_station: MakeStation) -> None:
    station = make(make_station, variables={"SampledDataCtrlr.SignReadings": "false"})
    events = charge(station)
    assert all(data == "" for event in events for _, data in signatures(event))
    assert station.world.evses[1].place.signing.pages == 0


@pytest.mark.parametrize(
    ("names", "signed"),
    [
        ((), [("Started", "B"), ("Updated", "C"), ("Ended", "BE")]),
        (("SignStartedReadings",), [("Updated", "C"), ("Ended", "BE")]),
        (("SignUpdatedReadings",), [("Started", "B"), ("Ended", "BE")]),
        (("SignStartedReadings", "SignUpdatedReadings"), [("Ended", "BE")]),
    ],
)
def test_the_operator_may_leave_signatures_to_the_end(
    make_station: MakeStation, names: tuple[str, ...], signed: list[tuple[str, str]]
) -> None:
    """As "Signed Meter Values in OCPP" has it: begin and end stand in Ended in any case."""
    variables = {f"SampledDataCtrlr.{name}": "false" for name in names}
    station = make(make_station, variables=PERIODIC | variables)
    found = []
    for event in with_register(charge(station, 40)):
        told = [data for _, data in signatures(event) if data]
        if told:
            found.append((event["eventType"], reasons(checked(station, event))))
    assert found == signed


def test_what_is_set_while_a_transaction_runs_changes_what_is_told_from_then_on(
    make_station: MakeStation,
) -> None:
    """A meter cannot begin late: it signs what it shows, outside of a transaction of its own."""
    station = make(make_station, variables={"SampledDataCtrlr.SignReadings": "false"} | PERIODIC)
    begin(station)
    station.variable("SampledDataCtrlr", "SignReadings", "true")
    station.advance(35)
    end(station)
    updated, ended = with_register(station.csms.events())[-2:]
    assert [each.context for each in checked(station, updated)] == ["F"]
    assert [bool(data) for _, data in signatures(ended)] == [False, True]
    station.variable("SampledDataCtrlr", "SignReadings", "false")
    assert station.world.evses[1].place.signing.in_transaction is False


def test_the_end_is_told_to_the_meter_even_if_nobody_wants_it_signed_any_more(
    make_station: MakeStation,
) -> None:
    station = make(make_station)
    begin(station)
    station.variable("SampledDataCtrlr", "SignReadings", "false")
    assert station.world.evses[1].place.signing.in_transaction
    end(station)
    assert not station.world.evses[1].place.signing.in_transaction
    assert all(data == "" for _, data in signatures(of(station.csms.events(), "Ended")))


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("Never", {"Started": "-", "Updated": "-", "Ended": "--"}),
        ("OncePerTransaction", {"Started": "K", "Updated": "-", "Ended": "--"}),
        ("EveryMeterValue", {"Started": "K", "Updated": "K", "Ended": "KK"}),
    ],
)
def test_the_public_key_goes_along_as_often_as_is_wanted(
    make_station: MakeStation, mode: str, told: dict[str, str]
) -> None:
    """The field is required: it is there, and empty when the key is not told."""
    variables = PERIODIC | {"OCPPCommCtrlr.PublicKeyWithSignedMeterValue": mode}
    station = make(make_station, variables=variables)
    events = with_register(charge(station, 40))
    found = {
        event["eventType"]: "".join("K" if key else "-" for key in keys(event)) for event in events
    }
    assert found == told
    every = {key for event in events for key in keys(event) if key}
    assert every <= {station.variable("FiscalMetering", "PublicKey", evse=1)}


def test_the_key_goes_along_with_the_ended_event_if_the_begin_was_not_told_signed(
    make_station: MakeStation,
) -> None:
    """It does not ride on a sample of the course, which may be thinned while offline."""
    variables = PERIODIC | {"SampledDataCtrlr.SignStartedReadings": "false"}
    station = make(make_station, variables=variables)
    started, updated, ended = with_register(charge(station, 25))
    assert keys(started) == []
    assert keys(updated) == [""]
    assert [bool(key) for key in keys(ended)] == [True, False]


def test_each_transaction_tells_the_key_once(make_station: MakeStation) -> None:
    station = make(make_station)
    for _ in range(2):
        charge(station, 20)
    told = [key for event in station.csms.events() for key in keys(event) if key]
    assert len(told) == 2


@pytest.mark.parametrize("card_type", ["KeyCode", "NoAuthorization"])
def test_a_pin_is_never_put_into_a_data_set(make_station: MakeStation, card_type: str) -> None:
    """C04.FR.04"""
    station = make(make_station)
    plug(station)
    request = {"idToken": {"idToken": "1234" if card_type == "KeyCode" else "", "type": card_type}}
    station.csms.call("RequestStartTransaction", request | {"remoteStartId": 1, "evseId": 1})
    station.advance(10)
    (data_set,) = checked(station, of(station.csms.events(), "Started"))
    assert data_set.identification == ""


def test_a_station_whose_meters_do_not_sign_has_no_such_variables(
    make_station: MakeStation,
) -> None:
    station = make_station()
    for component in ("SampledDataCtrlr", "AlignedDataCtrlr"):
        address = {"component": {"name": component}, "variable": {"name": "SignReadings"}}
        answer = station.csms.call("GetVariables", {"getVariableData": [address]})
        assert answer["getVariableResult"][0]["attributeStatus"] == "UnknownVariable"
    address = {"component": {"name": "TxCtrlr"}, "variable": {"name": "TxStartPoint"}}
    wanted = [{**address, "attributeValue": "DataSigned"}]
    answer = station.csms.call("SetVariables", {"setVariableData": wanted})
    assert answer["setVariableResult"][0]["attributeStatus"] == "Rejected"


# -- meters that are slow, or do not sign


def test_an_event_waits_for_its_signature_and_others_do_not(make_station: MakeStation) -> None:
    station = make(make_station)
    station.sim.signing(1, "late")
    plug(station, 1)
    plug(station, 2)
    show(station, 1)
    show(station, 2, "0000CAFE")
    events = station.csms.events()
    assert {event["evse"]["id"] for event in events if "evse" in event} == {2}
    station.advance(SIGNING_S)
    started = [event for event in station.csms.events() if event["eventType"] == "Started"]
    assert [event["evse"]["id"] for event in started] == [2, 1]
    assert signatures(started[1]) == [("Transaction.Begin", "")]
    assert_numbers(station)


def assert_numbers(station: VirtualStation) -> None:
    for transaction_id in transaction_ids(station):
        events = station.csms.events(transaction_id)
        assert [event["seqNo"] for event in events] == list(range(len(events)))


@pytest.mark.parametrize("mood", ["refuses", "late"])
def test_a_meter_that_does_not_sign_stops_nobody(
    make_station: MakeStation, mood: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The driver charges; what is told is unsigned, and somebody is told so."""
    station = make(make_station)
    station.sim.signing(1, mood)
    begin(station)
    station.advance(60)
    end(station)
    station.advance(SIGNING_S)
    events = station.csms.events()
    assert kinds(events)[0] + kinds(events)[-1] == "StartedEnded"
    assert all(data == "" for event in events for _, data in signatures(event))
    assert caplog.text.count("its meter did not sign") == 2
    problem = partial(station.variable, "FiscalMetering", "Problem")
    assert (problem(evse=1), problem(evse=2)) == ("true", "false")
    station.sim.signing(1, "signs")
    charge(station, 10)
    assert problem(evse=1) == "false"
    assert_in_order(station)


def test_a_meter_that_is_silent_is_not_waited_for(make_station: MakeStation) -> None:
    station = make(make_station)
    begin(station)
    station.sim.fault(1, FaultName.METER_SILENT, active=True)
    show(station)
    ended = of(station.csms.events(), "Ended")
    assert [bool(data) for _, data in signatures(ended)] == [True, False]


def test_a_meter_that_did_not_hear_the_end_is_told_before_the_next_begin(
    make_station: MakeStation,
) -> None:
    station = make(make_station)
    begin(station)
    station.sim.fault(1, FaultName.METER_SILENT, active=True)
    end(station)
    assert station.world.evses[1].place.signing.in_transaction
    station.sim.fault(1, FaultName.METER_SILENT, active=False)
    events = charge(station, 30)
    assert reasons(checked(station, of(events, "Ended"))) == "BE"
    assert_in_order(station)


def test_a_begin_that_comes_late_is_told_at_the_end_all_the_same(
    make_station: MakeStation,
) -> None:
    """Nothing that has been sent is changed; what came later stands in Ended."""
    station = make(make_station)
    board, slow = station.board, []
    sign = board.sign

    def sign_slowly(evse: int, moment: Any, who: str, on_result: Any) -> None:
        slow.append(moment)
        delay_s = SIGNING_S + 1 if len(slow) == 1 else 0.0
        later = lambda signed: station.reactor.call_later(delay_s, on_result, signed)  # noqa: E731
        sign(evse, moment, who, later)

    board.sign = sign_slowly  # type: ignore[method-assign]
    begin(station)
    station.advance(60)
    end(station)
    events = station.csms.events()
    assert signatures(of(events, "Started")) == [("Transaction.Begin", "")]
    assert reasons(checked(station, of(events, "Ended"))) == "BE"


def test_a_board_that_never_answers_is_given_up(make_station: MakeStation) -> None:
    station = make(make_station)
    station.board.sign = lambda *_: None  # type: ignore[method-assign]
    begin(station)
    station.advance(60)
    end(station)
    station.advance(30)
    assert kinds(station.csms.events())[-1] == "Ended"
    assert_in_order(station)


# -- one transaction after another


def test_the_next_transaction_gets_no_energy_before_the_end_of_the_last_was_signed(
    make_station: MakeStation,
) -> None:
    """What flowed then would be billed to the driver before."""
    station = make(make_station, "EVConnected", variables={"AuthCtrlr.Enabled": "false"})
    plug(station)
    station.advance(20)
    board, waiting = station.board, []
    board.sign = lambda *request: waiting.append(request)  # type: ignore[method-assign]
    station.sim.unplug(1)
    station.advance(2)
    plug(station)
    station.advance(3)
    assert [str(request[1]) for request in waiting] == ["end"]
    assert not station.world.evses[1].place.closed
    type(board).sign(board, *waiting.pop())
    station.advance(1)
    assert [str(request[1]) for request in waiting] == ["begin"], "only now"
    type(board).sign(board, *waiting.pop())
    station.advance(10)
    assert station.world.evses[1].place.closed
    station.assert_safe()


def test_two_evses_sign_for_themselves(make_station: MakeStation) -> None:
    station = make(make_station, variables=PERIODIC)
    begin(station, 1)
    begin(station, 2, "0000CAFE")
    station.advance(65)
    end(station, 2, "0000CAFE")
    end(station, 1)
    for evse, transaction_id in enumerate(transaction_ids(station), start=1):
        events = with_register(station.csms.events(transaction_id))
        data_sets = [checked(station, event, evse)[-1] for event in events]
        whole = account([check(each, key_of(station, evse)) for each in data_sets])
        assert whole.is_good, whole.problems
    assert key_of(station, 1).hex != key_of(station, 2).hex


# -- the process dies


def test_an_end_that_was_not_signed_when_the_process_died_is_asked_again(
    make_station: MakeStation,
) -> None:
    station = make(make_station)
    begin(station)
    show_and_stop_before_the_answer(station)
    station.restart()
    station.advance(20)
    ended = of(station.csms.events(), "Ended")
    assert reasons(checked(station, ended)) == "BE"
    station.sim.unplug(1)
    station.advance(5)
    assert_in_order(station)


def show_and_stop_before_the_answer(station: VirtualStation) -> None:
    """END is asked and not answered; the Ended event is in the queue, and held."""
    station.sim.token(CARD, evse=1)
    for _ in range(400):
        station.advance(0.01)
        if not station.station.transactions.all():
            break
    station.advance(0.05)
    assert "Ended" not in kinds(station.csms.events())


def test_an_end_that_the_meter_does_not_know_any_more_is_told_unsigned(
    make_station: MakeStation,
) -> None:
    station = make(make_station)
    begin(station)
    show_and_stop_before_the_answer(station)
    station.kill()
    memory = station.world.evses[1].place.signing
    memory.in_transaction, memory.last_end = False, ""
    station.reactor.at += 3
    station.world.survive(station.reactor.at)
    station.power_up()
    station.advance(20)
    ended = of(station.csms.events(), "Ended")
    assert [bool(data) for _, data in signatures(ended)] == [True, False]


def test_a_begin_that_was_not_signed_when_the_process_died_is_not_asked_again(
    make_station: MakeStation, caplog: pytest.LogCaptureFixture
) -> None:
    """Its register would be another one: the event is told as it is, and nothing is held."""
    station = make(make_station)
    plug(station)
    station.sim.token(CARD, evse=1)
    for _ in range(400):
        station.advance(0.01)
        if station.station.transactions.all():
            break
    station.advance(0.1)
    assert station.csms.events() == []
    station.restart()
    station.advance(20)
    assert signatures(of(station.csms.events(), "Started")) == [("Transaction.Begin", "")]
    assert "its meter did not sign" in caplog.text
    end(station)
    assert_in_order(station)


@pytest.mark.parametrize("moment", range(30))
def test_whenever_the_process_dies_nothing_that_was_sent_is_changed(
    make_station: MakeStation, moment: int
) -> None:
    """All copies of an event are the same, with their signatures (E13)."""
    station = make(make_station, seed=moment + 1, variables={"AlignedDataCtrlr.Interval": "0"})
    begin(station)
    station.advance(5)
    station.csms.answers["TransactionEvent"] = None  # sent, and never acknowledged
    station.sim.token(CARD, evse=1)
    station.advance(0.1 * moment)
    station.restart()
    station.csms.answers.clear()
    station.advance(40)
    station.sim.unplug(1)
    station.advance(60)
    assert_in_order(station)


def test_the_same_life_gives_the_same_frames(make_station: MakeStation) -> None:
    """Signatures too: the simulated meter signs as RFC 6979 has it."""
    traces = []
    for _ in range(2):
        station = make(make_station, variables=PERIODIC, seed=7)
        charge(station, 100)
        traces.append(station.trace())
    assert traces[0] == traces[1]


def test_samples_of_a_station_that_did_not_know_the_time_keep_their_signatures() -> None:
    """They are dated when somebody tells the time, and so are their signatures."""
    station = VirtualStation(
        variables=SIGNING | COLLECTED, signing=True, clock_error_s=-7200.0, start=False
    )
    station.csms.go_offline()
    station.power_up()
    station.settle()
    begin(station)
    station.advance(100)
    station.csms.go_online()
    station.advance(30)
    end(station)
    station.advance(10)
    ended = of(station.csms.events(), "Ended")
    data_sets = checked(station, ended)
    assert reasons(data_sets) == "BCCCCE"
    for value, data_set in zip(ended["meterValue"], data_sets, strict=True):
        told = datetime.fromisoformat(value["timestamp"])
        assert abs((told - data_set.readings[0].at).total_seconds()) < 2
