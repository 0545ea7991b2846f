"""Certification cases of block D, LocalAuthorizationList."""

import pytest

from tests.conformance.states import ID_TOKEN, Payload, Tool

OTHER_TOKEN = {"idToken": "04FFEE01", "type": "ISO14443"}
VERSION = 7
"""What the tool is configured to send as versionNumber."""


def entry(id_token: dict[str, str]) -> Payload:
    return {"idToken": id_token, "idTokenInfo": {"status": "Accepted"}}


def send(tool: Tool, update_type: str, version: int, *entries: Payload) -> str:
    """SendLocalList; the status of its answer."""
    request: Payload = {"updateType": update_type, "versionNumber": version}
    if entries:
        request["localAuthorizationList"] = list(entries)
    return str(tool.csms.call("SendLocalList", request)["status"])


def version_of(tool: Tool) -> int:
    return int(tool.csms.call("GetLocalListVersion", {})["versionNumber"])


@pytest.fixture
def listing(tool: Tool) -> Tool:
    """LocalAuthListEnabled is true, and a valid idToken is in the list (IdTokenLocalAuthList)."""
    tool.set("LocalAuthListCtrlr", "Enabled", "true")
    assert send(tool, "Full", VERSION, entry(ID_TOKEN)) == "Accepted"
    return tool


def test_TC_D_01_CS(tool: Tool) -> None:
    tool.set("LocalAuthListCtrlr", "Enabled", "true")
    assert send(tool, "Full", VERSION, entry(ID_TOKEN)) == "Accepted"
    assert version_of(tool) == VERSION


def test_TC_D_02_CS(listing: Tool) -> None:
    assert send(listing, "Differential", VERSION + 1, entry(OTHER_TOKEN)) == "Accepted"
    assert version_of(listing) == VERSION + 1


def test_TC_D_03_CS(listing: Tool) -> None:
    assert send(listing, "Differential", VERSION + 1, {"idToken": ID_TOKEN}) == "Accepted"
    assert version_of(listing) == VERSION + 1


def test_TC_D_04_CS(listing: Tool) -> None:
    assert send(listing, "Full", VERSION) == "Accepted"
    assert version_of(listing) == VERSION


def test_TC_D_05_CS(listing: Tool) -> None:
    assert send(listing, "Differential", VERSION + 1) == "Accepted"
    assert version_of(listing) == VERSION + 1


def test_TC_D_06_CS(listing: Tool) -> None:
    assert send(listing, "Differential", VERSION - 1, entry(OTHER_TOKEN)) == "VersionMismatch"
    assert version_of(listing) == VERSION


@pytest.mark.parametrize("reset", [None, "Immediate"])
def test_TC_D_07_CS(listing: Tool, reset: str | None) -> None:
    listing.booted(reset=reset)
    assert version_of(listing) == VERSION


def test_TC_D_08_CS(listing: Tool) -> None:
    assert version_of(listing) == VERSION


def test_TC_D_10_CS(tool: Tool) -> None:
    tool.set("LocalAuthListCtrlr", "Enabled", "false")
    assert version_of(tool) == 0
