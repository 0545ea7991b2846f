"""A CSMS behind TLS, as good or as weak as a test wants it."""

import queue
import socket
import ssl
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

from tests.e2e.link_user import WAIT_S
from tests.e2e.raw_server import RawPeer
from tests.pki import Issued

Behaviour = Callable[[RawPeer], None]
"""What happens to a connection that was just accepted."""

EVERY_SUITE = "ALL:@SECLEVEL=0"


class TlsServer:
    """Accepts on a thread, because a TLS handshake needs both sides at once."""

    def __init__(self, behaviour: ssl.SSLContext | Behaviour, port: int = 0) -> None:
        self._listening = socket.create_server(("127.0.0.1", port))
        self._port = self._listening.getsockname()[1]
        self._behaviour = behaviour
        self._upgraded: queue.SimpleQueue[RawPeer] = queue.SimpleQueue()
        self._peers: list[RawPeer] = []
        self._stopping = False
        self.requests: list[str] = []
        """Of every caller that got as far as HTTP."""
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def callers(self) -> int:
        return len(self._peers)

    def url(self, host: str = "localhost") -> str:
        return f"wss://{host}:{self._port}/ocpp/CS001"

    def upgraded(self) -> RawPeer:
        return self._upgraded.get(timeout=WAIT_S)

    def close(self) -> None:
        self._stopping = True
        socket.create_connection(("127.0.0.1", self._port)).close()  # wakes the thread
        self._thread.join(WAIT_S)
        self._listening.close()
        for peer in self._peers:
            peer.sock.close()

    def _run(self) -> None:
        while True:
            peer = RawPeer(self._listening.accept()[0])
            if self._stopping:
                peer.sock.close()
                return
            self._peers.append(peer)
            try:
                self._serve(peer)
            except (OSError, EOFError):
                peer.sock.close()

    def _serve(self, peer: RawPeer) -> None:
        if not isinstance(self._behaviour, ssl.SSLContext):
            self._behaviour(peer)
            return
        peer.sock = self._behaviour.wrap_socket(peer.sock, server_side=True)
        self.requests.append(peer.read_request())
        peer.upgrade()
        self._upgraded.put(peer)


def server_context(
    identity: Issued,
    folder: Path,
    *,
    chain: str | None = None,
    versions: tuple[ssl.TLSVersion, ssl.TLSVersion] | None = None,
    suites: str = EVERY_SUITE,
    client_root: Issued | None = None,
) -> ssl.SSLContext:
    """Of a server that takes whatever it is told to, safe or not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(suites)
    context.load_cert_chain(*identity.save(folder, chain=chain))
    if versions is not None:
        with warnings.catch_warnings():  # old versions are what these tests are about
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version, context.maximum_version = versions
    if client_root is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=client_root.pem)
    return context
