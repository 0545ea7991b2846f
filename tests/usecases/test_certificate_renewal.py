"""Use cases A02 and A03: the certificate of the station, renewed."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from station.bench.fake_csms import Refusal
from station.bench.virtual import EPOCH, VirtualStation
from station.events import AllProfilesFailed, SecurityHappened, TlsEstablished
from station.pki.signing import Signing
from station.snapshot import take_snapshot
from station.trust_store import CertificateUse, Standing
from tests.authority import YEAR, Authority

Payload = dict[str, Any]

ROOT = Authority("Root")
DAY_S = 86400.0
WAITS = {
    "SecurityCtrlr.CertSigningWaitMinimum": "60",
    "SecurityCtrlr.CertSigningRepeatTimes": "2",
    "OCPPCommCtrlr.WebSocketPingInterval": "0",  # so that a month is short
    "AlignedDataCtrlr.Interval": "0",
}


def built(**options: Any) -> VirtualStation:
    station = VirtualStation(variables=WAITS, **options).boot()
    station.csms.answers["SignCertificate"] = {"status": "Accepted"}
    payload = {"certificateType": "CSMSRootCertificate", "certificate": ROOT.pem}
    assert station.csms.call("InstallCertificate", payload) == {"status": "Accepted"}
    return station


@pytest.fixture
def station() -> VirtualStation:
    return built()


def trigger(station: VirtualStation) -> None:
    answer = station.csms.call(
        "TriggerMessage", {"requestedMessage": "SignChargingStationCertificate"}
    )
    assert answer == {"status": "Accepted"}
    station.settle()


def requests(station: VirtualStation) -> list[str]:
    return [each["csr"] for each in station.csms.of("SignCertificate")]


def hand_over(station: VirtualStation, pem: str, **changes: str) -> Payload:
    return station.csms.call("CertificateSigned", {"certificateChain": pem, **changes})


def renew(station: VirtualStation, *, end: datetime | None = None, connect: bool = True) -> str:
    """A whole renewal by request of the CSMS; the new certificate."""
    trigger(station)
    pem = ROOT.sign_request(requests(station)[-1], end=end)
    assert hand_over(station, pem) == {"status": "Accepted"}
    station.settle()
    if connect:
        established(station)
    return pem


def tell(station: VirtualStation, event: object) -> None:
    station.reactor.post(station.station.events.publish, event)
    station.settle()


def established(station: VirtualStation, *, mutual: bool = True) -> None:
    """The connection block tells of a TLS connection made with what it was given."""
    tell(station, TlsEstablished(fallback_root=False, mutual=mutual))


def presented(station: VirtualStation) -> str | None:
    certificate = station.station.certificate_renewal.station_certificate()
    return None if certificate is None else certificate[0]


def key_of(station: VirtualStation) -> str:
    certificate = station.station.certificate_renewal.station_certificate()
    assert certificate is not None
    return certificate[1].removeprefix("memory:")


def told(station: VirtualStation) -> list[str]:
    events: list[str] = []
    station.station.events.subscribe(SecurityHappened, lambda event: events.append(event.type))
    return events


def state(station: VirtualStation) -> Signing:
    return station.station.certificate_renewal.request.state


# -- asking


def test_a_trigger_makes_a_key_and_asks_to_have_it_signed(station: VirtualStation) -> None:
    """A02.FR.02, A02.FR.03, A02.FR.13, A00.FR.507, A00.FR.509, A00.FR.511"""
    station.variable("SecurityCtrlr", "OrganizationName", "Charge Ltd")
    trigger(station)
    (payload,) = station.csms.of("SignCertificate")
    assert payload["certificateType"] == "ChargingStationCertificate"
    request = x509.load_pem_x509_csr(payload["csr"].encode())
    assert request.is_signature_valid
    names = {each.oid: each.value for each in request.subject}
    assert names == {NameOID.COMMON_NAME: "CS001", NameOID.ORGANIZATION_NAME: "Charge Ltd"}
    assert len(station.keys.pems) == 1


def test_the_answer_to_the_trigger_comes_first(station: VirtualStation) -> None:
    """A02.FR.02, F06.FR.04"""
    trigger(station)
    frames = [orjson.loads(text) for _, _, text in station.csms.frames]
    kinds = [frame[2] if frame[0] == 2 else frame[2].get("status", "") for frame in frames]
    assert kinds.index("TriggerMessage") < kinds.index("SignCertificate")
    between = kinds[kinds.index("TriggerMessage") + 1 : kinds.index("SignCertificate")]
    assert between == ["Accepted"]


def test_the_kind_of_key_is_configurable() -> None:
    station = built()
    station.variable("SecurityCtrlr", "CertificateKeyKind", "RSA-2048")
    trigger(station)
    public = x509.load_pem_x509_csr(requests(station)[0].encode()).public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    assert public.key_size == 2048


def test_an_empty_organization_is_refused(station: VirtualStation) -> None:
    data = {
        "component": {"name": "SecurityCtrlr"},
        "variable": {"name": "OrganizationName"},
        "attributeValue": "",
    }
    answer = station.csms.call("SetVariables", {"setVariableData": [data]})
    assert answer["setVariableResult"][0]["attributeStatus"] == "Rejected"


def test_the_request_is_sent_again_after_waits_that_double_and_then_no_more(
    station: VirtualStation,
) -> None:
    """A02.FR.17, A02.FR.18, A02.FR.19, A03.FR.17, A03.FR.18"""
    trigger(station)
    counts = []
    for wait_s in (57, 3, 117, 4, 236, 5, 100_000):
        station.advance(wait_s)
        counts.append(len(requests(station)))
    assert counts == [1, 2, 2, 3, 3, 4, 4]
    assert len(set(requests(station))) == 1
    assert state(station) is Signing.SILENT


def test_a_late_certificate_is_still_welcome(station: VirtualStation) -> None:
    trigger(station)
    station.advance(1000)
    pem = ROOT.sign_request(requests(station)[0])
    assert hand_over(station, pem) == {"status": "Accepted"}
    assert state(station) is Signing.IDLE


def test_waiting_outlives_a_restart(station: VirtualStation) -> None:
    trigger(station)
    station.restart(power_cut=True)
    assert state(station) is Signing.WAITING
    station.advance(62)
    assert len(requests(station)) == 2
    pem = ROOT.sign_request(requests(station)[0])
    assert hand_over(station, pem) == {"status": "Accepted"}


def test_a_new_trigger_makes_a_new_key_and_destroys_the_old_one(station: VirtualStation) -> None:
    """A02.FR.02"""
    trigger(station)
    (first,) = station.keys.pems
    trigger(station)
    assert len(requests(station)) == 2
    assert len(set(requests(station))) == 2
    assert len(station.keys.pems) == 1
    assert first not in station.keys.pems
    late = ROOT.sign_request(requests(station)[0])
    assert hand_over(station, late)["status"] == "Rejected"


def test_two_triggers_at_once_are_one_request(station: VirtualStation) -> None:
    payload = {"requestedMessage": "SignChargingStationCertificate"}
    ids = [station.csms.send_call("TriggerMessage", payload) for _ in range(2)]
    station.settle()
    assert [station.csms.results[each]["status"] for each in ids] == ["Accepted", "Accepted"]
    assert len(requests(station)) <= 2
    assert len(station.keys.pems) == 1


@pytest.mark.parametrize("answer", [{"status": "Rejected"}, Refusal("NotImplemented")])
def test_a_refused_request_is_dropped_with_its_key(station: VirtualStation, answer: Any) -> None:
    station.csms.answers["SignCertificate"] = answer
    trigger(station)
    station.advance(1000)
    assert len(requests(station)) == 1
    assert state(station) is Signing.IDLE
    assert station.keys.pems == {}


def test_a_request_that_got_no_answer_is_repeated_like_an_accepted_one(
    station: VirtualStation,
) -> None:
    station.csms.answers["SignCertificate"] = None
    trigger(station)
    station.advance(31)
    assert state(station) is Signing.WAITING
    station.advance(61)
    assert len(requests(station)) == 2


def test_a_request_cut_off_is_sent_again_once_the_csms_is_back(station: VirtualStation) -> None:
    station.csms.answers["SignCertificate"] = None
    trigger(station)
    station.csms.go_offline()
    station.advance(60)
    station.csms.answers["SignCertificate"] = {"status": "Accepted"}
    station.csms.go_online()
    while not station.csms.connected:
        station.advance(1)
    station.settle()
    assert len(requests(station)) == 2
    assert state(station) is Signing.WAITING


# -- the certificate


def test_a_good_certificate_is_taken_and_used_by_reconnecting(station: VirtualStation) -> None:
    """A02.FR.06, A02.FR.08"""
    events = told(station)
    connections = len(station.csms.links)
    pem = renew(station, connect=False)
    assert presented(station) == pem
    assert len(station.csms.links) == connections + 2
    assert station.csms.connected
    assert events == ["ReconfigurationOfSecurityParameters"]
    assert list(station.keys.pems) == [key_of(station)]


def test_intermediate_authorities_are_kept_with_it(station: VirtualStation) -> None:
    low = Authority("Low", ROOT)
    trigger(station)
    pem = low.sign_request(requests(station)[0]) + low.pem
    assert hand_over(station, pem + ROOT.pem) == {"status": "Accepted"}
    assert presented(station) == pem


BAD: dict[str, Callable[[str], str]] = {
    "expired": lambda csr: ROOT.sign_request(csr, end=EPOCH - timedelta(seconds=1)),
    "future": lambda csr: ROOT.sign_request(csr, begin=EPOCH + timedelta(hours=1)),
    "root": lambda csr: Authority("Root").sign_request(csr),
    "name": lambda csr: ROOT.sign_request(csr, common_name="CS002"),
    "organization": lambda csr: ROOT.sign_request(csr, organization=None),
    "key": lambda _: ROOT.pem,
    "text": lambda _: "no certificate",
}


@pytest.mark.parametrize("defect", BAD)
def test_a_bad_certificate_is_rejected_and_told(station: VirtualStation, defect: str) -> None:
    """A02.FR.06, A02.FR.07, A02.FR.20, A03.FR.06, A03.FR.07; "name", "key": A00.FR.427"""
    trigger(station)
    answer = hand_over(station, BAD[defect](requests(station)[0]))
    assert answer["status"] == "Rejected"
    assert answer["statusInfo"]["reasonCode"] == "InvalidCertificate"
    station.advance(100_000)
    types = [each["type"] for each in station.csms.of("SecurityEventNotification")]
    assert "InvalidChargingStationCertificate" in types
    assert len(requests(station)) == 1
    assert presented(station) is None


def test_after_a_bad_certificate_a_good_one_for_the_same_key_is_taken(
    station: VirtualStation,
) -> None:
    low = Authority("Low", ROOT)
    trigger(station)
    pem = low.sign_request(requests(station)[0])
    assert hand_over(station, pem)["status"] == "Rejected"
    assert hand_over(station, pem + low.pem)["status"] == "Accepted"


def test_a_chain_longer_than_the_limit_is_rejected() -> None:
    """A02.FR.16, A03.FR.16"""
    variables = {**WAITS, "SecurityCtrlr.MaxCertificateChainSize": "400"}
    station = VirtualStation(variables=variables).boot()
    answer = hand_over(station, "x" * 401)
    assert answer["status"] == "Rejected"
    assert answer["statusInfo"]["reasonCode"] == "TooLargeElement"


def test_a_certificate_for_iso_15118_is_rejected_with_a_reason(station: VirtualStation) -> None:
    trigger(station)
    pem = ROOT.sign_request(requests(station)[0])
    answer = hand_over(station, pem, certificateType="V2GCertificate")
    assert answer["status"] == "Rejected"
    assert answer["statusInfo"]["reasonCode"] == "UnsupportedRequest"


@pytest.mark.parametrize("message", ["SignV2GCertificate", "SignCombinedCertificate"])
def test_what_iso_15118_would_need_is_not_implemented(
    station: VirtualStation, message: str
) -> None:
    answer = station.csms.call("TriggerMessage", {"requestedMessage": message})
    assert answer == {"status": "NotImplemented"}


def test_the_same_certificate_twice_is_one(station: VirtualStation) -> None:
    pem = renew(station)
    connections = len(station.csms.links)
    assert hand_over(station, pem) == {"status": "Accepted"}
    station.settle()
    assert len(station.csms.links) == connections
    assert presented(station) == pem


def test_a_check_that_takes_too_long_rejects_and_takes_nothing(station: VirtualStation) -> None:
    trigger(station)
    pem = ROOT.sign_request(requests(station)[0])
    station.lane_latency_s = 25.0, 25.0
    message_id = station.csms.send_call("CertificateSigned", {"certificateChain": pem})
    station.advance(40)
    assert station.csms.results[message_id]["status"] == "Rejected"
    assert presented(station) is None


def test_the_station_certificate_can_be_neither_listed_nor_deleted(
    station: VirtualStation,
) -> None:
    """M04.FR.06"""
    renew(station)
    answer = station.csms.call("GetInstalledCertificateIds", {})
    assert len(answer["certificateHashDataChain"]) == 1
    row = station.station.certificate_renewal._store.of(CertificateUse.STATION)[0]
    names = {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": row.hash_data.issuer_name_hash,
        "issuerKeyHash": row.hash_data.issuer_key_hash,
        "serialNumber": row.hash_data.serial_number,
    }
    answer = station.csms.call("DeleteCertificate", {"certificateHashData": names})
    assert answer["status"] == "Failed"
    assert presented(station) is not None


# -- old and new


def test_the_old_certificate_goes_when_the_new_one_has_connected(station: VirtualStation) -> None:
    """A02.FR.10"""
    old = renew(station)
    old_key = key_of(station)
    new = renew(station, connect=False)
    assert presented(station) == new
    assert old_key in station.keys.pems
    established(station)
    assert presented(station) == new
    assert list(station.keys.pems) == [key_of(station)]
    assert old_key not in station.keys.pems
    assert old != new


def test_a_connection_without_client_certificate_proves_nothing(station: VirtualStation) -> None:
    renew(station)
    new = renew(station, connect=False)
    established(station, mutual=False)
    assert len(station.keys.pems) == 2
    assert presented(station) == new


def test_old_and_new_take_turns_while_no_profile_connects(station: VirtualStation) -> None:
    """A02.FR.28, A03.FR.24"""
    old = renew(station)
    new = renew(station, connect=False)
    seen = [presented(station)]
    for _ in range(3):
        tell(station, AllProfilesFailed())
        seen.append(presented(station))
    assert seen == [new, old, new, old]


def test_a_new_certificate_that_does_not_work_is_discarded_and_told(
    station: VirtualStation,
) -> None:
    """Fault F29; A02.FR.10, A02.FR.29, A03.FR.25"""
    events = told(station)
    old = renew(station)
    old_key = key_of(station)
    renew(station, connect=False)
    tell(station, AllProfilesFailed())
    established(station)
    assert presented(station) == old
    assert list(station.keys.pems) == [old_key]
    assert events[-1] == "DiscardedRenewedClientCertificate"
    tell(station, AllProfilesFailed())
    assert presented(station) == old


def test_the_only_certificate_is_presented_whatever_fails(station: VirtualStation) -> None:
    only = renew(station, connect=False)
    tell(station, AllProfilesFailed())
    assert presented(station) == only


def test_a_trial_outlives_a_restart(station: VirtualStation) -> None:
    renew(station)
    new = renew(station, connect=False)
    station.restart(power_cut=True)
    assert presented(station) == new
    assert len(station.keys.pems) == 2
    established(station)
    assert presented(station) == new
    assert len(station.keys.pems) == 1


def test_a_second_renewal_during_a_trial_replaces_the_new_one(station: VirtualStation) -> None:
    old = renew(station)
    renew(station, connect=False)
    newest = renew(station, connect=False)
    assert presented(station) == newest
    assert len(station.keys.pems) == 2
    tell(station, AllProfilesFailed())
    assert presented(station) == old


# -- A03


def test_a_month_before_it_expires_a_new_one_is_asked_for() -> None:
    """A03.FR.02, A03.FR.03, A03.FR.08, A03.FR.10, A03.FR.13"""
    station = built()
    renew(station, end=EPOCH + timedelta(days=60))
    asked = len(requests(station))
    station.advance(29 * DAY_S)
    assert len(requests(station)) == asked
    station.advance(2 * DAY_S)
    assert len(requests(station)) >= asked + 1
    pem = ROOT.sign_request(requests(station)[-1], begin=EPOCH, end=EPOCH + YEAR)
    assert hand_over(station, pem) == {"status": "Accepted"}
    station.settle()
    established(station)
    asked = len(requests(station))
    station.advance(100 * DAY_S)
    assert presented(station) == pem
    assert len(station.keys.pems) == 1  # the old certificate went, and its key
    assert len(requests(station)) == asked
    kinds = {each["certificateType"] for each in station.csms.of("SignCertificate")}
    assert kinds == {"ChargingStationCertificate"}


def test_a_certificate_that_expires_soon_is_renewed_at_once(station: VirtualStation) -> None:
    renew(station, end=EPOCH + timedelta(days=5))
    station.settle()
    assert len(requests(station)) == 2


def test_a_silent_csms_is_asked_no_further(station: VirtualStation) -> None:
    """A03.FR.19"""
    renew(station, end=EPOCH + timedelta(days=60))
    station.advance(50 * DAY_S)
    assert len(requests(station)) == 5
    station.restart()
    station.advance(DAY_S)
    assert len(requests(station)) == 5


def test_a_csms_that_refuses_is_asked_again_every_day() -> None:
    station = built()
    renew(station, end=EPOCH + timedelta(days=40))
    station.csms.answers["SignCertificate"] = {"status": "Rejected"}
    station.advance(15.5 * DAY_S)
    assert len(requests(station)) == 1 + 6


def test_an_old_request_without_end_does_not_hinder_the_renewal(station: VirtualStation) -> None:
    """A03.FR.02"""
    renew(station, end=EPOCH + timedelta(days=60))
    trigger(station)
    station.advance(10 * DAY_S)
    assert state(station) is Signing.SILENT
    asked = len(requests(station))
    station.advance(21 * DAY_S)
    assert len(requests(station)) > asked
    assert requests(station)[-1] != requests(station)[asked - 1]


def test_a_clock_that_steps_brings_the_renewal_forward(station: VirtualStation) -> None:
    renew(station, end=EPOCH + timedelta(days=90))
    asked = len(requests(station))
    later = (EPOCH + timedelta(days=80)).isoformat().replace("+00:00", "Z")
    station.csms.answers["Heartbeat"] = {"currentTime": later}
    station.csms.call("TriggerMessage", {"requestedMessage": "Heartbeat"})
    station.settle()
    assert len(requests(station)) == asked + 1


def test_without_a_trusted_clock_nothing_expires() -> None:
    lost = {"ClockCtrlr.TimeSource": "NTP"}
    station = VirtualStation(clock_error_s=-20 * 365 * DAY_S, variables=lost).boot()
    station.csms.answers["SignCertificate"] = {"status": "Accepted"}
    payload = {"certificateType": "CSMSRootCertificate", "certificate": ROOT.pem}
    station.csms.call("InstallCertificate", payload)
    trigger(station)
    ended = ROOT.sign_request(requests(station)[0], begin=EPOCH - 30 * YEAR, end=EPOCH - 25 * YEAR)
    assert hand_over(station, ended) == {"status": "Accepted"}
    station.advance(DAY_S)
    assert len(requests(station)) == 1
    assert presented(station) == ended


def test_an_expired_certificate_is_still_presented(station: VirtualStation) -> None:
    """A00.FR.430"""
    pem = renew(station, end=EPOCH + timedelta(days=60))
    station.advance(70 * DAY_S)
    assert presented(station) == pem


# -- secrets and crashes


def test_key_material_is_found_nowhere(
    station: VirtualStation, caplog: pytest.LogCaptureFixture
) -> None:
    """A02.FR.05, A03.FR.05"""
    caplog.set_level(logging.DEBUG)
    renew(station)
    renew(station, connect=False)
    report = {"requestId": 1, "reportBase": "FullInventory"}
    station.csms.call("GetBaseReport", report)
    station.settle()
    # Two lines after the first hold the private number; the rest is the public key.
    secrets = [
        line for pem in station.keys.pems.values() for line in pem.decode().splitlines()[1:3]
    ]
    assert [len(line) for line in secrets] == [64] * 4
    seen = "".join(text for _, _, text in station.csms.frames)
    seen += caplog.text + repr(take_snapshot(station.station))
    seen += repr([vars(table) for table in station.station.store._repositories.values()])
    seen += repr(station.disk.__dict__)
    assert [line for line in secrets if line in seen] == []


def test_a_power_cut_at_any_moment_leaves_no_key_without_a_purpose() -> None:
    """Killed anywhere in a renewal, the station ends with one certificate and one key."""
    for cut_ms in (1, 5, 10, 20, 30, 60, 100):
        station = built()
        old = renew(station)
        payload = {"requestedMessage": "SignChargingStationCertificate"}
        station.csms.send_call("TriggerMessage", payload)
        station.advance(cut_ms / 1000)
        station.restart(power_cut=True)
        assert presented(station) == old
        new = renew(station)
        assert presented(station) == new
        assert len(station.keys.pems) == 1
        rows = station.station.certificate_renewal._store.of(CertificateUse.STATION)
        assert [row.standing for row in rows] == [Standing.CURRENT]
