"""What each request to the local HTTP API does; knows nothing of sockets."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import orjson
from msgspec.structs import asdict

from station.control import QueueView, SimControls, StationView, UnreadableError
from station.web.sim_api import PATHS, Target, find_command

MAX_INBOX = 64
READ_PATHS = (
    "GET /api/health",
    "GET /api/state",
    "GET /api/undelivered",
    "GET /api/dropped",
)
PAGE, MAX_PAGE = 50, 200
OK = orjson.dumps({"status": "ok"})


class RequestError(Exception):
    """The request is answered with *status* and a text for a person."""

    def __init__(self, status: HTTPStatus, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers


class Api:
    """Reads the published snapshot and the disk, hands commands on; never waits for the core."""

    def __init__(
        self, view: StationView, controls: SimControls | None, queue: QueueView | None = None
    ) -> None:
        self._view, self._controls, self._queue = view, controls, queue

    def get(self, path: str, query: Mapping[str, str]) -> bytes:
        if path == "/api/health":
            return OK
        if path == "/api/state":
            return orjson.dumps(asdict(self._view.snapshot()), option=orjson.OPT_INDENT_2)
        if path in ("/api/undelivered", "/api/dropped"):
            return orjson.dumps(self._kept(path, query), option=orjson.OPT_INDENT_2)
        if self._target(path) is not None:
            raise RequestError(HTTPStatus.METHOD_NOT_ALLOWED, f"{path} takes POST", Allow="POST")
        raise self.unknown(path)

    def _kept(self, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        if self._queue is None:
            raise RequestError(HTTPStatus.SERVICE_UNAVAILABLE, "there is no disk to read from")
        try:
            if path == "/api/dropped":
                return {"transactions": self._queue.dropped()}
            count = _number(query, "count", 1, MAX_PAGE) or PAGE
            messages = self._queue.undelivered(_number(query, "before", 0, 2**53), count)
        except UnreadableError as error:
            raise RequestError(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
        return {
            "messages": messages,
            "next": messages[-1]["id"] if len(messages) == count else None,
        }

    def target(self, path: str) -> Target:
        target = self._target(path)
        if target is not None:
            return target
        if f"GET {path}" in READ_PATHS:
            raise RequestError(HTTPStatus.METHOD_NOT_ALLOWED, f"{path} takes GET", Allow="GET")
        raise self.unknown(path)

    def command(self, target: Target, body: bytes) -> Callable[[], None]:
        """Everything is checked; what is returned carries it out."""
        controls = self._controls
        assert controls is not None, "there are no targets without controls"
        call = target.call(_json_object(body))
        if self._view.inbox_depth() > MAX_INBOX:
            raise RequestError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "the station is busy; try again",
                **{"Retry-After": "1"},
            )
        return lambda: call(controls)

    def unknown(self, path: str) -> RequestError:
        paths = READ_PATHS if self._controls is None else (*READ_PATHS, *PATHS)
        shown = path if len(path) <= 80 else path[:79] + "…"
        return RequestError(
            HTTPStatus.NOT_FOUND, f"there is no {shown!r}; there is: {', '.join(paths)}"
        )

    def _target(self, path: str) -> Target | None:
        return None if self._controls is None else find_command(path)


def _number(query: Mapping[str, str], name: str, least: int, most: int) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 17 and least <= int(text) <= most):
        raise RequestError(
            HTTPStatus.BAD_REQUEST, f"{name} must be a number from {least} to {most}"
        )
    return int(text)


def _json_object(body: bytes) -> dict[str, Any]:
    """An empty body stands for `{}`."""
    if not body.strip():
        return {}
    try:
        given = orjson.loads(body)
    except ValueError as error:
        raise RequestError(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise RequestError(HTTPStatus.BAD_REQUEST, "the body must be a JSON object, as in {}")
    return given
