"""TLS towards the CSMS: our own context, the handshake and the verdict on the certificate.

Theory of operation. OpenSSL follows the path to one of our roots and judges keys and
hashes: its security level 2 refuses RSA under 2048 bits, curves under 224, SHA-1 and MD5
in every certificate of the chain (A00.FR.501 to 504). Names and dates are judged here
after the handshake and before any other byte: names because the standard's rule is not
OpenSSL's, dates because OpenSSL reads the system's clock, which on a board without a
battery is not the time that the CSMS has told us (docs/design/0007).
"""

import logging
import os
import re
import socket
import ssl
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from station.io.peer_certificate import (
    Certificate,
    describe,
    is_for,
    name_of,
    names_of,
    validity,
    window,
)
from station.io.tls_reasons import (
    OUR_CERTIFICATE,
    TlsError,
    certificate_refused,
    explain,
    path_refused,
    reason_of,
    words,
)
from station.link import TlsPeer, TlsRefusal, TlsSettings

log = logging.getLogger(__name__)

SUITES = (  # A00.FR.319, A00.FR.422; those of TLS 1.3 are OpenSSL's, all sound
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
)
RSA_KEY_EXCHANGE = ("AES128-GCM-SHA256", "AES256-GCM-SHA384")
NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, for which Python has no name."""
PEM_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")
LAST_WORDS_S = 0.2


def secure(
    sock: socket.socket, host: str, settings: TlsSettings, *, fallback: bool = False
) -> tuple[ssl.SSLSocket, TlsPeer]:
    """Agree on TLS over a connected socket; it belongs to the result, or is closed.

    Raises TlsError, or TimeoutError when the socket's timeout passes.
    """
    try:
        context = make_context(settings, fallback=fallback)
        secured = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    except (OSError, ValueError) as error:
        sock.close()
        raise TlsError(TlsRefusal.OTHER, words(error)) from error
    except TlsError:
        sock.close()
        raise
    try:
        _shake_hands(secured, settings)
        return secured, _judge(secured, host, settings, fallback=fallback)
    except BaseException:
        secured.close()  # A00.FR.311, A00.FR.414
        raise


def make_context(settings: TlsSettings, *, fallback: bool = False) -> ssl.SSLContext:
    """Nothing in it depends on defaults of Python or of the system, which differ and change."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # A00.FR.313, FR.314, FR.416, FR.417
    context.maximum_version = ssl.TLSVersion.TLSv1_3
    suites = SUITES + (RSA_KEY_EXCHANGE if settings.allow_rsa_key_exchange else ())
    context.set_ciphers(":".join(("@SECLEVEL=2", *suites)))  # A00.FR.320, A00.FR.423
    # A00.FR.321, A00.FR.424
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
    context.check_hostname = False  # `is_for` does, by the standard's rule
    context.verify_mode = ssl.CERT_REQUIRED
    # Not VERIFY_X509_STRICT: it refuses chains that the standard allows (A00.FR.512). A new
    # root that its predecessor signed is trusted without that one (M05.FR.12): PARTIAL_CHAIN.
    context.verify_flags = (
        ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN | NO_CHECK_TIME
    )
    roots = usable_roots(settings, settings.fallback_roots if fallback else settings.roots)
    if not roots:
        raise TlsError(TlsRefusal.NO_ROOT, "no CSMS root certificate is installed")
    context.load_verify_locations(cadata="\n".join(roots))
    if settings.certificate_chain:
        _present(context, settings)
    return context


def usable_roots(settings: TlsSettings, texts: Sequence[str]) -> list[str]:
    """The readable ones, without those out of date that another of the same name replaces.

    OpenSSL takes the first root of a fitting name, which with dates left to us may be
    the old one of two.
    """
    decoded = [
        (pem, info)
        for text in texts
        for pem in PEM_CERTIFICATE.findall(text)
        if (info := _decode(pem)) is not None
    ]
    outdated = [bool(info) and bool(_wrong_dates(info, settings)) for _, info in decoded]
    current = [
        info.get("subject") for (_, info), old in zip(decoded, outdated, strict=True) if not old
    ]
    return [
        pem
        for (pem, info), old in zip(decoded, outdated, strict=True)
        if not (old and info["subject"] in current)
    ]


