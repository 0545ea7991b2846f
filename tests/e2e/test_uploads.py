"""Uploads over real sockets, to real servers on loopback and to hostile ones."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from station.io.transfer import FileTransfers, Limits, Targets
from station.io.transfer.addresses import problem_of
from station.transfers import (
    LogFile,
    TransferEnd,
    TransferProtocol,
    TransferResult,
    Trusted,
    Upload,
    parse_location,
)
from tests.e2e.upload_servers import (
    PASSWORD,
    PLAIN_PASSWORD,
    USER,
    ftp_server,
    raw_server,
    sftp_server,
    web_server,
)
from tests.pki import Issued, issue

DATA = bytes(range(256)) * 3000
NAME = "diagnostics_CS001.zip"
LOGIN = f"{USER}:{PASSWORD}@"
QUICK = Limits(deadline_s=2.0, step_s=0.5)
SSH_KEY = asyncssh.generate_private_key("ssh-ed25519")


def attempt(
    url: str,
    *,
    data: bytes = DATA,
    known_hosts: str = "",
    roots: tuple[str, ...] = (),
    targets: Targets = Targets(loopback=True),  # noqa: B008 - frozen
    limits: Limits | None = None,
    utc: datetime | None = None,
    check_dates: bool = True,
) -> Any:
    file = LogFile(NAME, "application/zip", lambda: data)
    trusted = Trusted(roots, utc or datetime.now(UTC), check_dates)
    transfers = FileTransfers(targets, known_hosts, limits)
    return transfers.upload(Upload(parse_location(url), file, trusted))


def upload(url: str, **options: Any) -> TransferResult:
    result: TransferResult = attempt(url, **options).run()
    assert PLAIN_PASSWORD not in result.detail
    assert PASSWORD not in result.detail
    return result


def took(url: str, **options: Any) -> tuple[TransferResult, float]:
    begin = time.monotonic()
    return upload(url, **options), time.monotonic() - begin


# -- HTTP


def test_http_put_to_a_file() -> None:
    """N01.FR.14, N01.FR.17"""
    with web_server() as server:
        result = upload(f"http://{LOGIN}127.0.0.1:{server.port}/logs/7?token=x")
    assert result == TransferResult(TransferEnd.DONE)
    [(method, path, headers, body)] = server.requests
    assert (method, path, body) == ("PUT", "/logs/7?token=x", DATA)
    assert headers["Content-Type"] == "application/zip"
    assert headers["Host"] == f"127.0.0.1:{server.port}"
    assert server.login() == f"{USER}:{PLAIN_PASSWORD}"


def test_http_put_to_a_folder_names_the_file_there() -> None:
    with web_server() as server:
        assert upload(f"http://127.0.0.1:{server.port}/logs/?a=b").end is TransferEnd.DONE
    assert server.requests[0][1] == f"/logs/{NAME}?a=b"
    assert server.login() == ""


def test_http_post_where_put_is_not_taken() -> None:
    """N01.FR.18, N01.FR.19"""
    with web_server() as server:
        server.refused_methods["PUT"] = 405
        assert upload(f"http://127.0.0.1:{server.port}/logs/").end is TransferEnd.DONE
    assert server.methods == ["PUT", "POST"]
    _, path, headers, body = server.requests[1]
    disposition = f'form-data; name="uploadfile"; filename="{NAME}"'
    assert path == "/logs/"
    assert headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert headers["Content-Disposition"] == disposition
    boundary = headers["Content-Type"].partition("boundary=")[2].encode()
    part = body.split(b"--" + boundary)[1]
    head, _, content = part.partition(b"\r\n\r\n")
    assert f"Content-Disposition: {disposition}".encode() in head
    assert b"Content-Type: application/zip" in head
    assert content == DATA + b"\r\n"


@pytest.mark.parametrize(
    ("status", "end"),
    [
        (400, TransferEnd.BAD_MESSAGE),
        (401, TransferEnd.DENIED),
        (403, TransferEnd.DENIED),
        (404, TransferEnd.FAILED),
        (416, TransferEnd.FAILED),
        (503, TransferEnd.FAILED),
    ],
)
def test_what_an_http_server_answers_is_told(status: int, end: TransferEnd) -> None:
    """N01.FR.10"""
    with web_server() as server:
        server.answers.append((status, {}))
        result = upload(f"http://127.0.0.1:{server.port}/x")
    assert (result.end, result.detail) == (end, f"the server answered {status}")


def test_a_server_that_takes_neither_put_nor_post_does_not_support_it() -> None:
    """N01.FR.10"""
    with web_server() as server:
        server.refused_methods |= {"PUT": 405, "POST": 501}
        assert upload(f"http://127.0.0.1:{server.port}/x").end is TransferEnd.UNSUPPORTED


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_within_the_server_is_followed(status: int) -> None:
    with web_server() as server:
        server.answers.append((status, {"Location": "/elsewhere?x=1"}))
        assert upload(f"http://{LOGIN}127.0.0.1:{server.port}/x").end is TransferEnd.DONE
    assert server.requests[1][1] == "/elsewhere?x=1"
    assert server.login() == f"{USER}:{PLAIN_PASSWORD}"


def test_no_redirect_leads_to_another_server() -> None:
    with web_server() as server, web_server() as other:
        for location in (
            f"http://127.0.0.1:{other.port}/x",
            f"http://localhost:{server.port}/x",
            f"https://127.0.0.1:{server.port}/x",
            f"ftp://127.0.0.1:{server.port}/x",
            f"//127.0.0.1:{other.port}/x",
            "",
        ):
            server.answers.append((301, {"Location": location}))
            assert upload(f"http://{LOGIN}127.0.0.1:{server.port}/x").end is TransferEnd.REFUSED
        server.answers.append((301, {"Location": "gopher://x"}))
        assert upload(f"http://{LOGIN}127.0.0.1:{server.port}/x").end is TransferEnd.FAILED
    assert other.requests == []


def test_a_loop_of_redirects_ends() -> None:
    """Fault F32."""
    with web_server() as server:
        server.answers += [(301, {"Location": "/x"})] * 50
        result = upload(f"http://127.0.0.1:{server.port}/x")
    assert result == TransferResult(TransferEnd.FAILED, "more than 3 redirects")
    assert len(server.requests) == 4


# -- TLS


@pytest.fixture(scope="module")
def root() -> Issued:
    return issue("Upload Root", authority=True)


def server_context(leaf: Issued, folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*leaf.save(folder))
    return context


def test_https_trusts_the_chain_of_the_csms(root: Issued, tmp_path: Path) -> None:
    """N01.FR.15"""
    leaf = issue("127.0.0.1", root, ips=("127.0.0.1",))
    with web_server(server_context(leaf, tmp_path)) as server:
        result = upload(f"https://127.0.0.1:{server.port}/x", roots=(root.pem,))
    assert result == TransferResult(TransferEnd.DONE)
    assert server.requests[0][3] == DATA


def test_https_trusts_the_authorities_of_the_system(
    root: Issued, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N01.FR.16"""
    system = tmp_path / "system.pem"
    system.write_text(root.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(system))
    leaf = issue("127.0.0.1", root, ips=("127.0.0.1",))
    with web_server(server_context(leaf, tmp_path)) as server:
        assert upload(f"https://127.0.0.1:{server.port}/x").end is TransferEnd.DONE


