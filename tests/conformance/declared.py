"""The declared features and the list of cases, read from their files."""

import csv
import tomllib
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.conditions import Features

HERE = Path(__file__).parent
OUTSIDE = "Outside certification"


@dataclass(frozen=True)
class Case:
    id: str
    block: str
    profiles: dict[str, str]
    """Mandatory (M) or conditional (C), by certification profile."""
    condition: str

    def is_tested_by(self, test: str) -> bool:
        """A block may have several files: "tests/conformance/test_e_queue.py::test_TC_E_28_CS"."""
        file, _, name = test.partition("::")
        folder, _, stem = file.removesuffix(".py").rpartition("/")
        mine = f"test_{self.block.lower()}"
        return (
            folder == "tests/conformance"
            and (stem == mine or stem.startswith(f"{mine}_"))
            and name == f"test_{self.id}"
        )


def cases() -> list[Case]:
    """The station cases of part 6 with the conditions of part 5, both as amended by errata."""
    with (HERE / "cases.csv").open(encoding="utf-8", newline="") as file:
        return [
            Case(row["id"], row["block"], _profiles(row["profile"]), row["condition"])
            for row in csv.DictReader(file)
        ]


def _profiles(text: str) -> dict[str, str]:
    """ "Smart Charging:M; ISO 15118 Support:M"; nothing for a case outside the programme."""
    if not text:
        return {OUTSIDE: "-"}
    return dict(part.strip().rsplit(":", 1) for part in text.split(";"))


def features() -> Features:
    """Everything that a condition may name."""
    tables = tomllib.loads((HERE / "features.toml").read_text(encoding="utf-8"))
    return {name: value for table in tables.values() for name, value in table.items()}


def requirements() -> list[tuple[str, str]]:
    """(id, block) of every requirement that is the station's."""
    with (HERE / "requirements.csv").open(encoding="utf-8", newline="") as file:
        return [(row["id"], row["block"]) for row in csv.DictReader(file)]
