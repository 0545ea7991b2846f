"""Certification cases of block M, Certificate Management."""

from datetime import timedelta

import pytest
from cryptography import x509

from station.bench.virtual import EPOCH
from tests.authority import Authority
from tests.conformance.conftest import MakeTool
from tests.conformance.pki_states import (
    CSMS_ROOT,
    FIRMWARE_ROOT,
    MANUFACTURER_ROOT,
    MO_ROOT,
    ROOT_1,
    ROOT_2,
    certificate_installed,
    certificate_renewed,
    entry,
    established,
    hash_of,
    install,
    installed_certificates,
)
from tests.conformance.states import Tool

CHECKED = {"SecurityCtrlr.AdditionalRootCertificateCheck": "true"}
SIGNED_ROOT = Authority("CSMS Root signed by Root 1", ROOT_1)


@pytest.fixture
def checked(make_tool: MakeTool) -> Tool:
    """A station that was shipped with AdditionalRootCertificateCheck, and has a root."""
    tool = make_tool(variables=CHECKED)
    certificate_installed(tool, CSMS_ROOT, ROOT_1)
    return tool


def test_TC_M_01_CS(tool: Tool) -> None:
    """M05.FR.01, M05.FR.02"""
    certificate_installed(tool, CSMS_ROOT, ROOT_2)
    assert entry(CSMS_ROOT, ROOT_2) in installed_certificates(tool, CSMS_ROOT)


def test_TC_M_02_CS(tool: Tool) -> None:
    """M05.FR.01, M05.FR.02"""
    certificate_installed(tool, MANUFACTURER_ROOT, FIRMWARE_ROOT)
    listed = installed_certificates(tool, MANUFACTURER_ROOT)
    assert listed == [entry(MANUFACTURER_ROOT, FIRMWARE_ROOT)]


def test_TC_M_03_CS(tool: Tool) -> None:
    """M05.FR.01, M05.FR.02"""
    certificate_installed(tool, "V2GRootCertificate", ROOT_2)
    listed = installed_certificates(tool, "V2GRootCertificate")
    assert listed == [entry("V2GRootCertificate", ROOT_2)]


def test_TC_M_04_CS(tool: Tool) -> None:
    """M05.FR.01, M05.FR.02"""
    certificate_installed(tool, MO_ROOT, ROOT_2)
    assert installed_certificates(tool, MO_ROOT) == [entry(MO_ROOT, ROOT_2)]


def test_TC_M_07_CS(tool: Tool) -> None:
    """M05.FR.01, M05.FR.07"""
    certificate_installed(tool, CSMS_ROOT, ROOT_1)
    expired = Authority("Expired", end=EPOCH - timedelta(days=1))
    assert install(tool, CSMS_ROOT, expired) == "Rejected"
    assert entry(CSMS_ROOT, expired) not in installed_certificates(tool, CSMS_ROOT)


def test_TC_M_09_CS(checked: Tool) -> None:
    """M05.FR.10, M05.FR.11"""
    assert install(checked, CSMS_ROOT, ROOT_2) == "Rejected"
    assert installed_certificates(checked, CSMS_ROOT) == [entry(CSMS_ROOT, ROOT_1)]


def test_TC_M_12_CS(tool: Tool) -> None:
    """M03.FR.01, M03.FR.03, M03.FR.04"""
    certificate_installed(tool, CSMS_ROOT, ROOT_1)
    assert installed_certificates(tool, CSMS_ROOT) == [entry(CSMS_ROOT, ROOT_1)]


def test_TC_M_13_CS(tool: Tool) -> None:
    """M03.FR.01, M03.FR.03, M03.FR.04"""
    certificate_installed(tool, MANUFACTURER_ROOT, FIRMWARE_ROOT)
    listed = installed_certificates(tool, MANUFACTURER_ROOT)
    assert listed == [entry(MANUFACTURER_ROOT, FIRMWARE_ROOT)]


def test_TC_M_14_CS(tool: Tool) -> None:
    """M03.FR.01, M03.FR.03, M03.FR.04"""
    certificate_installed(tool, "V2GRootCertificate", ROOT_1)
    certificate_installed(tool, CSMS_ROOT, ROOT_1)
    listed = installed_certificates(tool, "V2GRootCertificate")
    assert listed == [entry("V2GRootCertificate", ROOT_1)]


