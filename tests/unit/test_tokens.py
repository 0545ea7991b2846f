"""Tokens: what readers give, how a board file has it normalised, and when two are the same."""

import threading
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.api import Change, ReaderDescription, ReaderStatus, TokenPresented, TokenUnreadable
from hal.errors import HardwareFault
from hal.pollers import Poller, ReaderPoller
from hal.tokens import (
    MAX_TOKEN,
    STEPS,
    TOKEN_TYPES,
    OneCard,
    Rubbish,
    StepError,
    decimal_to_hex,
    find_step,
    normalise,
    reverse_bytes,
)
from station.charging.rows import TokenRow, token_key
from station.ocpp.messages.common import IdTokenType
from tests.unit.hal_fakes import VirtualTime

IDENTIFIER = st.text("abcdefXYZ0123456789*-_=:+|@.", max_size=36)
UIDS = st.sampled_from([4, 7, 8, 10]).flatmap(lambda size: st.binary(min_size=size, max_size=size))
ALL_STEPS = (*STEPS, "decimal-to-hex:4", "decimal-to-hex:7", "decimal-to-hex:18")
STEP_LISTS = st.lists(st.sampled_from(ALL_STEPS), max_size=4)

# -- the steps


@given(UIDS)
def test_a_uid_keeps_its_length_and_its_leading_zeros(uid: bytes) -> None:
    for text in (uid.hex(), uid.hex().upper()):
        assert normalise(text, "ISO14443") == uid.hex().upper()
    assert normalise(uid[::-1].hex(), "ISO14443", ["reverse-bytes", "hex-upper"]) == (
        uid.hex().upper()
    )
    for separator in ":- .":
        written = uid.hex(separator)
        assert normalise(written, "ISO14443", ["strip-separators", "hex-upper"]) == (
            uid.hex().upper()
        )
    decimal = str(int.from_bytes(uid))
    assert normalise(decimal, "ISO14443", [f"decimal-to-hex:{len(uid)}"]) == uid.hex().upper()


@pytest.mark.parametrize(
    ("text", "type", "steps", "token"),
    [
        ("0004a1b2", "ISO14443", (), "0004A1B2"),
        ("e004010012345678", "ISO15693", (), "E004010012345678"),
        ("0004294967295", "ISO14443", ("decimal-to-hex:4",), "FFFFFFFF"),
        ("0000263851\r\n", "ISO14443", ("strip-separators", "decimal-to-hex:4"), "000406AB"),
        ("04:a1:b2:c3", "ISO14443", ("strip-separators", "hex-upper"), "04A1B2C3"),
        (
            "0000263851",
            "ISO14443",
            ("decimal-to-hex:4", "reverse-bytes", "hex-upper"),
            "AB060400",
        ),
        ("00:1a-2b:3c:4d:5e", "MacAddress", (), "001A2B3C4D5E"),
        ("aB12", "KeyCode", (), "aB12"),
        ("b1f0c3de-0d7f-4f62-9f1c-0d2f1f9a1b22", "Central", (), None),
        ("DE*8AA*C12345678*X", "eMAID", (), None),
        ("driver@home.example", "Local", (), None),
        ("", "NoAuthorization", (), ""),
    ],
)
def test_each_type_and_each_reader_has_its_rule(
    text: str, type: str, steps: tuple[str, ...], token: str | None
) -> None:
    assert normalise(text, type, steps) == (text if token is None else token)