def refusal_behind(sock: socket.socket, error: BaseException | None) -> TlsError | None:
    """What the CSMS said of our certificate when the connection broke after the handshake."""
    if isinstance(error, ConnectionError | ssl.SSLEOFError):  # its alert may wait before the reset
        try:
            sock.settimeout(LAST_WORDS_S)
            sock.recv(1)
        except OSError as last:
            error = last
    if isinstance(error, ssl.SSLError) and (reason := reason_of(error)) in OUR_CERTIFICATE:
        return certificate_refused(reason)
    return None


def _decode(pem: str) -> Certificate | None:
    """None when it cannot be read; empty when `ssl` does not show it, being no authority's."""
    scratch = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        scratch.load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError) as error:
        log.warning("a CSMS root certificate cannot be read and is left out: %s", error)
        return None
    found = scratch.get_ca_certs()
    return found[0] if found else {}


def _present(context: ssl.SSLContext, settings: TlsSettings) -> None:
    """Profile 3: our certificate, read from files because OpenSSL takes nothing else."""
    chain = os.memfd_create("chain")  # nothing to wear out, nothing left behind by a SIGKILL
    try:
        os.write(chain, settings.certificate_chain.encode())
        # Without a password of its own OpenSSL would ask at the terminal.
        context.load_cert_chain(f"/proc/self/fd/{chain}", settings.key_file, password="")
    except (OSError, ValueError) as error:
        reason = "its key is missing" if isinstance(error, FileNotFoundError) else words(error)
        detail = f"the station's certificate cannot be used: {reason}"
        raise TlsError(TlsRefusal.CLIENT_CERTIFICATE_UNUSABLE, detail) from error
    finally:
        os.close(chain)


def _shake_hands(secured: ssl.SSLSocket, settings: TlsSettings) -> None:
    try:
        secured.do_handshake()
    except ssl.SSLCertVerificationError as error:
        raise path_refused(error, _certificates(secured, verified=False)) from error
    except ssl.SSLError as error:
        chosen = secured.cipher() is not None
        switch = settings.allow_rsa_key_exchange
        raise explain(error, chosen=chosen, rsa_key_exchange=switch) from error
    except TimeoutError:
        raise
    except OSError as error:
        raise TlsError(TlsRefusal.OTHER, f"{words(error)} during the handshake") from error


def _judge(secured: ssl.SSLSocket, host: str, settings: TlsSettings, *, fallback: bool) -> TlsPeer:
    """A00.FR.309, A00.FR.412 and the dates."""
    chain = _certificates(secured, verified=True)
    leaf = chain[0]
    if not is_for(leaf, host, wildcards=settings.allow_wildcards):
        detail = f"certificate {describe(leaf)}: it is for {names_of(leaf)}, not for {host}"
        raise TlsError(TlsRefusal.INVALID_CSMS_CERTIFICATE, detail)
    for certificate in chain:
        if problem := _wrong_dates(certificate, settings):
            detail = f"certificate {describe(certificate)}: {problem}"
            raise TlsError(TlsRefusal.INVALID_CSMS_CERTIFICATE, detail, only_dates=True)
    not_before, not_after = window(chain)
    cipher = secured.cipher()
    return TlsPeer(
        subject=name_of(leaf),
        issuer=name_of(leaf, "issuer"),
        not_before=not_before,
        not_after=not_after,
        fallback_root=fallback,
        version=secured.version() or "",
        cipher_suite=cipher[0] if cipher else "",
    )


def _wrong_dates(certificate: Certificate, settings: TlsSettings) -> str:
    """Why it is not valid now; with no trusted time only what ended before it is refused."""
    not_before, not_after = validity(certificate)
    if settings.utc > not_after:
        return f"it has expired, {_today(settings.utc)}"
    if settings.check_dates and settings.utc < not_before:
        return f"it is not valid yet, {_today(settings.utc)}"
    return ""


def _today(utc: datetime) -> str:
    return f"here it is {utc:%Y-%m-%d %H:%M} UTC"


def _certificates(secured: ssl.SSLSocket, *, verified: bool) -> list[Certificate]:
    """The chain, leaf first, as it was sent or as it was verified up to its root.

    Python has a public way to it from 3.13 on, and that one does not decode.
    """
    inner: Any = secured._sslobj  # type: ignore[attr-defined]
    chain = inner.get_verified_chain() if verified else inner.get_unverified_chain()
    return [certificate.get_info() for certificate in chain or ()]
