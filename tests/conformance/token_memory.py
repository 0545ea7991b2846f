"""Memory states of part 6 that are about tokens: what the station knows before a case."""

from typing import Any

from station.bench.virtual import VirtualStation
from tests.conformance.conftest import MakeTool
from tests.conformance.states import CARD_GONE_S, Payload, Tool, fits

OTHER_TOKEN = {"idToken": "04FFEE01", "type": "ISO14443"}
"""A second token, where a case needs two."""
GROUP = {"groupIdToken": {"idToken": "GROUP-7", "type": "Central"}}
MESSAGE_TIMEOUT_S = 30.0
BACK_OFF = {
    "OCPPCommCtrlr.OfflineThreshold": "90",
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": "30",
    "OCPPCommCtrlr.RetryBackOffRandomRange": "0",
}
"""What cases set that close the connection."""


def id_token_local_auth_list(tool: Tool, *entries: tuple[dict[str, str], Payload]) -> None:
    """IdTokenLocalAuthList: these tokens with their idTokenInfo, and no others."""
    request = {
        "versionNumber": 1,
        "updateType": "Full",
        "localAuthorizationList": [
            {"idToken": token, "idTokenInfo": info} for token, info in entries
        ],
    }
    assert tool.csms.call("SendLocalList", request) == {"status": "Accepted"}


def id_token_cached(tool: Tool, token: dict[str, str], info: Payload) -> None:
    """IdTokenCached (erratum 6.2.120), for a token that the CSMS does not let charge."""
    tool.parking_bay_occupied()
    answer = tool.csms.answers.get("Authorize")
    tool.csms.answers["Authorize"] = {"idTokenInfo": info}
    show(tool, token)
    expect_authorize(tool, token)
    tool.wait(1.0)
    tool.parking_bay_unoccupied()
    tool.inbox.clear()
    if answer is None:
        del tool.csms.answers["Authorize"]
    else:
        tool.csms.answers["Authorize"] = answer


def show(tool: Tool, token: dict[str, str], reader: int | None = 0) -> None:
    """The driver's hand, with any token; at the tool's reader unless told otherwise."""
    place = tool.reader if reader == 0 else reader
    tool.wait(CARD_GONE_S)
    tool.sim.token(token["idToken"], type=token["type"], evse=place)
    tool.wait(0.25)


def present(tool: Tool) -> None:
    """The tool's own token, at the reader or from the CSMS, whichever it is configured for."""
    if tool.how == "remote":
        assert tool.request_start()["status"] == "Accepted"
    else:
        show(tool, tool.id_token)


def expect_authorize(tool: Tool, token: dict[str, str]) -> None:
    tool.expect("Authorize", {"idToken": lambda found: fits(found, dict(token))})


def expect_refused(tool: Tool) -> None:
    """Nothing begins, and no energy flows, though the EV is plugged in by now."""
    if not tool.is_connected:
        tool.ev_connected_pre_session()
    tool.wait(MESSAGE_TIMEOUT_S)
    for event in tool.inbox.all("TransactionEvent"):
        assert "idToken" not in event, event
        assert event["transactionInfo"].get("chargingState") != "Charging", event
    assert not is_closed(tool.station, tool.evse)


def never_asks(tool: Tool) -> None:
    tool.expect_none("Authorize")


def configured(make_tool: MakeTool, *, how: str = "local", **variables: str) -> Tool:
    """A tool whose station uses cache and list before it asks; `AuthCtrlr__Enabled="true"`."""
    presets = {name.replace("__", "."): value for name, value in variables.items()}
    tool = make_tool(how=how, variables=presets)
    tool.set("AuthCacheCtrlr", "Enabled", "true")
    tool.set("LocalAuthListCtrlr", "Enabled", "true")
    tool.set("AuthCtrlr", "LocalPreAuthorize", "true")
    tool.set("AuthCtrlr", "LocalAuthorizeOffline", "true")
    if how == "remote":
        tool.set("AuthCtrlr", "AuthorizeRemoteStart", "true")
    return tool


def is_closed(station: VirtualStation, evse: int) -> bool:
    return station.world.evses[evse].place.closed


def start_offline_transaction(tool: Tool) -> None:
    """StartOfflineTransaction: everything that the driver does happens without a link."""
    tool.csms.go_offline()
    tool.sim.bay(tool.evse, occupied=True)
    show(tool, tool.id_token)
    tool.wait(2.0)
    tool.sim.plug(tool.evse, connector=tool.connector)
    tool.wait(10.0)
    tool.is_bay_occupied = tool.is_connected = tool.is_authorized = True
    tool.csms.go_online()


def refuse_events_with(tool: Tool, status: str) -> None:
    """Every TransactionEvent that carries a token is answered with that status."""

    def answer(event: Payload) -> dict[str, Any]:
        return {"idTokenInfo": {"status": status}} if "idToken" in event else {}

    tool.csms.answers["TransactionEvent"] = answer
