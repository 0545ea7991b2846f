"""Stations, variables and measures for tests of the link, of what waits for it, and of time."""

from itertools import pairwise
from typing import Any

import orjson

from station.bench.virtual import VirtualStation

CARD = "04A1B2C3"
BACK_OFF = {
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": "4",
    "OCPPCommCtrlr.RetryBackOffRandomRange": "0",
    "OCPPCommCtrlr.RetryBackOffRepeatTimes": "3",
}
RETRIES = {
    "OCPPCommCtrlr.MessageTimeout[Default]": "5",
    "OCPPCommCtrlr.MessageAttempts[TransactionEvent]": "3",
    "OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]": "4",
    "SampledDataCtrlr.TxUpdatedInterval": "0",
    "AlignedDataCtrlr.Interval": "0",
}
LATENCY_S = 0.05


def sent(station: VirtualStation, action: str, since: int = 0) -> list[tuple[float, str, Any]]:
    """(time, message id, payload) of every CALL of *action* that left the station."""
    frames = [
        (at, orjson.loads(text)) for at, way, text in station.csms.frames[since:] if way == ">"
    ]
    return [(at, f[1], f[3]) for at, f in frames if f[0] == 2 and f[2] == action]


def charging(**options: Any) -> VirtualStation:
    """EVSE 1 charges, and everything about that has been told."""
    station = VirtualStation(evses=2, **options).boot()
    station.sim.plug(1)
    station.advance(3)
    station.sim.token(CARD, evse=1)
    station.advance(10)
    assert station.world.evses[1].place.closed
    return station


def gaps(moments: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(moments)]


def waits(station: VirtualStation, count: int) -> list[float]:
    """The gaps between the next *count* attempts to connect, from now on."""
    tried = len(station.csms.attempts)
    marks = [station.reactor.at]
    station.advance(500)
    marks += station.csms.attempts[tried:][:count]
    return gaps(marks)
