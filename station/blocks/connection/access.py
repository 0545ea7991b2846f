"""APN and VPN settings of a slot, handed to the command that the installer configured."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET

from station.context import Context
from station.ocpp import codec
from station.ocpp.messages.provisioning import NetworkConnectionProfile

log = logging.getLogger(__name__)

Command = Callable[[bytes], Any]
"""Sets the network up as the JSON object says, or raises with a line for a person; may block."""


def settings_of(slot: str, profile: NetworkConnectionProfile) -> str:
    """What the command gets for this profile; empty when there is nothing to set up."""
    if profile.apn is UNSET and profile.vpn is UNSET:
        return ""
    payload = codec.to_payload(profile)
    told = {"slot": slot, "interface": payload["ocppInterface"]}
    told |= {key: payload[key] for key in ("apn", "vpn") if key in payload}
    return msgspec.json.encode(told).decode()


class Access:
    """Runs the command before attempts that need it, and once when they no longer do."""

    def __init__(self, context: Context, command: Command | None) -> None:
        self._context, self._command = context, command
        self._set_up = False

    def prepare(self, slot: str, settings: str, then: Callable[[str], Any]) -> None:
        """*then* is told why the attempt cannot be made; nothing when it can."""
        if self._command is None or not (settings or self._set_up):
            then("no [network] access_command is configured" if settings else "")
            return
        given = settings.encode() or msgspec.json.encode({"slot": slot})
        done = partial(self._done, bool(settings), then)
        self._context.lane("access").submit(partial(self._command, given), done)

    def _done(self, needed: bool, then: Callable[[str], Any], result: object) -> None:
        self._set_up = needed
        if not isinstance(result, BaseException):
            then("")
        elif needed:
            then(f"the access command failed: {result}")
        else:
            log.warning("the access command failed to take down what was set up: %s", result)
            then("")
