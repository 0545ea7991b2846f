"""F25, J02.FR.16: whatever a meter says, a transaction's registers are what flowed."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from hal.sim.meter import LIMIT_WH, Glitch
from station.bench.virtual import VirtualStation
from tests.usecases.charges import REGISTER, by_token, cable_first, ended, moment, token
from tests.usecases.conftest import MakeStation
from tests.usecases.telling import is_closed, statuses

TRANSIENT = ["zero", "jump", "fall", "ffff", "nan"]
USED_WH = 12_345.6
"""What the meter has counted before the test begins."""


def make(make_station: MakeStation, **variables: str) -> VirtualStation:
    presets = {
        "SampledDataCtrlr.TxUpdatedInterval": "10",
        "AlignedDataCtrlr.Interval": "0",
        "SampledDataCtrlr.TxEndedMeasurands": REGISTER,
        "SampledDataCtrlr.TxUpdatedMeasurands": REGISTER,
        **variables,
    }
    station: VirtualStation = make_station(variables=presets, start=False)
    return station


def charging(make_station: MakeStation, **variables: str) -> VirtualStation:
    """A meter that has counted before, and a charge that has run for ten minutes."""
    station = make(make_station, **variables)
    station.world.evses[1].place.register_wh = USED_WH
    station.world.evses[1].advance(station.reactor.at)
    station.power_up()
    station.boot()
    cable_first(station)
    station.advance(600.0)
    assert is_closed(station)
    return station


def registers(events: list[dict[str, Any]]) -> list[float]:
    """Every value of the register that was told, in order."""
    return [
        sample["value"]
        for event in events
        for value in event.get("meterValue", ())
        for sample in value["sampledValue"]
        if sample["measurand"] == REGISTER
    ]


def taken_wh(station: VirtualStation) -> float:
    """Begin to end, as the CSMS would bill it; never less from one value to the next."""
    last = ended(station, by_token)
    events = station.csms.events()
    assert events[-1] == last
    told = registers(events[:-1]) + registers([last])[-1:]
    assert all(later >= earlier for earlier, later in pairwise(told)), told
    of_end = registers([last])
    assert of_end == sorted(of_end)
    assert (of_end[0], of_end[-1]) == (told[0], told[-1])
    return told[-1] - told[0]


def flowed_wh(station: VirtualStation, since_wh: float = USED_WH) -> float:
    flow = station.world.evses[1].flow
    return flow.register_wh + flow.energy_until(station.reactor.at) - since_wh


@pytest.mark.parametrize("glitch", TRANSIENT)
@pytest.mark.parametrize("for_s", [1.0, 12.0, 45.0])
def test_a_glitch_while_it_charges_changes_nothing_of_the_bill(
    make_station: MakeStation, glitch: str, for_s: float
) -> None:
    """J02.FR.16, J02.FR.17"""
    station = charging(make_station)
    station.sim.meter(1, glitch, for_s=for_s)
    station.advance(for_s + 300.0)
    believed = for_s > 30.0 and glitch in ("jump", "fall")  # who could tell?
    lost_wh = 11_040.0 / 3600 * 1.5 * 2 if believed else 0.0
    taken = taken_wh(station)
    assert flowed_wh(station) - 1 - lost_wh <= taken <= flowed_wh(station) + 1


@pytest.mark.parametrize("glitch", TRANSIENT)
def test_a_glitch_when_it_ends_is_not_the_bill(make_station: MakeStation, glitch: str) -> None:
    """J02.FR.16: what the meter said last is, if it says nothing better"""
    station = charging(make_station)
    station.sim.meter(1, glitch)
    station.advance(3.0)
    taken = taken_wh(station)
    assert flowed_wh(station) - 11_040.0 / 3600 * 20 <= taken <= flowed_wh(station)


@pytest.mark.parametrize("glitch", TRANSIENT)
def test_a_glitch_when_it_begins_makes_no_lifetime_a_charge(
    make_station: MakeStation, glitch: str
) -> None:
    """J02.FR.16"""
    station = make(make_station)
    station.world.evses[1].place.register_wh = USED_WH
    station.world.evses[1].advance(station.reactor.at)
    station.power_up()
    station.boot()
    station.sim.meter(1, glitch, for_s=4.0)
    cable_first(station)
    station.advance(600.0)
    assert flowed_wh(station) - 1 <= taken_wh(station) <= flowed_wh(station) + 1


def test_a_meter_that_lies_for_long_is_reported_and_nobody_new_may_charge(
    make_station: MakeStation,
) -> None:
    station = charging(make_station)
    station.sim.meter(1, "ffff")
    station.advance(10.0)
    assert is_closed(station)
    assert statuses(station)[-1] == "Faulted"
    station.advance(60.0)
    sampled = [e for e in station.csms.events() if e["triggerReason"] == "MeterValuePeriodic"]
    station.advance(60.0)
    again = [e for e in station.csms.events() if e["triggerReason"] == "MeterValuePeriodic"]
    assert again == sampled  # nothing is known of the present
    station.sim.meter(1, "none")
    station.advance(5.0)
    assert statuses(station)[-1] == "Occupied"
    assert flowed_wh(station) - 1 <= taken_wh(station) <= flowed_wh(station) + 1


def test_a_silent_meter_is_billed_by_what_it_said_last(make_station: MakeStation) -> None:
    """J02.FR.16: nothing is made up of the time in which it said nothing"""
    station = charging(make_station, **{"SampledDataCtrlr.TxEndedInterval": "20"})
    station.sim.fault(1, "meter_silent", active=True)
    known_wh = flowed_wh(station)
    silent_from = station.utc
    station.advance(300.0)
    last = ended(station, by_token)
    assert registers([last])[-1] == int(USED_WH + known_wh)
    *sampled, end = last["meterValue"]
    assert end["sampledValue"][0]["context"] == "Transaction.End"
    assert end["timestamp"] == last["timestamp"]
    assert moment(sampled[-1]["timestamp"]) <= silent_from + timedelta(seconds=10)


def test_a_meter_that_never_speaks_again_is_billed_by_what_was_kept(
    make_station: MakeStation,
) -> None:
    """The process began anew meanwhile: only the transaction remembers, and says since when."""
    station = charging(make_station)
    station.sim.fault(1, "meter_silent", active=True)
    station.restart()
    station.advance(100.0)
    last = ended(station, by_token)
    *_, end = last["meterValue"]
    assert end["sampledValue"][0]["context"] == "Transaction.End"
    assert moment(end["timestamp"]) < moment(last["timestamp"]) - timedelta(seconds=90)
    taken = end["sampledValue"][0]["value"] - int(USED_WH)
    assert taken == pytest.approx(11_040 / 6, abs=60)


def test_a_register_that_stands_still_is_reported_too(make_station: MakeStation) -> None:
    station = charging(make_station)
    station.sim.meter(1, "frozen")
    station.advance(70.0)
    assert statuses(station)[-1] == "Occupied"
    station.advance(50.0)
    assert statuses(station)[-1] == "Faulted"
    station.sim.meter(1, "none")
    station.advance(30.0)
    assert statuses(station)[-1] == "Occupied"
    assert flowed_wh(station) - 1 <= taken_wh(station) <= flowed_wh(station) + 1


def test_another_meter_goes_on_where_the_last_one_was(make_station: MakeStation) -> None:
    """J02.FR.16; the next transaction tells what that meter shows (J02.FR.17)"""
    station = charging(make_station)
    station.sim.meter(1, "replace")
    station.advance(600.0)
    taken = taken_wh(station)
    assert flowed_wh(station) - 10 <= taken <= flowed_wh(station) + 1
    station.advance(10.0)
    station.csms.received.clear()
    token(station)
    station.advance(5.0)
    (begin, *_) = registers(station.csms.events())
    assert begin == pytest.approx(11_040.0 / 6, abs=20)


def test_a_register_that_rolls_over_is_counted_on(make_station: MakeStation) -> None:
    """J02.FR.16"""
    station = charging(make_station)
    station.sim.meter(1, "rollover")
    station.advance(600.0)
    assert flowed_wh(station) - 1 <= taken_wh(station) <= flowed_wh(station) + 1


def test_a_register_that_has_always_been_near_its_end(make_station: MakeStation) -> None:
    """Seen from idle, where nobody reads it every second."""
    station = make(make_station)
    near_wh = LIMIT_WH - 1000.0
    station.world.evses[1].place.register_wh = near_wh
    station.world.evses[1].advance(station.reactor.at)
    station.power_up()
    station.boot()
    cable_first(station)
    station.advance(1800.0)
    assert flowed_wh(station, near_wh) > 2000
    taken = taken_wh(station)
    assert flowed_wh(station, near_wh) - 1 <= taken <= flowed_wh(station, near_wh) + 1


# -- and the process


@pytest.mark.parametrize("power_cut", [False, True])
@pytest.mark.parametrize("glitch", ["replace", "zero", "jump", "fall", "ffff"])
def test_a_meter_that_says_something_else_after_a_restart_makes_no_energy(
    make_station: MakeStation, glitch: str, power_cut: bool
) -> None:
    """J02.FR.16: the filter has no memory of before, the transaction has"""
    station = charging(make_station)
    station.kill(power_cut=power_cut)
    station.reactor.at += 3.0
    station.world.survive(station.reactor.at)
    station.world.evses[1].set_glitch(Glitch(glitch), station.reactor.at + 40.0)
    station.power_up()
    station.settle()
    station.advance(600.0)
    assert is_closed(station)
    taken = taken_wh(station)
    assert 0.9 * flowed_wh(station) <= taken <= flowed_wh(station) + 1


def test_what_a_state_shows_is_what_the_csms_is_told(make_station: MakeStation) -> None:
    station = charging(make_station)
    station.sim.meter(1, "replace")
    station.advance(100.0)
    (shown,) = station.station.snapshot().transactions
    told = registers(station.csms.events())
    assert shown["energy_wh"] == pytest.approx(told[-1] - told[0], abs=40)
    assert shown["energy_wh"] == pytest.approx(flowed_wh(station), abs=10)


def test_a_refused_token_gets_no_more_because_the_meter_was_exchanged(
    make_station: MakeStation,
) -> None:
    """E05.FR.03: MaxEnergyOnInvalidId is what flowed, not what a register shows"""
    station = charging(
        make_station,
        **{"TxCtrlr.StopTxOnInvalidId": "false", "TxCtrlr.MaxEnergyOnInvalidId": "2500"},
    )
    station.csms.answers["TransactionEvent"] = {"idTokenInfo": {"status": "Invalid"}}
    station.sim.meter(1, "replace")
    station.advance(1200.0)
    assert not is_closed(station)
    assert flowed_wh(station) == pytest.approx(2500, abs=80)
