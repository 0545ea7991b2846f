"""Tokens in tests of who may charge: shown, listed, cached, and what the driver is told."""

from typing import Any

from station.bench.virtual import VirtualStation
from station.events import TokenAnswered

CARD, OTHER, THIRD = "04A1B2C3", "04FFEE01", "04333333"
Info = dict[str, Any]
ACCEPTED: Info = {"status": "Accepted"}
LIFTED_S = 2.5
"""A card that comes back sooner has never left the reader."""


def token_of(id_token: str, type: str = "ISO14443") -> dict[str, str]:
    return {"idToken": id_token, "type": type}


def of_group(group: str, status: str = "Accepted", **more: Any) -> Info:
    return {"status": status, "groupIdToken": token_of(group, "Central"), **more}


def show(
    station: VirtualStation,
    id_token: str,
    evse: int | None = 1,
    type: str = "ISO14443",
    *,
    then_s: float = 8.0,
) -> None:
    """Show it at the reader of an EVSE or (None) of the station, and live for *then_s*."""
    station.advance(LIFTED_S)
    station.sim.token(id_token, type=type, evse=evse)
    station.advance(then_s)


def listed(station: VirtualStation, *entries: tuple[str, Info], type: str = "ISO14443") -> None:
    """The local list holds these tokens, and no others."""
    request = {
        "versionNumber": 1,
        "updateType": "Full",
        "localAuthorizationList": [
            {"idToken": token_of(id_token, type), "idTokenInfo": info} for id_token, info in entries
        ],
    }
    assert station.csms.call("SendLocalList", request) == {"status": "Accepted"}


def cached(station: VirtualStation, *entries: tuple[str, Info], type: str = "ISO14443") -> None:
    """The CSMS has told that of these tokens; nothing came of it."""
    before = station.csms.answers.get("Authorize")
    for id_token, info in entries:
        station.csms.answers["Authorize"] = {"idTokenInfo": info}
        show(station, id_token, 1, type, then_s=1.0)
        if info["status"] == "Accepted":
            show(station, id_token, 1, type, then_s=1.0)  # and not wanted any more
    if before is None:
        del station.csms.answers["Authorize"]
    else:
        station.csms.answers["Authorize"] = before
    station.csms.received.clear()


def answer_with(station: VirtualStation, info: Info) -> None:
    """What the CSMS says of every token from now on."""
    station.csms.answers["Authorize"] = {"idTokenInfo": info}
    station.csms.answers["TransactionEvent"] = lambda event: (
        {"idTokenInfo": info} if "idToken" in event else {}
    )


def answers(station: VirtualStation) -> list[TokenAnswered]:
    """What drivers are told from now on, in order."""
    told: list[TokenAnswered] = []
    station.station.events.subscribe(TokenAnswered, told.append)
    return told


def asked(station: VirtualStation) -> list[str]:
    """The tokens that the CSMS was asked about."""
    return [each["idToken"]["idToken"] for each in station.csms.of("Authorize")]


def started_with(station: VirtualStation) -> list[str]:
    """The tokens that events named, with their triggers: "04A1B2C3 Authorized"."""
    return [
        f"{event['idToken']['idToken']} {event['triggerReason']}"
        for event in station.csms.events()
        if "idToken" in event
    ]
