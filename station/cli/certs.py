"""`joulepost certs`: the certificates of a stopped station, for commissioning."""

import argparse
import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from station.cli import COMMANDS, FAILED, OK, Subparsers, UsageError
from station.clock import BUILD_TIME
from station.config import ConfigError, StationSection
from station.io.keys import FileKeys
from station.io.state_dir import DATABASE, KEYS, lock_state_dir
from station.pki import key
from station.pki.certificate import MAX_CHARS, CertificateError, fingerprint, read_pem
from station.pki.chain import check_root, check_station_chain
from station.records import StoreHealth
from station.store.database import Database
from station.store.migrate import StoreTooNewError
from station.store.repository import TableRepository
from station.store.units import Turn, to_sql_name
from station.trust_store import (
    CERTIFICATES,
    MAX_ENTRIES,
    ROOTS,
    CertificateRow,
    CertificateUse,
    Standing,
    TrustStore,
    chain_row,
    root_row,
    to_pems,
)

CHAINS = {
    CertificateUse.STATION: CertificateUse.CSMS_ROOT,
    CertificateUse.V2G_CHAIN: CertificateUse.V2G_ROOT,
}
"""Certificates of the station itself, and to which roots they lead."""
PROG = "joulepost certs install"
DESCRIPTION = """\
List, install or delete the certificates of a station that is stopped.

Whatever is installed is checked first: format, key length, signature, validity, and for the
station's own certificate that it fits its key and leads to an installed root. Run it as the
user that the station runs as, so that the station can read what is kept."""
EXAMPLES = """\
examples:
  joulepost certs list
  joulepost certs install --type CSMSRootCertificate root.pem
  joulepost certs install --type ChargingStationCertificate --key station.key chain.pem
      the station's certificate first, then what leads to the root; the key is copied
  joulepost certs delete root.pem
  joulepost certs delete --type CSMSRootCertificate 3f9a01
      by the serial number that `list` shows

Exit codes: 0 done; 1 the certificate cannot be used, or is not there; 2 bad argument or
state folder."""


