"""`joulepost certs`: certificates of a stopped station, and the keys in their folder."""

import fcntl
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from station.cli import main
from station.io.keys import FileKeys
from station.pki import key
from station.pki.certificate import CertificateError
from station.pki.key import KeyKind
from tests.authority import Authority, private_pem, to_pem

NOW = datetime.now(UTC)
DAYS = timedelta(days=1)
ROOT = Authority("Root", begin=NOW - DAYS, end=NOW + 900 * DAYS)
LOW = Authority("Low", ROOT, begin=NOW - DAYS, end=NOW + 900 * DAYS)
KEY = ec.generate_private_key(ec.SECP256R1())
LEAF = to_pem(LOW.sign(KEY.public_key(), begin=NOW - DAYS, end=NOW + 100 * DAYS))
SERIAL = f"{ROOT.certificate.serial_number:x}"


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """The command sets its own, for the process."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    files = {
        "root.pem": ROOT.pem,
        "low.pem": LOW.pem,
        "chain.pem": LEAF + LOW.pem,
        "leaf.pem": LEAF,
        "leaf.key": private_pem(KEY).decode(),
        "other.key": private_pem(ec.generate_private_key(ec.SECP256R1())).decode(),
        "old.pem": Authority("Old", begin=NOW - 9 * DAYS, end=NOW - DAYS).pem,
        "text.pem": "no certificate",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "bytes.pem").write_bytes(b"\xff\xfe")
    return tmp_path


def certs(words: str) -> int:
    return main(["certs", *words.split(), "--state-dir", "state"])


def keys(folder: Path) -> list[Path]:
    return sorted((folder / "state" / "keys").glob("*"))


def install_all() -> None:
    assert certs("install --type CSMSRootCertificate root.pem") == 0
    assert certs("install --type ChargingStationCertificate --key leaf.key chain.pem") == 0


def test_an_installed_root_is_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert certs("install --type CSMSRootCertificate root.pem") == 0
    assert certs("install --type MORootCertificate root.pem") == 0
    out = capsys.readouterr().out
    until = f"{NOW + 900 * DAYS:%Y-%m-%d}"
    assert f"installed CSMSRootCertificate: O=Test,CN=Root, until {until}" in out
    assert certs("list --type CSMSRootCertificate") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.split() == ["CSMSRootCertificate", until, SERIAL, "O=Test,CN=Root"]
    assert certs("list") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_an_empty_folder_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "state").mkdir()
    assert certs("list") == 0
    assert capsys.readouterr().out == "no certificate is installed\n"


def test_the_certificate_of_the_station_is_installed_with_its_key(folder: Path) -> None:
    install_all()
    (file,) = keys(folder)
    assert key.public_key(file.read_bytes()) == key.public_key(private_pem(KEY))
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_a_second_one_replaces_the_first_and_its_key(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install_all()
    before = keys(folder)
    assert certs("install --type ChargingStationCertificate --key leaf.key chain.pem") == 0
    assert len(keys(folder)) == 1
    assert keys(folder) != before
    capsys.readouterr()
    certs("list --type ChargingStationCertificate")
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_chain_for_iso_15118_leads_to_a_v2g_root(folder: Path) -> None:
    assert certs("install --type CSMSRootCertificate root.pem") == 0
    assert certs("install --type V2GCertificateChain --key leaf.key chain.pem") == 1
    assert certs("install --type V2GRootCertificate root.pem") == 0
    assert certs("install --type V2GCertificateChain --key leaf.key chain.pem") == 0


def test_what_is_deleted_goes_with_its_key(folder: Path) -> None:
    install_all()
    assert certs("delete chain.pem") == 0
    assert keys(folder) == []
    assert certs(f"delete --type CSMSRootCertificate {SERIAL.upper()}") == 0
    assert certs(f"delete {SERIAL}") == 1


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        ("install --type CSMSRootCertificate old.pem", 1, "old.pem: O=Test,CN=Old: expired on"),
        ("install --type CSMSRootCertificate text.pem", 1, "text.pem: no certificate in PEM"),
        ("install --type CSMSRootCertificate bytes.pem", 1, "bytes.pem: not text"),
        ("install --type CSMSRootCertificate leaf.pem", 1, "leaf.pem: not the certificate of an"),
        ("install --type CSMSRootCertificate chain.pem", 1, "chain.pem: 2 certificates, but at"),
        ("install --type CSMSRootCertificate leaf.key", 1, "leaf.key: a private key is among"),
        ("install --type CSMSRootCertificate none.pem", 2, "none.pem: No such file"),
        ("install root.pem", 2, "the following arguments are required: --type"),
        ("install --type Root root.pem", 2, "--type: invalid choice: 'Root'"),
        ("install --type MORootCertificate --key leaf.key root.pem", 2, "has no --key"),
        ("install --type V2GCertificateChain chain.pem", 2, "needs --key"),
        ("install --type MORootCertificate", 2, "arguments are required: FILE"),
        ("delete", 2, "arguments are required: FILE"),
        ("delete --key leaf.key root.pem", 2, "unknown argument"),
        ("delete 12ab", 1, "12ab: no such certificate is installed"),
        ("delete low.pem", 1, "low.pem: no such certificate is installed"),
        ("list root.pem", 2, "unknown argument 'root.pem'"),
        ("show", 2, "invalid choice: 'show'"),
        (
            "install --type ChargingStationCertificate --key leaf.key leaf.pem",
            1,
            "leaf.pem: O=Test,CN=CS001: no path to an installed root certificate",
        ),
        (
            "install --type ChargingStationCertificate --key other.key chain.pem",
            1,
            "chain.pem: O=Test,CN=CS001: made for a key that this station does not have",
        ),
        (
            "install --type ChargingStationCertificate --key root.pem chain.pem",
            1,
            "root.pem: no private key in PEM format",
        ),
        (
            "install --type V2GCertificateChain --key leaf.key chain.pem",
            1,
            "no V2GRootCertificate is installed that it could lead to",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], words: str, code: int, line: str
) -> None:
    assert certs("install --type CSMSRootCertificate root.pem") == 0
    capsys.readouterr()
    assert certs(words) == code
    captured = capsys.readouterr()
    assert line in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert keys(folder) == []


def test_a_station_that_runs_is_left_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "state").mkdir()
    running = os.open(folder / "state", os.O_RDONLY)
    try:
        fcntl.flock(running, fcntl.LOCK_EX)
        assert certs("install --type CSMSRootCertificate root.pem") == 2
    finally:
        os.close(running)
    assert "is in use by another station" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_not_made_by_looking(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert certs("list") == 2
    assert "state folder state: there is none" in capsys.readouterr().err
    assert not (folder / "state").exists()


def test_a_clock_that_was_never_set_checks_no_dates(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("station.cli.certs.BUILD_TIME", NOW + 10_000 * DAYS)
    assert certs("install --type CSMSRootCertificate old.pem") == 0
    assert "no date was checked" in capsys.readouterr().err


# -- keys in files


def test_a_key_is_made_once_and_destroyed_for_good(tmp_path: Path) -> None:
    store = FileKeys(tmp_path / "state" / "keys")
    public = store.generate("one", KeyKind.P256)
    path = Path(store.key_file("one"))
    assert key.public_key(path.read_bytes()) == public
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    csr = x509.load_pem_x509_csr(store.csr("one", common_name="CS", organization="O").encode())
    assert csr.is_signature_valid
    store.delete("one")
    store.delete("one")
    assert not path.exists()


def test_only_keys_that_are_named_are_kept(tmp_path: Path) -> None:
    store = FileKeys(tmp_path / "keys")
    store.keep_only(["one"])
    for key_id in ("one", "two"):
        store.generate(key_id, KeyKind.P256)
    (tmp_path / "keys" / "three.new").write_text("left by a power cut")
    store.keep_only(["one"])
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["one.key"]


def test_what_a_power_cut_left_hinders_no_new_key(tmp_path: Path) -> None:
    store = FileKeys(tmp_path / "keys")
    store.generate("one", KeyKind.P256)
    (tmp_path / "keys" / "two.new").write_text("half")
    store.generate("two", KeyKind.P256)
    assert Path(store.key_file("two")).exists()


@pytest.mark.parametrize("key_id", ["", "../root", "a/b", "a.b"])
def test_no_id_leads_out_of_the_folder(tmp_path: Path, key_id: str) -> None:
    with pytest.raises(CertificateError):
        FileKeys(tmp_path / "keys").key_file(key_id)
