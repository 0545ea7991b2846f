"""A station process and a CSMS behind TLS, for the cases that are about the handshake itself."""

import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from station.bench.csms_thread import BenchCsmsThread
from tests.e2e.heard import messages, statuses, wait
from tests.e2e.rig import IDENTITY, PASSWORD, QUICK, ROOT, Child, Sim
from tests.e2e.tls_server import TlsServer, server_context
from tests.pki import Issued, issue

HOST = "127.0.0.1"
CSMS_ROOT = issue("CSMS Root", authority=True)
STATION_ROOT = issue("Station Root", authority=True)
JOULEPOST = (sys.executable, "-m", "station")
TLS_1_1 = (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1)
TLS_1_2 = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)


class Secured:
    """The station is commissioned for the CSMS with `joulepost certs`, and not started."""

    def __init__(self, folder: Path, security_profile: int = 2, **server: Any) -> None:
        self._folder = folder
        self._server = {"client_root": STATION_ROOT} if security_profile == 3 else {}
        self._children: list[Child] = []
        context = self.context(**server)
        self.csms = BenchCsmsThread(passwords={IDENTITY: PASSWORD}, tls=context)
        self.csms.start()
        (folder / "station").mkdir()
        self.sim = Sim(folder / "station", self.csms.url, (*JOULEPOST, "sim"), QUICK, ROOT)
        self._install("CSMSRootCertificate", CSMS_ROOT.pem)
        if security_profile == 3:
            self._install("CSMSRootCertificate", STATION_ROOT.pem)
            own = issue(IDENTITY, STATION_ROOT)
            self._install("ChargingStationCertificate", own.chain, own.key_pem)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        for child in (*self._children, *self.sim.children):
            child.kill()
            print(child.text)  # pytest shows it beside a failure
        self.csms.stop()
        assert error is not None or self.csms.violations == []

    def context(self, identity: Issued | None = None, **options: Any) -> ssl.SSLContext:
        """A server with the right certificate, or with *identity*."""
        folder = self._folder / "server"
        folder.mkdir(exist_ok=True)
        options = {**self._server, **options}
        return server_context(identity or issue(HOST, CSMS_ROOT), folder, **options)

    @contextmanager
    def replaced_by(self, context: ssl.SSLContext) -> Iterator[None]:
        """Another server at the same address, one that says in an alert why it refuses.

        The one of the bench, like all of asyncio, closes without a word.
        """
        self.csms.stop()
        server = TlsServer(context, self.csms.port)
        try:
            yield
        finally:
            server.close()
            self.csms.start()

    def change_server(self, context: ssl.SSLContext) -> None:
        """Drops the station; the same address answers with this from now on."""
        self.csms.stop()
        self.csms.speak_tls(context)
        self.csms.start()

    def expect_security_event(self, name: str) -> None:
        def told(csms: Any) -> bool:
            events = messages(csms, "SecurityEventNotification")
            return name in [event["type"] for event in events]

        wait(self.csms, told)

    def expect_booted(self) -> None:
        """Accepted, and the connector told available."""
        wait(self.csms, lambda csms: statuses(csms, 1) == ["Available"])
        assert len(messages(self.csms, "BootNotification")) == 1

    def _install(self, use: str, pem: str, key: str = "") -> None:
        file, key_file = self._folder / "to-install.pem", self._folder / "to-install.key"
        file.write_text(pem, encoding="utf-8")
        words = ["certs", "install", f"--type={use}", f"--state-dir={self.sim.state_dir}"]
        if key:
            key_file.write_text(key, encoding="utf-8")
            words.append(f"--key={key_file}")
        child = Child(*JOULEPOST, *words, file, cwd=ROOT)
        self._children.append(child)
        assert child.wait() == 0, child.text