def test_https_refuses_what_it_does_not_trust(root: Issued, tmp_path: Path) -> None:
    """Fault F32: nothing is sent, credentials least of all."""
    other = issue("Other Root", authority=True)
    day = timedelta(days=1)
    cases = [
        (issue("127.0.0.1", other, ips=("127.0.0.1",)), None),
        (issue("elsewhere.example", root), None),
        (issue("127.0.0.1", root, ips=("127.0.0.1",), days=(-5, -1)), None),
        (issue("127.0.0.1", root, ips=("127.0.0.1",)), datetime.now(UTC) + 60 * day),
    ]
    for leaf, utc in cases:
        with web_server(server_context(leaf, tmp_path)) as server:
            url = f"https://{LOGIN}127.0.0.1:{server.port}/x"
            result = upload(url, roots=(root.pem,), utc=utc)
        assert result.end is TransferEnd.FAILED
        assert "certificate" in result.detail
        assert server.requests == []


def test_a_station_without_the_time_does_not_look_at_dates(root: Issued, tmp_path: Path) -> None:
    leaf = issue("127.0.0.1", root, ips=("127.0.0.1",), days=(-5, -1))
    with web_server(server_context(leaf, tmp_path)) as server:
        url = f"https://127.0.0.1:{server.port}/x"
        assert upload(url, roots=(root.pem,), check_dates=False).end is TransferEnd.DONE


def test_what_does_not_speak_tls_is_told() -> None:
    with web_server() as server:
        result = upload(f"https://127.0.0.1:{server.port}/x")
    assert result.end is TransferEnd.FAILED
    assert result.detail.startswith("TLS: ")


# -- FTP


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "files"
    (made / "logs").mkdir(parents=True)
    return made


