"""Fixtures of the certification cases: stations in virtual time and the tool that tests them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from station.bench.csms_schema import Schemas
from station.bench.virtual import VirtualStation
from tests.conformance.states import Tool

MakeTool = Callable[..., Tool]

BEFORE_EVERY_CASE = {
    "AuthCtrlr.LocalPreAuthorize": "false",
    "TxCtrlr.EVConnectionTimeOut": "30",
}
"""What the tool sets before each case."""


@pytest.fixture(scope="session")
def schemas() -> Schemas:
    return Schemas()


@pytest.fixture
def make_tool(schemas: Schemas) -> Iterator[MakeTool]:
    """Builds a booted station with a tool on it; `finish` of each runs after the case.

    Arguments of `Tool` (evse, connector, id_token, how, reader) go to it, others to the station;
    `variables` presets the device model: {"TxCtrlr.TxStartPoint": "Authorized"}.
    """
    tools: list[Tool] = []

    def make(
        *,
        evse: int = 1,
        connector: int = 1,
        id_token: dict[str, str] | None = None,
        how: str = "local",
        reader: int | None = 0,
        variables: dict[str, str] | None = None,
        **station: Any,
    ) -> Tool:
        presets = {**BEFORE_EVERY_CASE, **(variables or {})}
        built = VirtualStation(variables=presets, **station).boot()
        tool = Tool(
            built, evse=evse, connector=connector, id_token=id_token, how=how, reader=reader
        )
        tools.append(tool)
        return tool

    yield make
    for each in tools:
        each.finish(schemas)


@pytest.fixture
def tool(make_tool: MakeTool) -> Tool:
    """The plain station of most cases: two EVSEs, fixed cables."""
    return make_tool()
