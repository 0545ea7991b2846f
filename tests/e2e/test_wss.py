"""Security profiles 2 and 3 on real sockets: commissioning, upgrade, refusals, passwords."""

import ssl
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from station.bench.csms_thread import BenchCsmsThread
from tests.e2e.conftest import MakeSim
from tests.e2e.heard import messages, wait, wait_for_boot
from tests.e2e.rig import IDENTITY, PASSWORD, Child, Sim
from tests.e2e.tls_server import server_context
from tests.pki import NOW, PEM, Issued, issue

HOST = "127.0.0.1"
ROOT = issue("Root", authority=True)
OTHER_ROOT = issue("Other Root", authority=True)
CLIENT_ROOT = issue("Client Root", authority=True)
NEW_PASSWORD = "another-password-9c2e"

Run = Callable[..., Child]


@pytest.fixture
def context(tmp_path: Path) -> Callable[..., ssl.SSLContext]:
    """A server that the root vouches for, unless told otherwise."""

    def make(identity: Issued | None = None, **options: Any) -> ssl.SSLContext:
        folder = tmp_path / "servers"
        folder.mkdir(exist_ok=True)
        return server_context(identity or issue(HOST, ROOT), folder, **options)

    return make


@pytest.fixture
def plain() -> Iterator[BenchCsmsThread]:
    """Without TLS: where a station begins whose profile is raised."""
    with BenchCsmsThread(passwords={IDENTITY: PASSWORD}) as csms:
        yield csms
    assert csms.violations == []


@pytest.fixture
def csms(context: Callable[..., ssl.SSLContext]) -> Iterator[BenchCsmsThread]:
    with BenchCsmsThread(passwords={IDENTITY: PASSWORD}, tls=context()) as csms:
        yield csms
    assert csms.violations == []


@pytest.fixture
def strict(context: Callable[..., ssl.SSLContext]) -> Iterator[BenchCsmsThread]:
    """Lets nobody in without a certificate of the client root."""
    tls = context(client_root=CLIENT_ROOT)
    with BenchCsmsThread(passwords={IDENTITY: PASSWORD}, tls=tls) as csms:
        yield csms
    assert csms.violations == []


def install(run: Run, sim: Sim, use: str, pem: str, *, key: str = "") -> None:
    """What somebody does at the stopped station."""
    file = sim.state_dir.parent / "to-install.pem"
    file.write_text(pem)
    words: list[str | Path] = ["certs", "install", f"--type={use}", f"--state-dir={sim.state_dir}"]
    if key:
        (sim.state_dir.parent / "to-install.key").write_text(key)
        words.append(f"--key={sim.state_dir.parent / 'to-install.key'}")
    child = run(*words, file)
    assert child.wait() == 0, child.text


@pytest.fixture
def trusting(make_sim: MakeSim, run: Run) -> Sim:
    """A station for the CSMS with TLS, commissioned with its root; not running."""
    sim = make_sim()
    install(run, sim, "CSMSRootCertificate", ROOT.pem)
    return sim


def variable(csms: BenchCsmsThread, component: str, name: str) -> str:
    data = [{"component": {"name": component}, "variable": {"name": name}}]
    answer = csms.call(IDENTITY, "GetVariables", {"getVariableData": data})
    return str(answer["getVariableResult"][0]["attributeValue"])


def set_variable(csms: BenchCsmsThread, component: str, name: str, value: str) -> str:
    data = [{"component": {"name": component}, "variable": {"name": name}, "attributeValue": value}]
    answer = csms.call(IDENTITY, "SetVariables", {"setVariableData": data})
    return str(answer["setVariableResult"][0]["attributeStatus"])


def switch(csms: BenchCsmsThread, slot: int, url: str, profile: int, priority: str) -> None:
    """Have the station reset into another slot."""
    data = {
        "ocppVersion": "OCPP20",
        "ocppTransport": "JSON",
        "ocppCsmsUrl": url,
        "messageTimeout": 30,
        "securityProfile": profile,
        "ocppInterface": "Wired0",
    }
    request = {"configurationSlot": slot, "connectionData": data}
    assert csms.call(IDENTITY, "SetNetworkProfile", request) == {"status": "Accepted"}
    status = set_variable(csms, "OCPPCommCtrlr", "NetworkConfigurationPriority", priority)
    assert status in ("Accepted", "RebootRequired")
    assert csms.call(IDENTITY, "Reset", {"type": "Immediate"}) == {"status": "Accepted"}


