"""docs/vendor-variables.md says of each variable of ours what the station says of it."""

import re
from pathlib import Path

import pytest

from station.bench.virtual import VirtualStation

TEXT = (Path(__file__).parents[2] / "docs/vendor-variables.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(\w+)\.(\w+)` \| (.*?) \| `(.*?)` \| (\w+) \|$", re.MULTILINE)
ROWS = ROW.findall(TEXT)


def test_the_table_is_found() -> None:
    assert ("TxCtrlr", "TxResumption") in [row[:2] for row in ROWS]


@pytest.mark.parametrize(("component", "name", "kind", "default", "access"), ROWS)
def test_documented_variable_is_what_the_report_says(
    component: str, name: str, kind: str, default: str, access: str
) -> None:
    station = VirtualStation(signing=True).boot()
    station.csms.call("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    station.advance(30.0)
    (found,) = [
        each
        for part in station.csms.of("NotifyReport")
        for each in part["reportData"]
        if each["component"]["name"] == component and each["variable"]["name"] == name
    ]
    (attribute,) = found["variableAttribute"]
    assert attribute["value"] == default
    assert attribute["mutability"] == access
    characteristics = found["variableCharacteristics"]
    assert kind.startswith(characteristics["dataType"])
    if "valuesList" in characteristics:
        assert characteristics["valuesList"].split(",") == re.findall(r"`([^`]+)`", kind)
    elif "maxLimit" in characteristics:
        assert f"{int(characteristics['maxLimit'])}" in kind
        assert characteristics.get("unit", "") in kind


@pytest.mark.parametrize("name", sorted({row[1] for row in ROWS}))
def test_each_has_a_section(name: str) -> None:
    assert any(name in line for line in TEXT.splitlines() if line.startswith("## "))
