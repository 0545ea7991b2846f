"""Signed meter values end to end: a station process charges, and the CLI checks what it told."""

import base64
import json
import re
from pathlib import Path

import orjson
import pytest

from station.bench.csms_thread import BenchCsmsThread
from station.cli import main
from tests.e2e.conftest import MakeSim
from tests.e2e.heard import assert_accounted, events, wait
from tests.e2e.rig import TOKEN, Sim

DOCUMENT = Path(__file__).parents[2] / "docs" / "how-to" / "signed-meter-values.md"
SIGNING = {"SampledDataCtrlr__SignReadings": "true"}


def charge(make_sim: MakeSim, csms: BenchCsmsThread, **variables: str) -> Sim:
    """A short charge of a station whose meter signs, told to the end."""
    sim: Sim = make_sim("--meter=signing", **SIGNING, **variables).start()
    sim.charge()
    wait(csms, lambda seen: len(events(seen)) >= 4)
    sim.token()
    assert_accounted(csms, sim)
    return sim


def log_of(csms: BenchCsmsThread, file: Path) -> Path:
    frames = [[2, str(n), "TransactionEvent", event] for n, event in enumerate(events(csms))]
    file.write_text("\n".join(orjson.dumps(frame).decode() for frame in frames))
    return file


def test_a_charge_of_a_real_process_is_proven_by_the_command_line(
    make_sim: MakeSim, csms: BenchCsmsThread, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """J02.FR.21: data sets travel byte by byte, through process, socket and schema."""
    charge(make_sim, csms)
    log = log_of(csms, tmp_path / "frames.jsonl")
    assert main(["verify-ocmf", str(log)]) == 0
    out = capsys.readouterr().out
    (transaction_id,) = {event["transactionInfo"]["transactionId"] for event in events(csms)}
    assert out.startswith(f"transaction {transaction_id}\n")
    assert re.search(r"^  T1 +B ", out, re.MULTILINE)
    assert re.search(r"^  T\d+ +E ", out, re.MULTILINE)
    ended = events(csms)[-1]
    value = ended["meterValue"][-1]["sampledValue"][0]
    begin = ended["meterValue"][0]["sampledValue"][0]
    energy_wh = value["value"] - begin["value"]
    told = re.search(r"energy  ([\d.]+) kWh", out)
    assert told is not None
    assert float(told[1]) * 1000 == pytest.approx(energy_wh)
    data = base64.b64decode(begin["signedMeterValue"]["signedMeterData"])
    assert json.loads(data.split(b"|")[1])["ID"] == TOKEN


def test_a_changed_register_is_found(
    make_sim: MakeSim, csms: BenchCsmsThread, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    charge(make_sim, csms)
    log = log_of(csms, tmp_path / "frames.jsonl")
    lines = log.read_text().splitlines()
    ended = json.loads(lines[-1])
    signed = ended[3]["meterValue"][-1]["sampledValue"][0]["signedMeterValue"]
    data = base64.b64decode(signed["signedMeterData"]).replace(b'"RV":', b'"RV":1')
    signed["signedMeterData"] = base64.b64encode(data).decode()
    log.write_text("\n".join([*lines[:-1], json.dumps(ended)]))
    assert main(["verify-ocmf", str(log)]) == 1
    assert "WRONG: the signature is wrong" in capsys.readouterr().out


def test_a_transaction_begins_with_the_signature_where_that_is_wanted(
    make_sim: MakeSim, csms: BenchCsmsThread, tmp_path: Path
) -> None:
    """E01.FR.04"""
    charge(make_sim, csms, TxCtrlr__TxStartPoint="DataSigned")
    assert events(csms)[0]["triggerReason"] == "SignedDataReceived"
    assert main(["verify-ocmf", str(log_of(csms, tmp_path / "frames.jsonl"))]) == 0


def test_the_log_of_a_station_can_be_checked_too(
    make_sim: MakeSim, csms: BenchCsmsThread, tmp_path: Path
) -> None:
    sim = charge(make_sim, csms)
    log = tmp_path / "station.log"
    frames = [
        f"12:00:00 frames > {json.dumps([2, 'x', 'TransactionEvent', event])}"
        for event in events(csms)
    ]
    log.write_text("\n".join([*sim.process.lines, *frames]))
    assert main(["verify-ocmf", str(log)]) == 0


def test_the_example_of_the_documentation_is_proven(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = DOCUMENT.read_text()
    (key,) = re.findall(r"--public-key (oca:base16:asn1:[0-9a-f]+)", text)
    (example,) = re.findall(r"```text\n(OCMF\|.*?)```", text, re.DOTALL)
    file = tmp_path / "charge.txt"
    file.write_text(example)
    assert main(["verify-ocmf", str(file), "--public-key", key]) == 0
    assert "energy  5.512" in capsys.readouterr().out
    assert main(["verify-ocmf", str(DOCUMENT), "--public-key", key]) == 0
