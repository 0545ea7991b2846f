"""`joulepost csms`: run the bench CSMS, or have the running one call a station."""

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    import ssl

DEFAULT_LISTEN = "127.0.0.1:9000"
BAD_ARGUMENTS = 2

DESCRIPTION = """\
A small CSMS (the server side of OCPP 2.0.1) for trying out a charging station on the bench.

It accepts every station that connects to ws://HOST:PORT/<station id> with HTTP Basic
credentials (or, with --tls-cert, to wss://), answers everything, prints one line per message
(→ from the station, ← to it), and checks each message in both directions against the official
OCPP schemas. It is a tool for the bench, not for production: it forgets everything when it ends."""

EXAMPLES = """\
examples:
  joulepost csms
      listen on 127.0.0.1:9000 and accept every token
  joulepost csms --listen 127.0.0.1:0 --accept 04A1B2C3 DEADBEEF --log frames.jsonl
      any free port; two tokens are good, all others Invalid; frames are written to a file
  joulepost csms send CS001 TriggerMessage '{"requestedMessage": "Heartbeat"}'
      in a second terminal: have the running CSMS call the station CS001
  joulepost csms --tls-cert server.pem --tls-key server.key
      wss:// for security profile 2; with --tls-client-ca also for profile 3

Ctrl-C ends it with a summary. The exit code is 1 if any message broke its schema."""

SEND_DESCRIPTION = """\
Have the bench CSMS that runs in another terminal call a station, and print the response.

The call is checked against its schema before it is sent. Exit code 0: the station answered;
1: it answered with an error, with something that breaks the schema, or not in time;
2: the call was not sent because the arguments are wrong."""

SEND_EXAMPLES = """\
examples:
  joulepost csms send CS001 Reset '{"type": "OnIdle"}'
  joulepost csms send CS001 GetBaseReport '{"requestId": 1, "reportBase": "FullInventory"}'
  joulepost csms send --to 127.0.0.1:9001 CS001 ClearCache"""

Subparsers = argparse._SubParsersAction


