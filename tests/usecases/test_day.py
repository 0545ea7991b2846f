"""A day of charging in virtual time: everything that happened is told, once, and adds up."""

from datetime import datetime

from station.bench.day import CHARGE_S, CHARGES, DAY_S, day_station, run_day
from tests.usecases.accounting import (
    assert_energy_conserved,
    assert_in_order,
    register_wh,
    told_events,
)


def test_a_day_of_charging_adds_up() -> None:
    station = day_station()
    before, began = register_wh(station), station.utc
    run_day(station)
    assert (station.utc - began).total_seconds() == DAY_S
    assert_in_order(station)
    assert_energy_conserved(station, before)
    transactions = told_events(station).values()
    assert len(transactions) == CHARGES * 2
    for events in transactions:
        begin, end = (datetime.fromisoformat(events[n]["timestamp"]) for n in (0, -1))
        assert abs((end - begin).total_seconds() - CHARGE_S) < 5.0
        samples = [e for e in events if e["triggerReason"] == "MeterValuePeriodic"]
        assert len(samples) in (179, 180)
        aligned = [e for e in events if e["triggerReason"] == "MeterValueClock"]
        assert len(aligned) == 12
