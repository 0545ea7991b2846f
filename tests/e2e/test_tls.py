"""TLS towards the CSMS: which servers are accepted, which refused, and what is said of it."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from station.io.peer_certificate import is_for
from station.io.tls import make_context, refusal_behind
from station.io.tls_reasons import words
from station.link import LinkDown, LinkProblem, LinkUp, TlsRefusal, TlsSettings
from tests.e2e.link_user import WAIT_S, Station
from tests.e2e.raw_server import RawPeer
from tests.e2e.tls_server import Behaviour, TlsServer, server_context
from tests.pki import Issued, ec_key, issue, rsa_key

V = ssl.TLSVersion
TLS_1_0, TLS_1_1 = (V.TLSv1, V.TLSv1), (V.TLSv1_1, V.TLSv1_1)
TLS_1_2, TLS_1_3 = (V.TLSv1_2, V.TLSv1_2), (V.TLSv1_3, V.TLSv1_3)
CERTIFICATE = TlsRefusal.INVALID_CSMS_CERTIFICATE
VERSION = TlsRefusal.INVALID_TLS_VERSION
SUITE = TlsRefusal.INVALID_TLS_CIPHER_SUITE
CLIENT = TlsRefusal.CLIENT_CERTIFICATE_REFUSED

ROOT = issue("Root", authority=True)
SUB = issue("Sub-CA", ROOT, authority=True)
OTHER_ROOT = issue("Other Root", authority=True)
CLIENT_ROOT = issue("Client Root", authority=True)
STATION = issue("SN-0001", CLIENT_ROOT)


@pytest.fixture
def station() -> Iterator[Station]:
    station = Station()
    yield station
    assert station.link.stop(WAIT_S)


@pytest.fixture
def serve() -> Iterator[Callable[[ssl.SSLContext | Behaviour], TlsServer]]:
    servers: list[TlsServer] = []

    def start(behaviour: ssl.SSLContext | Behaviour) -> TlsServer:
        servers.append(TlsServer(behaviour))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


class Case(NamedTuple):
    """A server, what the station is set to, and the verdict; None: accepted."""

    name: str
    identity: Callable[[], Issued]
    refusal: TlsRefusal | None = None
    words: str = ""
    server: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    host: str = "localhost"
    only_dates: bool = False


def of_root(name: str = "localhost", **options: Any) -> Callable[[], Issued]:
    return lambda: issue(name, SUB, **options)


def of_rsa(*, root: dict[str, Any], sub: dict[str, Any], leaf: dict[str, Any]) -> Issued:
    """A chain of RSA keys, issued by a root that the station trusts."""
    top = issue("RSA Root", authority=True, **{"key": rsa_key(2048), **root})
    middle = issue("RSA Sub-CA", top, authority=True, **{"key": rsa_key(2048, 1), **sub})
    return issue("localhost", middle, **{"key": rsa_key(2048, 2), **leaf})


def rsa(**options: dict[str, Any]) -> Callable[[], Issued]:
    return lambda: of_rsa(**{"root": {}, "sub": {}, "leaf": {}, **options})


def under(authority: Callable[[], Issued], **options: Any) -> Callable[[], Issued]:
    return lambda: issue("localhost", authority(), **options)


ONLY_CBC = {"versions": TLS_1_2, "suites": "ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0"}
ONLY_SHA1 = {"versions": TLS_1_2, "suites": "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"}
ONLY_OTHER = {"versions": TLS_1_2, "suites": "ECDHE-ECDSA-CHACHA20-POLY1305"}
ONLY_TLS_RSA = {"versions": TLS_1_2, "suites": "AES128-GCM-SHA256:AES256-GCM-SHA384"}
ANONYMOUS = {"versions": TLS_1_2, "suites": "ADH-AES128-GCM-SHA256:@SECLEVEL=0"}
WILDCARDS = {"allow_wildcards": True}

CASES = (
    # accepted: everything that the standard allows
    Case("ec p-256, name in cn and san", of_root(dns=("localhost",))),
    Case("name in cn only", of_root()),
    Case("name in san only", of_root("CSMS 1", dns=("localhost",))),
    Case("cn right beside a san for another path", of_root(dns=("vpn.example",))),
    Case("no key usage anywhere", under(
        lambda: issue("Plain Sub-CA", ROOT, authority=True, key_usage=False), key_usage=False)),
    Case("rsa 2048", rsa()),
    Case("tls 1.2 only", of_root(), server={"versions": TLS_1_2}),
    Case("tls 1.3 only", of_root(), server={"versions": TLS_1_3}),
    Case("ip address in san", of_root("csms", ips=("127.0.0.1",)), host="127.0.0.1"),
    Case("ip address in cn", of_root("127.0.0.1"), host="127.0.0.1"),
    Case("issued by the root itself", lambda: issue("localhost", ROOT)),
    Case("tls_rsa only, switched on", rsa(), server=ONLY_TLS_RSA,
         settings={"allow_rsa_key_exchange": True}),
    Case("ecdhe with rsa", rsa(), server={
        "versions": TLS_1_2, "suites": "ECDHE-RSA-AES256-GCM-SHA384"}),
    # names
    Case("wrong name", of_root("csms.example"), CERTIFICATE, "csms.example, not for localhost"),
    Case("wrong name in san", of_root("csms", dns=("a.example",)), CERTIFICATE, "a.example"),
    Case("wrong ip address", of_root("csms", ips=("127.0.0.2",)), CERTIFICATE, "127.0.0.2",
         host="127.0.0.1"),
    Case("name is no address", of_root(), CERTIFICATE, "not for 127.0.0.1", host="127.0.0.1"),
    # paths
    Case("wrong root", lambda: issue("localhost", OTHER_ROOT), CERTIFICATE, '"Other Root"'),
    Case("wrong root, sent along", lambda: issue("localhost", OTHER_ROOT), CERTIFICATE,
         'its root "Other Root" is not installed', server={"with_root": True}),
    Case("self-signed", lambda: issue("localhost"), CERTIFICATE, "signed by itself"),
    Case("missing intermediate", of_root(), CERTIFICATE, 'its issuer "Sub-CA"',
         server={"leaf_alone": True}),
    Case("issuer is no authority", under(lambda: issue("Leaf", ROOT)), CERTIFICATE,
         "may not issue"),
    Case("path too long", under(lambda: issue("Sub 2", issue(
        "Sub 1", ROOT, authority=True, path_length=0), authority=True)), CERTIFICATE, "longer"),
    Case("for clients only", of_root(only_for_clients=True), CERTIFICATE, "TLS server"),
    # dates
    Case("expired", of_root(days=(-20, -1)), CERTIFICATE, "expired", only_dates=True),
    Case("not valid yet", of_root(days=(1, 20)), CERTIFICATE, "not valid yet", only_dates=True),
    Case("issuer expired", under(
        lambda: issue("Old Sub-CA", ROOT, authority=True, days=(-20, -1))), CERTIFICATE,
        '"Old Sub-CA"', only_dates=True),
    Case("expired and for another name", of_root("csms.example", days=(-20, -1)), CERTIFICATE,
         "not for localhost"),
    # keys and hashes
    Case("rsa 1024 leaf", rsa(leaf={"key": rsa_key(1024)}), CERTIFICATE, "its key is too short"),
    Case("rsa 1024 intermediate", rsa(sub={"key": rsa_key(1024)}), CERTIFICATE,
         "key of one of its issuers"),
    Case("rsa 1024 root", rsa(root={"key": rsa_key(1024)}), CERTIFICATE,
         "key of one of its issuers"),
    Case("ec p-192 leaf, a curve that is not offered", of_root(key=ec_key(ec.SECP192R1())),
         SUITE, "cipher suites", server={"versions": TLS_1_2}),
    Case("ec p-192 intermediate", under(lambda: issue(
        "Small Sub-CA", ROOT, authority=True, key=ec_key(ec.SECP192R1()))), CERTIFICATE,
         "key of one of its issuers"),
    Case("sha-1 leaf", rsa(leaf={"broken_hash": "sha1"}), CERTIFICATE, "broken hash"),
    Case("sha-1 intermediate", rsa(sub={"broken_hash": "sha1"}), CERTIFICATE, "broken hash"),
    Case("md5 leaf", rsa(leaf={"broken_hash": "md5"}), CERTIFICATE, "broken hash"),
    # versions and suites
    Case("tls 1.0 only", of_root(), VERSION, "TLS 1.2", server={"versions": TLS_1_0}),
    Case("tls 1.1 only", of_root(), VERSION, "TLS 1.2", server={"versions": TLS_1_1}),
    Case("cbc suites only", of_root(), SUITE, "cipher suites", server=ONLY_CBC),
    Case("sha-1 suites only", of_root(), SUITE, "cipher suites", server=ONLY_SHA1),
    Case("no suite in common", of_root(), SUITE, "cipher suites", server=ONLY_OTHER),
    Case("anonymous suites only", of_root(), SUITE, "cipher suites", server=ANONYMOUS),
    Case("tls_rsa only, switched off", rsa(), SUITE, "switched off", server=ONLY_TLS_RSA),
)  # fmt: skip


def settings_for(root: Issued, **options: Any) -> TlsSettings:
    return TlsSettings(roots=(root.pem,), utc=datetime.now(UTC), **options)


def top_of(identity: Issued) -> Issued:
    return top_of(identity.issuer) if identity.issuer else identity


def context_for(case: Case, identity: Issued, folder: Path) -> ssl.SSLContext:
    options = dict(case.server)
    if options.pop("leaf_alone", False):
        options["chain"] = identity.pem
    if options.pop("with_root", False):
        options["chain"] = identity.chain + top_of(identity).pem
    return server_context(identity, folder, **options)


def trusted_by(case: Case, identity: Issued) -> Issued:
    top = top_of(identity)
    return ROOT if top in (OTHER_ROOT, identity) else top


Serve = Callable[[ssl.SSLContext | Behaviour], TlsServer]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_of_all_servers_only_the_ones_that_the_standard_allows_are_accepted(
    case: Case, station: Station, serve: Serve, tmp_path: Path
) -> None:
    """A00.FR.308, A00.FR.309, A00.FR.311, A00.FR.312, A00.FR.313, A00.FR.316, A00.FR.319,
    A00.FR.320, A00.FR.323, A00.FR.501, A00.FR.504, A00.FR.511, A00.FR.512; G19"""
    identity = case.identity()
    server = serve(context_for(case, identity, tmp_path))
    station.open(
        server.url(case.host), tls=settings_for(trusted_by(case, identity), **case.settings)
    )
    if case.refusal is None:
        up = station.next(LinkUp)
        assert up.peer is not None
        assert up.peer.version in ("TLSv1.2", "TLSv1.3")
        assert not up.peer.fallback_root
        return
    down = station.next(LinkDown)
    assert (down.problem, down.tls) == (LinkProblem.TLS, case.refusal), down
    assert case.words in down.detail
    assert "\n" not in down.detail
    assert down.only_dates == case.only_dates
    assert server.requests == []  # the password never left


REFUSED_IN_PROFILE_3 = (
    "wrong name",
    "wrong root",
    "self-signed",
    "missing intermediate",
    "expired",
    "rsa 1024 leaf",
    "sha-1 leaf",
    "tls 1.1 only",
    "cbc suites only",
    "tls_rsa only, switched off",
)


@pytest.mark.parametrize("name", REFUSED_IN_PROFILE_3)
def test_a_station_with_a_certificate_of_its_own_is_no_less_strict(
    name: str, station: Station, serve: Serve, tmp_path: Path
) -> None:
    """A00.FR.411, A00.FR.412, A00.FR.413, A00.FR.414, A00.FR.419, A00.FR.423, A00.FR.426"""
    (case,) = (each for each in CASES if each.name == name)
    identity = case.identity()
    server = serve(context_for(case, identity, tmp_path))
    (tmp_path / "own").mkdir()
    _, key_file = STATION.save(tmp_path / "own")
    own = {"certificate_chain": STATION.chain, "key_file": str(key_file)}
    station.open(server.url(), tls=settings_for(trusted_by(case, identity), **own))
    down = station.next(LinkDown)
    assert (down.problem, down.tls) == (LinkProblem.TLS, case.refusal), down
    assert server.requests == []


def test_compression_is_off_and_only_sound_suites_are_offered() -> None:
    """A00.FR.320, A00.FR.321, A00.FR.423, A00.FR.424"""
    for switched_on in (False, True):
        context = make_context(settings_for(ROOT, allow_rsa_key_exchange=switched_on))
        assert context.options & ssl.OP_NO_COMPRESSION
        offered = context.get_ciphers()
        assert all(suite["aead"] for suite in offered)
        plain_rsa = {suite["name"] for suite in offered if suite["kea"] == "kx-rsa"}
        wanted = {"AES128-GCM-SHA256", "AES256-GCM-SHA384"} if switched_on else set()
        assert plain_rsa == wanted


# -- wildcards


@pytest.mark.parametrize(
    ("name", "allowed", "accepted"),
    [
        ("*.csms.localhost", True, True),
        ("*.csms.localhost", False, False),
        ("*.localhost", True, False),
        ("*", True, False),
        ("a*.csms.localhost", True, False),
        ("*.*.localhost", True, False),
    ],
)
def test_a_wildcard_stands_for_one_whole_label_where_it_is_allowed(
    name: str, *, allowed: bool, accepted: bool
) -> None:
    """AllowCSMSTLSWildcards"""
    in_common_name = {"subject": ((("commonName", name),),)}
    in_alternative = {"subject": (), "subjectAltName": (("DNS", name),)}
    for certificate in (in_common_name, in_alternative):
        assert is_for(certificate, "a.csms.localhost", wildcards=allowed) is accepted


def test_names_are_compared_without_case_and_final_dot_and_never_by_their_beginning() -> None:
    certificate = {"subject": ((("commonName", "CSMS.example."),),)}
    assert is_for(certificate, "csms.Example", wildcards=False)
    assert not is_for(certificate, "csms.example.attacker.test", wildcards=True)
    assert not is_for(certificate, "csms.exampl", wildcards=True)
    assert not is_for({"subject": ((("commonName", "csms\0.example"),),)}, "csms", wildcards=False)
    assert not is_for({"subject": ((("commonName", ""),),)}, ".", wildcards=True)


def test_an_ipv6_address_is_the_same_however_it_is_written() -> None:
    certificate = {"subjectAltName": (("IP Address", "FD00:0:0:0:0:0:0:1\n"),)}
    assert is_for(certificate, "fd00::1", wildcards=False)
    assert not is_for(certificate, "fd00::2", wildcards=False)


# -- dates and a station without the time

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def untimed(**options: Any) -> TlsSettings:
    """Nobody has told the time: it is at least what the software was built at."""
    return TlsSettings(roots=(ROOT.pem,), utc=LONG_AGO, check_dates=False, **options)


def test_a_station_without_the_time_accepts_what_begins_after_its_own_clock(
    station: Station, serve: Serve, tmp_path: Path
) -> None:
    identity = issue("localhost", SUB, days=(-1, 7))
    server = serve(server_context(identity, tmp_path))
    station.open(server.url(), tls=untimed())
    peer = station.next(LinkUp).peer
    assert peer is not None
    assert peer.not_before == SUB.certificate.not_valid_before_utc
    assert peer.not_after == identity.certificate.not_valid_after_utc


def test_a_station_without_the_time_refuses_what_ended_before_its_software_was_built(
    station: Station, serve: Serve, tmp_path: Path
) -> None:
    server = serve(server_context(issue("localhost", SUB, days=(-900, -800)), tmp_path))
    station.open(server.url(), tls=untimed())
    down = station.next(LinkDown)
    assert (down.tls, down.only_dates) == (CERTIFICATE, True)


def test_a_station_without_the_time_still_checks_the_name_and_the_path(
    station: Station, serve: Serve, tmp_path: Path
) -> None:
    for identity in (issue("csms.example", SUB), issue("localhost", OTHER_ROOT)):
        server = serve(server_context(identity, tmp_path))
        station.open(server.url(), tls=untimed())
        down = station.next(LinkDown)
        assert (down.tls, down.only_dates) == (CERTIFICATE, False)


def test_dates_are_judged_by_the_clock_of_the_station_and_not_of_the_system(
    station: Station, serve: Serve, tmp_path: Path
) -> None:
    server = serve(server_context(issue("localhost", SUB, days=(-0.5, 3)), tmp_path))
    later = TlsSettings(roots=(ROOT.pem,), utc=datetime.now(UTC) + timedelta(days=5))
    station.open(server.url(), tls=later)
    assert station.next(LinkDown).only_dates
    earlier = TlsSettings(roots=(ROOT.pem,), utc=datetime.now(UTC) - timedelta(days=0.75))
    station.open(server.url(), tls=earlier)
    assert "not valid yet" in station.next(LinkDown).detail


# -- roots


def test_the_fallback_root_is_tried_when_the_new_one_does_not_fit(
    station: Station, serve: Serve, tmp_path: Path
) -> None:
    """M05.FR.14"""
    server = serve(server_context(issue("localhost", SUB), tmp_path))
    station.open(server.url(), tls=settings_for(OTHER_ROOT, fallback_roots=(ROOT.pem,)))
    peer = station.next(LinkUp).peer
    assert peer is not None
    assert peer.fallback_root
    assert server.callers == 2


def test_the_fallback_root_is_left_alone_when_the_new_one_fits(
    station: Station, serve: Serve, tmp_path: Path
) -> None:
    server = serve(server_context(issue("localhost", SUB), tmp_path))
    station.open(server.url(), tls=settings_for(ROOT, fallback_roots=(OTHER_ROOT.pem,)))
    peer = station.next(LinkUp).peer
    assert peer is not None
    assert not peer.fallback_root
    assert server.callers == 1


def test_when_the_fallback_root_does_not_fit_either_the_first_reason_is_told(
    station: Station, serve: Serve, tmp_path: Path
) -> None:
    server = serve(server_context(issue("localhost", SUB, days=(-9, -1)), tmp_path))
    station.open(server.url(), tls=settings_for(OTHER_ROOT, fallback_roots=(ROOT.pem,)))
    down = station.next(LinkDown)
    assert down.tls is CERTIFICATE
    assert "issuer" in down.detail
    assert server.callers == 2


def test_a_new_root_signed_by_the_old_one_is_trusted_without_it(
    station: Station, serve: Serve, tmp_path: Path
) -> None:
    """M05.FR.13"""
    new_root = issue("New Root", OTHER_ROOT, authority=True)
    identity = issue("localhost", new_root)
    server = serve(server_context(identity, tmp_path, chain=identity.pem))
    station.open(server.url(), tls=settings_for(new_root))
    station.next(LinkUp)


def test_an_old_root_does_not_hide_its_successor_of_the_same_name(
    station: Station, serve: Serve, tmp_path: Path
) -> None:
    key = ec_key()
    old = issue("Renewed Root", authority=True, key=key, days=(-900, -1))
    new = issue("Renewed Root", authority=True, key=key)
    identity = issue("localhost", new)
    server = serve(server_context(identity, tmp_path, chain=identity.pem))
    station.open(server.url(), tls=settings_for(old))
    assert station.next(LinkDown).only_dates
    for roots in ((old.pem, new.pem), (new.pem, old.pem)):
        station.open(server.url(), tls=TlsSettings(roots=roots, utc=datetime.now(UTC)))
        station.next(LinkUp)
        station.link.abort(station.generation, LinkProblem.LOCAL)
        station.next(LinkDown)


def test_one_damaged_root_does_not_cost_the_connection(
    station: Station, serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(server_context(issue("localhost", SUB), tmp_path))
    damaged = ROOT.pem.replace("M", "N", 5)
    settings = TlsSettings(roots=(damaged, "Wurzel für alle", ROOT.pem), utc=datetime.now(UTC))
    station.open(server.url(), tls=settings)
    station.next(LinkUp)
    assert "cannot be read" in caplog.text


def test_without_a_root_nothing_is_trusted(station: Station, serve: Serve, tmp_path: Path) -> None:
    server = serve(server_context(issue("localhost", SUB), tmp_path))
    station.open(server.url(), tls=TlsSettings(roots=(), utc=datetime.now(UTC)))
    down = station.next(LinkDown)
    assert down.tls is TlsRefusal.NO_ROOT
    assert "no CSMS root" in down.detail


# -- profile 3


def presenting(identity: Issued, folder: Path) -> TlsSettings:
    _, key_file = identity.save(folder)
    return settings_for(ROOT, certificate_chain=identity.chain, key_file=str(key_file))


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3], ids=["tls 1.2", "tls 1.3"])
def test_the_certificate_of_the_station_is_presented_to_a_csms_that_asks(
    version: tuple[V, V], station: Station, serve: Serve, tmp_path: Path
) -> None:
    """A00.FR.401, A00.FR.402"""
    middle = issue("Client Sub-CA", CLIENT_ROOT, authority=True)
    identity = issue("SN-0002", middle)
    server = serve(
        server_context(issue("localhost", SUB), tmp_path, versions=version, client_root=CLIENT_ROOT)
    )
    station.open(server.url(), tls=presenting(identity, tmp_path))
    station.next(LinkUp)
    sock = server.upgraded().sock
    assert isinstance(sock, ssl.SSLSocket)
    assert (
        dict(pair for rdn in sock.getpeercert()["subject"] for pair in rdn)[  # type: ignore[index]
            "commonName"
        ]
        == "SN-0002"
    )


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3], ids=["tls 1.2", "tls 1.3"])
@pytest.mark.parametrize(
    "identity",
    [None, issue("SN-0003", OTHER_ROOT), issue("SN-0004", CLIENT_ROOT, days=(-9, -1))],
    ids=["missing", "of another root", "expired"],
)
def test_a_csms_that_refuses_the_certificate_of_the_station_is_understood(
    version: tuple[V, V], identity: Issued | None, station: Station, serve: Serve, tmp_path: Path
) -> None:
    """A00.FR.407, A00.FR.430"""
    server = serve(
        server_context(issue("localhost", SUB), tmp_path, versions=version, client_root=CLIENT_ROOT)
    )
    tls = presenting(identity, tmp_path) if identity else settings_for(ROOT)
    station.open(server.url(), tls=tls)
    down = station.next(LinkDown)
    assert (down.problem, down.tls) == (LinkProblem.TLS, CLIENT), down


@pytest.mark.parametrize("damage", ["no key", "other key", "no pem", "rsa 1024", "locked"])
def test_a_certificate_of_the_station_that_cannot_be_used_is_told_from_a_refused_one(
    damage: str, station: Station, serve: Serve, tmp_path: Path
) -> None:
    """A02.FR.28"""
    settings = presenting(STATION, tmp_path)
    key_file = Path(settings.key_file)
    chain = settings.certificate_chain
    match damage:
        case "no key":
            key_file.unlink()
        case "other key":
            key_file.write_text(issue("SN-0005", CLIENT_ROOT).key_pem)
        case "no pem":
            chain = "nothing"
        case "rsa 1024":
            weak = issue("SN-0006", CLIENT_ROOT, key=rsa_key(1024))
            chain = weak.pem
            key_file.write_text(weak.key_pem)
        case "locked":
            key_file.write_text(locked(STATION))
    server = serve(server_context(issue("localhost", SUB), tmp_path))
    used = settings_for(ROOT, certificate_chain=chain, key_file=str(key_file))
    station.open(server.url(), tls=used)
    down = station.next(LinkDown)
    assert down.tls is TlsRefusal.CLIENT_CERTIFICATE_UNUSABLE, down
    assert server.requests == []


def locked(identity: Issued) -> str:
    return identity.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    ).decode()


# -- what is not TLS at all


def answering(data: bytes) -> Behaviour:
    def behave(peer: RawPeer) -> None:
        peer.sock.recv(4096)
        peer.sock.sendall(data)
        peer.sock.close()

    return behave


OLD_SERVER_HELLO = bytes.fromhex("160301002a020000260301" + "11" * 32 + "00c01300")
ALERT_HANDSHAKE_FAILURE = bytes.fromhex("15030300020228")
ALERT_UNRECOGNIZED_NAME = bytes.fromhex("15030300020270")
SSL_3_ALERT = bytes.fromhex("15030000020228")


@pytest.mark.parametrize(
    ("data", "refusal", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", TlsRefusal.NOT_TLS, "does not speak TLS"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", TlsRefusal.NOT_TLS, "does not speak TLS"),
        (b"\x00" * 64, TlsRefusal.NOT_TLS, "does not speak TLS"),
        (b"\x16\x03\x03\x00\x04\xff\xff\xff\xff", TlsRefusal.OTHER, "handshake failed"),
        (b"", TlsRefusal.OTHER, "without a reason"),
        (OLD_SERVER_HELLO, VERSION, "TLS 1.2"),
        (ALERT_HANDSHAKE_FAILURE, SUITE, "cipher suites"),
        (SSL_3_ALERT, SUITE, "cipher suites"),
        (ALERT_UNRECOGNIZED_NAME, TlsRefusal.OTHER, "name"),
    ],
    ids=[
        "http",
        "ssh",
        "zeros",
        "garbage",
        "closed",
        "old hello",
        "alert 40",
        "ssl 3",
        "alert 112",
    ],
)
def test_what_answers_in_place_of_tls_is_named(
    data: bytes, refusal: TlsRefusal, words: str, station: Station, serve: Serve
) -> None:
    server = serve(answering(data))
    station.open(server.url(), tls=settings_for(ROOT))
    down = station.next(LinkDown)
    assert (down.problem, down.tls) == (LinkProblem.TLS, refusal), down
    assert words in down.detail


def test_a_reset_during_the_handshake_is_told(station: Station, serve: Serve) -> None:
    def behave(peer: RawPeer) -> None:
        peer.sock.recv(4096)
        peer.reset()

    station.open(serve(behave).url(), tls=settings_for(ROOT))
    down = station.next(LinkDown)
    assert (down.problem, down.tls) == (LinkProblem.TLS, TlsRefusal.OTHER)
    assert "during the handshake" in down.detail


def test_half_a_handshake_and_then_silence_meets_the_deadline(
    station: Station, serve: Serve, tmp_path: Path
) -> None:
    context = server_context(issue("localhost", SUB), tmp_path)

    def behave(peer: RawPeer) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        half = context.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(peer.sock.recv(4096))
        with pytest.raises(ssl.SSLWantReadError):
            half.do_handshake()
        peer.sock.sendall(outgoing.read()[:400])

    begun = time.monotonic()
    station.open(serve(behave).url(), tls=settings_for(ROOT), deadline_s=0.3)
    down = station.next(LinkDown)
    assert (down.problem, down.tls) == (LinkProblem.TIMEOUT, None)
    assert 0.25 < time.monotonic() - begun < 2


def test_a_wss_address_without_tls_settings_is_refused_unsaid(station: Station) -> None:
    station.open("wss://localhost:1/ocpp/CS001")
    down = station.next(LinkDown)
    assert (down.problem, down.tls) == (LinkProblem.TLS, TlsRefusal.OTHER)


def test_a_reason_that_python_has_no_name_for_is_read_from_its_words() -> None:
    newer = ssl.SSLError(1, "[SSL] record layer failure (_ssl.c:1033)")
    assert words(newer) == "record layer failure"
    alert = ssl.SSLError(1, "[SSL] tlsv1 alert unknown ca (_ssl.c:9)")
    with socket.socket() as unused:
        refusal = refusal_behind(unused, alert)
    assert refusal is not None
    assert refusal.refusal is CLIENT
