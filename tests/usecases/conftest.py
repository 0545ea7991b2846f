"""Fixtures of the use cases: stations in virtual time, held to the rules when a test is over."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from station.bench.csms_schema import Schemas
from station.bench.virtual import VirtualStation
from tests.usecases.telling import check

MakeStation = Callable[..., VirtualStation]


@pytest.fixture(scope="session")
def schemas() -> Schemas:
    return Schemas()


@pytest.fixture
def make_station(schemas: Schemas) -> Iterator[MakeStation]:
    """Builds a booted station with these start and stop points; what it said is checked at the end.

    `variables` presets more of the device model, everything else goes to `VirtualStation`.
    """
    stations: list[VirtualStation] = []

    def make(
        start: str = "PowerPathClosed",
        stop: str = "EVConnected,Authorized",
        *,
        variables: dict[str, str] | None = None,
        **station: Any,
    ) -> VirtualStation:
        points = {"TxCtrlr.TxStartPoint": start, "TxCtrlr.TxStopPoint": stop}
        presets = {**points, "TxCtrlr.EVConnectionTimeOut": "30", **(variables or {})}
        stations.append(VirtualStation(variables=presets, **station).boot())
        return stations[-1]

    yield make
    for each in stations:
        check(each, schemas)