def add_parser(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "certs", help=COMMANDS["certs"], description=DESCRIPTION, epilog=EXAMPLES
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs", required=True)
    _add_verb(verbs, "list", "what is installed, with expiry, serial number and subject")
    add = _add_verb(verbs, "install", "check a certificate and install it").add_argument
    add("file", metavar="FILE", help="the certificate as PEM; of the station: the whole chain")
    add("--key", metavar="FILE", help="the private key of the first certificate, as PEM")
    add = _add_verb(verbs, "delete", "remove a certificate, and its key").add_argument
    add("file", metavar="FILE", help="the certificate as PEM, or its serial number")


def _add_verb(
    verbs: "Subparsers[argparse.ArgumentParser]", name: str, text: str
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=text, description=text)
    uses = [use.value for use in CertificateUse]
    verb.add_argument(
        "--type",
        metavar="TYPE",
        choices=uses,
        required=name == "install",
        help=f"one of {', '.join(uses)}",
    )
    verb.add_argument(
        "--state-dir",
        metavar="DIR",
        type=Path,
        default=Path(StationSection().state_dir),
        help="where the station keeps its state (default: %(default)s)",
    )
    return verb


def run(args: argparse.Namespace) -> int:
    _check_arguments(args)
    _check_folder(args.state_dir, makes_it=args.verb == "install")
    os.umask(0o077)
    with ExitStack() as stack:
        lock_state_dir(args.state_dir, stack)
        shelf = Shelf(args.state_dir, stack)
        try:
            if args.verb == "list":
                return _list(shelf, args.type)
            if args.verb == "delete":
                return _delete(shelf, args.file, args.type)
            return _install(shelf, args)
        except UnusableError as error:
            return _complain(str(error))


class UnusableError(Exception):
    """What is wrong with the content of which file."""


@contextmanager
def blaming(file: str | Path) -> Iterator[None]:
    try:
        yield
    except CertificateError as error:
        raise UnusableError(f"{file}: {error}") from error


class Shelf:
    """The rows and keys of a station that does not run."""

    def __init__(self, state_dir: Path, stack: ExitStack) -> None:
        self._database = Database(state_dir / DATABASE)
        stack.callback(self._database.close)
        try:
            opening = self._database.open()
        except StoreTooNewError as error:
            raise ConfigError(f"state folder {state_dir}: {error}") from error
        if opening.health is not StoreHealth.OK:
            raise ConfigError(f"state folder {state_dir}: {opening.detail}")
        stored = opening.tables.get(to_sql_name(CERTIFICATES.name), [])
        self._turn = Turn()
        self.store = TrustStore(TableRepository(CERTIFICATES, self._turn, stored))
        self.keys = FileKeys(state_dir / KEYS)

    def commit(self) -> None:
        """Make what was done durable."""
        unit = self._turn.take_unit()
        if unit:
            self._database.apply(unit)


def _check_arguments(args: argparse.Namespace) -> None:
    if args.verb != "install":
        return
    own = args.type in CHAINS
    if own and args.key is None:
        raise UsageError(PROG, f"a {args.type} needs --key, the file of its private key")
    if not own and args.key is not None:
        raise UsageError(PROG, f"a {args.type} has no --key")


def _check_folder(state_dir: Path, *, makes_it: bool) -> None:
    if not state_dir.exists():
        if makes_it:
            return
        raise ConfigError(f"state folder {state_dir}: there is none")
    owner = state_dir.stat().st_uid
    if os.geteuid() != owner:
        raise ConfigError(f"state folder {state_dir} belongs to user {owner}; run this as that one")


def _list(shelf: Shelf, wanted: str | None) -> int:
    rows = [row for row in shelf.store.all() if wanted in (None, row.use)]
    for row in rows:
        standing = "" if row.standing is Standing.CURRENT else f" ({row.standing.lower()})"
        print(
            f"{row.use:<28}{row.not_after:%Y-%m-%d}  {row.hash_data.serial_number:<40}  "
            f"{_printable(row.subject)}{standing}"
        )
    if not rows:
        print("no certificate is installed")
    return OK


def _install(shelf: Shelf, args: argparse.Namespace) -> int:
    use, pem, moment = CertificateUse(args.type), _read(args.file), _moment()
    if use in ROOTS:
        with blaming(args.file):
            row = root_row(use, check_root(pem, moment))
        if shelf.store.find(use, row.fingerprint) is None and len(shelf.store) >= MAX_ENTRIES:
            raise UnusableError(f"no more than {MAX_ENTRIES} certificates can be installed")
        shelf.store.put(row)
        shelf.commit()
    else:
        row = _install_chain(shelf, use, args, pem, moment)
    print(f"installed {use}: {_printable(row.subject)}, until {row.not_after:%Y-%m-%d}")
    return OK


def _install_chain(
    shelf: Shelf, use: CertificateUse, args: argparse.Namespace, pem: str, moment: datetime | None
) -> CertificateRow:
    roots = to_pems(shelf.store.of(CHAINS[use]))
    if not roots:
        raise UnusableError(f"no {CHAINS[use]} is installed that it could lead to; do that first")
    key_id, key_pem = str(uuid.uuid4()), _read(args.key).encode()
    with blaming(args.key):
        public_key = key.public_key(key_pem)
    with blaming(args.file):
        chain = check_station_chain(
            pem,
            keys={key_id: public_key},
            roots=roots,
            moment=moment,
            is_client=use is CertificateUse.STATION,
        )
    shelf.keys.add(key_id, key_pem)
    replaced = shelf.store.of(use)
    for old in replaced:
        shelf.store.delete(old)
    row = chain_row(use, chain, public_key, Standing.CURRENT)
    shelf.store.put(row)
    shelf.commit()
    for old in replaced:
        shelf.keys.delete(old.key_id)
    return row


def _delete(shelf: Shelf, what: str, wanted: str | None) -> int:
    names = _names(what)
    rows = [
        row
        for row in shelf.store.all()
        if wanted in (None, row.use)
        and (row.fingerprint in names or row.hash_data.serial_number in names)
    ]
    if not rows:
        return _complain(f"{what}: no such certificate is installed")
    for row in rows:
        shelf.store.delete(row)
    shelf.commit()
    for row in rows:
        if row.key_id:
            shelf.keys.delete(row.key_id)
        print(f"deleted {row.use}: {_printable(row.subject)}")
    return OK


def _names(what: str) -> tuple[str, ...]:
    """The fingerprint of the file's first certificate, or a serial number."""
    if Path(what).exists():
        with blaming(what):
            return (fingerprint(read_pem(_read(what))[0]),)
    return (what.lower().lstrip("0"),)


def _read(name: str | Path) -> str:
    try:
        with open(name, "rb") as file:
            return file.read(2 * MAX_CHARS).decode()
    except OSError as error:
        raise ConfigError(f"{name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UnusableError(f"{name}: not text; certificates and keys must be PEM") from error


def _moment() -> datetime | None:
    """Now; None, and a word about it, when this computer cannot know the time."""
    now = datetime.now(UTC)
    if now >= BUILD_TIME:
        return now
    print("this computer's clock is not set, so no date was checked", file=sys.stderr)
    return None


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)


def _complain(line: str) -> int:
    print(f"joulepost certs: {line}", file=sys.stderr)
    return FAILED
