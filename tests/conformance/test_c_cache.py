"""Certification cases of block C, Authorization: what the cache holds, and how it is cleared."""

from collections.abc import Callable

import pytest

from tests.conformance.conftest import MakeTool
from tests.conformance.states import TRANSACTION_DURATION_S, Payload, Tool, fits

CACHE = "AuthCacheCtrlr"
INVALID: Payload = {"idTokenInfo": {"status": "Invalid"}}

Caching = Callable[..., Tool]


@pytest.fixture
def caching(make_tool: MakeTool) -> Caching:
    """Builds a tool after its configuration states; with *cached*, IdTokenCached has been lived."""

    def make(
        start: str = "PowerPathClosed", *, how: str = "local", cached: bool = True, **variables: str
    ) -> Tool:
        presets = {
            "TxCtrlr.TxStartPoint": start,
            "AuthCtrlr.AuthorizeRemoteStart": "true",
            **{name.replace("_", "."): value for name, value in variables.items()},
        }
        tool = make_tool(variables=presets, how=how)
        tool.set(CACHE, "Enabled", "true")
        tool.set("LocalAuthListCtrlr", "Enabled", "true")
        if cached:
            tool.id_token_cached(how)
        tool.set("AuthCtrlr", "LocalPreAuthorize", "true")
        return tool

    return make


def expect_no_authorize(tool: Tool) -> None:
    assert tool.inbox.all("Authorize") == []


def refuse(tool: Tool) -> None:
    """From now on the token is Invalid to the CSMS, whatever asks."""
    tool.csms.answers["Authorize"] = INVALID
    tool.csms.answers["TransactionEvent"] = lambda event: INVALID if "idToken" in event else {}


def show(tool: Tool, how: str) -> None:
    if how == "remote":
        tool.request_start()
    else:
        tool.present()


def expect_asked(tool: Tool) -> None:
    tool.expect("Authorize", {"idToken": lambda token: fits(token, dict(tool.id_token))})


EITHER_WAY = pytest.mark.parametrize("how", ["local", "remote"])
EVERY_START = pytest.mark.parametrize("start", ["PowerPathClosed", "Authorized", "EVConnected"])


@EITHER_WAY
@pytest.mark.parametrize("start", ["Authorized", "ParkingBayOccupancy"])
def test_TC_C_32_CS(caching: Caching, start: str, how: str) -> None:
    tool = caching(start, how=how)
    tool.booted()
    tool.authorized(how)
    expect_no_authorize(tool)
    tool.ev_connected_pre_session()
    tool.energy_transfer_started()


@EITHER_WAY
@EVERY_START
def test_TC_C_33_CS(caching: Caching, start: str, how: str) -> None:
    tool = caching(start, how=how, cached=False)
    tool.ev_connected_pre_session()
    tool.authorized(how)
    tool.energy_transfer_started()
    tool.ev_connected_post_session()
    tool.ev_disconnected()
    tool.parking_bay_unoccupied()
    tool.parking_bay_occupied()
    tool.ev_connected_pre_session()
    tool.is_cached = True
    refuse(tool)
    tool.inbox.clear()
    tool.authorized(how)
    expect_no_authorize(tool)


@EITHER_WAY
@EVERY_START
def test_TC_C_34_CS(caching: Caching, start: str, how: str) -> None:
    """Erratum 6.2.28."""
    tool = caching(
        start, how=how, TxCtrlr_StopTxOnInvalidId="true", TxCtrlr_MaxEnergyOnInvalidId="0"
    )
    tool.ev_connected_pre_session()
    refuse(tool)
    tool.authorized(how)
    expect_no_authorize(tool)
    tool.deauthorized()
    tool.ev_disconnected()
    tool.parking_bay_unoccupied()
    tool.inbox.clear()
    tool.parking_bay_occupied()
    show(tool, how)
    expect_asked(tool)


@EITHER_WAY
def test_TC_C_36_CS(caching: Caching, how: str) -> None:
    tool = caching(how=how)
    tool.set("AuthCtrlr", "LocalPreAuthorize", "false")
    refuse(tool)
    show(tool, how)
    expect_asked(tool)


@EITHER_WAY
@EVERY_START
def test_TC_C_37_CS(caching: Caching, start: str, how: str) -> None:
    tool = caching(start, how=how)
    assert tool.csms.call("ClearCache", {}) == {"status": "Accepted"}
    tool.is_cached = False
    tool.parking_bay_occupied()
    tool.ev_connected_pre_session()
    tool.authorized(how)
    tool.energy_transfer_started()


def test_TC_C_38_CS(caching: Caching) -> None:
    tool = caching()
    tool.set(CACHE, "Enabled", "false")
    assert tool.csms.call("ClearCache", {})["status"] == "Rejected"


@EVERY_START
def test_TC_C_46_CS(caching: Caching, start: str) -> None:
    tool = caching(start)
    tool.set(CACHE, "LifeTime", str(int(TRANSACTION_DURATION_S)))
    tool.ev_connected_pre_session()
    tool.wait(TRANSACTION_DURATION_S)
    tool.is_cached = False
    tool.authorized("local")
