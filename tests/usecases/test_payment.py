"""C03: a card at the payment terminal, from the amount that is authorised to the settlement."""

from typing import Any

import pytest
from msgspec.structs import replace

from hal.api import CardDeclined, CardPresented
from hal.payment import TerminalDescription
from hal.sim.board import sim_board_description
from hal.sim.hardware import SimError
from hal.sim.terminal import Payment, TerminalBook
from station.bench.virtual import VirtualStation
from station.blocks.payment import PAYMENTS, PaymentRow
from station.charging.rows import TRANSACTIONS
from tests.usecases.conftest import MakeStation
from tests.usecases.telling import forget, is_closed, told, transaction_ids

TOKEN = "6a1f7c52-3c3e-4b53-9f6e-1d1c8f0a7b11"
OTHER = "0e2d4f9a-97d5-4a1f-8f1a-2b0d8c5e6f22"


def start(station: VirtualStation, evse: int = 1, token: str = TOKEN) -> dict[str, Any]:
    """What the CSMS sends once the payment system has told it."""
    id_token = {"idToken": token, "type": "Central"}
    request = {"idToken": id_token, "remoteStartId": 7, "evseId": evse}
    return station.csms.call("RequestStartTransaction", request)


def book(station: VirtualStation) -> TerminalBook:
    return station.world.terminals["terminal"]


def last(station: VirtualStation) -> Payment:
    return book(station).payments[-1]


def kept(station: VirtualStation) -> list[PaymentRow]:
    """What the station has not done with."""
    return station.station.store.table(PAYMENTS).all()


def report(station: VirtualStation, reference: str, evse: int = 1) -> None:
    """A terminal's report, whatever it was shown before."""
    station.board.emit(CardPresented(station.reactor.at, "terminal", evse, reference))


def pays(station: VirtualStation, evse: int = 1) -> None:
    station.sim.card(evse)
    station.advance(1.0)
    assert start(station, evse)["status"] == "Accepted"
    station.advance(1.0)


# -- the scenario of the standard


def test_a_driver_plugs_in_pays_charges_and_is_settled_for_what_was_delivered(
    make_station: MakeStation,
) -> None:
    """C03.FR.01, C05.FR.01, C05.FR.03, C05.FR.05"""
    station = make_station("EVConnected")
    station.sim.plug(1)
    station.advance(3.0)
    pays(station)
    station.advance(3600.0)
    assert is_closed(station)
    assert last(station).stage == "started"
    station.sim.unplug(1)
    station.advance(10.0)
    assert station.csms.of("Authorize") == []
    events = station.csms.events()
    authorised = events[1]
    assert authorised["triggerReason"] == "RemoteStart"
    assert authorised["transactionInfo"]["remoteStartId"] == 7
    assert authorised["idToken"] == {"idToken": TOKEN, "type": "Central"}
    assert last(station).stage == "ended"
    assert last(station).energy_wh == delivered_wh(events)
    assert (last(station).energy_wh or 0) > 10_000
    assert 3590 <= last(station).duration_s <= 3620
    assert last(station).told == 3, "that it is noted, that it began, that it ended"
    assert kept(station) == []


def delivered_wh(events: list[dict[str, Any]]) -> int:
    """By the registers that the CSMS was told."""
    values = {
        sample["context"]: int(sample["value"])
        for event in events
        for value in event.get("meterValue", ())
        for sample in value["sampledValue"]
        if sample.get("measurand") == "Energy.Active.Import.Register" and "phase" not in sample
        if sample.get("context") in ("Transaction.Begin", "Transaction.End")
    }
    return values["Transaction.End"] - values["Transaction.Begin"]


