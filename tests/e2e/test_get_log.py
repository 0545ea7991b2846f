"""N01 in a real process: the bench CSMS asks for logs, and they arrive at a real server."""

import io
import json
import zipfile

from station.bench.csms_thread import BenchCsmsThread
from tests.e2e.conftest import MakeSim
from tests.e2e.heard import Heard, messages, wait, wait_for_boot
from tests.e2e.rig import IDENTITY, PASSWORD
from tests.e2e.upload_servers import web_server


def statuses(seen: Heard) -> list[str]:
    return [each["status"] for each in messages(seen, "LogStatusNotification")]


def test_a_simulated_station_uploads_its_logs(make_sim: MakeSim, csms: BenchCsmsThread) -> None:
    """N01.FR.02, N01.FR.03, N01.FR.04"""
    with web_server() as server:
        sim = make_sim().start()
        wait_for_boot(csms)
        url = f"http://up:url-secret@127.0.0.1:{server.port}/logs/"
        for number, log_type in enumerate(("DiagnosticsLog", "SecurityLog")):
            request = {"logType": log_type, "requestId": number, "log": {"remoteLocation": url}}
            answer = csms.call(IDENTITY, "GetLog", request)
            assert answer["status"] == "Accepted"
            wait(csms, lambda seen, number=number: statuses(seen)[2 * number + 1 :] == ["Uploaded"])
        (_, path, _, diagnostics), (_, _, _, security) = server.requests
    assert path.startswith("/logs/diagnostics_")
    assert statuses(csms) == ["Uploading", "Uploaded"] * 2
    with zipfile.ZipFile(io.BytesIO(diagnostics)) as archive:
        text = "\n".join(archive.read(name).decode() for name in archive.namelist())
    assert "BootNotification" in text
    assert "station.main: station" in text
    assert [secret for secret in (PASSWORD, "url-secret") if secret in text] == []
    assert json.loads(security.splitlines()[0])["number"] == 1
    assert "url-secret" not in sim.process.text
