"""A day of charging in virtual time: two EVSEs, three 3-hour transactions a day on each.

Sampled every 60 s and on the quarter hours, as the defaults have it. Tests hold what comes
out of it against what was put in; the benchmark holds how long it takes.
"""

from typing import Any

from station.bench.virtual import VirtualStation

DAY_S = 86400.0
CHARGE_S = 3 * 3600.0
PLUGGED_BEFORE_S = 60.0
CHARGES = 3
"""Per EVSE and day."""


def day_station(**options: Any) -> VirtualStation:
    """The station of the benchmark, booted."""
    return VirtualStation(evses=2, cable="socket", **options).boot()


def run_day(station: VirtualStation) -> None:
    """Live through one day from now; every EVSE is used in turn and at the same time as others."""
    end_at = station.reactor.at + DAY_S
    for charge in range(CHARGES):
        for evse in station.description.evses:
            station.sim.plug(evse.id, current_a=16.0, capacity_wh=80000.0, soc=20.0)
            station.advance(PLUGGED_BEFORE_S)
            station.sim.token(_token(charge, evse.id), evse=evse.id)
            station.advance(PLUGGED_BEFORE_S)
        station.advance(CHARGE_S - PLUGGED_BEFORE_S * (2 * len(station.description.evses) - 1))
        for evse in station.description.evses:
            station.sim.token(_token(charge, evse.id), evse=evse.id)
            station.advance(PLUGGED_BEFORE_S)
            station.sim.unplug(evse.id)
            station.advance(PLUGGED_BEFORE_S)
        station.advance(DAY_S / CHARGES / 2)
    station.advance(end_at - station.reactor.at)


def _token(charge: int, evse_id: int) -> str:
    return f"04DA{charge:02X}{evse_id:02X}"
