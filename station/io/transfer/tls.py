"""TLS of transfers: the CSMS's trust chain and the authorities of the operating system.

As with the CSMS (`io.tls`), names and dates are judged here: OpenSSL would take the system's
clock for the time. The station's own certificate is for the CSMS alone and is not presented.
"""

import ssl
from typing import Any

from station.io.peer_certificate import describe, is_for, names_of, window
from station.io.tls import NO_CHECK_TIME
from station.io.transfer.errors import TransferError
from station.transfers import TransferEnd, Trusted


def make_context(trusted: Trusted) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("@SECLEVEL=2:ECDHE+AESGCM:ECDHE+CHACHA20")
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.check_hostname = False  # `check_peer` does
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags = (
        ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN | NO_CHECK_TIME
    )
    context.load_default_certs()  # N01.FR.16
    for pem in trusted.roots:  # N01.FR.15
        try:
            context.load_verify_locations(cadata=pem)
        except (ssl.SSLError, ValueError):
            continue  # the connection to the CSMS has complained of it
    return context


def check_peer(secured: ssl.SSLSocket, host: str, trusted: Trusted) -> None:
    """After the handshake and before any other byte; raises TransferError."""
    if secured.session_reused:  # no certificate is sent again: it was judged in that session
        return
    inner: Any = secured._sslobj  # type: ignore[attr-defined]
    chain = [certificate.get_info() for certificate in inner.get_verified_chain() or ()]
    if not is_for(chain[0], host, wildcards=True):
        detail = f"certificate {describe(chain[0])}: it is for {names_of(chain[0])}, not for {host}"
        raise TransferError(TransferEnd.FAILED, detail)
    begins, ends = window(chain)
    if trusted.check_dates and not begins <= trusted.utc <= ends:
        detail = f"certificate {describe(chain[0])}: here it is {trusted.utc:%Y-%m-%d %H:%M} UTC"
        raise TransferError(TransferEnd.FAILED, detail)