@pytest.mark.parametrize(
    "point", ["EVConnected", "Authorized", "PowerPathClosed", "EnergyTransfer"]
)
def test_whoever_pays_first_may_plug_in_afterwards(make_station: MakeStation, point: str) -> None:
    """C03.FR.01"""
    station = make_station(point, stop="EVConnected,Authorized")
    pays(station, 2)
    station.advance(10.0)
    station.sim.plug(2)
    station.advance(60.0)
    assert is_closed(station, 2)
    assert last(station).stage == "started"
    station.sim.unplug(2)
    station.advance(5.0)
    assert last(station).stage == "ended"
    assert (last(station).energy_wh or 0) > 0
    assert station.csms.of("Authorize") == []


def test_a_central_token_is_never_kept_whatever_the_csms_says_of_it(
    make_station: MakeStation,
) -> None:
    """C03.FR.02, C05.FR.02"""
    variables = {"AuthCtrlr.LocalPreAuthorize": "true", "AuthCtrlr.AuthorizeRemoteStart": "true"}
    station = make_station("EVConnected", variables=variables)
    station.csms.answers["TransactionEvent"] = {"idTokenInfo": {"status": "Accepted"}}
    station.sim.plug(1)
    station.advance(3.0)
    pays(station)
    station.advance(10.0)
    station.sim.unplug(1)
    station.advance(10.0)
    assert station.csms.of("Authorize") == []
    station.sim.token(TOKEN, type="Central", evse=1)
    station.advance(2.0)
    assert len(station.csms.of("Authorize")) == 1, "nothing is known of it"
    forget(station)
    station.sim.token("04A1B2C3", evse=2)
    station.advance(2.0)
    station.sim.plug(2)
    station.advance(5.0)
    station.sim.unplug(2)
    station.advance(5.0)
    forget(station)
    station.sim.token("04A1B2C3", evse=2)
    station.advance(2.0)
    assert station.csms.of("Authorize") == [], "unlike a card, which it keeps"


# -- money is given back


def test_an_amount_is_released_when_the_csms_starts_nothing(make_station: MakeStation) -> None:
    station = make_station()
    station.sim.card(1)
    station.advance(59.0)
    assert last(station).stage == "noted"
    station.advance(3.0)
    assert (last(station).stage, last(station).told) == ("released", 2)
    assert told(station) == []


@pytest.mark.parametrize("point", ["EVConnected", "PowerPathClosed", "Authorized"])
def test_an_amount_is_given_back_when_nobody_plugs_in(
    make_station: MakeStation, point: str
) -> None:
    station = make_station(point)
    pays(station)
    station.advance(40.0)
    expected = ("ended", 0) if point == "Authorized" else ("released", None)
    assert (last(station).stage, last(station).energy_wh) == expected


def test_a_driver_who_cancels_at_the_terminal_gets_no_energy(make_station: MakeStation) -> None:
    station = make_station("Authorized", stop="Authorized")
    station.sim.card(1)
    station.advance(1.0)
    declined = CardDeclined(station.reactor.at, "terminal", 1, last(station).reference)
    station.board.emit(declined)
    station.advance(1.0)
    assert kept(station) == []
    assert last(station).told == 1, "the terminal knows the rest"
    pays(station)
    station.board.emit(replace(declined, reference=last(station).reference))
    station.advance(5.0)
    assert told(station) == ["Started RemoteStart Idle", "Ended StopAuthorized - Local"]
    assert last(station).stage == "ended"


@pytest.mark.parametrize("how", ["cancelled", "too late"])
def test_a_start_for_a_payment_that_is_over_is_rejected_once(
    make_station: MakeStation, how: str
) -> None:
    station = make_station("Authorized")
    station.sim.card(1)
    station.advance(1.0)
    if how == "cancelled":
        station.board.emit(CardDeclined(station.reactor.at, "terminal", 1, last(station).reference))
        station.advance(1.0)
    else:
        station.advance(70.0)
    assert start(station, 2, OTHER)["status"] == "Accepted", "elsewhere nobody has paid"
    answer = start(station)
    assert answer["status"] == "Rejected"
    assert answer["statusInfo"]["reasonCode"] == "InvalidIdToken"
    assert start(station)["status"] == "Accepted", "whatever that is for, it is not the payment"


