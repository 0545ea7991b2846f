"""The command `joulepost`: finds the sub-command and imports nothing but that one."""

import argparse
import gc
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn, Protocol, cast

GARBAGE_AFTER = 10_000
"""Imports make objects and hardly any garbage: to look for it seldom saves 10 ms of a boot."""
OK, FAILED, BAD_ARGUMENTS, INTERRUPTED = 0, 1, 2, 130
COMMANDS = {
    "run": "the real station, on the hardware that the configuration describes",
    "sim": "the same station on simulated hardware",
    "csms": "a small CSMS for the bench; it can also send calls",
    "doctor": "why does the station not reach its CSMS, and what to do about it",
    "verify-ocmf": "do the signed meter values of a charge prove its energy?",
    "undelivered": "list what the CSMS has not taken, and what had to be dropped",
    "certs": "list, install and delete the certificates of a stopped station",
    "demo": "bench CSMS, simulated station and a car that charges, all at once",
}
DESCRIPTION = """\
The software inside an EV charging station: it charges cars and speaks OCPP 2.0.1 with a
charging station management system (CSMS)."""
EXAMPLES = """\
examples:
  joulepost demo                                see a simulated car charge; Ctrl-C ends it
  joulepost csms                                a CSMS on ws://127.0.0.1:9000 …
  joulepost sim --web 127.0.0.1:8180            … and, in a second terminal, a station for it
  joulepost run --config /etc/joulepost/station.toml
                                                the real thing

`joulepost COMMAND --help` tells more about each."""


class UsageError(Exception):
    """What was typed cannot be used; *prog* is the command whose help tells more."""

    def __init__(self, prog: str, message: str) -> None:
        super().__init__(message)
        self.prog = prog


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, and takes no abbreviations that later options could break."""

    def __init__(self, **options: object) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**{"allow_abbrev": False, **options})  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        raise UsageError(self.prog, message.removeprefix("argument "))


Subparsers = argparse._SubParsersAction


class Command(Protocol):
    """What each module of this package offers."""

    def add_parser(self, subparsers: "Subparsers[argparse.ArgumentParser]") -> None: ...

    def run(self, args: argparse.Namespace) -> int:
        """Exit code; UsageError and ConfigError become one line and code 2."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    gc.set_threshold(GARBAGE_AFTER)
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _main(words)
    except UsageError as error:
        return _complain(f"{error.prog}: {error}; see {error.prog} --help")
    except SystemExit as end:  # argparse ends --help this way
        return int(end.code or OK)
    except KeyboardInterrupt:
        return INTERRUPTED


def _main(words: list[str]) -> int:
    parser: argparse.ArgumentParser = Parser(
        prog="joulepost", description=DESCRIPTION, epilog=EXAMPLES
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    name = words[0] if words else ""
    if name not in COMMANDS:
        return _without_command(parser, subparsers, words)
    command = cast(Command, import_module(module_of(name)))
    command.add_parser(subparsers)
    args, unknown = parser.parse_known_args(words)
    if unknown:
        raise UsageError(f"joulepost {name}", f"unknown argument {unknown[0]!r}")
    return _run(command, args, name)


def module_of(command: str) -> str:
    """The module of a sub-command."""
    return f"station.cli.{command.replace('-', '_')}"


def _without_command(
    parser: argparse.ArgumentParser,
    subparsers: "Subparsers[argparse.ArgumentParser]",
    words: list[str],
) -> int:
    for command, help_text in COMMANDS.items():
        subparsers.add_parser(command, help=help_text)
    if words and not words[0].startswith("-"):
        raise UsageError(parser.prog, f"there is no command {words[0]!r}{_meant(words[0])}")
    args = parser.parse_args(words)
    if args.version:
        print(f"joulepost {_version()}")
        return OK
    raise UsageError(parser.prog, f"which command? There is {', '.join(COMMANDS)}")


def _run(command: Command, args: argparse.Namespace, name: str) -> int:
    from station.config import ConfigError

    try:
        return command.run(args)
    except ConfigError as error:
        return _complain(f"joulepost {name}: {error}")


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("joulepost")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "(not installed)"


def _meant(word: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(word, list(COMMANDS), n=1)
    return f" (did you mean {close[0]!r}?)" if close else f" (there is {', '.join(COMMANDS)})"


def _complain(line: str) -> int:
    print(line, file=sys.stderr)
    return BAD_ARGUMENTS
