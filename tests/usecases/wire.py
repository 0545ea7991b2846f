"""What passed over the wire of a virtual station: CALLs with their answers, and settings."""

from dataclasses import dataclass, field
from typing import Any

import orjson

from station.bench.virtual import VirtualStation


@dataclass
class Call:
    """One CALL and what became of it."""

    at: float
    message_id: str
    action: str
    payload: dict[str, Any]
    answered_at: float | None = None
    answer: dict[str, Any] | None = None
    """None: none came, or a CALLERROR."""
    link: int = 0
    """Of which connection, counted from 1."""

    @property
    def status(self) -> str:
        """Of the answer, as most answers have one."""
        return "" if self.answer is None else str(self.answer.get("status", ""))


@dataclass
class Wire:
    """All that was said, in order."""

    station: VirtualStation
    told: list[Call] = field(default_factory=list)
    """CALLs of the station."""
    asked: list[Call] = field(default_factory=list)
    """CALLs of the CSMS."""

    def __post_init__(self) -> None:
        changes = iter([*self.station.csms.links, (len(self.station.csms.frames) + 1, False)])
        changed_at, up = next(changes)
        link = 0
        told: dict[str, Call] = {}
        asked: dict[str, Call] = {}
        for index, (at, way, text) in enumerate(self.station.csms.frames):
            while index >= changed_at:
                link += up
                told.clear()
                asked.clear()
                changed_at, up = next(changes)
            try:
                frame = orjson.loads(text)
            except orjson.JSONDecodeError:
                continue
            if frame[0] == 2:
                call = Call(at, frame[1], frame[2], frame[3], link=link)
                (self.told if way == ">" else self.asked).append(call)
                (told if way == ">" else asked)[call.message_id] = call
                continue
            answered = (told if way == "<" else asked).pop(frame[1], None)
            if answered is not None:
                answered.answered_at = at
                answered.answer = frame[2] if frame[0] == 3 else None

    def calls(self, action: str) -> list[Call]:
        return [call for call in self.told if call.action == action]

    def requests(self, action: str) -> list[Call]:
        return [call for call in self.asked if call.action == action]


@dataclass
class Setting:
    at: float
    value: str
    sure_at: float | None
    """The CSMS was told that it holds; None: nobody knows whether the station has taken it."""


class Settings:
    """What the variables may have been at any time: presets, then what the CSMS has set."""

    def __init__(self, presets: dict[str, str], wire: Wire) -> None:
        self._settings = {
            name: [Setting(float("-inf"), value, float("-inf"))] for name, value in presets.items()
        }
        for call in wire.requests("SetVariables"):
            results = [] if call.answer is None else call.answer["setVariableResult"]
            for index, item in enumerate(call.payload["setVariableData"]):
                status = results[index]["attributeStatus"] if results else ""
                self._note(call, item, status)

    def _note(self, call: Call, item: dict[str, Any], status: str) -> None:
        if status not in ("", "Accepted"):
            return
        name = f"{item['component']['name']}.{item['variable']['name']}"
        if "instance" in item["variable"]:
            name += f"[{item['variable']['instance']}]"
        sure_at = call.answered_at if status else None
        known = self._settings.setdefault(name, [])
        known.append(Setting(call.at, str(item["attributeValue"]), sure_at))

    def could_be(self, name: str, begin: float, end: float) -> set[str]:
        """Every value that the variable may have had between two moments."""
        possible: set[str] = set()
        for setting in self._settings[name]:
            if setting.at > end:
                break
            if setting.sure_at is not None and setting.sure_at <= begin:
                possible = set()
            possible.add(setting.value)
        return possible

    def is_surely(self, name: str, value: str, begin: float, end: float) -> bool:
        return self.could_be(name, begin, end) == {value}
