"""GetLog in virtual time: what is uploaded, what the CSMS is told, and when it is tried again."""

import io
import json
import zipfile
from itertools import product
from typing import Any

import msgspec
import pytest

from station.bench.csms_schema import Schemas
from station.bench.virtual import VirtualStation
from station.blocks.logs.table import TRANSITIONS, Input, State
from station.blocks.security_events import SecurityLogRow, first_broken
from station.transfers import TransferEnd, TransferProtocol
from tests.conformance.frames import broken_frames

URL = "https://logs.example/files/"
SLOW_S = 30.0
"""How long an upload takes in `slow`."""


@pytest.fixture
def station() -> VirtualStation:
    return VirtualStation().boot()


def slow(station: VirtualStation, duration_s: float = SLOW_S) -> None:
    """From now on whatever a lane does takes so long."""
    station.lane_latency_s = (duration_s, duration_s)


def get_log(
    station: VirtualStation, request_id: int = 1, *, type: str = "DiagnosticsLog", **fields: Any
) -> dict[str, Any]:
    log = {"remoteLocation": fields.pop("url", URL)}
    log |= {
        name: fields.pop(name) for name in ("oldestTimestamp", "latestTimestamp") & fields.keys()
    }
    request = {"log": log, "logType": type, "requestId": request_id, **fields}
    return dict(station.csms.call("GetLog", request))


def told(station: VirtualStation) -> list[tuple[str, int | None]]:
    return [
        (payload["status"], payload.get("requestId"))
        for action, payload in station.csms.received
        if action == "LogStatusNotification"
    ]


def trigger(station: VirtualStation) -> str:
    request = {"requestedMessage": "LogStatusNotification"}
    return str(station.csms.call("TriggerMessage", request)["status"])


def archive(station: VirtualStation, number: int = -1) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(station.transfers.made[number].data)) as file:
        return {name: file.read(name).decode() for name in file.namelist()}


# -- the whole way


def test_a_log_is_named_uploaded_and_its_status_told(station: VirtualStation) -> None:
    """N01.FR.01, N01.FR.02, N01.FR.04, N01.FR.07, N01.FR.08, N01.FR.09, N01.FR.13"""
    answer = get_log(station, 7)
    station.settle()
    assert answer["status"] == "Accepted"
    [made] = station.transfers.made
    assert answer["filename"] == made.upload.file.name
    assert made.upload.location.host == "logs.example"
    assert told(station) == [("Uploading", 7), ("Uploaded", 7)]


def test_the_answer_goes_out_before_the_first_status(station: VirtualStation) -> None:
    before = len(station.csms.frames)
    get_log(station)
    station.settle()
    sent = [json.loads(text) for _, way, text in station.csms.frames[before:] if way == ">"]
    assert [frame[0] for frame in sent[:2]] == [3, 2]


def test_the_security_log_is_uploaded_with_its_chain(station: VirtualStation) -> None:
    """N01.FR.03"""
    answer = get_log(station, type="SecurityLog")
    station.settle()
    assert answer["filename"].startswith("security_CS001_")
    lines = station.transfers.made[0].data.decode().splitlines()
    rows = [SecurityLogRow(**json.loads(line)) for line in lines]
    assert rows[0].type == "StartupOfTheDevice"
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    assert told(station) == [("Uploading", 1), ("Uploaded", 1)]


def test_entries_of_the_security_log_can_be_checked_by_their_reader(
    station: VirtualStation,
) -> None:
    station.restart()
    get_log(station, type="SecurityLog")
    station.settle()
    lines = station.transfers.made[0].data.splitlines()
    rows = [msgspec.json.decode(line, type=SecurityLogRow) for line in lines]
    assert len(rows) > 1
    assert first_broken(rows) is None


# -- what is not available


@pytest.mark.parametrize("type", ["DiagnosticsLog", "SecurityLog"])
def test_a_period_of_which_nothing_is_kept_is_rejected(station: VirtualStation, type: str) -> None:
    """N01.FR.05"""
    answer = get_log(station, type=type, oldestTimestamp=station.in_seconds(3600))
    assert (answer["status"], "filename" in answer) == ("Rejected", False)
    assert answer["statusInfo"]["reasonCode"] == "NotFound"
    answer = get_log(station, type=type, latestTimestamp=station.in_seconds(-86400))
    assert answer["status"] == "Rejected"
    station.settle()
    assert (station.transfers.made, told(station)) == ([], [])


