"""Certification cases of block G, Availability: ChangeAvailability, at once, later, for good."""

from collections.abc import Callable

from tests.conformance.conftest import MakeTool
from tests.conformance.states import Tool


def change(tool: Tool, status: str, evse: int | None = None, connector: int | None = None) -> str:
    """Send ChangeAvailability; the status of the answer."""
    request: dict[str, object] = {"operationalStatus": status}
    if evse is not None:
        request["evse"] = {"id": evse} | ({"connectorId": connector} if connector else {})
    answer = tool.csms.call("ChangeAvailability", request)
    assert "statusInfo" not in answer, answer
    return str(answer["status"])


def ends_unavailable(tool: Tool, connectors: list[int]) -> None:
    """The charge goes on to its end, after which the connectors report Unavailable."""
    tool.wait(10)
    tool.stop_authorized()
    if tool.is_running:
        tool.ev_connected_post_session()
    if tool.is_running:
        tool.sim.unplug(tool.evse)
        tool.is_connected = False
    for connector in connectors:
        tool.expect_status("Unavailable", connector=connector)
    assert not tool.is_running


def test_TC_G_03_CS(make_tool: MakeTool) -> None:
    """G03.FR.01, G03.FR.02, G03.FR.04, G03.FR.06"""
    make_tool(connectors=2).unavailable(1)


def test_TC_G_04_CS(make_tool: MakeTool) -> None:
    """G03.FR.01, G03.FR.02, G03.FR.04, G03.FR.07"""
    tool = make_tool(connectors=2)
    tool.unavailable(1)
    assert change(tool, "Operative", 1) == "Accepted"
    tool.expect_all("Available", 1)


def test_TC_G_05_CS(make_tool: MakeTool) -> None:
    """G04.FR.01, G04.FR.02, G04.FR.03, G04.FR.05, G04.FR.07"""
    make_tool(connectors=2).unavailable()


def test_TC_G_06_CS(tool: Tool) -> None:
    """G04.FR.01, G04.FR.02, G04.FR.03, G04.FR.05, G04.FR.08"""
    tool.unavailable()
    assert change(tool, "Operative") == "Accepted"
    tool.expect_all("Available")


def test_TC_G_07_CS(make_tool: MakeTool) -> None:
    """G03.FR.01, G03.FR.02, G03.FR.04"""
    make_tool(connectors=2).unavailable(1, 2)


def test_TC_G_08_CS(make_tool: MakeTool) -> None:
    """G03.FR.01, G03.FR.02, G03.FR.04, G03.FR.07"""
    tool = make_tool(connectors=2)
    tool.unavailable(1, 2)
    assert change(tool, "Operative", 1, 2) == "Accepted"
    tool.expect_status("Available", connector=2)


def test_TC_G_09_CS(tool: Tool) -> None:
    """G03.FR.01, G03.FR.02, G03.FR.03, G03.FR.04"""
    assert change(tool, "Operative", 1) == "Accepted"


def test_TC_G_10_CS(tool: Tool) -> None:
    """G03.FR.01, G03.FR.02, G03.FR.03"""
    tool.unavailable(1)
    assert change(tool, "Inoperative", 1) == "Accepted"


def test_TC_G_11_CS(make_tool: MakeTool) -> None:
    """G03.FR.01, G03.FR.02, G03.FR.04, G03.FR.05"""
    tool = make_tool(connectors=2)
    tool.energy_transfer_started()
    assert change(tool, "Inoperative", 1) == "Scheduled"
    ends_unavailable(tool, [1, 2])


def test_TC_G_12_CS(tool: Tool) -> None:
    """G04.FR.01, G04.FR.02, G04.FR.03, G04.FR.04"""
    assert change(tool, "Operative") == "Accepted"


def test_TC_G_13_CS(tool: Tool) -> None:
    """G04.FR.01, G04.FR.02, G04.FR.03, G04.FR.04"""
    tool.unavailable()
    assert change(tool, "Inoperative") == "Accepted"
    tool.expect_all("Unavailable")


def test_TC_G_14_CS(tool: Tool) -> None:
    """G04.FR.01, G04.FR.02, G04.FR.03, G04.FR.05, G04.FR.06"""
    tool.energy_transfer_started()
    assert change(tool, "Inoperative") == "Scheduled"
    tool.expect_status("Unavailable", evse=2)
    ends_unavailable(tool, [1])


def test_TC_G_15_CS(tool: Tool) -> None:
    """G03.FR.01, G03.FR.02, G03.FR.03"""
    assert change(tool, "Operative", 1, 1) == "Accepted"


def test_TC_G_16_CS(tool: Tool) -> None:
    """G03.FR.01, G03.FR.02, G03.FR.03"""
    tool.unavailable(1, 1)
    assert change(tool, "Inoperative", 1, 1) == "Accepted"


def test_TC_G_17_CS(tool: Tool) -> None:
    """G03.FR.01, G03.FR.02, G03.FR.04, G03.FR.05"""
    tool.energy_transfer_started()
    assert change(tool, "Inoperative", 1, 1) == "Scheduled"
    ends_unavailable(tool, [1])


def survives(tool: Tool, is_shut: Callable[[int, int], bool]) -> None:
    """A power cycle; every connector then reports what it was."""
    tool.inbox.clear()
    tool.station.restart(power_cut=True)
    tool.expect_boot()
    for evse, connector in tool.connectors():
        status = "Unavailable" if is_shut(evse, connector) else "Available"
        tool.expect_status(status, evse=evse, connector=connector)
    tool.expect("SecurityEventNotification", {"type": ("StartupOfTheDevice", "ResetOrReboot")})


def test_TC_G_18_CS(make_tool: MakeTool) -> None:
    """G03.FR.08, G01.FR.01"""
    tool = make_tool(connectors=2)
    tool.unavailable(1)
    assert change(tool, "Inoperative", 1) == "Accepted"
    tool.expect_all("Unavailable", 1)
    tool.expect_all("Available", 2)
    survives(tool, lambda evse, _: evse == 1)


def test_TC_G_19_CS(make_tool: MakeTool) -> None:
    """G03.FR.08"""
    tool = make_tool(connectors=2)
    tool.unavailable(1, 2)
    survives(tool, lambda evse, connector: (evse, connector) == (1, 2))


def test_TC_G_21_CS(tool: Tool) -> None:
    """G04.FR.09"""
    tool.unavailable()
    survives(tool, lambda _evse, _connector: True)
