"""OCMF: what real meters have signed verifies, and nothing that was changed does."""

import base64
import json
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from station.ocmf.data_set import OcmfError, end_of, parse
from station.ocmf.signature import PublicKey, read_key
from station.ocmf.transaction import Account, account, check, divide
from tests.unit.ocmf_examples import (
    ISA,
    ISA_KEY,
    KEBA,
    KEBA_KEY,
    NZR_BEGIN,
    NZR_END,
    NZR_KEY,
    AnyMeter,
)

CURVES: list[tuple[str, ec.EllipticCurve]] = [
    ("ECDSA-secp192r1-SHA256", ec.SECP192R1()),
    ("ECDSA-secp256k1-SHA256", ec.SECP256K1()),
    ("ECDSA-secp256r1-SHA256", ec.SECP256R1()),
    ("ECDSA-secp384r1-SHA256", ec.SECP384R1()),
    ("ECDSA-secp384r1-SHA384", ec.SECP384R1()),
    ("ECDSA-brainpool256r1-SHA256", ec.BrainpoolP256R1()),
    ("ECDSA-brainpoolP256r1-SHA256", ec.BrainpoolP256R1()),
    ("ECDSA-brainpool384r1-SHA256", ec.BrainpoolP384R1()),
]


def accounted(meter: AnyMeter, *texts: str) -> Account:
    key = read_key(meter.der.hex())
    return account(check(parse(text), key) for text in texts)


# -- what real meters signed


@pytest.mark.parametrize(
    ("text", "key"),
    [(KEBA, KEBA_KEY), (NZR_BEGIN, NZR_KEY), (NZR_END, NZR_KEY), (ISA, ISA_KEY)],
)
def test_what_real_meters_signed_verifies(text: str, key: str) -> None:
    data_set = parse(text)
    public = read_key(key, data_set.algorithm)
    assert public.verifies(data_set)
    for changed in (text.replace('"PG":"T', '"PG":"T1'), text.replace('"RD":[', '"RD": [')):
        assert not public.verifies(parse(changed)), "not a space may change"


def test_a_charge_in_one_data_set_tells_its_energy() -> None:
    whole = account([check(parse(KEBA), read_key(KEBA_KEY))])
    assert whole.is_good
    assert whole.energy_wh == (("1-b:1.8.0", Decimal("0.1000")),)


def test_a_charge_in_two_data_sets_tells_its_energy() -> None:
    key = read_key(NZR_KEY)
    whole = account([check(parse(text), key) for text in (NZR_END, NZR_BEGIN, NZR_BEGIN)])
    assert whole.is_good
    assert len(whole.sets) == 2
    assert whole.energy_wh == (("1-0:1.8.1", Decimal(0)),)


def test_what_the_meter_says_of_itself_counts() -> None:
    checked = check(parse(ISA), read_key(ISA_KEY, "ECDSA-secp256r1-SHA256"))
    assert checked.problems == ("the meter was not well (ST E)", "not to be billed (EF E)")


# -- signatures and keys


@pytest.mark.parametrize(("algorithm", "curve"), CURVES, ids=[name for name, _ in CURVES])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize("bare", [False, True])
def test_every_curve_of_the_format_is_checked(
    algorithm: str, curve: ec.EllipticCurve, encoding: str, bare: bool
) -> None:
    meter = AnyMeter(curve, algorithm)
    payload = json.dumps({"PG": "T1", "MS": "M", "RD": [meter.reading("B", 1)]})
    data_set = parse(meter.signs_text(payload, encoding=encoding, bare=bare))
    assert read_key(meter.der.hex()).verifies(data_set)
    assert not read_key(AnyMeter(curve).der.hex()).verifies(data_set)