@pytest.mark.parametrize(
    ("text", "type", "steps", "why"),
    [
        ("", "ISO14443", ("as-is",), "it has 0 characters, and a token has 1 to 36"),
        ("0" * 38, "ISO14443", (), "it has 38 characters, and a token has 1 to 36"),
        ("x" * 37, "Local", (), "it has 37 characters, and a token has 1 to 36"),
        ("0" * 257, "KeyCode", (), "it has 257 characters"),
        ("04A", "ISO14443", (), "it is not hexadecimal, two digits for each byte"),
        ("04 A1", "ISO14443", (), "it is not hexadecimal, two digits for each byte"),
        ("04G1", "ISO15693", ("reverse-bytes",), "it is not hexadecimal"),
        ("12A", "ISO14443", ("decimal-to-hex:4",), "it is not a decimal number"),
        ("4294967296", "ISO14443", ("decimal-to-hex:4",), "does not fit into 4 bytes"),
        ("٣٤", "ISO14443", ("decimal-to-hex:4",), "it is not a decimal number"),
        ("12\x0034", "KeyCode", (), "characters that OCPP does not allow"),
        ("ключ", "Local", (), "characters that OCPP does not allow"),
        ("1234\n", "KeyCode", (), "characters that OCPP does not allow"),
        ("04A1", "NoAuthorization", (), "a token of type NoAuthorization has no text"),
    ],
)
def test_what_cannot_be_a_token_is_told_without_saying_it(
    text: str, type: str, steps: tuple[str, ...], why: str
) -> None:
    refused = normalise(text, type, steps)
    assert isinstance(refused, Rubbish)
    assert why in refused.why
    assert len(text) < 3 or text not in refused.why


@given(st.text(max_size=300), st.sampled_from(TOKEN_TYPES), STEP_LISTS)
def test_rubbish_never_raises_and_a_token_can_always_be_sent(
    text: str, type: str, steps: list[str]
) -> None:
    token = normalise(text, type, steps)
    if isinstance(token, Rubbish):
        assert token.why
    else:
        assert len(token) <= MAX_TOKEN
        assert token.isascii()
        assert token.isprintable()
        assert (token == "") is (type == "NoAuthorization")


@given(st.text(max_size=80) | IDENTIFIER, st.sampled_from(TOKEN_TYPES))
def test_a_token_that_is_normalised_stays_as_it_is(text: str, type: str) -> None:
    """By the steps of its type, and by every step that may be repeated."""
    token = normalise(text, type)
    if isinstance(token, str):
        assert normalise(token, type) == token
    for name in ("as-is", "hex-upper", "upper-case", "strip-separators"):
        once = find_step(name)(text)
        if isinstance(once, str):
            assert find_step(name)(once) == once


@given(UIDS)
def test_bytes_turned_twice_are_where_they_were(uid: bytes) -> None:
    once = reverse_bytes(uid.hex())
    assert isinstance(once, str)
    assert reverse_bytes(once) == uid.hex()


@given(st.integers(0, 2**64), st.integers(1, 18))
def test_a_decimal_number_has_the_length_that_the_board_file_names(number: int, size: int) -> None:
    token = decimal_to_hex(str(number), size)
    if number < 256**size:
        assert isinstance(token, str)
        assert len(token) == 2 * size
        assert int(token, 16) == number
    else:
        assert isinstance(token, Rubbish)


@pytest.mark.parametrize(
    "name", ["", "hex", "decimal-to-hex", "decimal-to-hex:0", "decimal-to-hex:19", "AS-IS"]
)
def test_an_unknown_step_is_told_with_those_that_there_are(name: str) -> None:
    with pytest.raises(StepError, match=r"is not one of as-is, hex-upper, .*decimal-to-hex:BYTES"):
        find_step(name)


# -- a reader on a thread of its own


class Reader:
    """Gives one text after the other; an exception is raised."""

    def __init__(self) -> None:
        self.gives: str | Exception | None = None

    def read(self) -> str | None:
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives


class Polled:
    def __init__(self, **description: object) -> None:
        self.time, self.reader, self.told = VirtualTime(), Reader(), list[Change]()
        where = ReaderDescription("door", 2, **description)  # type: ignore[arg-type]
        self.poller = ReaderPoller(where, self.reader, self.time.monotonic, self.told.append)

    def poll(self, *texts: str | None) -> list[str]:
        """Each for one look at the reader; the tokens it presents meanwhile."""
        before = len(self.told)
        for text in texts:
            self.reader.gives = text
            self.time.advance(0.1)
            self.poller.poll()
        return [c.id_token for c in self.told[before:] if isinstance(c, TokenPresented)]


def test_the_reader_of_a_board_gives_what_its_table_makes_of_it() -> None:
    polled = Polled(normalise=("strip-separators", "reverse-bytes", "hex-upper"))
    assert polled.poll("c3:b2:a1:04") == ["04A1B2C3"]


