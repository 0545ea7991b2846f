"""`joulepost verify-ocmf`: do the signed meter values of a charge prove its energy?"""

import argparse
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from station.cli import BAD_ARGUMENTS, COMMANDS, FAILED, OK, Subparsers

if TYPE_CHECKING:
    from station.ocmf.signature import PublicKey
    from station.ocmf.sources import Found
    from station.ocmf.transaction import Account, Checked

NAME = "verify-ocmf"
MAX_BYTES = 100_000_000
OUTSIDE = "outside of transactions"
DESCRIPTION = """\
Check what meters have signed, in the Open Charge Metering Format (OCMF).

FILE is a text with OCMF data sets, a log of OCPP 2.0.1 messages (TransactionEvent,
MeterValues) with one message a line, or a file of the S.A.F.E. transparency software (XML).
Of each data set the signature is checked; of each transaction, that it has a begin and an end
of one meter under one key, with nothing that runs backwards in between; and what the meter
says of its own state. What is wrong is told line by line, and then the energy.

A public key that came with the data proves that nothing was changed on the way; that the meter
is the one you think, only the key printed on it can prove: give it with --public-key."""
EXAMPLES = """\
examples:
  joulepost csms --log frames.jsonl      … and after a charge, in another terminal:
  joulepost verify-ocmf frames.jsonl
  joulepost verify-ocmf receipt.xml --public-key 3059301306072A8648CE3D0201…
  joulepost verify-ocmf values.txt --public-key meter.pem

Exit codes: 0 everything is proven; 1 something is wrong or incomplete; 2 bad argument, or a file
that cannot be read."""


def add_parser(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        NAME, help=COMMANDS[NAME], description=DESCRIPTION, epilog=EXAMPLES
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="- reads from standard input")
    parser.add_argument(
        "--public-key",
        metavar="KEY",
        help="hex or Base64 of the key's ASN.1 structure, as OCPP carries it, or a file with it",
    )


def run(args: argparse.Namespace) -> int:
    from station.ocmf.data_set import OcmfError
    from station.ocmf.sources import find

    try:
        given = None if args.public_key is None else _given_key(args.public_key)
        found = find(_read(args.file))
        if not found:
            raise OcmfError("there is no OCMF data set in it")
        return _report(_checked(found, given), from_file=given is None)
    except OcmfError as error:
        print(f"joulepost {NAME}: {args.file}: {error}", file=sys.stderr)
        return BAD_ARGUMENTS


def _read(file: Path) -> str:
    from station.ocmf.data_set import OcmfError

    try:
        if str(file) == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with file.open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise OcmfError(f"larger than {MAX_BYTES} bytes")
        return data.decode()
    except OSError as error:
        raise OcmfError(error.strerror or "cannot be read") from error
    except UnicodeDecodeError as error:
        raise OcmfError(f"not UTF-8 at byte {error.start}") from error
    except OcmfError:
        raise
    except ValueError as error:  # a null byte in the name
        raise OcmfError("no such file") from error


def _given_key(text: str) -> "PublicKey":
    from station.ocmf.data_set import OcmfError
    from station.ocmf.signature import read_key

    try:
        return read_key(text)
    except OcmfError as error:
        file = Path(text)
        if len(text) > 200 or not file.exists():
            raise OcmfError(f"--public-key: {error}, and there is no such file") from error
        return read_key(_read(file))


def _checked(found: "list[Found]", given: "PublicKey | None") -> "list[tuple[str, list[Checked]]]":
    """Data sets by transaction; those that came without a key share that of their meter."""
    from station.ocmf.data_set import OcmfError, parse
    from station.ocmf.signature import read_key
    from station.ocmf.transaction import check, divide

    parsed = []
    keys: dict[str, PublicKey] = {}
    for each in found:
        try:
            data_set = parse(each.text)
            key = read_key(each.key, data_set.algorithm) if each.key else None
        except OcmfError as error:
            raise OcmfError(f"{each.where}: {error}") from error
        if key is not None:
            keys.setdefault(data_set.meter, key)
        parsed.append((each.transaction, data_set, key))
    groups: dict[str, list[Checked]] = {}
    for transaction, data_set, key in parsed:
        name = transaction if data_set.context == "T" else OUTSIDE
        checked = check(data_set, given or key or keys.get(data_set.meter))
        groups.setdefault(name, []).append(checked)
    unnamed = groups.pop("", [])
    return [*groups.items(), *(("", each) for each in divide(unnamed))]


def _report(groups: "list[tuple[str, list[Checked]]]", *, from_file: bool) -> int:
    from station.ocmf.transaction import account

    good = True
    for transaction, sets in groups:
        if transaction == OUTSIDE:
            print(OUTSIDE)
            for each in sets:
                _print_set(each)
            good = good and not any(each.problems for each in sets)
        else:
            whole = account(sets)
            print(f"transaction {_plain(transaction)}".rstrip())
            _print_account(whole)
            good = good and whole.is_good
        print()
    if from_file and good:
        print("The public key came with the data: compare it with the one on the meter.")
    print("All of it is proven." if good else "Not all of it is proven.")
    return OK if good else FAILED


def _print_account(whole: "Account") -> None:
    for each in whole.sets:
        _print_set(each)
    for problem in whole.problems:
        print(f"  WRONG: {problem}")
    for note in whole.notes:
        print(f"  note: {note}")
    first = whole.sets[0]
    print(f"  meter   {_plain(first.data_set.meter)}")
    if first.key is not None:
        print(f"  key     {first.key.hex}")
    for obis, energy_wh in whole.energy_wh:
        proven = "" if whole.is_good else "  (NOT proven)"
        print(f"  energy  {_kwh(energy_wh)} kWh  {_plain(obis)}{proven}")


def _print_set(each: "Checked") -> None:
    from station.ocmf.transaction import CLOCKS

    data_set = each.data_set
    for reading in data_set.readings:
        page = f"{data_set.context}{data_set.page}"
        energy_wh = reading.energy_wh
        value = "" if energy_wh is None else f"{_kwh(energy_wh)} kWh"
        print(
            f"  {page:<8}{_plain(reading.reason) or '-':<3}"
            f"{reading.at:%Y-%m-%d %H:%M:%S %z}  {value:>18}  clock {CLOCKS[reading.clock]}"
        )
    for problem in each.problems:
        print(f"          WRONG: {_plain(problem)}")
    for note in each.notes:
        print(f"          note: {note}")


def _kwh(energy_wh: Decimal) -> str:
    """All digits that the meter gave, and no power of ten."""
    return f"{energy_wh / 1000:f}"


def _plain(text: str) -> str:
    """Text of a file, safe on a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text[:100])
