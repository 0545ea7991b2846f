"""The matrix itself: conditions, verdicts, counting; nothing may look better than the tests."""

import pytest

from tests.conformance.conditions import ConditionError, evaluate
from tests.conformance.declared import Case, cases, features, requirements
from tests.conformance.matrix import PROFILES, Result, counts, document, judge, matrix
from tests.conformance.outcomes import Outcome, ids_in, read
from tests.conformance.status import Cases, Decided, sort
from tests.conformance.status import document as status_document
from tests.conformance.text import by_block, table

DECLARED = {"C-30": True, "C-31": False, "C-32": False, "C-40.1": True, "C-40.2": False}
DECLARED |= {"HFS-8": 2, "Smart Charging": False}


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("", True),
        ("C-30", True),
        ("C-31", False),
        ("NOT C-31", True),
        ("NOT NOT C-30", True),
        ("C-30 AND C-31", False),
        ("C-31 OR C-30 AND C-30", True),
        ("C-30 OR C-31 AND C-31", True),
        ("(C-30 OR C-31) AND C-31", False),
        ("NOT (C-30 AND C-31)", True),
        ("C-30 - C-32", True),
        ("C-31 - C-32", False),
        ("NOT (C-31 - C-32)", True),
        ("C-40", True),
        ("HFS-8 > 1", True),
        ("HFS-8 > 2", False),
        ('"Smart Charging" OR C-30', True),
        ('NOT "Smart Charging"', True),
    ],
)
def test_conditions_mean_what_part_5_means(condition: str, holds: bool) -> None:
    assert evaluate(condition, DECLARED).holds is holds


@pytest.mark.parametrize(
    ("condition", "because"),
    [
        ("C-30 AND C-31", ("C-31 no",)),
        ("C-31 OR C-32", ("C-31 no", "C-32 no")),
        ("NOT C-30", ("C-30 yes",)),
        ("HFS-8 > 2", ("HFS-8 is 2",)),
        ("C-30 AND (C-31 OR C-31)", ("C-31 no",)),
    ],
)
def test_reason_names_only_the_features_that_decide(
    condition: str, because: tuple[str, ...]
) -> None:
    verdict = evaluate(condition, DECLARED)
    assert not verdict.holds
    assert verdict.because == because


@pytest.mark.parametrize(
    "condition", ["C-99", "C-30 C-31", "(C-30", "C-30 OR", "C-30 - HFS-8", "C-30 & C-31", "> 1"]
)
def test_a_condition_that_cannot_be_read_is_an_error(condition: str) -> None:
    with pytest.raises(ConditionError):
        evaluate(condition, DECLARED)


def case(condition: str = "") -> Case:
    return Case("TC_B_01_CS", "B", {"Core": "M"}, condition)


@pytest.mark.parametrize(
    ("condition", "outcome", "result"),
    [
        ("", None, Result.NOT_WRITTEN),
        ("", Outcome.PASSED, Result.PASSED),
        ("", Outcome.FAILED, Result.FAILED),
        ("C-31", None, Result.NOT_APPLICABLE),
        ("C-31", Outcome.PASSED, Result.NOT_APPLICABLE),
    ],
)
def test_a_case_is_passed_only_when_its_test_has_passed(
    condition: str, outcome: Outcome | None, result: Result
) -> None:
    test = "tests/conformance/test_b.py::test_TC_B_01_CS"
    outcomes = {} if outcome is None else {test: outcome}
    assert judge(case(condition), DECLARED, outcomes).result is result


@pytest.mark.parametrize(
    ("test", "counts_as"),
    [
        ("tests/conformance/test_b_link.py::test_TC_B_01_CS", Result.PASSED),
        ("tests/conformance/test_bb.py::test_TC_B_01_CS", Result.NOT_WRITTEN),
        ("tests/conformance/test_b.py::test_TC_B_01_CS_too", Result.NOT_WRITTEN),
        ("tests/usecases/test_b.py::test_TC_B_01_CS", Result.NOT_WRITTEN),
    ],
)
def test_the_cases_of_a_block_may_stand_in_several_files(test: str, counts_as: Result) -> None:
    assert judge(case(), DECLARED, {test: Outcome.PASSED}).result is counts_as


REPORT = """<testsuites><testsuite>
<testcase classname="tests.conformance.test_matrix" name="test_good[a]"/>
<testcase classname="tests.conformance.test_matrix" name="test_good[b]"/>
<testcase classname="tests.conformance.test_matrix" name="test_mixed[a]"/>
<testcase classname="tests.conformance.test_matrix" name="test_mixed[b]"><failure/></testcase>
<testcase classname="tests.conformance.test_matrix" name="test_mixed[c]"/>
<testcase classname="tests.conformance.test_matrix" name="test_skipped"><skipped/></testcase>
<testcase classname="tests.conformance.test_matrix" name="test_torn_down"/>
<testcase classname="tests.conformance.test_matrix" name="test_torn_down"><error/></testcase>
<testcase classname="tests.conformance.test_matrix.TestClass" name="test_in_class"/>
</testsuite></testsuites>"""


