"""No variable is an ornament: somebody honours it, measures it, or nobody can change it."""

import re

import pytest

from station.device_model import Boolean, Mutability, Slot, Variable
from station.device_model.variable import Address
from tests.conformance import variables
from tests.conformance.variables import DOCUMENT, Heard, Kind, Row, held, judge, rows, users

UNITS = {"", "s", "Wh", "W", "A", "V", "Hz", "Percent", "B", "MB", "1/s"}


def row_name(row: Row) -> str:
    return f"{row.name} of {row.tier}"


def slot(mutability: Mutability, *, default: bool | None = True) -> Slot[bool]:
    variable: Variable[bool] = Variable("A", "B", Boolean(), mutability=mutability)
    return Slot(variable, Address("A", "B"), Boolean(), default, mutability)


def test_every_variable_of_a_station_is_looked_at() -> None:
    station, _ = variables.observed()
    names = {
        (each.address.component, each.address.variable, each.address.instance)
        for each in station.station.variables.variables()
    }
    assert {row.place for row in rows()} == names
    assert {"TxCtrlr.TxStopPoint", "EVSE.Power", "EVSE.ACCurrent[L1]"} <= {
        row.name for row in rows()
    }


@pytest.mark.parametrize("row", rows(), ids=row_name)
def test_every_variable_is_honoured_measured_or_constant(row: Row) -> None:
    assert row.kind is not Kind.ORNAMENT


@pytest.mark.parametrize("row", rows(), ids=row_name)
def test_the_report_says_the_same(row: Row) -> None:
    """B07.FR.11"""
    if row.slot.variable.constant:
        assert row.kind is Kind.CONSTANT
    if row.kind is not Kind.HONOURED:
        assert row.slot.mutability is Mutability.READ_ONLY
    if row.kind is Kind.MEASURED:
        assert not row.slot.report(100).persistent or not row.slot.measured
    known = row.slot.kind.characteristics()
    assert getattr(row.slot.kind, "unit", "") in UNITS
    if row.slot.default is not None and row.slot.mutability is not Mutability.WRITE_ONLY:
        text = row.slot.kind.format(row.slot.default)
        assert row.slot.parse(text) == row.slot.default, known


@pytest.mark.parametrize("row", rows(), ids=row_name)
def test_every_variable_is_described_in_one_line(row: Row) -> None:
    text = variables.describe(row)
    assert 5 < len(text) <= 100
    assert not text.endswith(".")


def test_no_description_is_kept_for_what_is_gone_or_describes_itself() -> None:
    alone = {row.name for row in rows() if not row.slot.variable.description}
    assert set(variables.descriptions()) == alone


def test_a_writable_variable_that_nobody_uses_is_an_ornament() -> None:
    assert judge(slot(Mutability.READ_WRITE), Heard())[0] is Kind.ORNAMENT
    assert judge(slot(Mutability.WRITE_ONLY), Heard())[0] is Kind.ORNAMENT


def test_a_variable_that_nobody_gives_a_value_is_an_ornament() -> None:
    assert judge(slot(Mutability.READ_ONLY, default=None), Heard())[0] is Kind.ORNAMENT
    assert judge(slot(Mutability.READ_ONLY), Heard())[0] is Kind.CONSTANT


def test_whoever_watches_or_gives_is_named() -> None:
    writable, measured = slot(Mutability.READ_WRITE), slot(Mutability.READ_ONLY, default=None)
    heard = Heard(
        gives={id(measured.variable): {"station.blocks.boot"}},
        watches={id(writable.variable): {"station.csms.pace"}},
    )
    assert judge(writable, heard) == (Kind.HONOURED, ("csms/pace",))
    assert judge(measured, heard) == (Kind.MEASURED, ("blocks/boot",))


def test_variables_in_tables_of_a_module_are_found() -> None:
    one, other = slot(Mutability.READ_WRITE).variable, slot(Mutability.READ_WRITE).variable
    assert held({"a": one, "b": other}) == [one, other] == held((one, other))
    assert held(("text",)) == held(3) == []
    assert len(users()) > 60


def test_the_document_is_current() -> None:
    """`python -m tests.conformance.variables` writes it."""
    assert DOCUMENT.read_text(encoding="utf-8") == variables.document()


def test_the_document_names_no_password() -> None:
    station, _ = variables.observed()
    text = DOCUMENT.read_text(encoding="utf-8")
    assert str(station.password) not in text
    assert re.search(r"BasicAuthPassword` \| station \| [^|]+ \|  \| WriteOnly", text)
