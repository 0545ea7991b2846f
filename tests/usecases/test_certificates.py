"""Block M: certificates that the CSMS lists, installs and deletes."""

import logging
from datetime import timedelta
from typing import Any

import pytest

from station.bench.virtual import EPOCH, VirtualStation
from station.clock import Trust
from station.events import SecurityHappened, TlsEstablished
from station.pki.certificate import HashData, hash_data
from station.trust_store import CERTIFICATES, MAX_ENTRIES, CertificateRow, CertificateUse
from tests.authority import Authority

Payload = dict[str, Any]

ROOT, OTHER = Authority("Root"), Authority("Other Root")
CHECKED = {"SecurityCtrlr.AdditionalRootCertificateCheck": "true"}


@pytest.fixture
def station() -> VirtualStation:
    return VirtualStation().boot()


def install(
    station: VirtualStation, authority: Authority, use: str = "CSMSRootCertificate"
) -> Payload:
    payload = {"certificateType": use, "certificate": authority.pem}
    return station.csms.call("InstallCertificate", payload)


def listed(station: VirtualStation, *uses: str) -> list[tuple[str, Payload]]:
    payload = {"certificateType": list(uses)} if uses else {}
    answer = station.csms.call("GetInstalledCertificateIds", payload)
    chains = answer.get("certificateHashDataChain", [])
    assert answer["status"] == ("Accepted" if chains else "NotFound")
    return [(each["certificateType"], each["certificateHashData"]) for each in chains]


def named(authority: Authority) -> Payload:
    names = hash_data(authority.certificate, authority.issuer.certificate)
    return {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": names.issuer_name_hash,
        "issuerKeyHash": names.issuer_key_hash,
        "serialNumber": names.serial_number,
    }


def delete(station: VirtualStation, authority: Authority, **changes: str) -> str:
    payload = {"certificateHashData": {**named(authority), **changes}}
    return str(station.csms.call("DeleteCertificate", payload)["status"])


def established(station: VirtualStation, *, fallback_root: bool) -> None:
    """The connection block tells of a TLS connection."""
    event = TlsEstablished(fallback_root=fallback_root)
    station.reactor.post(station.station.events.publish, event)
    station.settle()


def security_events(station: VirtualStation) -> list[str]:
    told: list[str] = []
    station.station.events.subscribe(SecurityHappened, lambda event: told.append(event.type))
    return told


# -- M03


def test_an_empty_store_is_not_found(station: VirtualStation) -> None:
    """M03.FR.01, M03.FR.02"""
    assert listed(station) == []
    assert listed(station, "V2GCertificateChain", "MORootCertificate") == []


def test_certificates_are_listed_by_type_in_the_order_of_installation(
    station: VirtualStation,
) -> None:
    """M03.FR.03, M03.FR.04"""
    uses = ["MORootCertificate", "CSMSRootCertificate", "V2GRootCertificate"]
    uses.append("ManufacturerRootCertificate")
    for use in uses:
        assert install(station, ROOT, use) == {"status": "Accepted"}
    install(station, OTHER)
    assert listed(station) == [
        *((use, named(ROOT)) for use in uses),
        ("CSMSRootCertificate", named(OTHER)),
    ]
    some = listed(station, "CSMSRootCertificate", "MORootCertificate")
    assert [use for use, _ in some] == [uses[0], uses[1], uses[1]]
    assert station.variable("SecurityCtrlr", "CertificateEntries") == "5"


def test_listing_needs_no_cryptography_and_outlives_a_restart(station: VirtualStation) -> None:
    install(station, ROOT)
    station.restart(power_cut=True)
    assert listed(station) == [("CSMSRootCertificate", named(ROOT))]
    assert list(station.station.certificate_renewal.roots()) == [ROOT.pem]


def test_authorities_of_a_chain_for_iso_15118_are_listed_below_it(
    station: VirtualStation,
) -> None:
    """M03.FR.05"""
    names = [HashData("a1", "b1", "1"), HashData("a2", "b2", "2"), HashData("a3", "b3", "3")]
    row = CertificateRow(
        use=CertificateUse.V2G_CHAIN,
        fingerprint="ff",
        pem="",
        hash_data=names[0],
        authorities=tuple(names[1:]),
        subject="CN=SECC",
        not_before=EPOCH,
        not_after=EPOCH + timedelta(days=60),
    )
    station.reactor.post(station.station.store.table(CERTIFICATES).put, row)
    station.settle()
    request = {"certificateType": ["V2GCertificateChain"]}
    (chain,) = station.csms.call("GetInstalledCertificateIds", request)["certificateHashDataChain"]
    assert chain["certificateHashData"]["serialNumber"] == "1"
    below = chain["childCertificateHashData"]
    assert [each["serialNumber"] for each in below] == ["2", "3"]


