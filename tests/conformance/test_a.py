"""Certification cases of block A, Security."""

import pytest

from tests.authority import Authority
from tests.conformance.conftest import MakeTool
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
