"""The payment system behind a simulated terminal: it has the bench CSMS start the transaction.

C03 leaves the way from the payment system to the CSMS open; here it is the door of
`joulepost csms send`, on this machine only.
"""

import logging
import threading
import uuid
from urllib.parse import urlsplit

log = logging.getLogger(__name__)

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
DEFAULT_PORT = 80
TIMEOUT_S = 30.0
CENTRAL = "Central"
YOURSELF = "send RequestStartTransaction with a token of type Central yourself"


class BenchBackOffice:
    """Called with the EVSE that was paid for; returns at once."""

    def __init__(self, csms_url: str, station: str) -> None:
        address = urlsplit(csms_url)
        self._host, self._port = address.hostname or "", address.port or DEFAULT_PORT
        self._is_bench = address.scheme == "ws" and self._host in LOOPBACK
        self._station = station
        self._count = 0

    def __call__(self, evse: int) -> None:
        if not self._is_bench:
            log.warning("the payment system reaches no CSMS but a bench CSMS here: %s", YOURSELF)
            return
        self._count += 1
        payload = {
            "evseId": evse,
            "remoteStartId": self._count,
            "idToken": {"idToken": str(uuid.uuid4()), "type": CENTRAL},
        }
        name = f"payment {self._count}"
        threading.Thread(target=self._send, args=(payload,), name=name, daemon=True).start()

    def _send(self, payload: dict[str, object]) -> None:
        try:
            from station.bench.csms_control import send_call
        except ModuleNotFoundError as error:
            log.warning("the payment system needs %s; %s", error.name, YOURSELF)
            return
        action = "RequestStartTransaction"
        reply = send_call(
            self._host, self._port, self._station, action, payload, timeout_s=TIMEOUT_S
        )
        status = reply.get("result", {}).get("status")
        if status != "Accepted":
            log.warning(
                "the payment system could not start a transaction: %s", reply.get("error", status)
            )