# -- M04


def test_a_certificate_is_deleted_by_its_hashes_whatever_their_case(
    station: VirtualStation,
) -> None:
    """M04.FR.01, M04.FR.02"""
    install(station, ROOT)
    install(station, OTHER)
    names = {key: value.upper() for key, value in named(ROOT).items()}
    assert delete(station, ROOT, **names) == "Accepted"
    assert listed(station) == [("CSMSRootCertificate", named(OTHER))]
    assert delete(station, ROOT) == "NotFound"


@pytest.mark.parametrize(
    "change",
    [
        {"serialNumber": "1234"},
        {"issuerKeyHash": "00" * 32},
        {"issuerNameHash": "00" * 32},
        {"hashAlgorithm": "SHA512"},
    ],
)
def test_other_hashes_are_not_found(station: VirtualStation, change: dict[str, str]) -> None:
    """M04.FR.04"""
    install(station, ROOT)
    assert delete(station, ROOT, **change) == "NotFound"
    assert len(listed(station)) == 1


def test_the_last_csms_root_stays_while_a_slot_needs_tls(station: VirtualStation) -> None:
    """M04.FR.03"""
    install(station, ROOT)
    install(station, OTHER)
    station.station.queries.last_root_needed.register(lambda: True)
    assert delete(station, ROOT) == "Accepted"
    assert delete(station, OTHER) == "Failed"
    assert install(station, OTHER, "MORootCertificate")["status"] == "Accepted"
    assert delete(station, OTHER) == "Failed"
    assert len(listed(station)) == 2


def test_without_tls_the_last_csms_root_may_go(station: VirtualStation) -> None:
    install(station, ROOT)
    assert delete(station, ROOT) == "Accepted"
    assert listed(station) == []


# -- M05


def test_a_root_that_is_there_already_is_accepted_once_more(station: VirtualStation) -> None:
    """M05.FR.17"""
    assert install(station, ROOT) == install(station, ROOT) == {"status": "Accepted"}
    assert len(listed(station)) == 1


@pytest.mark.parametrize(
    "bad",
    [
        Authority(end=EPOCH - timedelta(days=1)),
        Authority(begin=EPOCH + timedelta(days=1)),
        Authority(is_ca=False),
    ],
)
def test_a_bad_certificate_is_rejected_and_leaves_no_trace(
    station: VirtualStation, bad: Authority
) -> None:
    """M05.FR.07"""
    install(station, ROOT)
    answer = install(station, bad)
    assert answer["status"] == "Rejected"
    assert answer["statusInfo"]["reasonCode"] == "InvalidCertificate"
    assert len(listed(station)) == 1


def test_text_that_is_no_certificate_is_rejected(station: VirtualStation) -> None:
    payload = {"certificateType": "CSMSRootCertificate", "certificate": "-----BEGIN"}
    assert station.csms.call("InstallCertificate", payload)["status"] == "Rejected"


def test_entries_end_at_the_limit_but_a_known_one_is_replaced(station: VirtualStation) -> None:
    """M05.FR.06, M05.FR.17"""
    roots = [Authority(f"Root {number}", key=ROOT.key) for number in range(MAX_ENTRIES + 1)]
    for root in roots[:-1]:
        assert install(station, root)["status"] == "Accepted"
    assert install(station, roots[-1])["status"] == "Rejected"
    assert install(station, roots[0])["status"] == "Accepted"
    assert station.variable("SecurityCtrlr", "CertificateEntries") == str(MAX_ENTRIES)