def add_parser(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = subparsers.add_parser(
        "csms",
        usage="%(prog)s [options]\n       %(prog)s send [--to HOST:PORT] ID Action [JSON]",
        help="run a small CSMS for the bench, or send a call through it",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=raw,
    )
    _add_options(parser)
    verbs = parser.add_subparsers(
        dest="csms_verb", metavar="send", title="sending a call", prog=parser.prog
    )
    send = verbs.add_parser(
        "send",
        help="have the running bench CSMS call a station",
        description=SEND_DESCRIPTION,
        epilog=SEND_EXAMPLES,
        formatter_class=raw,
    )
    _add_send_options(send)


def run(args: argparse.Namespace) -> int:
    try:
        import ocpp  # noqa: F401
        import websockets  # noqa: F401
    except ModuleNotFoundError as error:
        return _complain(f"{error.name} is not installed; run: pip install 'joulepost[bench]'")
    return _send(args) if args.csms_verb == "send" else _serve(args)


def parse_address(text: str) -> tuple[str, int]:
    """`HOST:PORT`, `[v6]:PORT`; a ValueError says what is wrong with it."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host:
        raise ValueError(f"{text!r} is not HOST:PORT, for example {DEFAULT_LISTEN}")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535):
        raise ValueError(f"{port!r} is no port number between 0 and 65535")
    return host, int(port)


def _add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--listen",
        metavar="HOST:PORT",
        default=DEFAULT_LISTEN,
        help="where to listen; port 0 picks a free one (default: %(default)s, this machine only)",
    )
    add(
        "--accept",
        metavar="TOKEN",
        nargs="+",
        action="extend",
        help="accept only these tokens; others are answered Invalid (default: accept all)",
    )
    add("--log", metavar="FILE", help="append every frame to FILE, one JSON object per line")
    add(
        "--password",
        metavar="ID=PASSWORD",
        action="append",
        default=[],
        help="the password that station ID must use; may be repeated (default: any, but "
        "one must be given)",
    )
    add(
        "--interval",
        metavar="SECONDS",
        type=int,
        default=300,
        help="heartbeat interval given to stations that boot (default: %(default)s)",
    )
    add(
        "--boot",
        choices=("Accepted", "Pending", "Rejected"),
        default="Accepted",
        help="what stations that boot are told (default: %(default)s)",
    )

    add("--tls-cert", metavar="FILE", type=Path, help="speak wss://: the server's chain, as PEM")
    add("--tls-key", metavar="FILE", type=Path, help="the private key of --tls-cert, as PEM")
    add(
        "--tls-client-ca",
        metavar="FILE",
        type=Path,
        help="stations must show a certificate that leads to this root (security profile 3)",
    )


def _add_send_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("id", metavar="ID", help="the station's id, as the CSMS prints it")
    add("action", metavar="Action", help="an OCPP 2.0.1 action, for example Reset")
    add("payload", metavar="JSON", nargs="?", default="{}", help="its fields (default: {})")
    add(
        "--to",
        "--listen",
        dest="to",
        metavar="HOST:PORT",
        help=f"where the bench CSMS listens (default: {DEFAULT_LISTEN})",
    )
    add(
        "--timeout",
        metavar="SECONDS",
        type=float,
        default=30.0,
        help="how long the station may take to answer (default: %(default)g)",
    )
    add(
        "--no-check",
        action="store_true",
        help="send it even if it breaks its schema, to see what the station makes of it",
    )


def _send(args: argparse.Namespace) -> int:
    from station.bench.csms_control import send_call
    from station.bench.csms_schema import json_problem, unknown_call

    problem = unknown_call(args.action) or json_problem(args.payload)
    if problem is not None:
        return _complain(problem)
    if args.timeout <= 0:
        return _complain("--timeout must be more than 0 seconds")
    try:
        host, port = parse_address(args.to or args.listen)
    except ValueError as error:
        return _complain(str(error))
    payload = json.loads(args.payload)
    timeout_s, check = args.timeout, not args.no_check
    reply = send_call(host, port, args.id, args.action, payload, timeout_s=timeout_s, check=check)
    if "result" in reply:
        print(json.dumps(reply["result"], indent=2, ensure_ascii=False))
    if "error" in reply:
        print(f"joulepost csms send: {reply['error']}", file=sys.stderr)
    return int(reply["exit"])


def _serve(args: argparse.Namespace) -> int:
    try:
        host, port = parse_address(args.listen)
        passwords = dict(_password(text) for text in args.password)
        if args.interval < 1:
            raise ValueError("--interval must be at least 1 second")
        tls = _tls_context(args.tls_cert, args.tls_key, args.tls_client_ca)
        log = None if args.log is None else open(args.log, "a", encoding="utf-8")  # noqa: SIM115
    except (ValueError, OSError) as error:
        return _complain(str(error))
    options = {"accept": args.accept, "passwords": passwords, "interval_s": args.interval}
    options["tls"] = tls
    try:
        return asyncio.run(_serve_until_stopped(host, port, args.boot, log, options))
    finally:
        if log is not None:
            log.close()


async def _serve_until_stopped(
    host: str, port: int, boot_status: str, log: TextIO | None, options: dict[str, Any]
) -> int:
    from station.bench.csms import BenchCsms

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def say(text: str) -> None:
        try:
            print(text, flush=True)
        except BrokenPipeError:  # as in `joulepost csms | head`: nobody reads on
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            stop.set()

    csms = BenchCsms(host, port, on_line=say, log=log, **options)
    csms.answers.boot_status = boot_status
    try:
        await csms.__aenter__()
    except OSError as error:
        return _complain(f"cannot listen on {host}:{port}: {error.strerror or error}")
    try:
        say(f"bench CSMS listening on {csms.url}/<station id> (Ctrl-C ends it)")
        if csms.tls is not None:
            say(f"calls: joulepost csms send --to 127.0.0.1:{csms.control_port} ID Action JSON")
        await stop.wait()
    finally:
        await csms.__aexit__(None, None, None)
    say("\n".join(["", *csms.record.summary()]))
    return 1 if csms.violations or csms.record.failures else 0


def _tls_context(
    cert: Path | None, key: Path | None, client_ca: Path | None
) -> "ssl.SSLContext | None":
    """A ValueError names the file that cannot be used."""
    if cert is None or key is None:
        if (cert, key, client_ca) == (None, None, None):
            return None
        raise ValueError("--tls-cert and --tls-key go together, and --tls-client-ca needs both")
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key, password="")
    except (OSError, ValueError) as error:
        raise ValueError(f"{cert}, {key}: {_reason(error)}") from error
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(client_ca)
        except (OSError, ValueError) as error:
            raise ValueError(f"{client_ca}: {_reason(error)}") from error
    return context


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return str(getattr(error, "reason", None) or error).lower().replace("_", " ")


def _password(text: str) -> tuple[str, str]:
    station, equals, password = text.partition("=")
    if not equals or not station or not password:
        raise ValueError("--password needs ID=PASSWORD, for example CS001=secret")
    return station, password


def _complain(problem: str) -> int:
    print(f"joulepost csms: {problem}", file=sys.stderr)
    return BAD_ARGUMENTS