def test_after_a_while_nothing_is_held_against_a_start(make_station: MakeStation) -> None:
    station = make_station("Authorized")
    station.sim.card(1)
    station.advance(130.0)
    assert last(station).stage == "released"
    assert start(station)["status"] == "Accepted"


def test_the_stop_button_ends_a_paid_charge(make_station: MakeStation) -> None:
    station = make_station("EVConnected", stop="Authorized")
    station.sim.plug(1)
    station.advance(3.0)
    pays(station)
    station.advance(60.0)
    station.sim.button(1, "stop")
    station.advance(10.0)
    assert not is_closed(station)
    assert last(station).stage == "ended"


def test_a_card_that_is_declined_changes_nothing(make_station: MakeStation) -> None:
    station = make_station()
    station.sim.card(1, declined=True)
    station.advance(5.0)
    assert book(station).payments == []
    assert book(station).payable == (1, 2)


def test_the_same_payment_reported_twenty_times_is_one(make_station: MakeStation) -> None:
    """F27"""
    station = make_station("Authorized")
    station.sim.card(1)
    for _ in range(20):
        report(station, last(station).reference)
        station.advance(0.05)
    assert start(station)["status"] == "Accepted"
    station.advance(2.0)
    assert len(transaction_ids(station)) == 1
    assert len(kept(station)) == 1
    assert last(station).stage == "started"


def test_of_two_payments_for_one_evse_the_second_is_released(make_station: MakeStation) -> None:
    station = make_station("Authorized")
    station.sim.card(1)
    first = last(station)
    second = book(station).authorise(1)
    report(station, second.reference)
    station.advance(1.0)
    assert (first.stage, second.stage) == ("noted", "released")
    assert start(station)["status"] == "Accepted"
    station.advance(1.0)
    assert (first.stage, second.stage) == ("started", "released")


def test_a_payment_for_an_evse_that_is_not_there_or_broken_is_released(
    make_station: MakeStation,
) -> None:
    station = make_station()
    station.sim.fault(2, "ground_fault", active=True)
    station.advance(1.0)
    for evse in (2, 9):
        payment = book(station).authorise(evse)
        report(station, payment.reference, evse)
        station.advance(1.0)
        assert payment.stage == "released"


def test_another_start_is_not_taken_for_the_paid_one(make_station: MakeStation) -> None:
    """A start with a card's token, and one for the other EVSE."""
    station = make_station("Authorized")
    station.sim.card(1)
    station.advance(1.0)
    assert start(station, 2, OTHER)["status"] == "Accepted"
    token = {"idToken": "04A1B2C3", "type": "ISO14443"}
    request = {"idToken": token, "remoteStartId": 1, "evseId": 1}
    assert station.csms.call("RequestStartTransaction", request)["status"] == "Accepted"
    station.advance(70.0)
    assert last(station).stage == "released"


def test_a_csms_that_is_faster_than_the_terminal_still_starts_the_paid_charge(
    make_station: MakeStation,
) -> None:
    station = make_station("Authorized")
    payment = book(station).authorise(1)
    assert start(station)["status"] == "Accepted"
    station.advance(1.0)
    report(station, payment.reference)
    station.advance(1.0)
    assert payment.stage == "started"
    late = book(station).authorise(1)
    report(station, late.reference)
    station.advance(1.0)
    assert late.stage == "released", "the start belongs to the first"


# -- power cuts, a dead line


@pytest.mark.parametrize("after_s", [0.0, 0.0005, 0.001, 0.002, 0.004])
def test_a_payment_is_not_forgotten_by_a_process_that_dies_while_it_hears_of_it(
    make_station: MakeStation, after_s: float
) -> None:
    station = make_station("Authorized")
    station.sim.card(1)
    station.advance(after_s)
    station.restart(power_cut=True)
    station.advance(5.0)
    assert last(station).stage == "noted"
    assert start(station)["status"] == "Accepted"
    station.advance(1.0)
    assert last(station).stage == "started"