def test_a_key_may_come_in_many_shapes() -> None:
    meter = AnyMeter()
    printed = meter.der.hex()
    pem = base64.encodebytes(meter.der).decode()
    envelope = f"oca:base16:asn1:{printed}"
    shapes = [
        printed,
        printed.upper(),
        " ".join(printed[at : at + 4] for at in range(0, len(printed), 4)),
        base64.b64encode(meter.der).decode(),
        f"-----BEGIN PUBLIC KEY-----\n{pem}-----END PUBLIC KEY-----\n",
        envelope,
        base64.b64encode(envelope.encode()).decode(),
        f"oca:base16:asn1:{printed[:20]} {printed[20:]}",
        f"oca:base64:asn1:{base64.b64encode(meter.der).decode()}",
        meter.point.hex(),
        meter.point[1:].hex(),
    ]
    assert {read_key(shape).hex for shape in shapes} == {printed}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "neither hex nor Base64 nor PEM"),
        ("what?", "neither hex nor Base64 nor PEM"),
        ("3059", "no ASN.1 structure of a key"),
        ("04" + "11" * 64, "no point on secp256r1"),
        ("0102", "no point on secp256r1"),
        ("oca:base58:asn1:11", "base58:asn1, not base16:asn1"),
        ("oca:", "not base16:asn1"),
        ("00" * 6000, "longer than"),
        (
            "30463010 06072A8648CE3D0201 06052B8104001F 033200 04C2006542218BB27F5E0B945C5F9D158867"
            "B666B3BB4414ABC6569489A8F7985020C77F0F32A4B4E183A3056127C34869",
            "on a curve that cannot be checked here",
        ),
        (
            "30820122300d06092a864886f70d01010105000382010f003082010a0282010100" + "c1" * 256
            + "0203010001",
            "not one of an elliptic curve",
        ),
    ],
)  # fmt: skip
def test_what_is_no_key_is_said_to_be_none(text: str, problem: str) -> None:
    with pytest.raises(OcmfError, match=problem):
        read_key(text)


def test_a_key_of_another_curve_is_not_silently_wrong() -> None:
    meter = AnyMeter(ec.SECP384R1(), "ECDSA-secp256r1-SHA256")
    checked = check(parse(meter.tells("B", 1)), read_key(meter.der.hex()))
    assert checked.problems == ("the key is on secp384r1, the signature on secp256r1",)


@pytest.mark.parametrize("algorithm", ["ECDSA-secp192k1-SHA256", "RSA-2048-SHA256", "", "ECDSA"])
def test_a_signature_of_an_unknown_kind_proves_nothing(algorithm: str) -> None:
    meter = AnyMeter()
    text = meter.tells("B", 1).replace("ECDSA-secp256r1-SHA256", algorithm)
    (problem,) = check(parse(text), read_key(meter.der.hex())).problems
    assert problem == f"signatures of the kind {algorithm!r} cannot be checked here"


# -- one data set


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "does not begin with OCMF"),
        ("OCMF|{}", "has 2 sections"),
        ("OCMF|{}|{}|{}", "has 4 sections"),
        ("OCMF|{|{}", "the payload is not JSON"),
        ('OCMF|{"PG":"T1","PG":"T2"}|{}', "a field is given twice"),
        ('OCMF|{"RV":NaN}|{}', "NaN is no number"),
        ("OCMF|[]|{}", "the payload is no JSON object"),
        ("OCMF|{}|[]", "the signature section is no JSON object"),
        ("OCMF|{}|{}", "PG is not T or F and a number"),
        ('OCMF|{"PG":true}|{}', "PG is no text"),
        ('OCMF|{"PG":"T1"}|{}', "RD is no list of readings"),
        ('OCMF|{"PG":"T1","RD":[]}|{}', "RD is no list of readings"),
        ('OCMF|{"PG":"T1","RD":[1]}|{}', "an entry of RD is no JSON object"),
        ('OCMF|{"PG":"T1","RD":[{}]}|{}', "TM is no time"),
        ('OCMF|{"PG":"T1","RD":[{"TM":"2026-13-02T09:00:00,000+0100 S"}]}|{}', "TM is no time"),
        ("OCMF|" + "[" * 50_000 + "|{}", "the payload is not JSON"),
        ("OCMF|" + " " * 100_001 + "|{}", "longer than"),
    ],
)
def test_what_is_no_data_set_is_said_to_be_none(text: str, problem: str) -> None:
    with pytest.raises(OcmfError, match=problem):
        parse(text)


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({}, "SD, the signature, is missing"),
        ({"SD": "xyz"}, "SD is not hex"),
        ({"SD": "xyz", "SE": "base64"}, "SD is not base64"),
        ({"SD": "00", "SE": "base32"}, "SE is neither hex nor base64 but 'base32'"),
    ],
)
def test_a_signature_section_must_hold_a_signature(section: dict[str, Any], problem: str) -> None:
    payload = AnyMeter().tells("B", 1).split("|")[1]
    with pytest.raises(OcmfError, match=problem):
        parse(f"OCMF|{payload}|{json.dumps(section)}")


