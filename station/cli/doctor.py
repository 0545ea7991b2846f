"""`joulepost doctor`: why does the station not reach its CSMS, and what to do about it."""

import argparse
import json
import logging
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from station.cli import COMMANDS, FAILED, OK, Subparsers, UsageError
from station.cli.arguments import checked
from station.config import (
    INSTALLED,
    ConfigError,
    NetworkSection,
    Secret,
    SimOptions,
    StationConfig,
    StationSection,
    load_config,
)
from station.rules import check_csms_url, check_identity, check_password

if TYPE_CHECKING:
    from station.cli.doctor_station import Patient
    from station.io.doctor import Examination
    from station.main import Station

PROG = "joulepost doctor"
WIDTH = 96
DESCRIPTION = """\
Walk the way from this station to its CSMS: name, TCP, TLS, WebSocket upgrade, subprotocol,
credentials. Each step is shown as ok, failed or skipped; then the first thing that is wrong,
and what to do about it.

It uses what the station would use: its configuration, and what its state folder holds of
addresses, password and certificates. The station must be stopped, because a second connection
under the same identity would end the first; of a running one, /api/state tells the same
findings. Nothing is written, and no password is shown."""
EXAMPLES = """\
examples:
  joulepost doctor
      with /etc/joulepost/station.toml and its state folder
  joulepost doctor --config my-station.toml --boot
      also send a BootNotification, and show the answer
  joulepost doctor --state-dir var/sim-1 --id sim-1
      a station that `joulepost sim` has run
  joulepost doctor --csms wss://csms.example/ocpp --id CS001 --password-file secret.txt \\
      --root root.pem
      without a station: are these address, identity, password and root certificate right?

Exit codes: 0 all is well; 1 something is wrong; 2 bad argument or configuration."""


def add_parser(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "doctor", help=COMMANDS["doctor"], description=DESCRIPTION, epilog=EXAMPLES
    )
    add = parser.add_argument_group("of a station").add_argument
    add(
        "--config",
        metavar="FILE",
        type=Path,
        help=f"its configuration (default: {INSTALLED})",
    )
    add("--state-dir", metavar="DIR", type=Path, help="its state folder; needs --config or --id")
    add("--id", metavar="ID", type=checked(check_identity), help="its identity")
    _add_explicit(parser)
    add = parser.add_argument_group("what to do").add_argument
    add("--boot", action="store_true", help="also send a BootNotification and show the answer")
    add("--json", action="store_true", help="print everything as one JSON object")