@pytest.mark.parametrize("power_cut", [False, True])
def test_a_payment_outlives_the_process_before_its_start(
    make_station: MakeStation, power_cut: bool
) -> None:
    station = make_station("Authorized")
    station.sim.card(1)
    station.advance(1.0)
    station.restart(power_cut=power_cut)
    station.advance(3.0)
    assert start(station)["status"] == "Accepted"
    station.advance(1.0)
    assert last(station).stage == "started"


def test_an_amount_is_released_on_time_by_another_process(make_station: MakeStation) -> None:
    station = make_station()
    station.sim.card(1)
    station.advance(20.0)
    station.restart(after_s=30.0)
    assert last(station).stage == "noted"
    station.advance(15.0)
    assert last(station).stage == "released"


@pytest.mark.parametrize("after_s", [0.0, 0.001, 0.01, 0.1, 1.0, 30.0])
def test_a_payment_is_settled_after_a_power_cut_in_mid_charge(
    make_station: MakeStation, after_s: float
) -> None:
    station = make_station("EVConnected")
    station.sim.plug(1)
    station.advance(3.0)
    station.sim.card(1)
    station.advance(1.0)
    assert start(station)["status"] == "Accepted"
    station.advance(after_s)
    station.restart(power_cut=True)
    station.advance(600.0)
    assert last(station).stage == "started"
    station.sim.unplug(1)
    station.advance(10.0)
    assert last(station).stage == "ended"
    assert last(station).energy_wh == delivered_wh(station.csms.events())


@pytest.mark.parametrize("after_s", [0.0, 0.002, 0.01, 1.0])
def test_a_settlement_that_a_power_cut_stops_is_told_by_the_next_process(
    make_station: MakeStation, after_s: float
) -> None:
    station = make_station("EVConnected")
    station.sim.plug(1)
    station.advance(3.0)
    pays(station)
    station.advance(60.0)
    book(station).reachable = False
    station.sim.unplug(1)
    station.advance(after_s)
    station.kill(power_cut=True)
    book(station).reachable = True
    station.reactor.at += 3.0
    station.world.survive(station.reactor.at)
    station.power_up()
    station.advance(30.0)
    assert last(station).stage == "ended"
    assert (last(station).energy_wh or 0) > 0
    assert kept(station) == []


def test_a_payment_whose_transaction_the_disk_has_lost_is_settled(
    make_station: MakeStation,
) -> None:
    station = make_station("EVConnected")
    station.sim.plug(1)
    station.advance(3.0)
    pays(station)
    transactions = station.station.store.table(TRANSACTIONS)
    station.reactor.post(transactions.delete, transaction_ids(station)[0])
    station.advance(1.0)
    station.restart(power_cut=True)
    station.advance(5.0)
    assert last(station).stage == "ended"
    station.sim.unplug(1)
    station.advance(5.0)


def test_a_terminal_whose_line_is_dead_is_told_when_it_lives_again(
    make_station: MakeStation,
) -> None:
    station = make_station("EVConnected")
    station.sim.plug(1)
    station.advance(3.0)
    pays(station)
    book(station).reachable = False
    station.advance(60.0)
    station.sim.unplug(1)
    station.advance(3600.0)
    assert last(station).stage == "started"
    book(station).reachable = True
    station.advance(601.0)
    assert last(station).stage == "ended"


def test_a_payment_whose_terminal_was_taken_away_harms_nobody(
    make_station: MakeStation, caplog: pytest.LogCaptureFixture
) -> None:
    station = make_station("Authorized")
    station.sim.card(1)
    station.advance(1.0)
    station.kill()
    station.description = replace(station.description, terminals=())
    station.reactor.at += 1.0
    station.power_up()
    station.advance(140.0)
    assert "terminal terminal is gone" in caplog.text
    assert start(station)["status"] == "Accepted"


