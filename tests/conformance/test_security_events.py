"""Each security event of the standard is raised and tested, or there is a reason why not."""

import csv

from tests.conformance.security_events import (
    STANDARD,
    named_in_tests,
    never_raised,
    overview,
    raised,
)


def test_every_standard_event_is_raised_or_cannot_happen_and_never_both() -> None:
    """A04.FR.01, A04.FR.04"""
    by, reasons = set(raised()), set(never_raised())
    assert len(STANDARD) == 21
    assert by | reasons == STANDARD
    assert not by & reasons


def test_every_event_that_is_raised_is_named_by_a_test() -> None:
    assert set(raised()) <= named_in_tests()


def test_the_table_has_a_row_for_each_event() -> None:
    rows = list(csv.reader(overview().splitlines()[2:], delimiter="|"))
    assert [row[1].strip() for row in rows] == sorted(STANDARD)
    assert all(row[3].strip() for row in rows)