def test_a_card_that_flickers_on_the_reader_is_one_showing() -> None:
    """F27: the same card twenty times."""
    polled = Polled()
    assert polled.poll(*["04A1B2C3", None, None] * 20) == ["04A1B2C3"]
    assert polled.poll(*[None] * 21, "04A1B2C3") == ["04A1B2C3"], "a second showing is one"


def test_of_two_cards_at_once_the_first_one_counts() -> None:
    polled = Polled()
    assert polled.poll(*["04A1B2C3", "04FFEE01"] * 30) == ["04A1B2C3"]
    assert polled.poll(*["04FFEE01"] * 12) == ["04FFEE01"], "the first one was taken away"


@pytest.mark.parametrize("text", ["", "x" * 37, "04A1\x00", "0" * 40_000, "\udcff", "\U0001f697"])
def test_rubbish_on_a_reader_is_told_once_and_holds_up_no_card(text: str) -> None:
    polled = Polled()
    assert polled.poll(*[text] * 10) == []
    assert [type(change) for change in polled.told] == [TokenUnreadable]
    assert polled.poll("04A1B2C3", text, "04A1B2C3") == ["04A1B2C3"]
    assert "04A1" not in repr(polled.told)


def test_a_reader_that_is_unplugged_is_told_once_and_so_is_its_return() -> None:
    polled, rounds, over = Polled(), list[int](), threading.Event()

    def look() -> None:
        rounds.append(1)
        if len(rounds) in (2, 3, 4):
            raise HardwareFault("TokenReader", "no such device")
        polled.poll(None if len(rounds) < 6 else "04A1B2C3")
        if len(rounds) == 7:
            over.set()

    poller = Poller("reader door", 0.0, look, polled.poller.watch)
    poller.start()
    assert over.wait(5.0)
    poller.stop()
    problems = [change.problem for change in polled.told if isinstance(change, ReaderStatus)]
    assert problems == ["TokenReader: no such device", ""]
    assert isinstance(polled.told[-1], TokenPresented)


@given(st.lists(st.tuples(st.sampled_from("AB"), st.floats(0.0, 3.0)), max_size=40))
def test_no_two_showings_are_less_than_a_second_apart(shown: list[tuple[str, float]]) -> None:
    card, now, taken = OneCard(), 0.0, list[float]()
    for token, wait_s in shown:
        now += wait_s
        if card.is_new(token, "ISO14443", now):
            taken.append(now)
    assert all(later - earlier >= OneCard.AWAY_S for earlier, later in pairwise(taken))


# -- when two are the same


@given(IDENTIFIER, st.sampled_from(IdTokenType))
def test_case_of_the_text_does_not_tell_tokens_apart(text: str, type: IdTokenType) -> None:
    """C01.FR.25"""
    lower, upper = TokenRow(id_token=text.lower(), type=type), TokenRow(id_token=text, type=type)
    assert lower == upper
    assert hash(lower) == hash(upper)
    assert token_key(text.upper(), type) == token_key(text.lower(), type)
    assert upper.id_token == text, "what is sent back is what was presented"


@pytest.mark.parametrize("other", [("04A1", IdTokenType.LOCAL), ("04A2", IdTokenType.ISO14443)])
def test_another_type_or_another_text_is_another_token(other: tuple[str, IdTokenType]) -> None:
    """C01.FR.25"""
    card = TokenRow(id_token="04A1", type=IdTokenType.ISO14443)
    assert card != TokenRow(id_token=other[0], type=other[1])
    assert token_key("04A1", IdTokenType.ISO14443) != token_key(*other)


def test_a_stored_token_keeps_its_spelling_and_its_repr_keeps_quiet() -> None:
    card = TokenRow(id_token="04a1B2", type=IdTokenType.ISO14443)
    loaded = msgspec.json.decode(msgspec.json.encode(card), type=TokenRow)
    assert loaded.id_token == "04a1B2"
    assert "04a1" not in repr(card).lower()
    presented = TokenPresented(0.0, "door", None, "04A1B2", "ISO14443")
    assert "04a1" not in repr(presented).lower()
