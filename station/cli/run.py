"""`joulepost run`: the real station."""

import argparse
from pathlib import Path

from station.cli import COMMANDS, Subparsers
from station.cli.ending import act_on
from station.config import INSTALLED, ConfigError, StationConfig, load_config, require_station

DESCRIPTION = """\
Run the charging station on real hardware, as the configuration describes it.

The configuration is one TOML file; config/station.toml in the source (station/_config in the
installed package) shows every key with its default and what it does."""
EXAMPLES = """\
examples:
  joulepost run
      with /etc/joulepost/station.toml
  joulepost run --config my-station.toml
  joulepost run --config my-station.toml --check
      only say whether the configuration can be used

Exit codes: 0 stopped by SIGTERM or Ctrl-C; 1 failed; 2 bad argument or configuration;
75 to be started again (only under systemd, which does so)."""


def add_parser(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "run", help=COMMANDS["run"], description=DESCRIPTION, epilog=EXAMPLES
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        default=INSTALLED,
        help="the configuration (default: %(default)s)",
    )
    parser.add_argument("--check", action="store_true", help="check the configuration and exit")


def run(args: argparse.Namespace) -> int:
    config = read_config(args.config)
    try:
        if args.check:
            _check(config)
            print(f"{args.config}: good")
            return 0
        from station.process import run_station

        return act_on(run_station(config))
    except ConfigError as error:
        if str(error).startswith("["):  # whoever found it knows the table, not the file
            raise ConfigError(f"{args.config}: {error}") from error
        raise


def _check(config: StationConfig) -> None:
    """Build all of the station on hardware and a disk that are only pretended."""
    from station.bench.virtual import VirtualStation
    from station.process import read_board, refuse

    board = read_board(config)
    VirtualStation(config=config, description=board.description, on_notice=refuse)


def read_config(file: Path) -> StationConfig:
    return require_station(load_config(file), str(file))