def test_a_period_takes_what_happened_within_it(station: VirtualStation) -> None:
    station.advance(3600)
    border = station.in_seconds(-1800)
    get_log(station, type="SecurityLog", latestTimestamp=border)
    station.settle()
    early = station.transfers.made[0].data
    assert b"StartupOfTheDevice" in early
    station.restart()
    get_log(station, 2, type="SecurityLog", oldestTimestamp=border)
    station.settle()
    late = station.transfers.made[1].data
    assert set(early.splitlines()).isdisjoint(late.splitlines())
    assert b"StartupOfTheDevice" in late


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("gopher://logs.example/", "InvalidURL"),
        ("nonsense", "InvalidURL"),
        ("ftp://", "InvalidURL"),
        ("http://[::1", "InvalidURL"),
        ("http://host:99999/", "InvalidURL"),
        ("http://host/a b", "InvalidURL"),
        ("ftp://host/a%0d%0aDELE%20x", "InvalidURL"),
        ("sftp://logs.example/x/", "UnsupportedParam"),
    ],
)
def test_a_location_that_cannot_be_used_is_rejected(
    station: VirtualStation, url: str, reason: str
) -> None:
    station.transfers.unusable[TransferProtocol.SFTP] = "no known hosts"
    answer = get_log(station, url=url)
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", reason)


def test_the_configuration_narrows_the_protocols() -> None:
    key = "OCPPCommCtrlr.FileTransferProtocols"
    station = VirtualStation(configured={key: "HTTPS,SFTP"}).boot()
    assert station.variable("OCPPCommCtrlr", "FileTransferProtocols") == "HTTPS,SFTP"
    assert get_log(station, url="http://logs.example/")["status"] == "Rejected"
    assert get_log(station, url="https://logs.example/")["status"] == "Accepted"


def test_a_station_that_is_not_accepted_uploads_nothing() -> None:
    """B02.FR.05"""
    station = VirtualStation()
    station.csms.boot_status = "Pending"
    station.settle()
    assert get_log(station)["status"] == "Rejected"


# -- failures


def test_an_upload_that_fails_is_tried_again_as_often_as_asked(station: VirtualStation) -> None:
    """N01.FR.10: only the end of the last attempt is told."""
    station.transfers.results.extend([TransferEnd.FAILED] * 9)
    get_log(station, 5, retries=3, retryInterval=100)
    station.settle()
    for attempts in (1, 2, 3, 4):
        assert len(station.transfers.made) == attempts
        assert told(station)[1:] == ([] if attempts < 4 else [("UploadFailure", 5)])
        station.advance(100)
    assert len(station.transfers.made) == 4
    assert told(station) == [("Uploading", 5), ("UploadFailure", 5)]


def test_without_retries_there_is_one_attempt(station: VirtualStation) -> None:
    station.transfers.results.extend([TransferEnd.FAILED] * 9)
    get_log(station, retries=0)
    station.advance(7200)
    assert len(station.transfers.made) == 1


def test_how_often_is_left_to_the_station(station: VirtualStation) -> None:
    station.transfers.results.extend([TransferEnd.FAILED] * 9)
    get_log(station)
    station.advance(7200)
    assert len(station.transfers.made) == 4
    assert told(station)[-1] == ("UploadFailure", 1)


