"""`joulepost demo`, which is `make run`: bench CSMS, simulated station and a car that charges."""

import argparse
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from station.cli import BAD_ARGUMENTS, COMMANDS, FAILED, OK, Subparsers
from station.cli.arguments import checked, whole
from station.cli.demo_car import ApiError, StationApi, drive_in
from station.cli.demo_text import Screen
from station.cli.sim import SIM_PASSWORD
from station.rules import ListenAddress, check_identity, parse_listen

if TYPE_CHECKING:
    from station.bench.csms_thread import BenchCsmsThread

STOP_TIMEOUT_S = 15.0
READY_TIMEOUT_S = 20.0
LISTEN = "127.0.0.1:9000"
DESCRIPTION = """\
Start a bench CSMS and a simulated station with two EVSEs, plug in a car, show a token to the
reader, and print every message that the two exchange. It goes on until Ctrl-C.

The state folder is kept: kill the demo in mid-charge (kill -9), start it again, and nothing
is lost. Delete the folder to begin from nothing."""
EXAMPLES = """\
examples:
  joulepost demo
  joulepost csms send demo-1 Reset '{"type": "OnIdle"}'
      meanwhile, in a second terminal: have the CSMS call the station"""
# The child asks the kernel to be killed when its parent dies, however that dies (Linux).
LAUNCH = """\
import ctypes, os, signal, sys
try:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
except AttributeError:
    pass
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.executable, [sys.executable, "-m", "station", "sim", *sys.argv[2:]])
"""


class StopError(Exception):
    """Ctrl-C or SIGTERM."""


def add_parser(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    add = subparsers.add_parser(
        "demo", help=COMMANDS["demo"], description=DESCRIPTION, epilog=EXAMPLES
    ).add_argument
    add(
        "--state-dir",
        metavar="DIR",
        type=Path,
        default=Path("var/demo"),
        help="where the station keeps its state (default: ./%(default)s)",
    )
    add(
        "--id",
        metavar="ID",
        type=checked(check_identity),
        default="demo-1",
        help="identity of the station (default: %(default)s)",
    )
    add(
        "--listen",
        metavar="HOST:PORT",
        type=checked(parse_listen),
        default=LISTEN,
        help="where the CSMS listens; stays the same for a state folder (default: %(default)s)",
    )
    add(
        "--web",
        metavar="HOST:PORT",
        type=checked(parse_listen),
        help="where the station's HTTP API listens (default: a free port on loopback)",
    )
    add(
        "--evses",
        metavar="N",
        type=whole(1, 64),
        default=2,
        help="number of EVSEs (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    screen = Screen()
    try:
        csms = start_csms(args.listen, args.id, screen)
    except ModuleNotFoundError as error:
        return _complain(f"{error.name} is not installed; run: pip install 'joulepost[bench]'")
    except OSError as error:
        return _complain(f"--listen: cannot listen on {args.listen}: {error.strerror or error}")
    station: subprocess.Popen[bytes] | None = None
    _stop_on_signals()
    try:
        web = args.web if args.web and args.web.port else _free_address(args.web)
        station = start_station(args, csms.url, web)
        return _play(screen, station, csms, StationApi(f"http://{web}"))
    except StopError:
        screen.say("stopping …")
        return OK
    finally:
        _ignore_signals()
        if station is not None:
            stop_station(station)
        csms.stop()
        screen.say("", *csms.summary())


def start_csms(listen: ListenAddress, identity: str, screen: Screen) -> "BenchCsmsThread":
    from station.bench.csms_thread import BenchCsmsThread

    return BenchCsmsThread(
        listen.host, listen.port, passwords={identity: SIM_PASSWORD}, on_line=screen.message
    ).start()


def start_station(
    args: argparse.Namespace, csms_url: str, web: ListenAddress
) -> subprocess.Popen[bytes]:
    """In a session of its own, so that Ctrl-C reaches it only through us, once."""
    options = {
        "--csms": csms_url,
        "--id": args.id,
        "--evses": str(args.evses),
        "--web": str(web),
        "--state-dir": str(args.state_dir),
    }
    words = [f"{option}={value}" for option, value in options.items()]
    return subprocess.Popen(
        [sys.executable, "-c", LAUNCH, str(os.getpid()), *words],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


def stop_station(station: subprocess.Popen[bytes]) -> None:
    """Politely, and after STOP_TIMEOUT_S for certain."""
    if station.poll() is None:
        station.terminate()
    try:
        station.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        station.kill()
        station.wait()


def _play(
    screen: Screen,
    station: subprocess.Popen[bytes],
    csms: "BenchCsmsThread",
    api: StationApi,
) -> int:
    screen.say(f"CSMS     {csms.url}", f"station  {api.url}/api/state", "")
    if not _wait_until_accepted(station, api):
        return _explain_end(screen, station)
    screen.say(
        "",
        "try, in a second terminal:",
        f"  curl {api.url}/api/state",
        f"""  curl -d '{{"current_a": 10}}' {api.url}/api/sim/evses/2/plug""",
        f"""  curl -d '{{"id_token": "DEADBEEF", "evse": 2}}' {api.url}/api/sim/token""",
        "",
    )
    try:
        drive_in(api, screen.say)
    except ApiError as error:
        screen.say(f"the car could not be plugged in: {error}")
    screen.say("Ctrl-C stops everything", "")
    station.wait()
    return _explain_end(screen, station)


def _wait_until_accepted(station: subprocess.Popen[bytes], api: StationApi) -> bool:
    """Until the CSMS has accepted the station, or it is clear that it will take long."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while station.poll() is None and time.monotonic() < deadline:
        if api.registration() == "Accepted":
            return True
        time.sleep(0.1)
    return station.poll() is None


def _explain_end(screen: Screen, station: subprocess.Popen[bytes]) -> int:
    code = station.wait()
    reason = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    screen.say(f"the station has ended ({reason}); start the demo again to see it resume")
    return BAD_ARGUMENTS if code == BAD_ARGUMENTS else FAILED


def _free_address(wanted: ListenAddress | None) -> ListenAddress:
    """Chosen here and not by the station, whose address must last when it resets."""
    host = wanted.host if wanted else "127.0.0.1"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return ListenAddress(host, probe.getsockname()[1])


def _stop_on_signals() -> None:
    def stop(number: int, _: object) -> None:
        raise StopError(signal.Signals(number).name)

    assert threading.current_thread() is threading.main_thread()
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)


def _ignore_signals() -> None:
    """While cleaning up, which is bounded; a second Ctrl-C must leave no orphan."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _complain(problem: str) -> int:
    print(f"joulepost demo: {problem}", file=sys.stderr)
    return BAD_ARGUMENTS