def _add_explicit(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("without a station").add_argument
    add("--csms", metavar="URL", type=checked(check_csms_url), help="ws:// or wss://; needs --id")
    add(
        "--password",
        metavar="P",
        type=checked(check_password, secret=True),
        help="16 to 64 characters; other users of this machine can see it",
    )
    add("--password-file", metavar="FILE", type=Path, help="a file that holds the password")
    add("--root", metavar="FILE", type=Path, help="root certificate of the CSMS, as PEM")
    add("--cert", metavar="FILE", type=Path, help="profile 3: the station's chain, as PEM")
    add("--key", metavar="FILE", type=Path, help="profile 3: the private key of --cert")


def run(args: argparse.Namespace) -> int:
    _check_arguments(args)
    with ExitStack() as stack:
        stack.enter_context(_silence())
        config, station = _station(args, stack)
        ways = _ways(args, station)
        found = _examine(ways, _boot(station) if args.boot else None)
    say = _print_json if args.json else _print
    return say(config.station.identity, found)


@contextmanager
def _silence() -> Iterator[None]:
    """What the parts log of their troubles is what the doctor tells anyway."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def _check_arguments(args: argparse.Namespace) -> None:
    explicit = [
        name for name in ("password", "password_file", "root", "cert", "key") if getattr(args, name)
    ]
    if args.csms is None:
        if explicit:
            raise UsageError(PROG, f"--{explicit[0].replace('_', '-')} goes with --csms")
        if args.config is not None and args.id is not None:
            raise UsageError(PROG, "--id is in the configuration")
        if args.config is None and args.state_dir is not None and args.id is None:
            raise UsageError(PROG, "--state-dir needs --config, or --id")
        if args.state_dir is None and args.id is not None:
            raise UsageError(PROG, "--id goes with --csms or --state-dir")
        return
    if args.config is not None or args.state_dir is not None:
        raise UsageError(PROG, "--csms goes with neither --config nor --state-dir")
    if args.id is None:
        raise UsageError(PROG, "--csms needs --id")
    if args.password is not None and args.password_file is not None:
        raise UsageError(PROG, "--password and --password-file: one of them, not both")
    if (args.cert is None) is not (args.key is None):
        raise UsageError(PROG, "--cert and --key go together")
    if args.csms.startswith("ws:") and (args.root or args.cert):
        raise UsageError(PROG, "certificates go with wss://")


def _station(args: argparse.Namespace, stack: ExitStack) -> "tuple[StationConfig, Station]":
    from station.cli.doctor_station import assemble, read_state
    from station.store.memory_disk import MemoryDisk

    config = _explicit_config(args) if args.csms is not None else _config(args)
    state_dir = Path(config.station.state_dir)
    disk = MemoryDisk() if args.csms is not None else read_state(state_dir, stack)
    return config, assemble(config, disk)


def _config(args: argparse.Namespace) -> StationConfig:
    from msgspec.structs import replace

    if args.id is not None:
        if not args.state_dir.is_dir():
            raise ConfigError(f"state folder {args.state_dir}: there is none")
        section = StationSection(identity=args.id, state_dir=str(args.state_dir), model="simulator")
        return StationConfig(station=section, sim=SimOptions())
    file = INSTALLED if args.config is None else args.config
    config = load_config(file)
    if not config.station.identity:
        raise ConfigError(f"{file}: [station] identity is missing")
    if args.state_dir is not None:
        config = replace(config, station=replace(config.station, state_dir=str(args.state_dir)))
    return config


def _explicit_config(args: argparse.Namespace) -> StationConfig:
    password = args.password or ""
    if args.password_file is not None:
        password = _read(args.password_file).removesuffix("\n")
        try:
            check_password(password)
        except ValueError as error:
            raise ConfigError(f"{args.password_file}: {error}") from error
    return StationConfig(
        station=StationSection(identity=args.id),
        network=NetworkSection(
            url=args.csms,
            security_profile=1 if args.csms.startswith("ws:") else 3 if args.cert else 2,
        ),
        password=Secret(password),
    )


def _ways(args: argparse.Namespace, station: "Station") -> "list[Patient]":
    """What the station would dial; on explicit arguments, with their certificates."""
    from msgspec.structs import replace

    from station.cli.doctor_station import patients

    ways = patients(station)
    if args.csms is None:
        return ways
    (way,) = ways
    if way.target.tls is None:
        return ways
    tls = replace(
        way.target.tls,
        roots=() if args.root is None else (_read(args.root),),
        certificate_chain="" if args.cert is None else _read(args.cert),
        key_file="" if args.key is None else str(args.key),
    )
    return [replace(way, target=replace(way.target, tls=tls))]


def _boot(station: "Station") -> bytes:
    from station.cli.doctor_station import boot_notification

    return boot_notification(station)


def _examine(ways: "list[Patient]", boot: bytes | None) -> "list[tuple[Patient, Examination]]":
    from station.io.doctor import Doctor

    doctor = Doctor()
    try:
        return [(way, doctor.examine(way.target, boot)) for way in ways]
    finally:
        doctor.close()


def _first_wrong(found: "list[tuple[Patient, Examination]]") -> Any:
    from station.advice import NO_SLOT

    if not found:
        return NO_SLOT
    return next((each.diagnosis for _, each in found if each.diagnosis is not None), None)


def _first_slot(found: "list[tuple[Patient, Examination]]") -> str:
    """Which one is wrong, where there are several."""
    wrong = [way.slot for way, examination in found if examination.diagnosis is not None]
    return f"slot {wrong[0]}, " if len(found) > 1 else ""


def _print(identity: str, found: "list[tuple[Patient, Examination]]") -> int:
    for way, examination in found:
        print(f"slot {way.slot}: {way.url}, security profile {way.security_profile}, {identity}")
        if way.access:
            print("  (through the network as it is: APN and VPN of this slot are not set up)")
        for outcome in examination.outcomes:
            print(f"  {outcome.status:<8}  {outcome.step:<12}  {outcome.text}")
            for line in outcome.more:
                print(" " * 26 + line)
        print()
    wrong = _first_wrong(found)
    if wrong is None:
        print("All is well.")
        return OK
    print(_wrapped("What is wrong: ", f"{_first_slot(found)}{wrong.step}: {wrong.problem}"))
    print(_wrapped("What to do:    ", wrong.advice))
    return FAILED


def _print_json(identity: str, found: "list[tuple[Patient, Examination]]") -> int:
    import msgspec

    wrong = _first_wrong(found)
    told = {
        "ok": wrong is None,
        "identity": identity,
        "first_wrong": msgspec.to_builtins(wrong),
        "slots": [
            {
                "slot": way.slot,
                "url": way.url,
                "security_profile": way.security_profile,
                "steps": msgspec.to_builtins(examination.outcomes),
                "wrong": msgspec.to_builtins(examination.diagnosis),
            }
            for way, examination in found
        ],
    }
    print(json.dumps(told, indent=2, ensure_ascii=False))
    return OK if wrong is None else FAILED


def _wrapped(head: str, text: str) -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: {getattr(error, 'strerror', None) or 'not text'}") from error