@pytest.fixture
def pem(root: Issued, tmp_path: Path) -> str:
    leaf = issue("127.0.0.1", root, ips=("127.0.0.1",))
    file = tmp_path / "ftp.pem"
    file.write_text(leaf.key_pem + leaf.chain)
    return str(file)


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("", NAME),
        ("/", NAME),
        ("/logs", f"logs/{NAME}"),
        ("/logs/", f"logs/{NAME}"),
        ("/logs/my.zip", "logs/my.zip"),
        ("/my.zip", "my.zip"),
    ],
)
def test_ftp_puts_the_file_where_the_url_says(folder: Path, path: str, where: str) -> None:
    with ftp_server(folder) as port:
        result = upload(f"ftp://{LOGIN}127.0.0.1:{port}{path}")
    assert result == TransferResult(TransferEnd.DONE)
    assert (folder / where).read_bytes() == DATA


@pytest.mark.parametrize("implicit", [False, True])
def test_ftps_protects_login_and_data(
    folder: Path, root: Issued, pem: str, implicit: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N01.FR.15"""
    with ftp_server(folder, certificate=pem, implicit=implicit) as port:
        if implicit:  # only port 990 is: a test may not listen there
            from station.io.transfer import over_ftp

            monkeypatch.setitem(over_ftp.PORTS, TransferProtocol.FTPS, port)
        result = upload(f"ftps://{LOGIN}127.0.0.1:{port}/logs/", roots=(root.pem,))
    assert result == TransferResult(TransferEnd.DONE)
    assert (folder / "logs" / NAME).read_bytes() == DATA


def test_ftps_never_logs_in_without_trust(folder: Path, pem: str) -> None:
    with ftp_server(folder, certificate=pem) as port:
        result = upload(f"ftps://{LOGIN}127.0.0.1:{port}/logs/")
    assert result.end is TransferEnd.FAILED
    assert result.detail.startswith("TLS: ")


def test_ftps_never_goes_on_in_the_clear(folder: Path) -> None:
    with ftp_server(folder) as port:
        result = upload(f"ftps://{LOGIN}127.0.0.1:{port}/logs/")
    assert result.end is TransferEnd.UNSUPPORTED
    assert list(folder.rglob("*.zip")) == []


@pytest.mark.parametrize(
    ("login", "path", "end"),
    [
        ("station:wrong@", "/logs/", TransferEnd.DENIED),
        (LOGIN, "/nowhere/", TransferEnd.FAILED),
        (LOGIN, "/nowhere", TransferEnd.FAILED),
    ],
)
def test_what_an_ftp_server_refuses_is_told(
    folder: Path, login: str, path: str, end: TransferEnd
) -> None:
    """N01.FR.10"""
    with ftp_server(folder) as port:
        assert upload(f"ftp://{login}127.0.0.1:{port}{path}").end is end
    assert list(folder.rglob("*.zip")) == []


# -- SFTP


def known(tmp_path: Path, port: int, key: asyncssh.SSHKey = SSH_KEY) -> str:
    file = tmp_path / "known_hosts"
    public = key.export_public_key().decode()
    file.write_text(f"[127.0.0.1]:{port} {public}")
    return str(file)


@pytest.mark.parametrize(
    ("path", "where"), [("/logs", f"logs/{NAME}"), ("/logs/a.zip", "logs/a.zip"), ("/", NAME)]
)
def test_sftp_puts_the_file_where_the_url_says(
    folder: Path, tmp_path: Path, path: str, where: str
) -> None:
    with sftp_server(folder, SSH_KEY) as port:
        hosts = known(tmp_path, port)
        result = upload(f"sftp://{LOGIN}127.0.0.1:{port}{path}", known_hosts=hosts)
    assert result == TransferResult(TransferEnd.DONE)
    assert (folder / where).read_bytes() == DATA


def test_sftp_says_what_is_wrong(folder: Path, tmp_path: Path) -> None:
    """N01.FR.10"""
    with sftp_server(folder, SSH_KEY) as port:
        hosts = known(tmp_path, port)
        wrong = upload(f"sftp://{USER}:wrong@127.0.0.1:{port}/logs", known_hosts=hosts)
        nowhere = upload(f"sftp://{LOGIN}127.0.0.1:{port}/nowhere", known_hosts=hosts)
    assert wrong == TransferResult(TransferEnd.DENIED, "the server denies the login")
    assert nowhere.end is TransferEnd.FAILED


def test_sftp_trusts_only_known_host_keys(folder: Path, tmp_path: Path) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519")
    with sftp_server(folder, SSH_KEY) as port:
        url = f"sftp://{LOGIN}127.0.0.1:{port}/logs"
        changed = upload(url, known_hosts=known(tmp_path, port, other))
        unknown = upload(url, known_hosts=known(tmp_path, port + 1))
        no_file = upload(url, known_hosts=str(tmp_path / "nothing"))
    assert [r.end for r in (changed, unknown, no_file)] == [TransferEnd.REFUSED] * 3
    assert "another host key" in changed.detail
    assert list(folder.rglob("*.zip")) == []


def test_without_known_hosts_there_is_no_sftp() -> None:
    assert list(FileTransfers(Targets()).unusable) == [TransferProtocol.SFTP]
    assert FileTransfers(Targets(), "/etc/known_hosts").unusable == {}


# -- addresses


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{}/", "http://localhost:{}/", "http://[::ffff:127.0.0.1]:{}/"]
)
def test_the_station_sends_nothing_to_itself_unless_allowed(url: str) -> None:
    with web_server() as server:
        result = upload(url.format(server.port), targets=Targets())
    assert result.end is TransferEnd.REFUSED
    assert server.requests == []


@pytest.mark.parametrize(
    ("address", "refused"),
    [
        ("127.8.9.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("64:ff9b::7f00:1", True),
        ("2002:7f00:1::", True),
        ("169.254.169.254", True),
        ("fe80::1%eth0", True),
        ("0.0.0.0", True),
        ("0.1.2.3", True),
        ("::", True),
        ("224.0.0.1", True),
        ("255.255.255.255", True),
        ("10.1.2.3", False),
        ("192.168.1.1", False),
        ("203.0.113.9", False),
        ("2a00:1450::1", False),
    ],
)
def test_which_addresses_are_targets(address: str, refused: bool) -> None:
    assert bool(problem_of(address, Targets())) is refused


def test_one_forbidden_address_of_a_name_refuses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is looked up twice: what was checked is what is connected to."""
    looked_up = []

    def found(host: str, port: int, **_: Any) -> list[Any]:
        looked_up.append(host)
        stream = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*stream, ("203.0.113.1", port)), (*stream, ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    result = upload("http://two-faced.example/", targets=Targets())
    assert result.end is TransferEnd.REFUSED
    assert looked_up == ["two-faced.example"]


def test_ftp_data_go_to_the_server_whatever_it_says(folder: Path) -> None:
    """The address of a PASV answer is ignored: it would be a way around the rules."""
    asked: list[str] = []

    def talk(sock: socket.socket) -> None:
        data = socket.create_server(("127.0.0.1", 0))
        port = data.getsockname()[1]
        answers = {"USER": "331 p", "PASS": "230 ok", "CWD": "250 ok", "TYPE": "200 ok"}
        sock.sendall(b"220 hello\r\n")
        with sock.makefile("rb") as lines:
            for line in lines:
                verb = line.split()[0].decode()
                asked.append(verb)
                if verb == "PASV":
                    place = f"203,0,113,7,{port >> 8},{port & 255}"
                    sock.sendall(f"227 Entering ({place})\r\n".encode())
                elif verb == "STOR":
                    sock.sendall(b"150 go\r\n")
                    conn, _ = data.accept()
                    with conn:
                        while conn.recv(65536):
                            pass
                    sock.sendall(b"226 done\r\n")
                elif verb == "QUIT":
                    sock.sendall(b"221 bye\r\n")
                else:
                    sock.sendall(f"{answers.get(verb, '500 what')}\r\n".encode())
        data.close()

    with raw_server(talk) as port:
        assert upload(f"ftp://{LOGIN}127.0.0.1:{port}/logs/", limits=QUICK).end is TransferEnd.DONE
    assert "STOR" in asked


# -- hostile servers (fault F32)


def drip(sock: socket.socket, piece: bytes, pause_s: float) -> None:
    while True:
        sock.sendall(piece)
        time.sleep(pause_s)


def read_request(sock: socket.socket) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        head += sock.recv(65536)


def answer_slowly(sock: socket.socket) -> None:
    read_request(sock)
    drip(sock, b"H", 0.1)


def headers_without_end(sock: socket.socket) -> None:
    read_request(sock)
    sock.sendall(b"HTTP/1.1 201 Created\r\n")
    drip(sock, b"X: " + b"y" * 1000 + b"\r\n", 0.0)


def continue_for_ever(sock: socket.socket) -> None:
    read_request(sock)
    drip(sock, b"HTTP/1.1 100 Continue\r\n\r\n", 0.001)


def silence(sock: socket.socket) -> None:
    time.sleep(10)


def nonsense(sock: socket.socket) -> None:
    sock.sendall(b"\x00\xff nonsense\r\n" * 10)
    time.sleep(1)


def hang_up(sock: socket.socket) -> None:
    sock.recv(1)


def ftp_without_end(sock: socket.socket) -> None:
    drip(sock, b"220-and more\r\n", 0.0)


def ssh_packet_without_end(sock: socket.socket) -> None:
    sock.sendall(b"SSH-2.0-x\r\n\x7f\xff\xff\xf0")
    drip(sock, b"z" * 65536, 0.0)


@pytest.mark.parametrize(
    ("scheme", "talk"),
    [
        ("http", answer_slowly),
        ("http", headers_without_end),
        ("http", continue_for_ever),
        ("http", silence),
        ("http", nonsense),
        ("http", hang_up),
        ("https", silence),
        ("https", nonsense),
        ("ftp", silence),
        ("ftp", nonsense),
        ("ftp", hang_up),
        ("ftp", ftp_without_end),
        ("ftps", silence),
        ("sftp", silence),
        ("sftp", nonsense),
        ("sftp", hang_up),
        ("sftp", ssh_packet_without_end),
    ],
)
def test_no_server_holds_the_station_up(scheme: str, talk: Any, tmp_path: Path) -> None:
    with raw_server(talk) as port:
        hosts = known(tmp_path, port)
        result, took_s = took(
            f"{scheme}://{LOGIN}127.0.0.1:{port}/x", known_hosts=hosts, limits=QUICK
        )
    assert result.end in (TransferEnd.FAILED, TransferEnd.BAD_MESSAGE)
    assert took_s < QUICK.deadline_s + 2.0


def test_an_answer_that_drips_ends_with_the_deadline() -> None:
    with raw_server(answer_slowly) as port:
        result = upload(f"http://127.0.0.1:{port}/x", limits=QUICK)
    assert result == TransferResult(TransferEnd.FAILED, "not done within 2 s")


def test_a_server_that_reads_nothing_is_given_up() -> None:
    data = bytes(30_000_000)
    with raw_server(silence) as port:
        result, took_s = took(f"http://127.0.0.1:{port}/x", data=data, limits=QUICK)
    assert result == TransferResult(TransferEnd.FAILED, "the server does not go on")
    assert took_s < QUICK.deadline_s


def test_a_file_that_is_too_large_is_not_sent() -> None:
    limits = Limits(size_bytes=1000)
    with web_server() as server:
        result = upload(f"http://127.0.0.1:{server.port}/x", limits=limits)
    assert result.end is TransferEnd.REFUSED
    assert server.requests == []


@pytest.mark.parametrize("scheme", ["http", "https", "ftp", "ftps", "sftp"])
def test_an_upload_ends_soon_when_it_is_cancelled(scheme: str, tmp_path: Path) -> None:
    reached = threading.Event()

    def talk(sock: socket.socket) -> None:
        reached.set()
        silence(sock)

    results: list[TransferResult] = []
    with raw_server(talk) as port:
        made = attempt(f"{scheme}://127.0.0.1:{port}/x", known_hosts=known(tmp_path, port))
        thread = threading.Thread(target=lambda: results.append(made.run()))
        thread.start()
        assert reached.wait(5)
        time.sleep(0.1)
        made.cancel()
        thread.join(5)
        assert not thread.is_alive()
    assert results == [TransferResult(TransferEnd.CANCELLED)]


def test_one_that_was_cancelled_before_it_began_does_nothing() -> None:
    with web_server() as server:
        made = attempt(f"http://127.0.0.1:{server.port}/x")
        made.cancel()
        assert made.run().end is TransferEnd.CANCELLED
    assert server.requests == []


def test_an_error_never_tells_a_credential(caplog: pytest.LogCaptureFixture) -> None:
    def quoting(sock: socket.socket) -> None:
        sock.sendall(b"220 hello\r\n")
        said = sock.recv(1000) + sock.recv(1000)
        sock.sendall(b"599 " + said.replace(b"\r\n", b" ") + PLAIN_PASSWORD.encode() + b"\r\n")

    with raw_server(quoting) as port, caplog.at_level("DEBUG"):
        upload(f"ftp://{LOGIN}127.0.0.1:{port}/x", limits=QUICK)
    assert PLAIN_PASSWORD not in caplog.text


@pytest.fixture(autouse=True)
def _no_thread_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Of ours: a transfer ends with all it has started."""
    yield
    due_at = time.monotonic() + 5
    while time.monotonic() < due_at:
        left = [t for t in threading.enumerate() if isinstance(t, threading.Timer)]
        if not left:
            return
        time.sleep(0.01)
    pytest.fail(f"timers are left: {left}")
