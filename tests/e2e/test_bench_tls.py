"""`joulepost csms` under TLS: its files, its door, and the way to it for `joulepost csms send`."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import MakeSim
from tests.e2e.rig import IDENTITY, PASSWORD, Child, listening_on
from tests.pki import issue

ROOT = issue("Root", authority=True)
CLIENT_ROOT = issue("Client Root", authority=True)

Run = Callable[..., Child]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    chain, key = issue("127.0.0.1", ROOT).save(tmp_path)
    own, own_key = issue(IDENTITY, CLIENT_ROOT).save(tmp_path)
    root, client_ca = tmp_path / "root.pem", tmp_path / "clients.pem"
    root.write_text(ROOT.pem)
    client_ca.write_text(CLIENT_ROOT.pem)
    return {
        "chain": chain, "key": key, "own": own, "own_key": own_key, "root": root, "ca": client_ca
    }  # fmt: skip


def serve(run: Run, files: dict[str, Path], *words: str | Path) -> Child:
    tls = (f"--tls-cert={files['chain']}", f"--tls-key={files['key']}")
    return run("csms", "--listen=127.0.0.1:0", f"--password={IDENTITY}={PASSWORD}", *tls, *words)


def install(run: Run, state_dir: Path, use: str, *words: str | Path) -> None:
    child = run("certs", "install", f"--type={use}", f"--state-dir={state_dir}", *words)
    assert child.wait() == 0, child.text


def test_calls_are_sent_through_a_loopback_port_of_their_own(
    make_sim: MakeSim, run: Run, files: dict[str, Path]
) -> None:
    bench = serve(run, files)
    url = listening_on(bench)
    assert url.startswith("wss://")
    sim = make_sim(csms_url=url)
    install(run, sim.state_dir, "CSMSRootCertificate", files["root"])
    sim.start()
    bench.wait_for("TLSv1.3)")
    bench.wait_for("BootNotification")
    to = bench.wait_for("calls: joulepost csms send").partition("--to ")[2].split()[0]
    sim.wait_until_accepted()
    sent = run("csms", "send", "--to", to, IDENTITY, "GetInstalledCertificateIds")
    assert sent.wait() == 0, sent.text
    assert bench.stop(signal.SIGINT) == 0


def test_a_station_shows_its_certificate_where_one_is_wanted(
    make_sim: MakeSim, run: Run, files: dict[str, Path]
) -> None:
    bench = serve(run, files, f"--tls-client-ca={files['ca']}")
    sim = make_sim(csms_url=listening_on(bench))
    install(run, sim.state_dir, "CSMSRootCertificate", files["root"])
    install(run, sim.state_dir, "CSMSRootCertificate", files["ca"])
    key = f"--key={files['own_key']}"
    install(run, sim.state_dir, "ChargingStationCertificate", key, files["own"])
    sim.start()
    bench.wait_for("TLSv1.3, its certificate")
    bench.wait_for("BootNotification")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("--tls-cert {chain}", "go together"),
        ("--tls-client-ca {ca}", "needs both"),
        ("--tls-cert {chain} --tls-key {own_key}", "key values mismatch"),
        ("--tls-cert {chain} --tls-key /nowhere", "no such file"),
        ("--tls-cert {chain} --tls-key {key} --tls-client-ca {key}", "no certificate"),
    ],
)
def test_files_that_cannot_be_used_are_one_line_and_code_2(
    words: str, complaint: str, run: Run, files: dict[str, Path]
) -> None:
    child = run("csms", "--listen=127.0.0.1:0", *words.format(**files).split())
    assert child.wait() == 2
    (line,) = child.lines
    assert complaint in line
