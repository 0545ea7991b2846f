"""C03, whatever happens in any order: nobody charges for nothing, and nobody pays for nothing."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from hal.api import CardDeclined
from hal.sim.hardware import SimError
from hal.sim.terminal import Payment
from station.bench.fake_csms import CallError
from station.bench.virtual import VirtualStation
from station.blocks.payment import PAYMENTS
from tests.usecases.conftest import MakeStation
from tests.usecases.telling import is_closed

POINTS = ("EVConnected", "Authorized", "PowerPathClosed", "EnergyTransfer")
STEPS = 25


class Street:
    """A station, the drivers before it, the terminal's payment system and the CSMS."""

    def __init__(self, station: VirtualStation, rng: random.Random) -> None:
        self.station, self.rng = station, rng
        self.tokens: dict[str, str] = {}
        """By the reference of the payment: what the CSMS made up for it."""
        self.cancelled: set[str] = set()

    @property
    def payments(self) -> list[Payment]:
        return self.station.world.terminals["terminal"].payments

    def pay(self, evse: int) -> None:
        self.station.sim.card(evse)

    def start(self, _: int) -> None:
        """The payment system has told the CSMS of a payment that stands."""
        for payment in self.payments:
            if payment.stage != "noted" or not self.station.csms.connected:
                continue
            if payment.reference in self.cancelled or payment.reference in self.tokens:
                continue
            token = f"central-{len(self.tokens)}"
            self.tokens[payment.reference] = token
            self.station.csms.send_call(
                "RequestStartTransaction",
                {
                    "idToken": {"idToken": token, "type": "Central"},
                    "remoteStartId": len(self.tokens),
                    "evseId": payment.evse,
                },
            )

    def cancel(self, evse: int) -> None:
        reference = next((p.reference for p in self.payments if p.evse == evse), "")
        self.cancelled.add(reference)
        now = self.station.reactor.at
        self.station.board.emit(CardDeclined(now, "terminal", evse, reference))

    def plug(self, evse: int) -> None:
        self.station.sim.plug(evse, ready_after_s=self.rng.choice([0.0, 1.0, 20.0]))

    def unplug(self, evse: int) -> None:
        self.station.sim.unplug(evse)

    def card_of_another(self, evse: int) -> None:
        self.station.sim.token("04AA", evse=evse)

    def line(self, _: int) -> None:
        """Of the terminal."""
        book = self.station.world.terminals["terminal"]
        book.reachable = self.rng.random() < 0.7

    def link(self, _: int) -> None:
        if self.rng.random() < 0.4:
            self.station.csms.go_offline()
        else:
            self.station.csms.go_online()

    def stop(self, _: int) -> None:
        running = self.station.station.transactions.all()
        if running and self.station.csms.connected:
            request = {"transactionId": running[0].id}
            self.station.csms.send_call("RequestStopTransaction", request)

    def fault(self, evse: int) -> None:
        self.station.sim.fault(evse, "ground_fault", active=self.rng.random() < 0.5)

    def power_cut(self, _: int) -> None:
        self.station.restart(power_cut=self.rng.random() < 0.5)

    @property
    def actions(self) -> list[Callable[[int], None]]:
        often = [self.pay, self.pay, self.start, self.start, self.start, self.plug, self.plug]
        rare = [self.unplug, self.unplug, self.cancel, self.card_of_another, self.line, self.link]
        return [*often, *rare, self.stop, self.fault, self.power_cut]

    def go_home(self) -> None:
        self.station.csms.go_online()
        self.station.world.terminals["terminal"].reachable = True
        for evse in (1, 2):
            self.station.sim.fault(evse, "ground_fault", active=False)
        self.station.advance(120.0)
        for number, evse in self.station.world.evses.items():
            if evse.place.ev_side or evse.place.station_side:
                self.station.sim.unplug(number)
        self.station.advance(1300.0)


def delivered_wh(station: VirtualStation) -> dict[str, int]:
    """By token: what the CSMS was told that its transactions have delivered."""
    registers: dict[str, list[int]] = {}
    owners: dict[str, str] = {}
    for event in station.csms.events():
        transaction = event["transactionInfo"]["transactionId"]
        if "idToken" in event:
            owners.setdefault(transaction, event["idToken"]["idToken"])
        for value in event.get("meterValue", ()):
            for sample in value["sampledValue"]:
                if is_register(sample):
                    registers.setdefault(transaction, []).append(int(float(sample["value"])))
    delivered: dict[str, int] = {}
    for transaction, values in registers.items():
        owner = owners.get(transaction, "")
        delivered[owner] = delivered.get(owner, 0) + max(values) - min(values)
    return delivered


def is_register(sample: dict[str, Any]) -> bool:
    measurand = sample.get("measurand", "Energy.Active.Import.Register")
    return measurand == "Energy.Active.Import.Register" and "phase" not in sample


@pytest.mark.parametrize("seed", range(20))
def test_what_is_settled_is_what_was_delivered(make_station: MakeStation, seed: int) -> None:
    """C03.FR.01"""
    rng = random.Random(seed)
    stop = rng.choice(["EVConnected", "EVConnected,Authorized", "Authorized"])
    station = make_station(rng.choice(POINTS), stop, seed=seed)
    street = Street(station, rng)
    for _ in range(STEPS):
        try:
            rng.choice(street.actions)(rng.choice([1, 2]))
        except (SimError, CallError):
            continue  # the world does not allow it now
        station.advance(rng.choice([0.0, 0.02, 1.0, 8.0, 40.0]))
    street.go_home()
    assert not any(is_closed(station, evse) for evse in (1, 2))
    assert station.station.store.table(PAYMENTS).all() == []
    delivered = delivered_wh(station)
    for payment in street.payments:
        token = street.tokens.get(payment.reference, "")
        if payment.stage == "ended":
            assert payment.energy_wh == delivered.get(token, 0)
        else:
            assert payment.stage == "released" or payment.reference in street.cancelled
            assert delivered.get(token, 0) == 0
    asked = [each["idToken"]["type"] for each in station.csms.of("Authorize")]
    assert "Central" not in asked