# -- what can be paid for


def test_a_terminal_takes_cards_only_where_somebody_could_charge(
    make_station: MakeStation,
) -> None:
    station = make_station()
    assert book(station).payable == (1, 2)
    station.sim.card(1)
    station.advance(1.0)
    assert book(station).payable == (2,), "paid for already"
    station.sim.plug(2)
    station.advance(1.0)
    assert book(station).payable == (2,), "a car that waits may be paid for"
    station.sim.token("04A1B2C3", evse=2)
    station.advance(5.0)
    assert book(station).payable == ()
    station.advance(60.0)
    assert book(station).payable == (1,)
    station.sim.fault(1, "meter_silent", active=True)
    station.advance(1.0)
    assert book(station).payable == ()
    station.sim.fault(1, "meter_silent", active=False)
    station.advance(1.0)
    assert book(station).payable == (1,)
    with pytest.raises(SimError, match="takes no card for EVSE 2 now"):
        station.sim.card(2)


def test_a_reserved_evse_and_one_that_a_driver_still_holds_cannot_be_paid_for(
    make_station: MakeStation,
) -> None:
    station = make_station("EVConnected", stop="EVConnected")
    station.station.queries.reserved.register(lambda evse, _: evse == 2)
    station.station.context.refresh()
    station.sim.plug(1)
    station.advance(3.0)
    assert book(station).payable == (1,)
    station.sim.token("04A1B2C3", evse=1)
    station.advance(10.0)
    station.sim.token("04A1B2C3", evse=1)
    station.advance(10.0)
    assert not is_closed(station)
    assert len(transaction_ids(station)) == 1, "it goes on until the cable is out"
    assert book(station).payable == ()
    station.sim.unplug(1)
    station.advance(3.0)
    assert book(station).payable == (1,)


def test_a_terminal_hears_of_nothing_that_is_not_durable(make_station: MakeStation) -> None:
    station = make_station("Authorized", disk_latency_s=(5.0, 5.0))
    station.advance(60.0)
    station.sim.card(1)
    station.advance(10.0)
    station.csms.send_call(
        "RequestStartTransaction",
        {"idToken": {"idToken": TOKEN, "type": "Central"}, "remoteStartId": 7, "evseId": 1},
    )
    station.advance(4.0)
    assert last(station).stage == "noted"
    station.advance(4.0)
    assert last(station).stage == "started"


def test_nothing_can_be_paid_for_while_the_csms_cannot_start_it(
    make_station: MakeStation,
) -> None:
    station = make_station()
    station.csms.go_offline()
    station.advance(5.0)
    assert book(station).payable == ()
    station.csms.go_online()
    station.advance(120.0)
    assert book(station).payable == (1, 2)


def test_a_terminal_of_one_evse_is_shown_that_one(make_station: MakeStation) -> None:
    terminals = tuple(TerminalDescription(f"till{evse}", evse) for evse in (1, 2))
    station = make_station(description=replace(sim_board_description(), terminals=terminals))
    books = station.world.terminals
    assert [books["till1"].payable, books["till2"].payable] == [(1,), (2,)]
    station.sim.card(2)
    station.advance(1.0)
    assert [books["till1"].payable, books["till2"].payable] == [(1,), ()]
    assert [len(books[each].payments) for each in ("till1", "till2")] == [0, 1]


def test_no_reference_of_a_payment_is_logged(
    make_station: MakeStation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    station = make_station("Authorized")
    station.sim.card(1)
    station.advance(70.0)
    pays(station)
    station.advance(60.0)
    references = [each.reference for each in book(station).payments]
    assert len(references) == 2
    assert not any(each in caplog.text for each in [*references, TOKEN])