def test_the_worst_run_of_a_test_counts_and_a_skipped_one_has_not_passed() -> None:
    outcomes = read(REPORT)
    file = "tests/conformance/test_matrix.py"
    assert outcomes == {
        f"{file}::test_good": Outcome.PASSED,
        f"{file}::test_in_class": Outcome.PASSED,
        f"{file}::test_mixed": Outcome.FAILED,
        f"{file}::test_skipped": Outcome.FAILED,
        f"{file}::test_torn_down": Outcome.FAILED,
    }


def test_every_case_belongs_to_a_profile_that_the_matrix_shows() -> None:
    assert len(cases()) == len({each.id for each in cases()}) == 424
    for each in cases():
        assert set(each.profiles) <= set(PROFILES), each.id


def test_every_case_is_counted_once_in_the_last_row() -> None:
    judged = [judge(each, features(), {}) for each in cases()]
    assert counts(judged)[0] == 424
    assert sum(counts(judged)[1:]) == 424
    assert matrix(judged).splitlines()[-1].split("|")[2].strip() == "424"
    assert "TC_B_01" in document(judged)


def test_ids_are_found_in_full_and_continued() -> None:
    assert ids_in("# B05.FR.01, FR.02, B06.FR.10: x") == {
        "B05.FR.01",
        "B05.FR.02",
        "B06.FR.10",
    }
    assert ids_in("FR.03 alone, and Z01.FR.01") == set()


def test_a_requirement_is_met_only_in_code_and_in_a_passing_test() -> None:
    ids = [(f"E01.FR.0{number}", "E") for number in range(1, 7)]
    reasons = Decided({"E01.FR.05": "why"}, {"E01.FR.06": "because"})
    in_code = {"E01.FR.01", "E01.FR.02", "E01.FR.05"}
    in_tests = {"E01.FR.01", "E01.FR.03"}
    judged = Cases(["TC_E_01_CS", "TC_E_02_CS", "TC_B_01_CS"], ["TC_E_01_CS"], [])
    (block,) = sort(ids, in_code, in_tests, reasons, judged)
    assert block.met == ["E01.FR.01"]
    assert block.untested == ["E01.FR.02"]
    assert block.unnamed == ["E01.FR.03"]
    assert block.open == ["E01.FR.04"]
    assert list(block.refused) == ["E01.FR.05"]
    assert list(block.not_applicable) == ["E01.FR.06"]
    assert block.total == 6
    assert (block.cases, block.cases_passed) == (2, 1)
    assert "Refused: E01.FR.05, why" in status_document([block])


def test_requirements_are_unique_and_sorted() -> None:
    ids = [id for id, _ in requirements()]
    assert ids == sorted(set(ids))


def test_tables_align_numbers_to_the_right() -> None:
    assert table(["a", "n"], [["x", "1"], ["yy", "10"]]).splitlines() == [
        "| a  |  n |",
        "| -- | -: |",
        "| x  |  1 |",
        "| yy | 10 |",
    ]
    assert table(["a"], []) == "None."


def test_ids_are_listed_by_block() -> None:
    assert by_block(["TC_A_01_CS", "TC_A_02_CS", "TC_B_01_CS"]) == (
        "**A** TC_A_01, TC_A_02\n\n**B** TC_B_01"
    )


@pytest.mark.parametrize(
    ("profiles", "declared", "tested", "result"),
    [
        ({"ISO 15118 Support": "M"}, False, False, Result.NOT_APPLICABLE),
        ({"ISO 15118 Support": "M"}, False, True, Result.PASSED),
        ({"ISO 15118 Support": "M"}, True, False, Result.NOT_WRITTEN),
        ({"ISO 15118 Support": "M", "Core": "M"}, False, False, Result.NOT_WRITTEN),
        ({"Smart Charging": "M"}, False, False, Result.NOT_WRITTEN),
    ],
)
def test_only_what_needs_a_modem_is_excused_by_its_profile(
    profiles: dict[str, str], declared: bool, tested: bool, result: Result
) -> None:
    mine = Case("TC_C_50_CS", "C", profiles, "")
    outcomes = {"tests/conformance/test_c.py::test_TC_C_50_CS": Outcome.PASSED} if tested else {}
    assert judge(mine, DECLARED | {"ISO 15118 Support": declared}, outcomes).result is result
