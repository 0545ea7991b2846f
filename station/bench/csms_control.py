"""The door through which `joulepost csms send` reaches a running bench CSMS, loopback only."""

from typing import Any, Protocol

import orjson
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import InvalidHandshake, WebSocketException
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from station.bench.csms_link import Answered, BadCallError, CallRefusedError, CsmsError

CONTROL_PATH = "/_control"
CONTROL_PROTOCOL = Subprotocol("joulepost-control")
CONNECT_TIMEOUT_S = 5.0

# What `send` ends with.
SENT, FAILED, BAD_ARGUMENTS = 0, 1, 2


class Caller(Protocol):
    async def exchange(
        self, station: str, action: str, payload: dict[str, Any], timeout_s: float, *, check: bool
    ) -> Answered: ...


async def serve_control(socket: ServerConnection, caller: Caller) -> None:
    """Carry out the calls that come in on *socket*, one after the other."""
    async for text in socket:
        await socket.send(orjson.dumps(await _carried_out(caller, text)).decode())


async def _carried_out(caller: Caller, text: str | bytes) -> dict[str, Any]:
    try:
        wanted = orjson.loads(text)
        station, action, payload = wanted["station"], wanted["action"], wanted["payload"]
        timeout_s, check = float(wanted["timeout_s"]), bool(wanted["check"])
    except (ValueError, TypeError, KeyError) as error:
        return {"exit": BAD_ARGUMENTS, "error": f"not understood: {error}"}
    try:
        answered = await caller.exchange(station, action, payload, timeout_s, check=check)
    except BadCallError as error:
        return {"exit": BAD_ARGUMENTS, "error": str(error)}
    except CallRefusedError as error:
        details = f" {orjson.dumps(error.details).decode()}" if error.details else ""
        return {"exit": FAILED, "error": f"{error}{details}"}
    except CsmsError as error:
        return {"exit": FAILED, "error": str(error)}
    if answered.violation is not None:
        return {"exit": FAILED, "result": answered.payload, "error": str(answered.violation)}
    return {"exit": SENT, "result": answered.payload}


def send_call(
    host: str,
    port: int,
    station: str,
    action: str,
    payload: dict[str, Any],
    *,
    timeout_s: float,
    check: bool = True,
) -> dict[str, Any]:
    """Have the bench CSMS at *host*:*port* make a call: {"exit", "result"?, "error"?}."""
    wanted = {"station": station, "action": action, "payload": payload}
    where = f"{host}:{port}"
    try:
        with connect(
            f"ws://{f'[{host}]' if ':' in host else host}:{port}{CONTROL_PATH}",
            subprotocols=[CONTROL_PROTOCOL],
            proxy=None,
            open_timeout=CONNECT_TIMEOUT_S,
        ) as socket:
            socket.send(orjson.dumps({**wanted, "timeout_s": timeout_s, "check": check}).decode())
            reply = orjson.loads(socket.recv(timeout=None))
    except InvalidHandshake as error:
        return {"exit": FAILED, "error": f"what listens on {where} is no bench CSMS: {error}"}
    except (OSError, WebSocketException) as error:
        problem = f"no bench CSMS answers on {where} ({error}); start one with: joulepost csms"
        return {"exit": FAILED, "error": problem}
    assert isinstance(reply, dict)
    return reply