def test_an_attempt_may_succeed_after_others_have_failed(station: VirtualStation) -> None:
    station.transfers.results.extend([TransferEnd.FAILED, TransferEnd.DENIED])
    get_log(station, retries=5, retryInterval=10)
    station.advance(60)
    assert told(station) == [("Uploading", 1), ("Uploaded", 1)]
    assert len(station.transfers.made) == 3


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (TransferEnd.FAILED, "UploadFailure"),
        (TransferEnd.REFUSED, "UploadFailure"),
        (TransferEnd.CANCELLED, "UploadFailure"),
        (TransferEnd.BAD_MESSAGE, "BadMessage"),
        (TransferEnd.DENIED, "PermissionDenied"),
        (TransferEnd.UNSUPPORTED, "NotSupportedOperation"),
    ],
)
def test_how_an_upload_failed_is_told(
    station: VirtualStation, end: TransferEnd, status: str
) -> None:
    """N01.FR.10"""
    station.transfers.results.append(end)
    get_log(station, retries=0)
    station.settle()
    assert told(station) == [("Uploading", 1), (status, 1)]


def test_what_our_own_rules_refuse_is_not_tried_again(station: VirtualStation) -> None:
    station.transfers.results.append(TransferEnd.REFUSED)
    get_log(station, retries=5, retryInterval=1)
    station.advance(60)
    assert len(station.transfers.made) == 1
    assert told(station)[-1] == ("UploadFailure", 1)


def test_no_number_of_retries_goes_on_for_longer_than_a_day(station: VirtualStation) -> None:
    station.transfers.results.extend([TransferEnd.FAILED] * 100)
    get_log(station, retries=2_000_000_000, retryInterval=7200)
    station.advance(2 * 86400)
    assert told(station) == [("Uploading", 1), ("UploadFailure", 1)]
    assert len(station.transfers.made) == 12


# -- a second request


def test_a_second_request_takes_the_place_of_the_first(station: VirtualStation) -> None:
    """N01.FR.12, N01.FR.20"""
    slow(station)
    get_log(station, 1)
    station.settle()
    answer = get_log(station, 2, type="SecurityLog")
    assert answer["status"] == "AcceptedCanceled"
    assert answer["filename"].startswith("security_")
    assert station.transfers.made[0].cancelled
    station.advance(3 * SLOW_S)
    assert told(station) == [
        ("Uploading", 1),
        ("AcceptedCanceled", 1),
        ("Uploading", 2),
        ("Uploaded", 2),
    ]


def test_a_second_request_ends_the_wait_for_the_next_attempt(station: VirtualStation) -> None:
    """N01.FR.12"""
    station.transfers.results.append(TransferEnd.FAILED)
    get_log(station, 1, retries=3, retryInterval=50)
    station.settle()
    assert get_log(station, 2)["status"] == "AcceptedCanceled"
    station.advance(200)
    assert len(station.transfers.made) == 2
    assert told(station)[1:] == [("AcceptedCanceled", 1), ("Uploading", 2), ("Uploaded", 2)]


def test_a_request_that_is_rejected_leaves_the_upload_alone(station: VirtualStation) -> None:
    slow(station)
    get_log(station, 1)
    station.settle()
    assert get_log(station, 2, url="nonsense")["status"] == "Rejected"
    station.advance(2 * SLOW_S)
    assert told(station) == [("Uploading", 1), ("Uploaded", 1)]


def test_the_same_request_id_may_come_again(station: VirtualStation) -> None:
    get_log(station, 1)
    station.settle()
    get_log(station, 1)
    station.settle()
    assert told(station) == [("Uploading", 1), ("Uploaded", 1)] * 2


# -- what is told when


def test_triggered_while_uploading_it_says_so(station: VirtualStation) -> None:
    """F06.FR.14, N01.FR.13"""
    slow(station)
    get_log(station, 3)
    station.settle()
    assert trigger(station) == "Accepted"
    station.settle()
    assert told(station) == [("Uploading", 3)] * 2


def test_triggered_while_it_waits_for_the_next_attempt(station: VirtualStation) -> None:
    """F06.FR.14"""
    station.transfers.results.append(TransferEnd.FAILED)
    get_log(station, 3)
    station.settle()
    assert trigger(station) == "Accepted"
    station.settle()
    assert told(station) == [("Uploading", 3)] * 2


def test_triggered_without_an_upload_it_is_idle(station: VirtualStation) -> None:
    """F06.FR.15, N01.FR.13"""
    get_log(station, 3)
    station.settle()
    trigger(station)
    station.settle()
    assert told(station)[-1] == ("Idle", None)


