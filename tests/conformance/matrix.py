"""The certification matrix and the status of every block, from a real test run.

    python -m tests.conformance.matrix [--status docs/status.md]

Writes docs/conformance.md. "Not applicable" is derived from the conditions of part 5 and the
declared features; everything that is neither that nor seen to pass is failed or not yet written.
"""

import argparse
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.conformance import status, variables
from tests.conformance.conditions import Features, evaluate
from tests.conformance.declared import OUTSIDE, Case, cases, features
from tests.conformance.outcomes import ROOT, Outcome, Outcomes, run
from tests.conformance.text import by_block, table

PROFILES = (
    "Core",
    "Advanced Security",
    "Local Authorization List Management",
    "Smart Charging",
    "Advanced Device Management",
    "Reservation",
    "ISO 15118 Support",
    "Advanced User Interface",
    OUTSIDE,
)


NEEDS_HARDWARE = "ISO 15118 Support"
"""The one profile that a station without certain hardware (a modem on the pilot) cannot have:
its cases without a test are not applicable while it is not declared. Those of other profiles
are work to do."""


class Result(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"
    NOT_WRITTEN = "not yet written"


@dataclass(frozen=True)
class Judged:
    """A case with its result."""

    case: Case
    result: Result
    because: str = ""


def judge(case: Case, declared: Features, outcomes: Outcomes) -> Judged:
    verdict = evaluate(case.condition, declared)
    if not verdict.holds:
        return Judged(case, Result.NOT_APPLICABLE, ", ".join(verdict.because))
    mine = {outcome for test, outcome in outcomes.items() if case.is_tested_by(test)}
    if not mine and set(case.profiles) == {NEEDS_HARDWARE} and not declared[NEEDS_HARDWARE]:
        return Judged(case, Result.NOT_APPLICABLE, f"{NEEDS_HARDWARE} no")
    if not mine:
        return Judged(case, Result.NOT_WRITTEN)
    return Judged(case, Result.FAILED if Outcome.FAILED in mine else Result.PASSED)


def judge_all(outcomes: Outcomes) -> list[Judged]:
    declared = features()
    return [judge(case, declared, outcomes) for case in cases()]


def counts(judged: Iterable[Judged]) -> list[int]:
    """How many there are, then how many of each result."""
    results = [each.result for each in judged]
    return [len(results), *(results.count(result) for result in Result)]


def matrix(judged: Sequence[Judged]) -> str:
    rows = []
    for profile in PROFILES:
        mine = [each for each in judged if profile in each.case.profiles]
        rows.append([profile, *map(str, counts(mine))])
    rows.append(["All, each case once", *map(str, counts(judged))])
    return table(["Profile", "cases", *Result], rows)


def document(judged: Sequence[Judged]) -> str:
    def chosen(result: Result) -> list[str]:
        return [each.case.id for each in judged if each.result is result]

    idle = [each for each in judged if each.result is Result.NOT_APPLICABLE]
    reasons = [[each.case.id, _need(each.case), each.because] for each in idle]
    return "\n".join(
        [
            "# Certification cases",
            "",
            "Written by `make conformance` from a test run; do not edit. The cases are those of",
            "OCPP 2.0.1 Edition 3 part 6 for charging stations, with the errata of 2025-09; which",
            "of them are applicable follows from the conditions of part 5 and the features that",
            "`tests/conformance/features.toml` declares, each of which a test holds against the",
            "station. A feature that is not built yet is declared no, so its conditional cases are",
            "not applicable until it is; the other cases of what is not built are not yet written.",
            "Cases of the profile ISO 15118 Support alone need a modem on the pilot wire, which no",
            "board that we know drives: not applicable while the profile is not declared.",
            "",
            matrix(judged),
            "",
            "## Failed",
            "",
            by_block(chosen(Result.FAILED)),
            "",
            "## Not applicable",
            "",
            table(["Case", "needs", "because"], reasons),
            "",
            "## Passed",
            "",
            by_block(chosen(Result.PASSED)),
            "",
            "## Not yet written",
            "",
            by_block(chosen(Result.NOT_WRITTEN)),
            "",
        ]
    )


def _need(case: Case) -> str:
    return f"`{case.condition}`" if case.condition else ", ".join(case.profiles)


def write(path: Path, text: str, say: Callable[[str], object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    say(f"\nwritten: {os.path.relpath(path)}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.matrix")
    parser.add_argument("--status", metavar="FILE", type=Path, help="write the status of blocks")
    options = parser.parse_args(arguments)
    if options.status is None:
        outcomes = run("tests/conformance")
    else:
        outcomes = run("tests", "-n", "auto", "--dist", "worksteal")
    judged = judge_all(outcomes)
    print(matrix(judged))
    failed = [each.case.id for each in judged if each.result is Result.FAILED]
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    others = [test for test, outcome in outcomes.items() if outcome is Outcome.FAILED]
    if others:
        print("\ntests that did not pass:", *others, sep="\n  ")
    write(ROOT / "docs" / "conformance.md", document(judged), print)
    if options.status is not None:
        passed = [each.case.id for each in judged if each.result is Result.PASSED]
        idle = [each.case.id for each in judged if each.result is Result.NOT_APPLICABLE]
        everything = [each.case.id for each in judged]
        blocks = status.blocks(outcomes, status.Cases(everything, passed, idle))
        text = status.document(blocks)
        print(f"\n{status.overview(blocks)}")
        write(options.status, text, print)
        print(f"\n{variables.summary(variables.rows())}")
        write(variables.DOCUMENT, variables.document(), print)


if __name__ == "__main__":
    main()
