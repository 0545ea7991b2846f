"""`joulepost verify-ocmf`: where data sets are found, what is told of them, and the exit code."""

import base64
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from station.cli import main
from station.ocmf.data_set import OcmfError
from station.ocmf.sources import find
from tests.unit.ocmf_examples import KEBA, KEBA_KEY, NZR_BEGIN, NZR_END, NZR_KEY, AnyMeter

KEBA_FILE = f"""<?xml version="1.0" encoding="UTF-8"?>
<!-- a receipt -->
<values>
<value transactionId="1" context="Transaction.Begin">
        <signedData format="OCMF" encoding="plain" transactionId="29">{KEBA}</signedData>
        <publicKey encoding="hex">{KEBA_KEY}</publicKey>
    </value>
</values>
"""


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def event(text: str, key: str = "", transaction: str = "tx-1") -> list[Any]:
    """A TransactionEvent as it travels."""
    signed = {
        "signedMeterData": b64(text),
        "signingMethod": "",
        "encodingMethod": "OCMF",
        "publicKey": key and b64(f"oca:base16:asn1:{key}"),
    }
    value = {"timestamp": "2026-03-02T09:00:00Z", "sampledValue": [{"value": 1.0}]}
    value["sampledValue"][0]["signedMeterValue"] = signed  # type: ignore[index]
    payload = {"transactionInfo": {"transactionId": transaction}, "meterValue": [value]}
    return [2, "id", "TransactionEvent", payload]


def check(tmp_path: Path, content: str | bytes, *options: str) -> int:
    file = tmp_path / "file"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return main(["verify-ocmf", str(file), *options])


@pytest.fixture
def meter() -> AnyMeter:
    return AnyMeter()


def test_a_file_of_the_transparency_software_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(tmp_path, KEBA_FILE) == 0
    out = capsys.readouterr().out
    assert out.startswith("transaction 1\n")
    assert "T32" in out
    assert "energy  0.0001 kWh  1-b:1.8.0\n" in out
    assert "compare it with the one on the meter" in out
    assert out.endswith("All of it is proven.\n")


@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_signed_data_may_be_encoded(tmp_path: Path, encoding: str) -> None:
    data = KEBA.encode().hex() if encoding == "hex" else b64(KEBA)
    file = KEBA_FILE.replace(KEBA, data).replace('encoding="plain"', f'encoding="{encoding}"')
    assert check(tmp_path, file) == 0


