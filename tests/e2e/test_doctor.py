"""`joulepost doctor`: each way to fail is named at its step, with something to do about it."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from station.bench.csms import Refuse
from station.bench.csms_thread import BenchCsmsThread
from station.cli import main
from tests.e2e.raw_server import RawPeer, RawServer
from tests.e2e.tls_server import TlsServer, server_context
from tests.pki import issue

PASSWORD = "canary-password-7f3a"
ROOT = issue("Root", authority=True)
OTHER_ROOT = issue("Other Root", authority=True)
CLIENT_ROOT = issue("Client Root", authority=True)
STATION = issue("CS001", CLIENT_ROOT)


class Told(NamedTuple):
    """What the doctor has printed."""

    code: int
    text: str

    @property
    def steps(self) -> dict[str, str]:
        """How each step ended, of the only slot."""
        lines = [line.split(maxsplit=2) for line in self.text.splitlines() if line[:2] == "  "]
        return {words[1]: words[0] for words in lines if words[0] in ("ok", "failed", "skipped")}

    def text_of(self, step: str) -> str:
        (line,) = [line for line in self.text.splitlines() if line.split()[1:2] == [step]]
        return line.split(maxsplit=2)[2]


Doctor = Callable[..., Told]


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Doctor:
    def call(*words: str | Path) -> Told:
        code = main(["doctor", *map(str, words)])
        told = capsys.readouterr()
        assert "canary" not in told.out + told.err
        return Told(code, told.out + told.err)

    return call


@pytest.fixture
def csms() -> Iterator[BenchCsmsThread]:
    with BenchCsmsThread(passwords={"CS001": PASSWORD}) as csms:
        yield csms
    assert csms.violations == []


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "root.pem").write_text(ROOT.pem)
    (tmp_path / "other.pem").write_text(OTHER_ROOT.pem)
    (tmp_path / "secret").write_text(PASSWORD + "\n")
    return tmp_path


@contextmanager
def tls_server(*args: Any, **options: Any) -> Iterator[TlsServer]:
    server = TlsServer(server_context(*args, **options))
    try:
        yield server
    finally:
        server.close()


def at(url: str, *words: str | Path) -> list[str | Path]:
    return ["--csms", url, "--id", "CS001", *words]


def with_password(url: str, *words: str | Path) -> list[str | Path]:
    return at(url, "--password", PASSWORD, *words)


def base(server: TlsServer) -> str:
    return server.url().rpartition("/")[0]


# -- all is well


def test_a_good_way_is_shown_step_by_step(doctor: Doctor, csms: BenchCsmsThread) -> None:
    told = doctor(*with_password(csms.url))
    assert told.code == 0
    assert told.steps == {
        **dict.fromkeys(("name", "TCP", "upgrade", "subprotocol", "credentials"), "ok"),
        "connection": "ok",
        "TLS": "skipped",
        "boot": "skipped",
    }
    assert "All is well." in told.text
    assert csms.received("CS001") == []


def test_a_boot_notification_is_sent_when_asked_for(doctor: Doctor, csms: BenchCsmsThread) -> None:
    told = doctor(*with_password(csms.url, "--boot"))
    assert told.code == 0
    assert told.text_of("boot").startswith("Accepted, interval 300 s")
    ((_, boot),) = csms.received("CS001", "BootNotification")
    assert boot["reason"] == "Unknown"


def test_the_certificate_of_the_csms_is_named(doctor: Doctor, files: Path) -> None:
    leaf = issue("localhost", issue("Sub-CA", ROOT, authority=True))
    with tls_server(leaf, files) as server:
        told = doctor(*with_password(base(server), "--root", files / "root.pem"))
    assert told.steps["TLS"] == "ok"
    assert "TLSv1.3, TLS_" in told.text_of("TLS")
    shown = [line.strip() for line in told.text.splitlines() if "certificate: " in line]
    assert shown[0].startswith("certificate: CN=localhost,O=Example CSO; issued by CN=Sub-CA")
    assert shown[0].endswith("key EC 256")
    assert shown[1].startswith("certificate: CN=Sub-CA")


def test_profile_3_shows_the_certificate_of_the_station(doctor: Doctor, files: Path) -> None:
    chain, key = STATION.save(files)
    with tls_server(issue("localhost", ROOT), files, client_root=CLIENT_ROOT) as server:
        own = ("--cert", chain, "--key", key)
        told = doctor(*at(base(server), "--root", files / "root.pem", *own))
        assert told.steps["credentials"] == "ok"
        assert told.text_of("credentials") == "the certificate of the station"
        assert "Authorization" not in server.requests[-1]
        without = doctor(*with_password(base(server), "--root", files / "root.pem"))
    assert without.code == 1
    assert without.steps["TLS"] == "failed"
    assert "none was presented" in without.text_of("TLS")


# -- something is wrong


def test_a_port_where_nobody_listens(doctor: Doctor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    told = doctor(*with_password(f"ws://127.0.0.1:{port}"))
    assert told.code == 1
    assert told.steps["TCP"] == "failed"
    assert told.steps["upgrade"] == "skipped"
    assert "nothing listens at this port" in " ".join(told.text.split())


def test_every_address_of_a_name_is_tried(
    doctor: Doctor, csms: BenchCsmsThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def two(*args: Any, **options: Any) -> Any:
        first = real("127.0.0.2", csms.port, type=socket.SOCK_STREAM)
        return first + real("127.0.0.1", csms.port, type=socket.SOCK_STREAM)

    monkeypatch.setattr(socket, "getaddrinfo", two)
    told = doctor(*with_password(f"ws://csms.example:{csms.port}"))
    assert told.code == 0
    assert told.text_of("name") == "csms.example is 127.0.0.2, 127.0.0.1"
    assert "127.0.0.2: Connection refused; 127.0.0.1: connected" in told.text_of("TCP")


def test_a_name_that_nobody_knows(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: Any, **options: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    told = doctor(*with_password("ws://csms.example"))
    assert told.code == 1
    assert told.steps["name"] == "failed"
    assert "Is it spelt right?" in told.text


def test_a_wrong_password(doctor: Doctor, csms: BenchCsmsThread) -> None:
    told = doctor(*at(csms.url, "--password", "another-canary-password"))
    assert told.code == 1
    assert told.steps["upgrade"] == "ok"
    assert told.steps["credentials"] == "failed"
    assert "letter by letter" in " ".join(told.text.split())


@pytest.mark.parametrize(
    ("root", "words"), [(None, "no CSMS root"), ("other.pem", '"Root"')], ids=["none", "wrong"]
)
def test_a_root_that_is_missing_or_wrong(
    root: str | None, words: str, doctor: Doctor, files: Path
) -> None:
    given = () if root is None else ("--root", files / root)
    with tls_server(issue("localhost", ROOT), files) as server:
        told = doctor(*with_password(base(server), *given))
        assert server.requests == []  # nothing was told to a stranger
    assert told.code == 1
    assert told.steps["TLS"] == "failed"
    assert words in told.text_of("TLS")
    assert "certificate: CN=localhost" in told.text
    assert "joulepost certs install --type CSMSRootCertificate" in " ".join(told.text.split())


def test_an_expired_certificate_asks_for_the_clock_first(doctor: Doctor, files: Path) -> None:
    with tls_server(issue("localhost", ROOT, days=(-20, -1)), files) as server:
        told = doctor(*with_password(base(server), "--root", files / "root.pem"))
    assert told.steps["TLS"] == "failed"
    assert "it has expired" in told.text_of("TLS")
    assert "clock" in told.text.partition("What to do:")[2]


ANSWERS: dict[str, tuple[Callable[[RawPeer], None], str, str]] = {
    "captive portal": (lambda peer: peer.answer("HTTP/1.1 200 OK"), "upgrade", "captive portal"),
    "wrong path": (lambda peer: peer.answer("HTTP/1.1 404 Not Found"), "upgrade", "path"),
    "other version": (
        lambda peer: peer.upgrade(subprotocol="ocpp1.6"), "subprotocol", "OCPP 2.0.1"),
    "closed at once": (
        lambda peer: peer.upgrade(with_frames=b"\x88\x02\x03\xf0"), "connection", "operator"),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_what_else_a_server_may_answer(name: str, doctor: Doctor) -> None:
    answer, step, words = ANSWERS[name]
    server = RawServer()

    def serve() -> None:
        server.accept()  # the knock
        peer = server.accept()
        peer.read_request()
        answer(peer)

    thread = threading.Thread(target=serve)
    thread.start()
    told = doctor(*with_password(server.url.rpartition("/")[0]))
    thread.join()
    server.close()
    assert told.code == 1
    assert told.steps[step] == "failed"
    assert words in " ".join(told.text.partition("What to do:")[2].split())


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
def test_a_station_that_is_not_accepted(status: str, doctor: Doctor, csms: BenchCsmsThread) -> None:
    csms.boot_status = status
    told = doctor(*with_password(csms.url, "--boot"))
    assert told.code == 1
    assert told.steps["boot"] == "failed"
    assert told.text_of("boot").startswith(status)


def test_a_csms_that_cannot_answer_the_first_message(doctor: Doctor, csms: BenchCsmsThread) -> None:
    csms.behaviour["BootNotification"] = Refuse("InternalError", "no database")
    told = doctor(*with_password(csms.url, "--boot"))
    assert told.code == 1
    assert told.text_of("boot") == "answered with an error: InternalError no database"


# -- of a station


def test_a_configuration_is_enough(doctor: Doctor, csms: BenchCsmsThread, files: Path) -> None:
    write_config(files, csms.url)
    told = doctor("--config", files / "station.toml", "--boot")
    assert told.code == 0, told.text
    ((_, boot),) = csms.received("CS001", "BootNotification")
    assert boot["chargingStation"]["serialNumber"] == "SN-1"
    assert not (files / "state").exists()


def test_everything_can_be_had_as_json(doctor: Doctor, csms: BenchCsmsThread, files: Path) -> None:
    write_config(files, csms.url)
    told = json.loads(doctor("--config", files / "station.toml", "--json").text)
    assert told["ok"] is True
    assert told["first_wrong"] is None
    (slot,) = told["slots"]
    assert slot["url"] == csms.url
    assert [step["step"] for step in slot["steps"]][:2] == ["name", "TCP"]


def test_a_station_without_an_address_is_told_to_get_one(doctor: Doctor, files: Path) -> None:
    (files / "station.toml").write_text('[station]\nidentity = "CS001"\nstate_dir = "state"\n')
    told = doctor("--config", files / "station.toml")
    assert told.code == 1
    assert "no network slot is filled" in told.text


def write_config(folder: Path, url: str) -> None:
    (folder / "secret").chmod(0o600)
    (folder / "station.toml").write_text(
        f"""
        [station]
        identity = "CS001"
        serial_number = "SN-1"
        state_dir = "{folder / "state"}"
        [network]
        url = "{url}"
        security_profile = {2 if url.startswith("wss:") else 1}
        password_file = "secret"
        """
    )


# -- bad arguments


@pytest.mark.parametrize(
    "words",
    [
        "--csms ws://a.example",
        "--csms http://a.example --id CS001",
        "--csms ws://a.example --id CS001 --config x.toml",
        "--csms ws://a.example --id CS001 --root r.pem",
        "--csms wss://a.example --id CS001 --cert c.pem",
        "--csms ws://a.example --id CS001 --password canary",
        "--csms ws://a.example --id CS001 --password 0123456789abcdef --password-file f",
        "--csms ws://a.example --id CS001 --password-file missing",
        "--password 0123456789abcdef",
        "--id CS001",
        "--state-dir missing",
        "--state-dir missing --id CS001",
        "--config missing.toml",
    ],
)
def test_a_bad_argument_is_one_line_and_code_2(words: str, doctor: Doctor, tmp_path: Path) -> None:
    told = doctor(*words.replace("missing", str(tmp_path / "missing")).split())
    assert told.code == 2
    assert len(told.text.splitlines()) == 1
    assert told.text.startswith("joulepost doctor: ")
