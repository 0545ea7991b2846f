"""What each functional block fulfils: requirements in code and in passing tests, and cases."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from tests.conformance import security_events, variables
from tests.conformance.declared import requirements
from tests.conformance.outcomes import ROOT, Outcomes, named_in_code, named_in_passing_tests
from tests.conformance.text import table, wrapped

REFUSED = ROOT / "docs" / "refused.toml"
NAMES = {
    "A": "Security",
    "B": "Provisioning",
    "C": "Authorization",
    "D": "Local authorization list",
    "E": "Transactions",
    "F": "Remote control",
    "G": "Availability",
    "H": "Reservation",
    "I": "Tariff and cost",
    "J": "Meter values",
    "K": "Smart charging",
    "L": "Firmware management",
    "M": "ISO 15118 certificates",
    "N": "Diagnostics",
    "O": "Display message",
    "P": "Data transfer",
}


@dataclass(frozen=True)
class Decided:
    """Requirements that the project answers with a reason instead of code."""

    refused: Mapping[str, str]
    not_applicable: Mapping[str, str]


@dataclass(frozen=True)
class Cases:
    """Ids of certification cases."""

    all: Sequence[str]
    passed: Sequence[str]
    not_applicable: Sequence[str]


@dataclass(frozen=True)
class Block:
    """Every requirement of the station in one block, each in exactly one list."""

    letter: str
    met: list[str]
    """Named in code and in a passing test."""
    untested: list[str]
    """Named in code only."""
    unnamed: list[str]
    """Named in a passing test only."""
    refused: dict[str, str]
    not_applicable: dict[str, str]
    open: list[str]
    cases: int
    cases_passed: int
    cases_not_applicable: int

    @property
    def total(self) -> int:
        lists = (self.met, self.untested, self.unnamed, self.refused, self.not_applicable)
        return sum(map(len, lists)) + len(self.open)


def decided() -> Decided:
    """docs/refused.toml; every id must be one of the station's."""
    tables = tomllib.loads(REFUSED.read_text(encoding="utf-8"))
    known = {id for id, _ in requirements()}
    refused, idle = tables.get("refused", {}), tables.get("not_applicable", {})
    strange = sorted((set(refused) | set(idle)) - known) + sorted(set(refused) & set(idle))
    if strange:
        raise SystemExit(f"{REFUSED.name}: unknown or named twice: {', '.join(strange)}")
    return Decided(refused, idle)


def blocks(outcomes: Outcomes, judged: Cases) -> list[Block]:
    in_code, in_tests = named_in_code(), named_in_passing_tests(outcomes)
    return sort(requirements(), in_code, in_tests, decided(), judged)


def sort(
    ids: Iterable[tuple[str, str]],
    in_code: set[str],
    in_tests: set[str],
    reasons: Decided,
    judged: Cases,
) -> list[Block]:
    """Put each requirement where it belongs; what is decided with a reason is nothing else."""

    def count(cases: Sequence[str], letter: str) -> int:
        return sum(case.startswith(f"TC_{letter}_") for case in cases)

    found = []
    for letter, group in groupby(sorted(ids), key=lambda each: each[1]):
        mine = [id for id, _ in group]
        rest = [i for i in mine if i not in reasons.refused and i not in reasons.not_applicable]
        found.append(
            Block(
                letter,
                met=[id for id in rest if id in in_code and id in in_tests],
                untested=[id for id in rest if id in in_code and id not in in_tests],
                unnamed=[id for id in rest if id not in in_code and id in in_tests],
                refused={id: reasons.refused[id] for id in mine if id in reasons.refused},
                not_applicable={
                    id: reasons.not_applicable[id] for id in mine if id in reasons.not_applicable
                },
                open=[id for id in rest if id not in in_code and id not in in_tests],
                cases=count(judged.all, letter),
                cases_passed=count(judged.passed, letter),
                cases_not_applicable=count(judged.not_applicable, letter),
            )
        )
    return found


def overview(found: Sequence[Block]) -> str:
    head = ["Block", "requirements", "met", "code only", "tests only", "refused"]
    head += ["n/a", "open"]
    head += ["cases", "passed", "n/a"]
    rows = [[f"{each.letter} {NAMES[each.letter]}", *map(str, _numbers(each))] for each in found]
    sums = [sum(column) for column in zip(*map(_numbers, found), strict=True)]
    return table(head, [*rows, ["All", *map(str, sums)]])


def _numbers(block: Block) -> list[int]:
    lists = (block.met, block.untested, block.unnamed, block.refused)
    lists += (block.not_applicable, block.open)
    cases = [block.cases, block.cases_passed, block.cases_not_applicable]
    return [block.total, *map(len, lists), *cases]


def document(found: Sequence[Block]) -> str:
    parts = [
        "# Status",
        "",
        "Written by `make status` from the sources and a run of all tests; do not edit.",
        "",
        "A requirement of the station is *met* when its id stands in the code and in a test that",
        "passes, *code only* or *tests only* when only one names it, *refused* or *n/a* for the",
        "reason in `docs/refused.toml`, and *open* otherwise; cases: see `docs/conformance.md`.",
        "",
        overview(found),
    ]
    for block in found:
        parts += ["", f"## {block.letter} {NAMES[block.letter]}"]
        parts += _listed("Met", block.met)
        parts += _listed("Code only", block.untested)
        parts += _listed("Tests only", block.unnamed)
        parts += _reasons("Refused", block.refused)
        parts += _reasons("Not applicable", block.not_applicable)
        parts += _listed("Open", block.open)
    parts += ["", "## Security events", "", "Files are those of `station/`.", ""]
    parts += [security_events.overview()]
    parts += ["", "## Device model", "", f"{variables.summary(variables.rows())}."]
    parts += ["Each by name: `docs/variables.md`."]
    return "\n".join([*parts, ""])


def _listed(title: str, ids: Sequence[str]) -> list[str]:
    """Ids by use case: "E01 .01 .02; E02 .01"."""
    if not ids:
        return []
    groups = groupby(ids, key=lambda each: each.split(".")[0])
    texts = [
        " ".join([use_case, *(f".{each.rsplit('.', 1)[1]}" for each in mine)])
        for use_case, mine in groups
    ]
    return ["", wrapped(f"{title}: {'; '.join(texts)}")]


def _reasons(title: str, reasons: Mapping[str, str]) -> list[str]:
    return [f"\n{title}: {id}, {reason}" for id, reason in sorted(reasons.items())]
