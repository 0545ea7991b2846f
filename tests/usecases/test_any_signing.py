"""Whatever happens to a station whose meters sign: bytes stay as they are, and add up."""

import random
from collections.abc import Callable

import pytest

from hal.api import FaultName
from station.bench.virtual import VirtualStation
from station.ocmf.data_set import DataSet, parse
from station.ocmf.transaction import account, check
from tests.usecases.accounting import assert_in_order
from tests.usecases.conftest import MakeStation
from tests.usecases.signing import Sample, data_of, key_of, make, registers
from tests.usecases.telling import Event, transaction_ids

CARDS = {1: "04A1B2C3", 2: "0000CAFE"}
VARIABLES = {
    "SampledDataCtrlr.TxUpdatedInterval": "20",
    "SampledDataCtrlr.TxEndedInterval": "25",
    "AlignedDataCtrlr.Interval": "30",
    "AlignedDataCtrlr.TxEndedInterval": "30",
    "AlignedDataCtrlr.SignReadings": "true",
    "TxCtrlr.EVConnectionTimeOut": "30",
}
START_POINTS = ("PowerPathClosed", "EVConnected", "Authorized", "DataSigned", "EnergyTransfer")
Rng = random.Random
Deed = Callable[[VirtualStation, Rng], None]


def evse(rng: Rng) -> int:
    return rng.choice((1, 2))


def plug(station: VirtualStation, rng: Rng) -> None:
    number = evse(rng)
    if not station.world.evses[number].connected:
        station.sim.plug(number)


def unplug(station: VirtualStation, rng: Rng) -> None:
    number = evse(rng)
    if station.world.evses[number].connected:
        station.sim.unplug(number)


def token(station: VirtualStation, rng: Rng) -> None:
    number = evse(rng)
    station.sim.token(CARDS[number], evse=number)


def charge(station: VirtualStation, rng: Rng) -> None:
    plug(station, rng)
    station.advance(rng.uniform(0, 3))
    for number, card in CARDS.items():
        station.sim.token(card, evse=number)
    station.advance(rng.uniform(5, 60))


def offline(station: VirtualStation, _: Rng) -> None:
    station.csms.go_offline()


def online(station: VirtualStation, _: Rng) -> None:
    station.csms.go_online()


def mood(station: VirtualStation, rng: Rng) -> None:
    station.sim.signing(evse(rng), rng.choice(("signs", "signs", "refuses", "late")))


def silence(station: VirtualStation, rng: Rng) -> None:
    station.sim.fault(evse(rng), FaultName.METER_SILENT, active=rng.random() < 0.5)


def restart(station: VirtualStation, rng: Rng) -> None:
    station.restart(after_s=rng.uniform(0.5, 20), power_cut=rng.random() < 0.3)


def suspend(station: VirtualStation, rng: Rng) -> None:
    number = evse(rng)
    if station.world.evses[number].connected:
        station.sim.ev(number, rng.choice("BC"))


CALM: tuple[Deed, ...] = (plug, unplug, token, token, charge, offline, online, online, suspend)
ROUGH: tuple[Deed, ...] = (*CALM, mood, mood, silence, restart, restart)


def live(station: VirtualStation, rng: Rng, deeds: tuple[Deed, ...]) -> None:
    for _ in range(25):
        rng.choice(deeds)(station, rng)
        station.advance(rng.choice((0.05, 0.2, 0.5, 2.5, 4.0, 15.0, 40.0)))
    for number in CARDS:
        station.sim.signing(number, "signs")
        station.sim.fault(number, FaultName.METER_SILENT, active=False)
    station.csms.go_online()
    for number in CARDS:
        if station.world.evses[number].connected:
            station.sim.unplug(number)
    station.advance(120)


def place_of(events: list[Event]) -> int:
    return next(int(event["evse"]["id"]) for event in events if "evse" in event)


def checked(station: VirtualStation, sample: Sample, number: int) -> DataSet:
    data_set = parse(data_of(sample))
    assert key_of(station, number).verifies(data_set)
    assert data_set.readings[0].energy_wh == sample["value"]
    return data_set


def data_sets_of(station: VirtualStation, transaction_id: str) -> tuple[int, list[DataSet]]:
    """All that were told of a transaction; each verifies, and says what its sample says."""
    events = station.csms.events(transaction_id)
    samples = [sample for event in events for sample in registers(event)]
    signed = [sample for sample in samples if "signedMeterValue" in sample]
    if not signed:
        return 0, []
    number = place_of(events)
    return number, [checked(station, sample, number) for sample in signed]


def assert_bytes(station: VirtualStation) -> None:
    """A page of a meter has one content, wherever and however often it was told."""
    pages: dict[tuple[int, str, int], str] = {}
    for transaction_id in transaction_ids(station):
        number, data_sets = data_sets_of(station, transaction_id)
        for each in data_sets:
            place = (number, each.context, each.page)
            assert pages.setdefault(place, each.text) == each.text
        begins = {each.text for each in data_sets if each.begin is not None}
        ends = {each.text for each in data_sets if each.end is not None}
        assert len(begins) <= 1, "one transaction, one begin"
        assert len(ends) <= 1, "one transaction, one end"


def assert_meters_are_free(station: VirtualStation) -> None:
    """What a meter thinks of as open is at most what did not hear its end, and that is known."""
    rows = station.station.metering._signed.sessions.all()
    assert all(row.ended and row.unanswered for row in rows), rows
    unheard = {row.evse_id for row in rows}
    for number in CARDS:
        if number not in unheard:
            assert not station.world.evses[number].place.signing.in_transaction


@pytest.mark.parametrize("seed", range(40))
def test_whatever_happens_no_byte_changes_and_no_end_is_forgotten(
    make_station: MakeStation, seed: int
) -> None:
    rng = random.Random(seed)
    station = make(make_station, rng.choice(START_POINTS), variables=VARIABLES, seed=seed + 1)
    live(station, rng, ROUGH)
    assert_bytes(station)
    assert_meters_are_free(station)
    assert_in_order(station)


@pytest.mark.parametrize("seed", range(20))
def test_where_meters_sign_every_transaction_is_proven(
    make_station: MakeStation, seed: int
) -> None:
    """Every transaction that has had an EVSE: from its begin to its end, under one key."""
    rng = random.Random(1000 + seed)
    station = make(make_station, rng.choice(START_POINTS), variables=VARIABLES, seed=seed + 1)
    live(station, rng, CALM)
    for transaction_id in transaction_ids(station):
        events = station.csms.events(transaction_id)
        if not any("evse" in event for event in events):
            continue
        number, data_sets = data_sets_of(station, transaction_id)
        key = key_of(station, number)
        whole = account([check(each, key) for each in data_sets if each.context == "T"])
        assert whole.is_good, (whole.problems, [each.problems for each in whole.sets])
    assert_bytes(station)
    assert_in_order(station)