def test_TC_M_16_CS(tool: Tool) -> None:
    """M03.FR.01, M03.FR.03, M03.FR.04"""
    certificate_installed(tool, MO_ROOT, ROOT_1)
    certificate_installed(tool, CSMS_ROOT, ROOT_1)
    assert installed_certificates(tool, MO_ROOT) == [entry(MO_ROOT, ROOT_1)]


def test_TC_M_17_CS(tool: Tool) -> None:
    """M03.FR.01, M03.FR.03, M03.FR.04"""
    certificate_installed(tool, CSMS_ROOT, ROOT_1)
    certificate_installed(tool, MANUFACTURER_ROOT, FIRMWARE_ROOT)
    certificate_installed(tool, MO_ROOT, ROOT_2)
    listed = installed_certificates(tool, CSMS_ROOT, MANUFACTURER_ROOT)
    assert listed == [entry(CSMS_ROOT, ROOT_1), entry(MANUFACTURER_ROOT, FIRMWARE_ROOT)]


def test_TC_M_18_CS(tool: Tool) -> None:
    """M03.FR.01, M03.FR.03, M03.FR.04"""
    certificate_installed(tool, CSMS_ROOT, ROOT_1)
    certificate_installed(tool, MANUFACTURER_ROOT, FIRMWARE_ROOT)
    listed = installed_certificates(tool)
    assert entry(CSMS_ROOT, ROOT_1) in listed
    assert entry(MANUFACTURER_ROOT, FIRMWARE_ROOT) in listed


def test_TC_M_19_CS(tool: Tool) -> None:
    """M03.FR.01, M03.FR.02"""
    certificate_installed(tool, CSMS_ROOT, ROOT_1)
    answer = tool.csms.call("GetInstalledCertificateIds", {"certificateType": [MO_ROOT]})
    assert answer == {"status": "NotFound"}


def test_TC_M_20_CS(tool: Tool) -> None:
    """M04.FR.01, M04.FR.02"""
    certificate_installed(tool, CSMS_ROOT, ROOT_1)
    certificate_installed(tool, CSMS_ROOT, ROOT_2)
    (first, second) = installed_certificates(tool, CSMS_ROOT)
    request = {"certificateHashData": first["certificateHashData"]}
    assert tool.csms.call("DeleteCertificate", request) == {"status": "Accepted"}
    assert installed_certificates(tool, CSMS_ROOT) == [second]


def test_TC_M_22_CS(tool: Tool) -> None:
    """M04.FR.01, M04.FR.04"""
    certificate_installed(tool, CSMS_ROOT, ROOT_1)
    request = {"certificateHashData": hash_of(ROOT_2)}
    assert tool.csms.call("DeleteCertificate", request) == {"status": "NotFound"}


def test_TC_M_23_CS(tool: Tool) -> None:
    """M04.FR.01, M04.FR.06"""
    certificate_installed(tool, CSMS_ROOT, ROOT_1)
    renewed = x509.load_pem_x509_certificate(certificate_renewed(tool).encode())
    assert installed_certificates(tool) == [entry(CSMS_ROOT, ROOT_1)]
    serial = f"{renewed.serial_number:x}"
    request = {"certificateHashData": {**hash_of(ROOT_1), "serialNumber": serial}}
    assert tool.csms.call("DeleteCertificate", request)["status"] == "Failed"


def test_TC_M_30_CS(checked: Tool) -> None:
    """M05.FR.13"""
    certificate_installed(checked, CSMS_ROOT, SIGNED_ROOT)
    certificate_renewed(checked)
    checked.booted(reset="OnIdle")
    established(checked)
    assert installed_certificates(checked, CSMS_ROOT) == [entry(CSMS_ROOT, SIGNED_ROOT)]


def test_TC_M_31_CS(checked: Tool) -> None:
    """M05.FR.14"""
    certificate_installed(checked, CSMS_ROOT, SIGNED_ROOT)
    checked.booted(reset="OnIdle")
    trust = checked.station.station.queries.trust
    assert trust is not None
    assert list(trust.fallback_roots()) == [ROOT_1.pem]
    established(checked, fallback_root=True)
    assert entry(CSMS_ROOT, ROOT_1) in installed_certificates(checked, CSMS_ROOT)
