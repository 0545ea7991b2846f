"""Do the data sets of one transaction belong together, and how much energy do they prove?"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise

from msgspec import Struct

from station.ocmf.data_set import BEGINS, ENDS, DataSet, OcmfError, Reading
from station.ocmf.signature import PublicKey

CLOCKS = {
    "S": "synchronised",
    "R": "relative to a clock that informs only",
    "I": "informs only",
    "U": "not synchronised",
    "": "not told",
}


class Checked(Struct, frozen=True):
    """One data set, and what was found in it."""

    data_set: DataSet
    key: PublicKey | None
    problems: tuple[str, ...] = ()
    """Any of them: this data set proves nothing."""
    notes: tuple[str, ...] = ()


class Account(Struct, frozen=True):
    """All data sets of one transaction in the order of their pages, and what they prove."""

    sets: tuple[Checked, ...]
    problems: tuple[str, ...]
    """Between the data sets, beside those of each."""
    notes: tuple[str, ...]
    energy_wh: tuple[tuple[str, Decimal], ...]
    """By OBIS code; empty unless a begin and an end are there."""

    @property
    def is_good(self) -> bool:
        return not self.problems and not any(each.problems for each in self.sets)


def check(data_set: DataSet, key: PublicKey | None) -> Checked:
    """One data set by itself: its signature, and what the meter says of its own state."""
    problems: list[str] = []
    notes: list[str] = []
    if key is None:
        problems.append("no public key to check the signature with")
    else:
        try:
            if not key.verifies(data_set):
                problems.append("the signature is wrong")
        except OcmfError as error:
            problems.append(str(error))
    for reading in data_set.readings:
        problems += _state(reading)
        if reading.clock in ("U", ""):
            notes.append("nobody had set the clock of the meter: its times prove nothing")
    return Checked(data_set, key, tuple(dict.fromkeys(problems)), tuple(dict.fromkeys(notes)))


def divide(sets: Iterable[Checked]) -> list[list[Checked]]:
    """Data sets of which nobody said to which transaction they belong: each begin begins one."""
    groups: list[list[Checked]] = []
    for each in sorted(_once(sets), key=lambda each: (each.data_set.meter, each.data_set.page)):
        same_meter = bool(groups) and groups[-1][0].data_set.meter == each.data_set.meter
        if same_meter and each.data_set.begin is None:
            groups[-1].append(each)
        else:
            groups.append([each])
    return groups


def account(sets: Iterable[Checked]) -> Account:
    """The data sets of one transaction together; the same one twice counts once."""
    ordered = sorted(_once(sets), key=lambda each: each.data_set.page)
    readings = [reading for each in ordered for reading in each.data_set.readings]
    problems = [*_same(ordered), *_pages(ordered), *_ends(readings), *_course(readings)]
    energy_wh = _energy(readings)
    if not problems and not energy_wh:
        problems.append("begin and end do not read the same register")
    notes = []
    if ordered:
        missing = ordered[-1].data_set.page - ordered[0].data_set.page + 1 - len(ordered)
        if missing > 0:
            notes.append(f"{missing} data sets in between are not here")
    return Account(tuple(ordered), tuple(problems), tuple(notes), energy_wh)


def _once(sets: Iterable[Checked]) -> list[Checked]:
    """The begin is told twice, when the transaction starts and when it ends."""
    return list({each.data_set.text: each for each in sets}.values())


def _state(reading: Reading) -> list[str]:
    found = []
    if reading.status != "G":
        found.append(f"the meter was not well (ST {reading.status[:5] or 'is missing'})")
    if reading.errors:
        found.append(f"not to be billed (EF {reading.errors[:5]})")
    if reading.reason == "X":
        found.append("an error happened while charging (TX X)")
    return found


def _same(sets: Sequence[Checked]) -> list[str]:
    """One meter, one key, one driver."""
    found = []
    if len({each.data_set.meter for each in sets}) > 1:
        found.append("the data sets are of different meters")
    if len({each.key.hex for each in sets if each.key is not None}) > 1:
        found.append("the data sets are signed with different keys")
    if len({each.data_set.identification for each in sets} - {""}) > 1:
        found.append("the data sets name different drivers")
    return found


def _pages(sets: Sequence[Checked]) -> list[str]:
    pages = [each.data_set.page for each in sets]
    twice = sorted({page for page in pages if pages.count(page) > 1})
    return [f"page T{page} is there twice, with different contents" for page in twice]


def _ends(readings: Sequence[Reading]) -> list[str]:
    """It begins once, before everything else, and ends once, after everything else."""
    found = []
    for name, reasons, place in (("begin", BEGINS, 0), ("end", ENDS, len(readings) - 1)):
        places = [at for at, reading in enumerate(readings) if reading.reason in reasons]
        if not places:
            found.append(f"the {name} of the transaction is missing")
        elif len(places) > 1:
            found.append(f"the transaction has {len(places)} {name}s")
        elif places != [place]:
            found.append(f"the {name} of the transaction is not where its page says")
    return found


def _course(readings: Sequence[Reading]) -> list[str]:
    """Neither a register nor the time runs backwards."""
    found = []
    if any(later.at < earlier.at for earlier, later in pairwise(readings)):
        found.append("time runs backwards")
    registers: dict[str, list[Decimal]] = {}
    for reading in readings:
        if reading.energy_wh is not None:
            registers.setdefault(reading.obis, []).append(reading.energy_wh)
    for obis, values in registers.items():
        if any(later < earlier for earlier, later in pairwise(values)):
            found.append(f"the register {obis} runs backwards")
    return found


def _energy(readings: Sequence[Reading]) -> tuple[tuple[str, Decimal], ...]:
    """From the begin to the end of each register that both have read."""
    begins = {each.obis: each.energy_wh for each in readings if each.reason in BEGINS}
    found: dict[str, Decimal] = {}
    for reading in readings:
        first, last = begins.get(reading.obis), reading.energy_wh
        if reading.reason in ENDS and first is not None and last is not None:
            found[reading.obis] = last - first
    return tuple(found.items())