def test_a_log_of_messages_is_read(
    tmp_path: Path, meter: AnyMeter, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the station and the bench CSMS write it; the key came once, the begin comes twice."""
    begin, end = meter.tells("B", "1.000"), meter.tells("E", "3.500")
    last = event(begin)
    last[3]["meterValue"] += event(end)[3]["meterValue"]
    lines = [
        f"12:00:01 DEBUG frames > {json.dumps(event(begin, meter.der.hex()))}",
        "12:00:02 INFO nothing of interest [here]",
        json.dumps({"time": "12:00:03", "direction": "in", "frame": last}),
    ]
    assert check(tmp_path, "\n".join(lines)) == 0
    out = capsys.readouterr().out
    assert out.startswith("transaction tx-1\n")
    assert "energy  2.500000 kWh" in out or "energy  2.500 kWh" in out


def test_transactions_of_one_log_are_told_apart(
    tmp_path: Path, meter: AnyMeter, capsys: pytest.CaptureFixture[str]
) -> None:
    other = AnyMeter()
    lines = []
    for reason in "BE":
        lines.append(event(meter.tells(reason, 1, MS="A"), meter.der.hex(), "first"))
        lines.append(event(other.tells(reason, 2, MS="B"), other.der.hex(), "second"))
    assert check(tmp_path, "\n".join(map(json.dumps, lines))) == 0
    out = capsys.readouterr().out
    assert out.index("transaction first") < out.index("transaction second")


def test_one_json_document_may_be_spread_over_lines(tmp_path: Path, meter: AnyMeter) -> None:
    events = [event(meter.tells(reason, 1), meter.der.hex()) for reason in "BE"]
    assert check(tmp_path, json.dumps(events, indent=2)) == 0


def test_plain_data_sets_are_found_in_any_text(tmp_path: Path) -> None:
    text = f"begin: {NZR_BEGIN} and\n\nend: {NZR_END} | that is all\n"
    assert check(tmp_path, text, "--public-key", NZR_KEY) == 0
    assert [each.where for each in find(text)] == ["line 1", "line 3"]


def test_readings_outside_of_transactions_are_checked_too(
    tmp_path: Path, meter: AnyMeter, capsys: pytest.CaptureFixture[str]
) -> None:
    fiscal = meter.tells("", 5, PG="F1")
    assert check(tmp_path, fiscal, "--public-key", meter.der.hex()) == 0
    assert capsys.readouterr().out.startswith("outside of transactions\n  F1 ")
    assert check(tmp_path, fiscal.replace('"RV": 5', '"RV": 6'), "--public-key", NZR_KEY) == 1


def test_the_key_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "meter.key").write_text(f"{KEBA_KEY}\n")
    assert check(tmp_path, KEBA, "--public-key", str(tmp_path / "meter.key")) == 0


def test_a_given_key_counts_and_not_the_one_that_came_along(
    tmp_path: Path, meter: AnyMeter, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(tmp_path, KEBA_FILE, "--public-key", meter.der.hex()) == 1
    out = capsys.readouterr().out
    assert "WRONG: the signature is wrong" in out
    assert "compare it" not in out


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(KEBA_FILE.encode())))
    assert main(["verify-ocmf", "-"]) == 0


def test_a_changed_register_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(tmp_path, KEBA_FILE.replace("0.2597", "9.2597")) == 1
    out = capsys.readouterr().out
    assert "WRONG: the signature is wrong" in out
    assert "energy  9.0001 kWh  1-b:1.8.0  (NOT proven)" in out
    assert out.endswith("Not all of it is proven.\n")


def test_without_a_key_nothing_is_proven(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(tmp_path, KEBA) == 1
    assert "WRONG: no public key to check the signature with" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "there is no OCMF data set in it"),
        (b"\xff\xfe", "not UTF-8 at byte 0"),
        ("OCMF|{}", "line 1: has no signature section"),
        ("\n\nOCMF|{}|{}", "line 3: PG is not T or F and a number"),
        ('x\n[2, "signedMeterData', "line 2: the message is no whole JSON"),
        ('{"signedMeterData": "???"}', "the document: signedMeterData is not Base64 of a text"),
        ("<values>", "not XML: no element found: line 1, column 8"),
        ("<!DOCTYPE x [<!ENTITY y 'z'>]><values/>", "the XML declares types or entities"),
        (KEBA_FILE.replace('"plain"', '"rot13"').replace("OCMF|", "x"), "the encoding 'rot13'"),
        (KEBA_FILE.replace('"plain"', '"hex"').replace("OCMF|", "x"), "signedData is not hex"),
        (KEBA_FILE.replace(KEBA_KEY, "zz"), "value 1: the public key is neither hex nor Base64"),
        ('{"a":' * 60 + f'"{KEBA[:5]}"' + "}" * 60, "the document: nested too deeply"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | bytes, problem: str
) -> None:
    assert check(tmp_path, content) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"joulepost verify-ocmf: {tmp_path / 'file'}: ")
    assert problem in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "the following arguments are required: FILE"),
        (["/nowhere"], "/nowhere: No such file or directory"),
        (["/"], "/: Is a directory"),
        (["a\0b"], "no such file"),
        (["/nowhere", "--public-key", "what?"], "--public-key: the public key is neither"),
        (["/nowhere", "--public-key", "what?" * 1000], "and there is no such file"),
    ],
)
def test_what_was_typed_wrong_is_said_in_one_line(
    words: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify-ocmf", *words]) == 2
    err = capsys.readouterr().err
    assert problem in err
    assert err.count("\n") == 1


@given(st.text(max_size=200))
def test_looking_for_data_sets_never_fails_otherwise(text: str) -> None:
    for candidate in (
        text,
        f"<{text}",
        f"<values><value><signedData>{text}</signedData></value></values>",
        f'{{"signedMeterData": "{text}"}}',
        f"signedMeterData {text}",
        f"OCMF|{text}",
    ):
        try:
            find(candidate)
        except OcmfError:
            continue


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    source=st.sampled_from([KEBA_FILE, json.dumps(event(KEBA, KEBA_KEY)), KEBA]),
    cuts=st.lists(
        st.tuples(st.integers(0, 1500), st.integers(0, 5), st.binary(max_size=4)), max_size=3
    ),
)
def test_a_damaged_file_is_refused_but_never_proven(
    tmp_path: Path, source: str, cuts: list[tuple[int, int, bytes]]
) -> None:
    """No damage ends in a traceback, and none inside the payload goes unnoticed."""
    data = source.encode()
    for at, length, instead in cuts:
        data = data[:at] + instead + data[at + length :]
    code = check(tmp_path, data, "--public-key", KEBA_KEY)
    assert code in (0, 1, 2)
    if code == 0:
        payload = KEBA.split("|")[1]
        assert payload.encode() in data or b64(KEBA)[:600].encode() in data
