"""Whole sessions through the reusable states, for every start point with every stop point."""

import pytest

from tests.conformance.conftest import MakeTool

STOP_POINTS = ("ParkingBayOccupancy", "EVConnected", "Authorized", "PowerPathClosed")
STOP_POINTS += ("EnergyTransfer",)
START_POINTS = STOP_POINTS


@pytest.mark.parametrize("how", ["local", "remote"])
@pytest.mark.parametrize("stop", STOP_POINTS)
@pytest.mark.parametrize("start", START_POINTS)
@pytest.mark.parametrize("plugs_first", [True, False], ids=["cable first", "token first"])
def test_session_is_reported_whatever_the_points(
    make_tool: MakeTool, how: str, start: str, stop: str, plugs_first: bool
) -> None:
    """E01.FR.01, E01.FR.02, E01.FR.03, E01.FR.05, E01.FR.06, E01.FR.10, E06.FR.01, E06.FR.02,
    E06.FR.03, E06.FR.06, E06.FR.07
    """
    points = {"TxCtrlr.TxStartPoint": start, "TxCtrlr.TxStopPoint": stop}
    tool = make_tool(how=how, cable="socket" if plugs_first else "fixed", variables=points)
    if plugs_first:
        tool.ev_connected_pre_session()
        tool.authorized()
    else:
        tool.authorized()
        tool.ev_connected_pre_session()
    tool.energy_transfer_started()
    tool.stop_authorized()
    tool.ev_connected_post_session()
    tool.ev_disconnected()
    tool.parking_bay_unoccupied()
    tool.wait(60.0)
    assert not tool.is_running
    assert len({event["transactionInfo"]["transactionId"] for event in tool.events}) == 1