def sign(csr: str) -> str:
    """What the client root makes of a signing request."""
    request = x509.load_pem_x509_csr(csr.encode())
    assert request.is_signature_valid
    builder = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(CLIENT_ROOT.certificate.subject)
        .public_key(request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=300))
    )
    return builder.sign(CLIENT_ROOT.key, hashes.SHA256()).public_bytes(PEM).decode()


def security_events(csms: BenchCsmsThread, name: str) -> list[dict[str, Any]]:
    return [each for each in messages(csms, "SecurityEventNotification") if each["type"] == name]


def change_server(csms: BenchCsmsThread, tls: ssl.SSLContext | None) -> None:
    """The same address from now on, with another certificate behind it."""
    csms.stop()
    csms.speak_tls(tls)
    csms.start()


# -- profiles


def test_a_station_with_the_root_of_its_csms_boots_on_profile_2(
    trusting: Sim, csms: BenchCsmsThread
) -> None:
    trusting.start()
    assert wait_for_boot(csms) == "PowerUp"
    assert variable(csms, "SecurityCtrlr", "SecurityProfile") == "2"
    trusting.restart()
    assert wait_for_boot(csms, 2) == "ApplicationReset"


def test_a_station_with_a_certificate_of_its_own_boots_on_profile_3(
    make_sim: MakeSim, run: Run, strict: BenchCsmsThread
) -> None:
    sim = make_sim(csms_url=strict.url)
    own = issue(IDENTITY, CLIENT_ROOT)
    for root in (ROOT, CLIENT_ROOT):
        install(run, sim, "CSMSRootCertificate", root.pem)
    install(run, sim, "ChargingStationCertificate", own.chain, key=own.key_pem)
    sim.start()
    wait_for_boot(strict)
    assert variable(strict, "SecurityCtrlr", "SecurityProfile") == "3"


def test_from_profile_1_to_2_by_the_csms_alone(
    make_sim: MakeSim, plain: BenchCsmsThread, csms: BenchCsmsThread
) -> None:
    """TC_A_19_CS; A05.FR.06"""
    sim = make_sim(csms_url=plain.url).start()
    wait_for_boot(plain)
    request = {"certificateType": "CSMSRootCertificate", "certificate": ROOT.pem}
    assert plain.call(IDENTITY, "InstallCertificate", request) == {"status": "Accepted"}
    switch(plain, 2, csms.url, 2, "2,1")
    assert wait_for_boot(csms) == "RemoteReset"
    assert variable(csms, "SecurityCtrlr", "SecurityProfile") == "2"
    assert variable(csms, "OCPPCommCtrlr", "ActiveNetworkProfile") == "2"
    assert variable(csms, "OCPPCommCtrlr", "NetworkConfigurationPriority") == "2"
    sim.restart()  # the first command line still says ws://
    wait_for_boot(csms, 2)
    assert plain.connected() == []


def test_from_profile_2_to_3_with_a_certificate_that_was_asked_for(
    trusting: Sim, csms: BenchCsmsThread, strict: BenchCsmsThread
) -> None:
    """A02, A05: the key never leaves the station, and what it signs opens the door."""
    trusting.start()
    wait_for_boot(csms)
    request = {"certificateType": "CSMSRootCertificate", "certificate": CLIENT_ROOT.pem}
    assert csms.call(IDENTITY, "InstallCertificate", request) == {"status": "Accepted"}
    csms.behaviour["SignCertificate"] = {"status": "Accepted"}
    trigger = {"requestedMessage": "SignChargingStationCertificate"}
    assert csms.call(IDENTITY, "TriggerMessage", trigger) == {"status": "Accepted"}
    (asked,) = wait(csms, lambda seen: messages(seen, "SignCertificate"))
    assert asked["certificateType"] == "ChargingStationCertificate"
    signed = {"certificateChain": sign(asked["csr"]), "certificateType": asked["certificateType"]}
    assert csms.call(IDENTITY, "CertificateSigned", signed) == {"status": "Accepted"}
    wait(csms, lambda seen: seen.record.stations[IDENTITY].connections == 2)
    switch(csms, 3, strict.url, 3, "3,1")
    assert wait_for_boot(strict) == "RemoteReset"
    assert variable(strict, "SecurityCtrlr", "SecurityProfile") == "3"
    trusting.restart()
    wait_for_boot(strict, 2)
    (key,) = (trusting.state_dir / "keys").glob("*.key")
    assert key.stat().st_mode & 0o077 == 0


# -- the doctor


