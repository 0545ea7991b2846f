"""Certification cases of block N, Diagnostics: customer information (N09, N10)."""

from typing import Any

from tests.conformance.states import ID_TOKEN, Tool

UNKNOWN = {"idToken": "04FFFFFF", "type": "ISO14443"}


def ask(tool: Tool, *, report: bool = False, clear: bool = False, **who: Any) -> str:
    """Send CustomerInformation; the status of the answer."""
    request = {"requestId": 5, "report": report, "clear": clear, **who}
    return str(tool.csms.call("CustomerInformation", request)["status"])


def told(tool: Tool) -> str:
    """What the parts of the answer say together."""
    data, seq_no = "", 0
    while True:
        part = tool.expect("NotifyCustomerInformation", {"requestId": 5, "seqNo": seq_no})
        data, seq_no = data + part["data"], seq_no + 1
        if not part.get("tbc", False):
            tool.expect_none("NotifyCustomerInformation")
            return data


def known_customer(tool: Tool) -> None:
    """The token is in list and cache; it has been used, and the bay is empty again."""
    tool.set("LocalAuthListCtrlr", "Enabled", "true")
    tool.set("AuthCtrlr", "LocalPreAuthorize", "true")
    tool.set("AuthCacheCtrlr", "Enabled", "true")
    tool.id_token_cached()
    entry = {"idToken": ID_TOKEN, "idTokenInfo": {"status": "Accepted"}}
    update = {
        "versionNumber": 1,
        "updateType": "Full",
        "localAuthorizationList": [entry],
    }
    assert tool.csms.call("SendLocalList", update) == {"status": "Accepted"}
    tool.authorized()
    tool.wait(40)  # nobody plugs in
    tool.is_authorized = False
    tool.parking_bay_unoccupied()


def test_TC_N_27_CS(tool: Tool) -> None:
    """N09.FR.02, N09.FR.05"""
    known_customer(tool)
    assert ask(tool, report=True, idToken=ID_TOKEN) == "Accepted"
    assert told(tool) != ""


def test_TC_N_28_CS(tool: Tool) -> None:
    """N09.FR.02, N09.FR.06"""
    assert ask(tool, clear=True, idToken=UNKNOWN) == "Accepted"
    told(tool)
    assert ask(tool, report=True, idToken=UNKNOWN) == "Accepted"
    assert told(tool) == ""


def test_TC_N_29_CS(tool: Tool) -> None:
    """N09.FR.03, N09.FR.09"""
    assert ask(tool, report=True) == "Invalid"


def test_TC_N_30_CS(tool: Tool) -> None:
    """N10.FR.01, N10.FR.03"""
    known_customer(tool)
    assert ask(tool, report=True, clear=True, idToken=ID_TOKEN) == "Accepted"
    assert "authorization cache" in told(tool)
    assert ask(tool, report=True, idToken=ID_TOKEN) == "Accepted"
    assert "authorization cache" not in told(tool)


def test_TC_N_31_CS(tool: Tool) -> None:
    """N10.FR.01, N10.FR.04"""
    assert ask(tool, report=True, clear=True, idToken=UNKNOWN) == "Accepted"
    assert told(tool) == ""


def test_TC_N_32_CS(tool: Tool) -> None:
    """N10.FR.01, N10.FR.06"""
    assert ask(tool, clear=True, idToken=UNKNOWN) == "Accepted"
    assert told(tool) == "cleared"


def test_TC_N_33_CS(tool: Tool) -> None:
    """N10.FR.01, N10.FR.05"""
    assert ask(tool, clear=True) == "Invalid"


def test_TC_N_62_CS(tool: Tool) -> None:
    """N10.FR.01, N10.FR.03: what the station knows an identifier by is the token's text."""
    tool.id_token_cached()
    who = {"customerIdentifier": ID_TOKEN["idToken"]}
    assert ask(tool, report=True, clear=True, **who) == "Accepted"
    assert told(tool) != ""
    assert ask(tool, report=True, **who) == "Accepted"
    assert told(tool) == ""