@pytest.mark.parametrize("value", ["1e5", True, [1], "9" * 19, "1." + "0" * 13, ""])
def test_a_register_must_be_a_plain_number(value: object) -> None:
    with pytest.raises(OcmfError, match="RV is no number"):
        parse(AnyMeter().tells("B", value))


def test_a_reading_keeps_what_the_one_before_said() -> None:
    meter = AnyMeter()
    first = meter.reading("B", 1)
    text = meter.signs(first, {"TM": first["TM"], "TX": "E", "RV": "2.50"})
    _, last = parse(text).readings
    assert (last.obis, last.unit, last.status) == ("1-b:1.8.0", "kWh", "G")
    assert last.energy_wh == 2500


@given(st.text(max_size=200))
def test_parsing_never_fails_otherwise(text: str) -> None:
    for candidate in (text, f"OCMF|{text}", f"OCMF|{text}|{{}}", f"OCMF|{{}}|{text}"):
        try:
            parse(candidate)
        except OcmfError:
            continue


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["PG", "RD", "TM", "TX", "RV", "RI", "RU", "EF", "ST", "MS", "ID", "X"]
            ),
            inner,
            max_size=6,
        )
    ),
)


@given(JSON, JSON)
def test_any_shape_of_json_is_parsed_or_refused(payload: object, section: object) -> None:
    key = read_key(KEBA_KEY)
    try:
        data_set = parse(f"OCMF|{json.dumps(payload)}|{json.dumps(section)}")
    except OcmfError:
        return
    account([check(data_set, key)])


@given(st.text(max_size=300) | st.binary(max_size=100).map(bytes.hex))
def test_reading_a_key_never_fails_otherwise(text: str) -> None:
    try:
        assert isinstance(read_key(text), PublicKey)
    except OcmfError:
        return


def test_the_end_of_a_data_set_is_found_in_a_longer_text() -> None:
    text = f"before {KEBA} after | it {{"
    assert text[7 : end_of(text, 7)] == KEBA
    for broken in ("OCMF|{}", "OCMF|{}|", "OCMF|{}|x{", "OCMF|{}|{"):
        with pytest.raises(OcmfError, match="signature section"):
            end_of(broken, 0)


# -- a transaction


def test_a_whole_charge_is_proven() -> None:
    meter = AnyMeter()
    whole = accounted(
        meter,
        meter.tells("B", "10.000"),
        meter.tells("C", "10.500"),
        meter.tells("E", "11.234"),
    )
    assert whole.is_good
    assert whole.notes == ()
    assert whole.energy_wh == (("1-b:1.8.0", Decimal("1234.000")),)


def test_missing_pages_in_between_are_noted() -> None:
    meter = AnyMeter()
    texts = [meter.tells("B", 1), meter.tells("C", 2), meter.tells("C", 3), meter.tells("E", 4)]
    whole = accounted(meter, texts[0], texts[3])
    assert whole.is_good
    assert whole.notes == ("2 data sets in between are not here",)


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ([("B", 1)], "the end of the transaction is missing"),
        ([("E", 1)], "the begin of the transaction is missing"),
        ([("B", 1), ("B", 1), ("E", 2)], "the transaction has 2 begins"),
        ([("B", 1), ("E", 2), ("A", 2)], "the transaction has 2 ends"),
        ([("C", 1), ("B", 1), ("E", 2)], "the begin of the transaction is not where its page says"),
        ([("B", 1), ("E", 2), ("C", 2)], "the end of the transaction is not where its page says"),
        ([("B", 2), ("E", 1)], "the register 1-b:1.8.0 runs backwards"),
        ([("B", 1), ("C", 3), ("E", 2)], "the register 1-b:1.8.0 runs backwards"),
    ],
)
def test_what_does_not_hold_together_is_told(told: list[tuple[str, object]], problem: str) -> None:
    meter = AnyMeter()
    whole = accounted(meter, *(meter.tells(reason, value) for reason, value in told))
    assert problem in whole.problems
    assert not whole.is_good


def test_a_changed_register_is_found_by_its_signature() -> None:
    meter = AnyMeter()
    begin, end = meter.tells("B", "1.000"), meter.tells("E", "2.000")
    whole = accounted(meter, begin, end.replace("2.000", "9.000"))
    assert whole.sets[1].problems == ("the signature is wrong",)
    assert not whole.is_good