def test_the_doctor_examines_a_stopped_station_and_writes_nothing(
    trusting: Sim, csms: BenchCsmsThread, run: Run
) -> None:
    words = ("doctor", f"--state-dir={trusting.state_dir}", f"--id={IDENTITY}")
    trusting.start()
    wait_for_boot(csms)
    assert set_variable(csms, "SecurityCtrlr", "BasicAuthPassword", NEW_PASSWORD) == "Accepted"
    csms.set_password(IDENTITY, NEW_PASSWORD)
    wait(csms, lambda seen: seen.record.stations[IDENTITY].connections == 2)
    busy = run(*words)
    assert busy.wait() == 2
    assert "in use by another station" in busy.text
    trusting.kill()
    before = {file: file.stat().st_mtime_ns for file in sorted(trusting.state_dir.rglob("*"))}
    doctor = run(*words, "--boot")
    assert doctor.wait() == 0, doctor.text
    assert "All is well." in doctor.text
    assert f"slot 1: {csms.url}, security profile 2" in doctor.text
    assert before == {
        file: file.stat().st_mtime_ns for file in sorted(trusting.state_dir.rglob("*"))
    }
    assert messages(csms, "BootNotification")[-1]["chargingStation"]["model"] == "simulator"


def test_the_doctor_finds_what_is_missing_at_the_station(
    make_sim: MakeSim, csms: BenchCsmsThread, run: Run
) -> None:
    sim = make_sim().start()
    sim.process.wait_for("cannot connect")
    assert sim.process.stop() == 0
    doctor = run("doctor", f"--state-dir={sim.state_dir}", f"--id={IDENTITY}")
    assert doctor.wait() == 1
    assert "no CSMS root certificate is installed" in doctor.text
    assert "certificate: CN=127.0.0.1" in doctor.text


# -- refusals

WRONG: dict[str, Callable[[], Issued]] = {
    "wrong root": lambda: issue(HOST, OTHER_ROOT),
    "expired": lambda: issue(HOST, ROOT, days=(-20, -1)),
    "wrong name": lambda: issue("csms.example", ROOT),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_false_csms_is_refused_and_the_right_one_hears_of_it_once(
    name: str, trusting: Sim, csms: BenchCsmsThread, context: Callable[..., ssl.SSLContext]
) -> None:
    """Fault F11; A00.FR.309 to A00.FR.311"""
    trusting.start()
    wait_for_boot(csms)
    change_server(csms, context(WRONG[name]()))
    trusting.process.wait_for("cannot connect", 2)
    assert "TLS failed" in trusting.process.wait_for("cannot connect")
    (finding,) = trusting.state()["link"]["findings"]
    assert (finding["step"], finding["slot"]) == ("TLS", "1")
    change_server(csms, context())
    wait(csms, lambda seen: security_events(seen, "InvalidCsmsCertificate"))
    trusting.until(lambda state: not state["queue"]["depth"])
    assert len(security_events(csms, "InvalidCsmsCertificate")) == 1
    assert len(messages(csms, "BootNotification")) == 1
    assert trusting.state()["link"]["findings"] == []


def test_a_false_csms_never_sees_the_password(
    trusting: Sim, csms: BenchCsmsThread, context: Callable[..., ssl.SSLContext]
) -> None:
    change_server(csms, context(issue(HOST, OTHER_ROOT)))
    csms.set_password(IDENTITY, "a-password-that-nobody-has")
    trusting.start()
    trusting.process.wait_for("cannot connect", 2)
    assert not any("401" in line for line in csms.summary())
    assert csms.connected() == []


# -- passwords


def test_a_new_password_is_used_at_once_and_after_a_restart(
    trusting: Sim, csms: BenchCsmsThread
) -> None:
    """A01.FR.02"""
    trusting.start()
    wait_for_boot(csms)
    csms.set_password(IDENTITY, NEW_PASSWORD)
    assert set_variable(csms, "SecurityCtrlr", "BasicAuthPassword", NEW_PASSWORD) == "Accepted"
    wait(csms, lambda seen: seen.record.stations[IDENTITY].connections == 2)
    trusting.restart()
    wait_for_boot(csms, 2)
    assert NEW_PASSWORD not in trusting.process.text


def test_a_csms_that_forgot_the_new_password_gets_the_old_one(
    trusting: Sim, csms: BenchCsmsThread
) -> None:
    trusting.start()
    wait_for_boot(csms)
    assert set_variable(csms, "SecurityCtrlr", "BasicAuthPassword", NEW_PASSWORD) == "Accepted"
    wait(csms, lambda seen: seen.record.stations[IDENTITY].connections == 2)
    trusting.process.wait_for("HTTP 401", 2)
    trusting.restart()
    wait_for_boot(csms, 2)
    assert csms.connected() == [IDENTITY]