def test_what_happened_offline_is_told_when_the_csms_is_back(station: VirtualStation) -> None:
    slow(station)
    get_log(station, 4)
    station.settle()
    station.csms.go_offline()
    station.advance(2 * SLOW_S)
    station.csms.go_online()
    station.advance(600)
    assert told(station) == [("Uploading", 4), ("Uploaded", 4)]


def test_an_upload_that_a_restart_interrupts_has_failed(station: VirtualStation) -> None:
    """N01.FR.10"""
    slow(station)
    get_log(station, 9)
    station.settle()
    station.restart(power_cut=True)
    station.advance(60)
    assert told(station) == [("Uploading", 9), ("UploadFailure", 9)]
    station.restart()
    station.advance(60)
    assert told(station)[2:] == []
    assert get_log(station, 10)["status"] == "Accepted"


def test_an_end_that_the_csms_has_not_heard_of_outlives_a_restart(station: VirtualStation) -> None:
    slow(station)
    get_log(station, 9)
    station.settle()
    station.csms.go_offline()
    station.advance(2 * SLOW_S)
    station.restart()
    station.csms.go_online()
    station.advance(600)
    assert told(station)[-1] == ("Uploaded", 9)


def test_statuses_that_nobody_acknowledges_do_not_pile_up(station: VirtualStation) -> None:
    slow(station, 86400.0)
    station.csms.answers["LogStatusNotification"] = None
    statuses = [get_log(station, number)["status"] for number in range(30)]
    assert statuses[:2] == ["Accepted", "AcceptedCanceled"]
    assert statuses[-1] == "Rejected"


def test_a_reset_on_idle_waits_for_the_upload(station: VirtualStation) -> None:
    slow(station)
    get_log(station)
    station.settle()
    assert station.csms.call("Reset", {"type": "OnIdle"})["status"] == "Scheduled"
    station.advance(SLOW_S / 2)
    assert station.restarts == 0
    station.advance(2 * SLOW_S)
    assert station.restarts == 1
    assert told(station)[:2] == [("Uploading", 1), ("Uploaded", 1)]


@pytest.mark.parametrize(("state", "happened"), list(product(State, Input)))
def test_the_table_is_total(state: State, happened: Input) -> None:
    assert TRANSITIONS[state, happened] in State


# -- what the bundle of a station holds


def test_the_diagnostics_hold_state_variables_configuration_and_frames(
    station: VirtualStation,
) -> None:
    """N01.FR.04"""
    get_log(station)
    station.settle()
    parts = archive(station)
    assert sorted(parts) == [
        "SUMMARY.txt",
        "configuration.json",
        "frames.txt",
        "hardware.txt",
        "log.txt",
        "state.json",
        "variables.csv",
    ]
    assert "CS001" in parts["SUMMARY.txt"]
    assert "BootNotification" in parts["frames.txt"]
    assert len(json.loads(parts["state.json"])["evses"]) == 2
    assert json.loads(parts["configuration.json"])["station"]["identity"] == "CS001"
    assert "OCPPCommCtrlr,HeartbeatInterval," in parts["variables.csv"]


def test_no_secret_and_no_driver_is_in_the_diagnostics(station: VirtualStation) -> None:
    secrets = ["new-password-of-the-station", "04A1B2C3", "sig-of-url", "url-pw"]
    station.sim.token("04A1B2C3", evse=1)
    station.settle()
    address = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
    data = [{**address, "attributeValue": secrets[0]}]
    station.csms.call("SetVariables", {"setVariableData": data})
    station.settle()
    get_log(station, url="https://user:url-pw@logs.example/x?X-Amz-Signature=sig-of-url")
    station.settle()
    text = "\n".join(archive(station).values())
    assert [secret for secret in secrets if secret in text] == []
    assert "SetVariables" in text
    assert "TransactionEvent" in text or "Authorize" in text


def test_every_frame_is_valid(station: VirtualStation) -> None:
    get_log(station)
    get_log(station, 2, type="SecurityLog")
    trigger(station)
    station.settle()
    assert broken_frames(station.csms.frames, Schemas()) == []