def test_what_cannot_be_checked_is_failed(
    station: VirtualStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M05.FR.03"""
    monkeypatch.setattr("station.blocks.certificates.check_root", _break)
    assert install(station, ROOT)["status"] == "Failed"
    assert listed(station) == []


def _break(*_: object) -> None:
    raise RuntimeError("bug")


def test_a_check_that_takes_too_long_is_failed_and_installs_nothing(
    station: VirtualStation,
) -> None:
    station.lane_latency_s = 25.0, 25.0
    payload = {"certificateType": "CSMSRootCertificate", "certificate": ROOT.pem}
    answer = station.csms.call("InstallCertificate", payload, within_s=24.0)
    assert answer["status"] == "Failed"
    station.advance(10)
    assert listed(station) == []


def test_a_changed_root_is_told_in_the_security_log(station: VirtualStation) -> None:
    told = security_events(station)
    install(station, ROOT)
    install(station, ROOT)
    delete(station, ROOT)
    assert told == ["ReconfigurationOfSecurityParameters"] * 2


def test_a_clock_that_nobody_set_locks_no_root_out() -> None:
    """Without a trusted time validity is not judged."""
    lost = {"ClockCtrlr.TimeSource": "NTP"}  # which has not answered yet
    station = VirtualStation(clock_error_s=-20 * 365 * 86400.0, variables=lost).boot()
    assert station.station.clock.trust is Trust.NONE
    assert install(station, ROOT)["status"] == "Accepted"


# -- AdditionalRootCertificateCheck


def test_additional_check_is_off_by_default_and_read_only(station: VirtualStation) -> None:
    assert station.variable("SecurityCtrlr", "AdditionalRootCertificateCheck") == "false"
    assert install(station, ROOT) == install(station, OTHER) == {"status": "Accepted"}
    assert len(station.station.certificate_renewal.roots()) == 2


def test_with_the_check_the_first_root_needs_no_signer() -> None:
    station = VirtualStation(variables=CHECKED).boot()
    assert install(station, ROOT)["status"] == "Accepted"


def test_with_the_check_a_strange_root_is_rejected() -> None:
    """M05.FR.10, M05.FR.11"""
    station = VirtualStation(variables=CHECKED).boot()
    install(station, ROOT)
    assert install(station, OTHER)["status"] == "Rejected"
    assert listed(station) == [("CSMSRootCertificate", named(ROOT))]
    assert install(station, OTHER, "MORootCertificate")["status"] == "Accepted"
    assert install(station, ROOT)["status"] == "Accepted"
    assert station.station.certificate_renewal.fallback_roots() == []


def test_a_signed_successor_is_tried_while_the_old_root_is_kept() -> None:
    """Fault F29; M05.FR.09, M05.FR.12, M05.FR.13, M05.FR.14"""
    station = VirtualStation(variables=CHECKED).boot()
    trust = station.station.certificate_renewal
    successor = Authority("Successor", ROOT)
    install(station, ROOT)
    assert install(station, successor)["status"] == "Accepted"
    assert (trust.roots(), trust.fallback_roots()) == ([successor.pem], [ROOT.pem])
    assert len(listed(station)) == 2

    established(station, fallback_root=True)
    assert len(listed(station)) == 2

    station.restart()
    trust = station.station.certificate_renewal
    assert (trust.roots(), trust.fallback_roots()) == ([successor.pem], [ROOT.pem])

    established(station, fallback_root=False)
    assert (trust.roots(), trust.fallback_roots()) == ([successor.pem], [])
    assert listed(station) == [("CSMSRootCertificate", named(successor))]


def test_a_second_successor_replaces_the_first_and_keeps_the_root_that_works() -> None:
    """M05.FR.09, M05.FR.12"""
    station = VirtualStation(variables=CHECKED).boot()
    trust = station.station.certificate_renewal
    first = Authority("First", ROOT)
    second = Authority("Second", first)
    install(station, ROOT)
    install(station, first)
    assert install(station, second)["status"] == "Accepted"
    assert (trust.roots(), trust.fallback_roots()) == ([second.pem], [ROOT.pem])


def test_without_its_successor_a_fallback_root_counts_again() -> None:
    station = VirtualStation(variables=CHECKED).boot()
    trust = station.station.certificate_renewal
    successor = Authority("Successor", ROOT)
    install(station, ROOT)
    install(station, successor)
    assert delete(station, successor) == "Accepted"
    assert (trust.roots(), trust.fallback_roots()) == ([ROOT.pem], [])


def test_nothing_of_a_certificate_is_logged(
    station: VirtualStation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    install(station, ROOT)
    assert ROOT.pem[100:140] not in caplog.text
