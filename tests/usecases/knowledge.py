"""What a station may know of tokens by itself: the local list, and the cache of what it was told.

Worked out from the wire alone. Where an answer may or may not have arrived, both are possible;
so there are several lists that the station may hold, and one says what it surely says only if
all of them do.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.usecases.persona import REFUSALS
from tests.usecases.wire import Call, Settings, Wire
from tests.usecases.witness import Witness

FAR = float("inf")
MOST_LISTS = 16


class Word(NamedTuple):
    """The CSMS has said something of a token."""

    at: float
    status: str
    group: str
    sure: bool
    """It has certainly arrived, and in time."""


class Lists(NamedTuple):
    """Every local list that the station may hold from now on."""

    at: float
    lists: list[dict[str, dict[str, Any]]]


@dataclass
class Knowledge:
    """Answers of one kind only: what may be known, and what surely is."""

    witness: Witness
    wire: Wire
    settings: Settings
    _words: dict[str, list[Word]] = field(default_factory=dict)
    _lists: list[Lists] = field(default_factory=lambda: [Lists(-FAR, [{}])])

    def __post_init__(self) -> None:
        for call in self.wire.told:
            token, verdict = call.payload.get("idToken"), verdict_of(call)
            if call.action in ("Authorize", "TransactionEvent") and token and verdict:
                assert call.answered_at is not None
                info = (call.answer or {})["idTokenInfo"]
                word = Word(call.answered_at, verdict, group_of(info), self.arrived(call))
                self._words.setdefault(same(token["idToken"]), []).append(word)
        for call in self.wire.requests("SendLocalList"):
            self._follow(call)

    # -- what others may ask

    def may_be_good(self, token: str, begin: float, end: float) -> set[str]:
        """The groups ("" for none) with which the station may take the token for valid."""
        found = set()
        if "true" in self.settings.could_be("LocalAuthListCtrlr.Enabled", begin, end):
            for info in self._listed(token, begin, end):
                if info is not None and info["status"] == "Accepted":
                    found.add(group_of(info))
        if "true" in self.settings.could_be("AuthCacheCtrlr.Enabled", begin, end):
            if not self.is_surely_listed(token, begin, end):  # C13.FR.01, C14.FR.01
                found |= {word.group for word in self._cached(token, begin, end)}
        return found

    def told_groups(self, token: str, begin: float, end: float) -> set[str]:
        """The groups with which the CSMS may have accepted the token between two moments."""
        words = self._words.get(token, ())
        return {w.group for w in words if begin <= w.at <= end and w.status == "Accepted"}

    def is_surely_listed(self, token: str, begin: float, end: float) -> bool:
        """Then it is not unknown, whatever the list says of it (C13.FR.02, C13.FR.05)."""
        enabled = self.settings.is_surely("LocalAuthListCtrlr.Enabled", "true", begin, end)
        return enabled and all(info is not None for info in self._listed(token, begin, end))

    # -- the cache

    def _cached(self, token: str, begin: float, end: float) -> list[Word]:
        """Words that may have put the token into the cache as Accepted, and it may be there yet."""
        words, cleared_at = self._words.get(token, []), self._cleared_at(begin)
        refused_at = max(
            (w.at for w in words if w.sure and w.status != "Accepted" and w.at <= begin),
            default=-FAR,
        )
        return [
            word
            for word in words
            if word.status == "Accepted" and max(cleared_at, refused_at) <= word.at <= end
        ]

    def _cleared_at(self, before: float) -> float:
        """When the cache was surely emptied last."""
        times = [
            call.answered_at
            for call in self.wire.requests("ClearCache")
            if call.status == "Accepted" and call.answered_at is not None
        ]
        return max((at for at in times if at <= before), default=-FAR)

    # -- the list

    def _listed(self, token: str, begin: float, end: float) -> list[dict[str, Any] | None]:
        """What each list that may have been held between two moments says of it."""
        found: list[dict[str, Any] | None] = []
        for index, state in enumerate(self._lists):
            until = self._lists[index + 1].at if index + 1 < len(self._lists) else FAR
            if state.at <= end and begin <= until:
                found += [each.get(token) for each in state.lists]
        return found

    def _follow(self, call: Call) -> None:
        if call.status not in ("", "Accepted"):
            return
        before = self._lists[-1].lists
        after = [_updated(each, call.payload) for each in before]
        sure = call.status == "Accepted"
        lists = after if sure else [*before, *(each for each in after if each not in before)]
        assert len(lists) <= MOST_LISTS, "too much was sent of which nobody knows whether it came"
        self._lists.append(Lists(call.at, [*before, *after]))
        self._lists.append(Lists(call.answered_at or call.at, lists))

    # -- arrivals

    def arrived(self, call: Call) -> bool:
        """Whether the answer to a CALL of the station certainly reached the core in time."""
        if call.answered_at is None or is_late(call):
            return False
        return self.witness.undisturbed(call.at, call.answered_at)


def _updated(held: dict[str, dict[str, Any]], payload: dict[str, Any]) -> dict[str, dict[str, Any]]:
    after = {} if payload["updateType"] == "Full" else dict(held)
    for entry in payload.get("localAuthorizationList", ()):
        token = same(entry["idToken"]["idToken"])
        if "idTokenInfo" in entry:
            after[token] = entry["idTokenInfo"]
        else:
            after.pop(token, None)
    return after


def same(token: str) -> str:
    """Tokens are the same in every spelling."""
    return token.casefold()


def group_of(info: dict[str, Any]) -> str:
    return str(info.get("groupIdToken", {}).get("idToken", ""))


def verdict_of(call: Call) -> str | None:
    """The status of the token in an answer; None when there is none that counts."""
    status = (call.answer or {}).get("idTokenInfo", {}).get("status")
    return status if status in ("Accepted", *REFUSALS) else None


def is_late(call: Call) -> bool:
    """Whether the answer may have come after the MessageTimeout, which is 5 s."""
    return call.answered_at is not None and call.answered_at - call.at > 4.5
