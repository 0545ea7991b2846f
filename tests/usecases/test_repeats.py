"""CALLs that come twice: told apart from new ones, without remembering them for ever."""

from typing import Any

import orjson
import pytest

from station.bench.fake_csms import CallError
from station.bench.virtual import VirtualStation

ASKED = {"component": {"name": "TxCtrlr"}, "variable": {"name": "TxStartPoint"}}


@pytest.fixture
def station() -> VirtualStation:
    return VirtualStation(evses=1).boot()


def call(station: VirtualStation, message_id: str, items: int) -> Any:
    """The answer to a GetVariables with so many items under an id of our choice."""
    station.csms.results.pop(message_id, None)
    payload = {"getVariableData": [ASKED] * items}
    station.csms.send_text(orjson.dumps([2, message_id, "GetVariables", payload]).decode())
    station.advance(1)
    return station.csms.results[message_id]


def test_a_repeated_call_gets_the_answer_of_the_first(station: VirtualStation) -> None:
    """OCPP-J erratum 4.6"""
    first = call(station, "one", 1)
    assert call(station, "one", 1) == first


def test_an_id_used_for_something_else_is_refused(station: VirtualStation) -> None:
    call(station, "one", 1)
    assert isinstance(call(station, "one", 2), CallError)


def test_large_answers_are_not_remembered_for_ever(station: VirtualStation) -> None:
    """What is kept of them is bounded: the oldest id is as good as new."""
    call(station, "one", 1)
    for number in range(80):
        call(station, f"large-{number}", 100)
    assert not isinstance(call(station, "one", 2), CallError)
    assert isinstance(call(station, "large-79", 2), CallError)
