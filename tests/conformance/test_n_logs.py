"""Certification cases of block N, Diagnostics: logs (N01)."""

from typing import Any

import pytest

from station.transfers import TransferEnd
from tests.conformance.states import Payload, Tool

LOCATION = "https://logs.example/upload/"
LOG_TYPES = pytest.mark.parametrize("log_type", ["DiagnosticsLog", "SecurityLog"])
UPLOAD_S = 20.0
RETRY_INTERVAL_S = 30


def get_log(tool: Tool, log_type: str, request_id: int = 1, **fields: Any) -> Payload:
    location = {"remoteLocation": fields.pop("location", LOCATION)}
    request = {"log": location, "logType": log_type, "requestId": request_id, **fields}
    return dict(tool.csms.call("GetLog", request))


def expect_status(tool: Tool, status: str, request_id: int = 1, **wait: float) -> None:
    wanted: dict[str, Any] = {"status": status, "requestId": request_id}
    tool.expect("LogStatusNotification", wanted, **wait)


def take_time(tool: Tool) -> None:
    """An upload is not over at once."""
    tool.station.lane_latency_s = (UPLOAD_S, UPLOAD_S)


def successful(tool: Tool, log_type: str) -> None:
    assert get_log(tool, log_type)["status"] == "Accepted"
    expect_status(tool, "Uploading")
    expect_status(tool, "Uploaded")
    tool.expect_none("LogStatusNotification")


def test_TC_N_25_CS(tool: Tool) -> None:
    """N01.FR.01, N01.FR.02, N01.FR.04, N01.FR.07, N01.FR.08, N01.FR.09, N01.FR.13"""
    successful(tool, "DiagnosticsLog")


def test_TC_N_26_CS(tool: Tool) -> None:
    """N01.FR.10; with erratum 2024-12: each status once, or once for each of four attempts."""
    tool.station.transfers.results.extend([TransferEnd.FAILED] * 4)
    location = "https://logs.example/does/not/exist/"
    fields = {"retries": 3, "retryInterval": RETRY_INTERVAL_S, "location": location}
    assert get_log(tool, "DiagnosticsLog", **fields)["status"] == "Accepted"
    expect_status(tool, "Uploading")
    expect_status(tool, "UploadFailure", within_s=4 * RETRY_INTERVAL_S)
    assert len(tool.station.transfers.made) == 4
    tool.expect_none("LogStatusNotification", within_s=3 * RETRY_INTERVAL_S)


@LOG_TYPES
def test_TC_N_34_CS(tool: Tool, log_type: str) -> None:
    """N01.FR.05: nothing is kept of a period that is still to come."""
    period = {"oldestTimestamp": tool.station.in_seconds(86400)}
    log = {"remoteLocation": LOCATION, **period}
    request = {"log": log, "logType": log_type, "requestId": 1}
    assert tool.csms.call("GetLog", request)["status"] == "Rejected"


def test_TC_N_35_CS(tool: Tool) -> None:
    """N01.FR.03"""
    successful(tool, "SecurityLog")


@LOG_TYPES
def test_TC_N_36_CS(tool: Tool, log_type: str) -> None:
    """N01.FR.12, N01.FR.20; with erratum 2025-04 (the order of answer and AcceptedCanceled)."""
    take_time(tool)
    assert get_log(tool, log_type, 1)["status"] == "Accepted"
    expect_status(tool, "Uploading", 1)
    assert get_log(tool, log_type, 2)["status"] == "AcceptedCanceled"
    expect_status(tool, "AcceptedCanceled", 1)
    expect_status(tool, "Uploading", 2)
    expect_status(tool, "Uploaded", 2, within_s=3 * UPLOAD_S)
