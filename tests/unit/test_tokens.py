"""Tokens: when two are the same."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.charging.rows import TokenRow, token_key
from station.ocpp.messages.common import IdTokenType

IDENTIFIER = st.text("abcdefXYZ0123456789*-_=:+|@.", max_size=36)


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
