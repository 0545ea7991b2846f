"""J02 and what E and F say of it: the values that the last event of a transaction carries."""

from itertools import pairwise

import orjson

from station.blocks.metering.collected import MAX_BYTES
from tests.usecases.charges import (
    ENDED,
    Act,
    by_token,
    cable_first,
    carried,
    charged,
    each_end,
    ended,
    make,
    moment,
    register_of,
    token,
    values_of,
)
from tests.usecases.conftest import MakeStation
from tests.usecases.telling import Event


@each_end
def test_event_that_ends_carries_the_values_of_both_ends(
    make_station: MakeStation, end: Act
) -> None:
    """E06.FR.11, E07.FR.08, E08.FR.09, E09.FR.05, E10.FR.04, E12.FR.07, E15.FR.01, F03.FR.04"""
    station = make(make_station, "PowerPathClosed", "Authorized")
    charged(station, cable_first, 100.0)
    event = ended(station, end)
    assert values_of(event) == [
        carried("Transaction.Begin", ENDED),
        carried("Transaction.End", ENDED),
    ]
    first, last = event["meterValue"]
    assert first["timestamp"] == station.csms.events()[0]["timestamp"]
    assert last["timestamp"] == event["timestamp"]
    assert register_of(first) < register_of(last)


@each_end
def test_samples_collected_for_the_end_are_thinned_from_within(
    make_station: MakeStation, end: Act
) -> None:
    """E06.FR.12, E06.FR.13, E07.FR.09, E07.FR.10, E08.FR.10, E08.FR.11, E09.FR.06, E09.FR.07

    E10.FR.05, E10.FR.06, E12.FR.08, E12.FR.09, E15.FR.02, E15.FR.03, F03.FR.05, F03.FR.06
    J02.FR.20
    """
    points = ("PowerPathClosed", "Authorized")
    station = make(make_station, *points, TxEndedInterval="1", TxUpdatedInterval="0")
    charged(station, cable_first, 700.0)
    values = ended(station, end)["meterValue"]
    contexts = [value["sampledValue"][0]["context"] for value in values]
    assert contexts[0] == "Transaction.Begin"
    assert contexts[-1] == "Transaction.End"
    assert set(contexts[1:-1]) == {"Sample.Periodic"}
    assert MAX_BYTES / 2 < len(orjson.dumps(values)) <= MAX_BYTES + 2
    times = [moment(value["timestamp"]) for value in values[1:-1]]
    gaps = {round((later - earlier).total_seconds()) for earlier, later in pairwise(times)}
    assert gaps == {4}  # evenly: every second one went, and again
    registers = [register_of(value) for value in values]
    assert registers == sorted(registers)


def test_clock_aligned_samples_are_collected_beside_those_of_the_transaction(
    make_station: MakeStation,
) -> None:
    """E06.FR.11"""
    station = make(make_station, "PowerPathClosed", "Authorized", TxEndedInterval="100")
    station.variable("AlignedDataCtrlr", "TxEndedMeasurands", "Voltage")
    station.variable("AlignedDataCtrlr", "TxEndedInterval", "60")
    charged(station, cable_first, 270.0)
    values = values_of(ended(station, by_token))
    assert values.count(carried("Sample.Periodic", ENDED)) == 2
    assert values.count(carried("Sample.Clock", "Voltage")) in (4, 5)
    assert values[0] == carried("Transaction.Begin", ENDED)
    assert values[-1] == carried("Transaction.End", ENDED)


def test_registers_are_told_as_the_meter_counts_and_go_on_where_the_last_charge_ended(
    make_station: MakeStation,
) -> None:
    """J02.FR.17"""
    station = make(make_station, "PowerPathClosed", "Authorized")
    charged(station, cable_first, 600.0)
    first = ended(station, by_token)
    station.advance(600.0)
    token(station)
    station.advance(60.0)
    *_, again = (each for each in station.csms.events() if each["eventType"] == "Started")
    (begin,) = again["meterValue"]
    assert register_of(begin) == register_of(first["meterValue"][-1]) > 1000


def test_values_are_those_of_the_evse_of_the_transaction(make_station: MakeStation) -> None:
    """J02.FR.22"""
    station = make(make_station, "PowerPathClosed", "Authorized")
    station.sim.plug(2, current_a=6.0)
    station.advance(3.0)
    station.sim.token("04FFEE02", evse=2)
    charged(station, cable_first, 600.0)
    fast = energy_of(ended(station, by_token))
    station.sim.token("04FFEE02", evse=2)
    station.advance(10.0)
    slow = energy_of(station.csms.events()[-1])
    assert fast > 2 * slow > 0


def energy_of(event: Event) -> float:
    first, *_, last = event["meterValue"]
    return register_of(last) - register_of(first)