def test_data_sets_of_two_meters_keys_or_drivers_do_not_belong_together() -> None:
    meter, other = AnyMeter(), AnyMeter()
    begin = meter.tells("B", 1, MS="A", ID="04A1")
    other.page = meter.page
    end = other.tells("E", 2, MS="B", ID="04B2")
    keys = [read_key(each.der.hex()) for each in (meter, other)]
    sets = [check(parse(text), key) for text, key in zip((begin, end), keys, strict=True)]
    assert all(not each.problems for each in sets)
    assert account(sets).problems == (
        "the data sets are of different meters",
        "the data sets are signed with different keys",
        "the data sets name different drivers",
    )


def test_the_same_page_cannot_say_two_things() -> None:
    meter = AnyMeter()
    begin = meter.tells("B", 1)
    meter.page = 0
    end = meter.tells("E", 2)
    assert (
        "page T1 is there twice, with different contents" in accounted(meter, begin, end).problems
    )


def test_time_may_not_run_backwards() -> None:
    meter = AnyMeter()
    later = {"TM": "2026-03-02T10:00:00,000+0000 S"}
    earlier = {"TM": "2026-03-02T10:59:59,000+0100 S"}
    begin = meter.signs(meter.reading("B", 1, **later))
    end = meter.signs(meter.reading("E", 2, **earlier))
    assert accounted(meter, begin, end).problems == ("time runs backwards",)


def test_begin_and_end_must_read_the_same_register() -> None:
    meter = AnyMeter()
    begin = meter.tells("B", 1)
    end = meter.signs(meter.reading("E", 2, RI="1-b:2.8.0"))
    whole = accounted(meter, begin, end)
    assert whole.problems == ("begin and end do not read the same register",)
    assert whole.energy_wh == ()


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"ST": "M"}, "the meter was not well (ST M)"),
        ({"ST": ""}, "the meter was not well (ST is missing)"),
        ({"EF": "Et"}, "not to be billed (EF Et)"),
        ({"TX": "X"}, "an error happened while charging (TX X)"),
    ],
)
def test_what_a_meter_reports_wrong_is_wrong(fields: dict[str, str], problem: str) -> None:
    meter = AnyMeter()
    checked = check(parse(meter.signs(meter.reading("C", 1, **fields))), read_key(meter.der.hex()))
    assert checked.problems == (problem,)


@pytest.mark.parametrize("state", ["U", ""])
def test_a_clock_that_nobody_set_is_noted(state: str) -> None:
    meter = AnyMeter()
    time = f"2026-03-02T10:00:00,000+0000 {state}".strip()
    checked = check(parse(meter.signs(meter.reading("C", 1, TM=time))), read_key(meter.der.hex()))
    assert checked.problems == ()
    assert checked.notes == ("nobody had set the clock of the meter: its times prove nothing",)


def test_without_a_key_nothing_is_proven() -> None:
    assert check(parse(KEBA), None).problems == ("no public key to check the signature with",)


def test_charges_that_nobody_named_are_told_apart_by_their_begins() -> None:
    meter = AnyMeter()
    texts = [meter.tells(reason, 1) for reason in "BCEBE"]
    key = read_key(meter.der.hex())
    groups = divide([check(parse(text), key) for text in (*reversed(texts), texts[0])])
    assert [[each.data_set.page for each in group] for group in groups] == [[1, 2, 3], [4, 5]]
    assert all(account(group).is_good for group in groups)


@given(st.lists(st.tuples(st.sampled_from("BCEX"), st.integers(0, 5)), min_size=1, max_size=6))
def test_only_a_rising_charge_from_one_begin_to_one_end_is_good(
    told: list[tuple[str, int]],
) -> None:
    """An account against the rule in other words."""
    meter = METER
    meter.page = 0
    whole = accounted(meter, *(meter.tells(reason, value) for reason, value in told))
    reasons = "".join(reason for reason, _ in told)
    shaped = len(told) > 1 and reasons == f"B{'C' * (len(told) - 2)}E"
    rising = all(earlier <= later for (_, earlier), (_, later) in pairwise(told))
    assert whole.is_good is (shaped and rising)


METER = AnyMeter()
