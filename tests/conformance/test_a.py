"""Certification cases of block A, Security."""

import pytest

from tests.authority import Authority
from tests.conformance.conftest import MakeTool
from tests.conformance.networks import (
    HERE,
    URLS,
    is_at,
    migrate,
    set_priority,
    set_result,
    set_slot,
)
from tests.conformance.pki_states import (
    CSMS_ROOT,
    ROOT_1,
    certificate_installed,
    certificate_renewed,
    expect_request,
    hand_over,
    sign_request,
)
from tests.conformance.states import Tool

WAIT_S = 40.0


@pytest.fixture
def trusting(make_tool: MakeTool) -> Tool:
    """A station that has the root of its CSMS."""
    waits = {
        "SecurityCtrlr.CertSigningWaitMinimum": str(int(WAIT_S)),
        "SecurityCtrlr.CertSigningRepeatTimes": "1",
    }
    tool = make_tool(variables=waits)
    certificate_installed(tool, CSMS_ROOT, ROOT_1)
    return tool


def test_TC_A_11_CS(trusting: Tool) -> None:
    """A02.FR.02, A02.FR.03, A02.FR.06, A02.FR.08, F06.FR.04, F06.FR.05, F06.FR.10"""
    certificate_renewed(trusting)


def test_TC_A_14_CS(trusting: Tool) -> None:
    """A02.FR.07, A03.FR.07"""
    csr = sign_request(trusting)
    assert hand_over(trusting, Authority("Wrong Root").sign_request(csr)) == "Rejected"
    trusting.expect("SecurityEventNotification", {"type": "InvalidChargingStationCertificate"})
    trusting.expect_none("SignCertificate", within_s=10 * WAIT_S)


def test_TC_A_15_CS(trusting: Tool) -> None:
    sign_request(trusting, answer="Rejected")
    trusting.expect_none("SignCertificate", within_s=10 * WAIT_S)


def test_TC_A_23_CS(trusting: Tool) -> None:
    """A02.FR.17, A02.FR.18; erratum 2025-02: a certificate for each request"""
    requests = [sign_request(trusting)]
    for wait_s in (WAIT_S, 2 * WAIT_S):
        trusting.expect_none("SignCertificate", within_s=wait_s - 2.0)
        requests.append(expect_request(trusting, within_s=4.0))
    answers = []
    for csr in requests:
        answers.append(hand_over(trusting, ROOT_1.sign_request(csr)))
        while not trusting.csms.connected:
            trusting.wait(1)
        trusting.wait(2)
    assert "Accepted" in answers
    assert set(answers) <= {"Accepted", "Rejected"}
    trusting.expect_none("SignCertificate", within_s=10 * WAIT_S)


# -- passwords (A01) and security profiles (A05)


def test_TC_A_01_CS(tool: Tool) -> None:
    """A00.FR.202, A00.FR.203, A00.FR.204, A00.FR.205, A00.FR.301, A00.FR.302, A00.FR.304"""
    tool.booted()
    target = tool.csms.target
    assert target is not None
    assert target.url.rpartition("/")[2] == target.user == tool.station.identity
    assert target.password == tool.station.password
    assert 16 <= len(target.password) <= 64


def test_TC_A_09_CS(tool: Tool) -> None:
    """A01.FR.01, A01.FR.11, A01.FR.12; errata: any character"""
    tool.csms.at(HERE, password="a-new-password-of-the-csms")
    result = set_result(tool, "SecurityCtrlr", "BasicAuthPassword", "a-new-password-of-the-csms")
    assert result["attributeStatus"] == "Accepted"
    tool.wait(2.0)
    assert tool.csms.connected
    assert tool.csms.targets[-1].password == "a-new-password-of-the-csms"
    tool.expect_none("BootNotification")


def test_TC_A_10_CS(tool: Tool) -> None:
    """A01.FR.01, A01.FR.11, A01.FR.12"""
    tool.csms.at(HERE, password=tool.station.password)
    result = set_result(tool, "SecurityCtrlr", "BasicAuthPassword", "too-short")
    assert result["attributeStatus"] == "Rejected"
    tool.booted()
    assert tool.csms.targets[-1].password == tool.station.password


@pytest.mark.parametrize("before", [1, 2])
def test_TC_A_19_CS(make_tool: MakeTool, before: int) -> None:
    """A05.FR.04, A05.FR.05, A05.FR.06; errata 2025-06: never back to profile 1"""
    tool = make_tool(url=URLS[before], security_profile=before)
    certificate_installed(tool, CSMS_ROOT, ROOT_1)
    if before == 2:
        certificate_renewed(tool)
    after = before + 1
    tool.csms.at(URLS[after], root=ROOT_1.pem, wants_certificate=after == 3)
    old = migrate(tool, URLS[after], after)
    tool.csms.at(URLS[before], reachable=False)
    tool.booted(reset="OnIdle")
    assert is_at(tool, URLS[after])
    assert tool.station.variable("SecurityCtrlr", "SecurityProfile") == str(after)
    left = tool.station.variable("OCPPCommCtrlr", "NetworkConfigurationPriority")
    assert old not in left.split(",")
    if before == 1:
        tool.csms.at(URLS[1], reachable=True)
        tool.csms.at(URLS[2], reachable=False)
        tool.csms.cut()
        tool.wait(900.0)
        assert not tool.csms.connected
        tool.csms.at(URLS[2], reachable=True)
        tool.wait(600.0)
        assert is_at(tool, URLS[2])


@pytest.mark.parametrize("profile", [2, 3])
def test_TC_A_20_CS(tool: Tool, profile: int) -> None:
    """A05.FR.02; errata: the slot need not be accepted"""
    assert set_slot(tool, 2, URLS[profile], profile)["status"] in ("Accepted", "Rejected")
    assert set_priority(tool, "2,1")["attributeStatus"] == "Rejected"


def test_TC_A_21_CS(trusting: Tool) -> None:
    """A05.FR.03"""
    assert set_slot(trusting, 2, URLS[3], 3)["status"] in ("Accepted", "Rejected")
    assert set_priority(trusting, "2,1")["attributeStatus"] == "Rejected"


@pytest.mark.parametrize("active", [2, 3])
def test_TC_A_22_CS(make_tool: MakeTool, active: int) -> None:
    """B09.FR.04"""
    tool = make_tool(url=URLS[active], security_profile=active)
    assert set_slot(tool, 2, URLS[1], 1)["status"] == "Rejected"
