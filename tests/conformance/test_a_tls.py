"""Certification cases of block A, Security, that are about TLS: on real sockets."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.secured import CSMS_ROOT, HOST, TLS_1_1, TLS_1_2, Secured
from tests.e2e.heard import messages
from tests.pki import Issued, issue

SUITES = ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384")
INVALID: dict[str, Callable[[], Issued]] = {
    "unknown": lambda: issue(HOST, issue("Nobody's Root", authority=True)),
    "expired": lambda: issue(HOST, CSMS_ROOT, days=(-20, -1)),
    "of another host": lambda: issue("csms.example", CSMS_ROOT),
}


@pytest.mark.parametrize("suite", SUITES)
def test_TC_A_04_CS(tmp_path: Path, suite: str) -> None:
    """A00.FR.309, A00.FR.312, A00.FR.313, A00.FR.319"""
    with Secured(tmp_path, versions=TLS_1_2, suites=suite) as case:
        case.sim.start()
        case.expect_booted()


def test_TC_A_05_CS(tmp_path: Path) -> None:
    """A00.FR.309, A00.FR.310, A00.FR.311; erratum 2024-11: a good connection after each failed"""
    with Secured(tmp_path) as case:
        case.sim.start()
        case.expect_booted()
        for number, identity in enumerate(INVALID.values(), start=1):
            case.change_server(case.context(identity()))
            case.sim.process.wait_for("cannot connect", number)
            case.change_server(case.context())
            case.sim.until(lambda state: state["link"]["state"] == "up")
            case.sim.until(lambda state: not state["queue"]["depth"])
            case.expect_security_event("InvalidCsmsCertificate")
            events = messages(case.csms, "SecurityEventNotification")
            told = [event["type"] for event in events].count("InvalidCsmsCertificate")
            assert told == number


def test_TC_A_06_CS(tmp_path: Path) -> None:
    """A00.FR.314, A00.FR.316, A00.FR.416, A00.FR.417, A00.FR.419"""
    with Secured(tmp_path) as case:
        with case.replaced_by(case.context(versions=TLS_1_1)):
            case.sim.start()
            case.sim.process.wait_for("cannot connect", 2)
        case.expect_booted()
        case.expect_security_event("StartupOfTheDevice")
        case.expect_security_event("InvalidTLSVersion")


@pytest.mark.parametrize("suite", SUITES)
def test_TC_A_07_CS(tmp_path: Path, suite: str) -> None:
    """A00.FR.401, A00.FR.402, A00.FR.415, A00.FR.416, A00.FR.422, A00.FR.507, A00.FR.511"""
    with Secured(tmp_path, 3, versions=TLS_1_2, suites=suite) as case:
        case.sim.start()
        case.expect_booted()
