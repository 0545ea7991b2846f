"""Whatever drivers, cars, the CSMS and faults do, in any order: the rules of transactions hold."""

import random
from collections.abc import Callable

import pytest

from hal.api import FaultName
from hal.sim.hardware import SimError
from station.bench.fake_csms import CallError
from station.bench.virtual import VirtualStation
from tests.usecases.conftest import MakeStation
from tests.usecases.telling import is_closed

POINTS = ("ParkingBayOccupancy", "EVConnected", "Authorized", "PowerPathClosed", "EnergyTransfer")
TOKENS = ("04AA", "04BB", "04CC")
FAULTS = (FaultName.GROUND_FAULT, FaultName.OVER_TEMPERATURE, FaultName.PILOT_FAULT)
STEPS = 14

Step = Callable[[VirtualStation, random.Random, int], None]


def plug(station: VirtualStation, rng: random.Random, evse: int) -> None:
    station.sim.plug(evse, ready_after_s=rng.choice([0.0, 1.0, 20.0]), soc=rng.choice([20, 99.99]))


def unplug(station: VirtualStation, rng: random.Random, evse: int) -> None:
    station.sim.unplug(evse, side=rng.choice(["both", "ev"]))


def token(station: VirtualStation, rng: random.Random, evse: int) -> None:
    station.sim.token(rng.choice(TOKENS), evse=rng.choice([evse, None]))


def bay(station: VirtualStation, rng: random.Random, evse: int) -> None:
    station.sim.bay(evse, occupied=rng.random() < 0.6)


def car(station: VirtualStation, rng: random.Random, evse: int) -> None:
    station.sim.ev(evse, rng.choice(["B", "C"]))


def button(station: VirtualStation, rng: random.Random, evse: int) -> None:
    station.sim.button(evse, rng.choice(["start", "stop"]))


def fault(station: VirtualStation, rng: random.Random, evse: int) -> None:
    station.sim.fault(evse, rng.choice(FAULTS), active=rng.random() < 0.5)


def link(station: VirtualStation, rng: random.Random, _: int) -> None:
    if rng.random() < 0.4:
        station.csms.go_offline()
    else:
        station.csms.go_online()


def refuse(station: VirtualStation, rng: random.Random, _: int) -> None:
    status = rng.choice(["Accepted", "Accepted", "Invalid"])
    station.csms.answers["TransactionEvent"] = lambda event: (
        {"idTokenInfo": {"status": status}} if "idToken" in event else {}
    )


def remote(station: VirtualStation, rng: random.Random, evse: int) -> None:
    running = station.station.transactions.all()
    if not station.csms.connected:
        return
    if running and rng.random() < 0.5:
        station.csms.send_call("RequestStopTransaction", {"transactionId": running[0].id})
        return
    request = {
        "idToken": {"idToken": rng.choice(TOKENS), "type": "ISO14443"},
        "remoteStartId": rng.randrange(1000),
    }
    place = {"evseId": evse} if rng.random() < 0.7 else {}
    station.csms.send_call("RequestStartTransaction", {**request, **place})


ACTIONS: tuple[Step, ...] = (
    plug, plug, plug, unplug, unplug, token, token, token, token,
    bay, car, button, fault, link, refuse, remote, remote,
)  # fmt: skip


def go_home(station: VirtualStation) -> None:
    """Everything is repaired, every car leaves with its cable, and time-outs pass."""
    station.csms.answers.clear()
    station.csms.go_online()
    for evse in station.world.evses.values():
        number = evse.place.evse
        for name in list(evse.place.injected):
            station.sim.fault(number, name, active=False)
    station.advance(90.0)
    for number, evse in station.world.evses.items():
        station.sim.button(number, "stop")
        station.advance(10.0)
        for each in TOKENS:  # whose cable is kept here?
            if evse.place.locked:
                station.sim.token(each, evse=number)
                station.advance(10.0)
        if evse.place.station_side or evse.place.ev_side:
            station.sim.unplug(number)
        station.advance(5.0)
        station.sim.bay(number, occupied=False)
    station.advance(200.0)


@pytest.mark.parametrize("seed", range(15))
def test_rules_hold_in_any_order(make_station: MakeStation, seed: int) -> None:
    """E01.FR.07, E06.FR.14; begun once, ended once, in order, nothing charges unasked"""
    rng = random.Random(seed)
    start, stop = (",".join(rng.sample(POINTS, rng.choice([1, 1, 2]))) for _ in range(2))
    cable = rng.choice(["fixed", "socket"])
    variables = {
        "TxCtrlr.StopTxOnEVSideDisconnect": rng.choice(["true", "false"]),
        "TxCtrlr.StopTxOnInvalidId": rng.choice(["true", "false"]),
        "AuthCtrlr.OfflineTxForUnknownIdEnabled": rng.choice(["true", "false"]),
    }
    station = make_station(start, stop, variables=variables, cable=cable, seed=seed)
    for _ in range(STEPS):
        try:
            rng.choice(ACTIONS)(station, rng, rng.choice([1, 2]))
        except (SimError, CallError):
            continue  # the world does not allow it now
        station.advance(rng.choice([0.0, 0.05, 1.0, 8.0, 40.0]))
        for evse in station.station.evses:
            row = station.station.transactions.on_evse(evse.id)
            reaching = "EnergyTransfer" in start
            assert not is_closed(station, evse.id) or row is not None or reaching
    go_home(station)
    for evse in (1, 2):  # nobody is authorised any more
        station.sim.plug(evse)
    station.advance(20.0)
    assert not is_closed(station, 1)
    assert not is_closed(station, 2)
