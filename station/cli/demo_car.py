"""The person of the demo: uses the station's HTTP API as anyone would with curl."""

import time
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

import orjson

TOKEN = "04A1B2C3"  # noqa: S105 - an RFID card, not a secret
PAUSE_S = 2.0
TIMEOUT_S = 5.0


class ApiError(Exception):
    """The station refused a request, or could not be reached."""


class StationApi:
    def __init__(self, url: str) -> None:
        self.url = url
        self._open = build_opener(ProxyHandler({})).open  # loopback needs no proxy

    def state(self) -> dict[str, Any]:
        return self._ask("/api/state", None)

    def post(self, path: str, **fields: Any) -> None:
        self._ask(path, orjson.dumps(fields))

    def registration(self) -> str:
        """Empty as long as the station does not answer."""
        try:
            return str(self.state().get("registration", ""))
        except ApiError:
            return ""

    def _ask(self, path: str, body: bytes | None) -> dict[str, Any]:
        request = Request(  # noqa: S310 - http:// is what we were given
            self.url + path, data=body, headers={"Content-Type": "application/json"}
        )
        try:
            with self._open(request, timeout=TIMEOUT_S) as response:
                answer = orjson.loads(response.read())
        except HTTPError as error:
            raise ApiError(_reason(error)) from error
        except (URLError, OSError, ValueError) as error:
            raise ApiError(str(error)) from error
        if not isinstance(answer, dict):
            raise ApiError(f"{path} did not answer with an object")
        return answer


def drive_in(api: StationApi, say: Callable[[str], None]) -> None:
    """Plug a car into EVSE 1 and show a token, unless the car of the last run still charges."""
    if api.state().get("transactions"):
        say("the car of the last run is still there; its transaction goes on")
        return
    say("a car is plugged in at EVSE 1 …")
    try:
        api.post("/api/sim/evses/1/plug", current_a=16, soc=30)
    except ApiError as error:
        say(f"({error})")  # it may have stayed plugged in since the last run
    time.sleep(PAUSE_S)
    say(f"… and its driver shows the token {TOKEN}")
    api.post("/api/sim/token", id_token=TOKEN)


def _reason(error: HTTPError) -> str:
    with error:
        try:
            return str(orjson.loads(error.read())["error"])
        except (ValueError, KeyError, TypeError, OSError):
            return f"HTTP {error.code}"
