"""The tests that pin the architecture: a stalled disk, a frozen core, two stations at once."""

import orjson
import pytest

from station.bench.virtual import VirtualStation, advance_together
from tests.usecases.accounting import assert_energy_conserved, assert_in_order

TOKEN = "04A1B2C3"


@pytest.fixture
def charging() -> VirtualStation:
    """EVSE 1 charges."""
    station = VirtualStation(evses=2, cable="socket").boot()
    station.sim.plug(1)
    station.advance(5)
    station.sim.token(TOKEN, evse=1)
    station.advance(20)
    assert is_closed(station, 1)
    return station


def is_closed(station: VirtualStation, evse: int) -> bool:
    return station.world.evses[evse].place.closed


def finish(station: VirtualStation) -> None:
    for evse, token in ((1, TOKEN), (2, "04FFFFFF")):
        if station.station.transactions.grants.of(evse) is not None:
            station.sim.token(token, evse=evse)
        station.advance(10)
        if station.world.evses[evse].connected:
            station.sim.unplug(evse)
        station.advance(10)


def test_a_disk_that_stalls_for_five_seconds_opens_no_contactor(charging: VirtualStation) -> None:
    charging.backend.stall_until(charging.reactor.at + 5.0)
    lateness: list[float] = []
    charging.reactor.on_turn = lambda source, late_s, took_s: lateness.append(late_s)
    for _ in range(50):
        charging.advance(0.1)
        assert is_closed(charging, 1)
    assert lateness
    assert max(lateness) < 0.1
    charging.assert_safe()


def test_the_core_follows_the_hardware_while_the_disk_stalls(charging: VirtualStation) -> None:
    charging.backend.stall_until(charging.reactor.at + 5.0)
    told = len(charging.csms.events())
    charging.sim.plug(2)
    charging.sim.ev(1, "B")
    charging.advance(1)

    assert charging.station.evses.get(2).connector_status(1) == "Occupied"
    assert not is_closed(charging, 1)
    assert len(charging.csms.events()) == told, "told before it was durable"

    charging.advance(5)
    (event,) = charging.csms.events()[told:]
    assert event["transactionInfo"]["chargingState"] == "SuspendedEV"
    finish(charging)
    assert_in_order(charging)


def test_no_contactor_closes_for_a_charge_that_is_not_durable_yet(
    charging: VirtualStation,
) -> None:
    charging.sim.plug(2)
    charging.advance(3)
    charging.csms.answers["Authorize"] = {"idTokenInfo": {"status": "Accepted"}}
    charging.sim.token("04FFFFFF", evse=2)
    charging.backend.stall_until(charging.reactor.at + 5.0)
    for _ in range(49):
        charging.advance(0.1)
        assert not is_closed(charging, 2)
    charging.advance(3)
    assert is_closed(charging, 2)
    finish(charging)
    assert_in_order(charging)


def test_an_opening_does_not_wait_for_a_stalled_disk(charging: VirtualStation) -> None:
    charging.backend.stall_until(charging.reactor.at + 5.0)
    charging.sim.token(TOKEN, evse=1)
    charging.advance(1)
    assert not is_closed(charging, 1)
    finish(charging)
    assert_in_order(charging)


def test_the_contactor_opens_within_two_seconds_when_the_core_freezes(
    charging: VirtualStation,
) -> None:
    before = charging.board.reading(1)
    charging.reactor.freeze(1.0)
    charging.reactor.freeze(1.0)
    assert not is_closed(charging, 1)
    charging.reactor.freeze(30.0)
    assert not is_closed(charging, 1)
    after = charging.board.reading(1)
    assert before is not None
    assert after is not None
    assert after.energy_wh - before.energy_wh <= 11040.0 * 2.0 / 3600.0 + 1
    charging.assert_safe()


def test_a_core_that_thaws_charges_again(charging: VirtualStation) -> None:
    running = charging.station.transactions.on_evse(1)
    assert running is not None
    charging.reactor.freeze(30.0)
    charging.advance(10)
    assert is_closed(charging, 1)
    again = charging.station.transactions.on_evse(1)
    assert again is not None
    assert again.id == running.id
    finish(charging)
    assert_in_order(charging)
    assert_energy_conserved(charging, {1: 0.0, 2: 0.0})


def test_a_core_that_lags_renews_no_permission(charging: VirtualStation) -> None:
    """The rule of the late loop: over 500 ms late it lets permission lapse."""
    charging.advance(0.1)
    renewed: list[int] = []
    renew = charging.board.renew

    def noted(evse: int, permit_until: float) -> None:
        renewed.append(evse)
        renew(evse, permit_until)

    charging.board.renew = noted
    charging.reactor.freeze(1.4 + 0.51)
    charging.advance(0.0)
    assert renewed == []
    charging.advance(1.4)
    assert renewed == [1]


@pytest.mark.parametrize("offline", [False, True])
def test_two_stations_in_one_process_share_nothing(offline: bool) -> None:
    def script(stations: list[VirtualStation]) -> None:
        """Every step on every station, time passing for all of them together."""
        for action in (
            lambda s: s.boot(),
            lambda s: s.sim.plug(1),
            lambda s: s.sim.token(TOKEN, evse=1),
            lambda s: s.csms.go_offline() if offline and s.identity == "B" else None,
            lambda s: s.restart() if s.identity == "A" else s.settle(),
            lambda s: s.csms.go_online(),
            lambda s: s.sim.token(TOKEN, evse=1),
            lambda s: s.sim.unplug(1),
        ):
            for station in stations:
                action(station)
            advance_together(stations, 90.0)

    def build(identity: str, seed: int) -> VirtualStation:
        return VirtualStation(identity=identity, seed=seed, cable="socket")

    together = [build("A", 1), build("B", 2)]
    script(together)
    alone = [build("A", 1), build("B", 2)]
    for station in alone:
        script([station])

    for pair in zip(together, alone, strict=True):
        frames = [orjson.dumps(each.csms.frames) for each in pair]
        assert frames[0] == frames[1]
        assert_in_order(pair[0])
    ids = [{e["transactionInfo"]["transactionId"] for e in s.csms.events()} for s in together]
    assert all(ids)
    assert not ids[0] & ids[1]
