"""Certification cases of block G, Availability."""

from tests.conformance.states import Tool


def test_TC_G_01_CS(tool: Tool) -> None:
    """G01.FR.01"""
    tool.ev_connected_pre_session()


def test_TC_G_02_CS(tool: Tool) -> None:
    """G01.FR.01"""
    tool.ev_connected_pre_session()
    tool.sim.unplug(1)
    tool.expect_status("Available")
