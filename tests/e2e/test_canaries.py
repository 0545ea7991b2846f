"""Twenty secrets of every kind are planted, and looked for wherever somebody could read."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from station.bench.csms import CsmsError
from station.bench.csms_thread import BenchCsmsThread
from station.io.redact import HIDDEN
from tests.e2e.canaries import LOST_KEY, NEW_PASSWORD, OWN, PIN, SIM_PIN, Canaries
from tests.e2e.conftest import CONFIGURED, MakeSim
from tests.e2e.heard import messages, wait
from tests.e2e.rig import IDENTITY, PASSWORD, Child, Sim

MAY_HOLD_SECRETS = {"station.db", "station.db-wal", "station.db-shm"}

Run = Callable[..., Child]


@pytest.fixture
def bench_log(tmp_path: Path) -> Path:
    return tmp_path / "bench-frames.jsonl"


@pytest.fixture
def bench_lines() -> list[str]:
    """What the bench CSMS would print."""
    return []


@pytest.fixture
def csms(bench_log: Path, bench_lines: list[str]) -> Iterator[BenchCsmsThread]:
    with (
        bench_log.open("w", encoding="utf-8") as log,
        BenchCsmsThread(
            passwords={IDENTITY: PASSWORD}, on_line=bench_lines.append, log=log
        ) as csms,
    ):
        yield csms


def test_no_secret_is_shown_anywhere(
    make_sim: MakeSim,
    csms: BenchCsmsThread,
    run: Run,
    bench_log: Path,
    bench_lines: list[str],
    tmp_path: Path,
) -> None:
    """A01.FR.12, A02.FR.05: in no log, report, page, file or output, frames and all."""
    canaries = Canaries()
    sim = make_sim(program=(*CONFIGURED, "--frames"))
    shown = {"commissioning": install_own_certificate(run, sim, tmp_path)}
    sim.start()
    sim.wait_until_accepted()
    plant(sim, csms)
    canaries.add_keys(sim.state_dir / "keys")
    shown["reports"] = inventory(csms)
    shown["page"] = json.dumps(sim.state())
    assert sim.process.stop() == 0
    shown["log"] = sim.process.text
    shown["bench"] = "\n".join(bench_lines)
    shown["bench log"] = bench_log.read_text()
    shown["doctor"] = doctor_output(run, sim, csms, tmp_path)
    shown |= files_of(sim)

    assert len(canaries.texts) >= 22
    told = {place: canaries.shown_in(text) for place, text in shown.items()}
    assert {place: found for place, found in told.items() if found} == {}
    for place, words in {
        "log": ("SetNetworkProfile", "BasicAuthPassword", HIDDEN),
        "bench log": ("SetNetworkProfile", "BasicAuthPassword", HIDDEN),
        "reports": ("BasicAuthPassword",),
        "page": ("findings",),
        "doctor": ("credentials",),
        "file world.json": ("evses",),
    }.items():
        assert [word for word in words if word not in shown[place]] == [], place


def plant(sim: Sim, csms: BenchCsmsThread) -> None:
    """Give the station every secret that anybody could."""
    csms.behaviour["SignCertificate"] = {"status": "Accepted"}
    tell(csms, "TriggerMessage", requestedMessage="SignChargingStationCertificate")
    wait(csms, lambda seen: messages(seen, "SignCertificate"))
    tell(csms, "InstallCertificate", certificateType="MORootCertificate", certificate=LOST_KEY)
    tell(csms, "SetVariables", setVariableData=[password("canary-short")])
    for url in ("ws://csms.example", "ws://user:canary-in-url@csms.example"):
        tell(csms, "SetNetworkProfile", configurationSlot=2, connectionData=profile(url))
    more = [{"additionalIdToken": "canary-pin-more", "type": "KeyCode"}]
    token = {"idToken": "canary-pin-remote", "type": "KeyCode", "additionalInfo": more}
    tell(csms, "RequestStartTransaction", remoteStartId=1, idToken=token, evseId=1)
    upload = {"remoteLocation": "ftp://user:canary-upload@log.example/"}
    tell(csms, "GetLog", log=upload, logType="SecurityLog", requestId=1)
    firmware = {
        "location": "https://user:canary-firmware@fw.example/",
        "retrieveDateTime": "2030-01-01T00:00:00Z",
    }
    tell(csms, "UpdateFirmware", requestId=1, firmware=firmware)
    tell(csms, "DataTransfer", vendorId="v", data={"password": "canary-vendor-data"})
    csms.send_text(IDENTITY, '[2,"1","SetVariables",{"password":"canary-broken-frame"')
    sim.plug()
    sim.token(PIN, type="KeyCode")
    wait(csms, lambda seen: PIN in str(seen.received(IDENTITY)))
    csms.set_password(IDENTITY, NEW_PASSWORD)
    tell(csms, "SetVariables", setVariableData=[password(NEW_PASSWORD)])
    wait(csms, lambda seen: seen.record.stations[IDENTITY].connections == 2)


def tell(csms: BenchCsmsThread, action: str, **payload: Any) -> None:
    """Whatever the station answers."""
    with suppress(CsmsError):
        csms.call(IDENTITY, action, payload)


def password(value: str) -> dict[str, Any]:
    return {
        "component": {"name": "SecurityCtrlr"},
        "variable": {"name": "BasicAuthPassword"},
        "attributeValue": value,
    }


def profile(url: str) -> dict[str, Any]:
    return {
        "ocppVersion": "OCPP20",
        "ocppTransport": "JSON",
        "ocppCsmsUrl": url,
        "messageTimeout": 30,
        "securityProfile": 1,
        "ocppInterface": "Wireless0",
        "apn": {
            "apn": "internet",
            "apnAuthentication": "CHAP",
            "apnUserName": "user",
            "apnPassword": "canary-apn-pw",
            "simPin": SIM_PIN,
        },
        "vpn": {
            "server": "vpn.example",
            "user": "user",
            "password": "canary-vpn-pw",
            "key": "canary-vpn-key",
            "type": "IKEv2",
        },
    }


def inventory(csms: BenchCsmsThread) -> str:
    """Every part of the report on everything."""
    request = {"requestId": 7, "reportBase": "FullInventory"}
    assert csms.call(IDENTITY, "GetBaseReport", request) == {"status": "Accepted"}
    wait(csms, lambda seen: any(not part.get("tbc") for part in messages(seen, "NotifyReport")))
    return json.dumps(messages(csms, "NotifyReport"))


def files_of(sim: Sim) -> dict[str, str]:
    """What lies in the state folder, but for the places that are made for secrets."""
    return {
        f"file {file.name}": file.read_text(errors="replace")
        for file in sorted(sim.state_dir.rglob("*"))
        if file.is_file() and file.name not in MAY_HOLD_SECRETS and file.suffix != ".key"
    }


def install_own_certificate(run: Run, sim: Sim, folder: Path) -> str:
    """What the commands of commissioning print."""
    assert OWN.issuer is not None
    texts = {"root.pem": OWN.issuer.pem, "own.pem": OWN.chain, "own.key": OWN.key_pem}
    for name, text in texts.items():
        (folder / name).write_text(text)
    where = f"--state-dir={sim.state_dir}"
    words = (
        ("install", where, "--type=CSMSRootCertificate", folder / "root.pem"),
        (
            *("install", where, "--type=ChargingStationCertificate"),
            *(f"--key={folder / 'own.key'}", folder / "own.pem"),
        ),
        ("install", where, "--type=CSMSRootCertificate", folder / "own.key"),
        ("list", where),
    )
    printed = ""
    for each, code in zip(words, (0, 0, 1, 0), strict=True):
        child = run("certs", *each)
        assert child.wait() == code, child.text
        printed += child.text
    return printed


def doctor_output(run: Run, sim: Sim, csms: BenchCsmsThread, folder: Path) -> str:
    """Of the stopped station, of a password that is refused, and of one in a file."""
    (folder / "password").write_text("canary-password-file\n")
    explicit = (f"--csms={csms.url}", f"--id={IDENTITY}")
    children = [
        run("doctor", f"--state-dir={sim.state_dir}", f"--id={IDENTITY}", "--boot", "--json"),
        run("doctor", *explicit, "--password=canary-doctor-password"),
        run("doctor", *explicit, f"--password-file={folder / 'password'}", "--json"),
    ]
    assert [child.wait() for child in children] == [0, 1, 1]
    return "".join(child.text for child in children)
