"""The simulated meters that sign: what they sign, when they refuse, what survives."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from msgspec.structs import replace

from hal.api import SIGNING_S, FaultName, SignedReading, SignMoment
from hal.sim.board import sim_board_description
from hal.sim.world import World
from tests.unit.hal_fakes import SimBench

BEGIN, UPDATE, END = SignMoment.BEGIN, SignMoment.UPDATE, SignMoment.END


@pytest.fixture
def bench() -> SimBench:
    return SimBench(sim_board_description(signs=True))


def ask(
    bench: SimBench, moment: SignMoment, token: str = "04A1B2C3", evse: int = 1
) -> SignedReading | None:
    answers: list[SignedReading | None] = []
    bench.board.sign(evse, moment, token, answers.append)
    bench.time.advance(0.5)
    assert len(answers) == 1, "answered once, and soon"
    return answers[0]


def signed(bench: SimBench, moment: SignMoment, token: str = "04A1B2C3") -> SignedReading:
    answer = ask(bench, moment, token)
    assert answer is not None
    return answer


def payload(reading: SignedReading) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(reading.data.split("|")[1])
    return loaded


def verify(reading: SignedReading) -> None:
    """By another way than the meter's: the sections of the text, the key as OCPP carries it."""
    head, text, signature = reading.data.split("|")
    assert head == "OCMF"
    marker, encoding, kind, key = reading.public_key.split(":")
    assert (marker, encoding, kind) == ("oca", "base16", "asn1")
    public = load_der_public_key(bytes.fromhex(key))
    assert isinstance(public, EllipticCurvePublicKey)
    public.verify(bytes.fromhex(json.loads(signature)["SD"]), text.encode(), ECDSA(SHA256()))


def test_what_is_signed_verifies_and_tells_the_register(bench: SimBench) -> None:
    begin = signed(bench, BEGIN)
    bench.charging()
    update = signed(bench, UPDATE)
    end = signed(bench, END)
    for reading in (begin, update, end):
        verify(reading)
        (entry,) = payload(reading)["RD"]
        assert entry["RV"] * 1000 == pytest.approx(reading.energy_wh)
        assert (entry["RU"], entry["RI"], entry["ST"], entry["EF"]) == ("kWh", "1-b:1.8.0", "G", "")
    assert [payload(each)["RD"][0]["TX"] for each in (begin, update, end)] == ["B", "C", "E"]
    assert [payload(each)["PG"] for each in (begin, update, end)] == ["T1", "T2", "T3"]
    assert begin.energy_wh < update.energy_wh <= end.energy_wh
    assert begin.public_key == end.public_key


def test_a_changed_byte_does_not_verify(bench: SimBench) -> None:
    begin = signed(bench, BEGIN)
    with pytest.raises(InvalidSignature):
        verify(replace(begin, data=begin.data.replace('"T1"', '"T2"')))


def test_outside_a_transaction_nobody_is_named_and_pages_are_fiscal(bench: SimBench) -> None:
    reading = signed(bench, UPDATE, "")
    verify(reading)
    told = payload(reading)
    assert told["PG"] == "F1"
    assert "IS" not in told
    assert "TX" not in told["RD"][0]


def test_who_charges_is_named_as_it_may_stand_in_the_format(bench: SimBench) -> None:
    """A bar separates the sections: an id token that holds one is written with an escape."""
    begin = signed(bench, BEGIN, "A|B")
    assert begin.data.count("|") == 2
    verify(begin)
    assert (payload(begin)["IS"], payload(begin)["ID"]) == (True, "A|B")
    signed(bench, END, "A|B")
    nobody = payload(signed(bench, BEGIN, ""))
    assert (nobody["IS"], nobody["IT"], nobody["ID"]) == (False, "NONE", "")


def test_the_same_moment_is_signed_with_the_same_bytes() -> None:
    """RFC 6979: virtual time can be repeated."""
    runs = [signed(SimBench(sim_board_description(signs=True)), BEGIN) for _ in range(2)]
    assert runs[0] == runs[1]


def test_each_meter_has_its_own_key(bench: SimBench) -> None:
    first, second = ask(bench, BEGIN), ask(bench, BEGIN, evse=2)
    assert first is not None
    assert second is not None
    assert first.public_key != second.public_key


def test_a_meter_that_does_not_sign_says_so_at_once() -> None:
    answers: list[SignedReading | None] = []
    SimBench().board.sign(1, BEGIN, "", answers.append)
    assert answers == [None]


def test_begin_before_the_end_is_refused_and_noted(bench: SimBench) -> None:
    signed(bench, BEGIN)
    assert bench.board.violations == []
    assert ask(bench, BEGIN) is None
    assert bench.board.violations == ["EVSE 1 at 0.500 s: BEGIN before END"]


def test_an_end_may_be_asked_again_until_the_next_begin(bench: SimBench) -> None:
    signed(bench, BEGIN)
    end = signed(bench, END)
    again = signed(bench, END)
    assert again.data == end.data
    assert ask(bench, END, "another") is None
    signed(bench, BEGIN)
    signed(bench, END, "another")
    assert ask(bench, END) is None


def test_an_end_that_nothing_began_cannot_be_signed(bench: SimBench) -> None:
    assert ask(bench, END) is None


@pytest.mark.parametrize(("mood", "after_s"), [("refuses", 0.3), ("late", SIGNING_S)])
def test_a_meter_may_refuse_or_take_too_long(bench: SimBench, mood: str, after_s: float) -> None:
    bench.hardware.signing(1, mood)
    answers: list[SignedReading | None] = []
    bench.board.sign(1, BEGIN, "", answers.append)
    bench.time.advance(after_s - 0.01)
    assert answers == []
    bench.time.advance(0.02)
    assert answers == [None]


def test_a_meter_whose_line_is_cut_does_not_answer(bench: SimBench) -> None:
    bench.hardware.fault(1, FaultName.METER_SILENT, active=True)
    answers: list[SignedReading | None] = []
    bench.board.sign(1, BEGIN, "", answers.append)
    bench.time.advance(SIGNING_S - 0.01)
    assert answers == []
    bench.time.advance(0.02)
    assert answers == [None]
    bench.hardware.fault(1, FaultName.METER_SILENT, active=False)
    assert payload(signed(bench, BEGIN))["PG"] == "T1", "it has heard of nothing meanwhile"


def test_a_meter_remembers_what_it_signed_when_the_process_is_gone(tmp_path: Path) -> None:
    description = sim_board_description(signs=True)
    file = tmp_path / "world.json"
    first = SimBench(description, world=World.load(file, description, 0.0, boot_id="boot"))
    signed(first, BEGIN)
    end = signed(first, END)
    second = SimBench(description, world=World.load(file, description, 1.0, boot_id="boot"))
    assert signed(second, END).data == end.data
    assert payload(signed(second, BEGIN))["PG"] == "T3"
