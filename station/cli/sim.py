"""`joulepost sim`: the same station on simulated hardware."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from station.cli import COMMANDS, Subparsers, UsageError
from station.cli.arguments import checked, whole
from station.config import (
    ConfigError,
    NetworkSection,
    Secret,
    SimOptions,
    StationConfig,
    StationSection,
    WebSection,
)
from station.rules import check_csms_url, check_identity, check_password, parse_listen

if TYPE_CHECKING:
    from station.presets import VariablePreset

DEFAULT_CSMS = "ws://127.0.0.1:9000"
DEFAULT_ID = "sim-1"
SIM_PASSWORD = "joulepost-simulator"  # noqa: S105 - documented, for the bench only
"""What a simulated station uses when no password is given."""

DESCRIPTION = f"""\
Run a charging station on simulated hardware: cars, cables, meters and readers are pretended,
everything else is the real thing.

It connects to CSMS/ID. ws:// means security profile 1; wss:// profile 2, or 3 when
`joulepost certs install` has given it a certificate of its own. Without --password it uses
"{SIM_PASSWORD}". --csms, --password and --variables matter at the first start of a
state folder only; what the CSMS sets afterwards wins. The simulated car and cable are outside
the process and survive its restart."""
EXAMPLES = """\
examples:
  joulepost sim
      calls ws://127.0.0.1:9000/sim-1, where `joulepost csms` listens
  joulepost sim --csms wss://csms.example/ocpp --id CS001 --password 0123456789abcdef
  joulepost sim --evses 2 --web 127.0.0.1:8180
      two EVSEs; with the HTTP API, plug in a car and show a token to the reader:
          curl -d '{"current_a": 16}' http://127.0.0.1:8180/api/sim/evses/1/plug
          curl -d '{"id_token": "04A1B2C3"}' http://127.0.0.1:8180/api/sim/token
          curl http://127.0.0.1:8180/api/state"""


def add_parser(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "sim", help=COMMANDS["sim"], description=DESCRIPTION, epilog=EXAMPLES
    )
    _add_connection(parser)
    _add_hardware(parser)


def _add_connection(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("station and CSMS").add_argument
    add(
        "--csms",
        metavar="URL",
        type=checked(check_csms_url),
        default=DEFAULT_CSMS,
        help="ws:// or wss://, without the id (default: %(default)s)",
    )
    add(
        "--id",
        metavar="ID",
        type=checked(check_identity),
        default=DEFAULT_ID,
        help="identity, and serial number unless --variables says otherwise (default: %(default)s)",
    )
    add(
        "--password",
        metavar="P",
        type=checked(check_password, secret=True),
        default=SIM_PASSWORD,
        help="16 to 64 characters; other users of this machine can see it (default: %(default)s)",
    )
    add(
        "--state-dir",
        metavar="DIR",
        type=Path,
        help="database and simulated world (default: ./var/ID)",
    )
    add(
        "--web",
        metavar="HOST:PORT",
        type=checked(parse_listen),
        help="HTTP API with the simulator's controls; port 0 takes a free one (default: none)",
    )
    add(
        "--variables",
        metavar="FILE",
        type=Path,
        help="JSON list of device-model variables to preset, as a manufacturer would",
    )


def _add_hardware(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("simulated hardware").add_argument
    add(
        "--evses",
        metavar="N",
        type=whole(1, 64),
        default=1,
        help="number of EVSEs, 1 to 64 (default: %(default)s)",
    )
    add(
        "--connectors",
        metavar="N",
        type=whole(1, 8),
        default=1,
        help="connectors of each EVSE, 1 to 8 (default: %(default)s)",
    )
    add(
        "--cable",
        choices=("fixed", "socket"),
        default="fixed",
        help="a cable of the station, or a socket with a lock (default: %(default)s)",
    )
    add(
        "--meter",
        choices=("signing", "plain"),
        default="signing",
        help="a meter that can sign, once SampledDataCtrlr.SignReadings is true (default: "
        "%(default)s)",
    )
    add(
        "--unplugged",
        action="store_true",
        help="cars and cables of the last run are gone (not after a reset)",
    )
    add(
        "--seed",
        metavar="N",
        type=whole(0, 2**63 - 1),
        help="repeatable chance (default: differs each time)",
    )


def run(args: argparse.Namespace) -> int:
    config = build_config(args)
    from station.bench.back_office import BenchBackOffice
    from station.process import run_station

    ending = run_station(config, BenchBackOffice(args.csms, args.id))
    from station.cli.ending import act_on  # after the boot

    return act_on(ending)


def build_config(args: argparse.Namespace) -> StationConfig:
    state_dir = args.state_dir or default_state_dir(args.id)
    if state_dir.exists() and not state_dir.is_dir():
        raise UsageError("joulepost sim", f"--state-dir: {state_dir} is not a folder")
    return StationConfig(
        station=StationSection(identity=args.id, model="simulator", state_dir=str(state_dir)),
        network=NetworkSection(
            url=args.csms, security_profile=2 if args.csms.lower().startswith("wss:") else 1
        ),
        web=WebSection(listen="" if args.web is None else str(args.web)),
        presets=() if args.variables is None else _presets(args.variables),
        password=Secret(args.password),
        sim=SimOptions(
            evses=args.evses,
            connectors=args.connectors,
            cable=args.cable,
            signing=args.meter == "signing",
            unplugged=args.unplugged and not _was_restarted(),
            seed=args.seed,
        ),
    )


def default_state_dir(identity: str) -> Path:
    """A folder of its own for every identity, also for one like `..`."""
    name = quote(identity, safe="@+=")
    return Path("var") / (name if name.strip(".") else name.replace(".", "%2E"))


def _was_restarted() -> bool:
    from station.cli.ending import was_restarted

    return was_restarted()


def _presets(file: Path) -> "tuple[VariablePreset, ...]":
    from station.presets import PresetError, read_presets

    try:
        return read_presets(file)
    except PresetError as error:
        raise ConfigError(f"--variables: {error}") from error
