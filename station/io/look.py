"""Looks at the way to a CSMS for the doctor: its addresses, who answers, which certificates."""

import socket
import ssl
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from station.io.dial import Address, connect_error, one_line
from station.io.upgrade import DialError
from station.link import LinkProblem, LinkStage
from station.pki.certificate import CertificateError, describe, reading

CONNECT_S = 5.0


class Found(Struct, frozen=True):
    """One of the addresses of a host, as the resolver told it."""

    family: int
    kind: int
    proto: int
    sockaddr: tuple[Any, ...]

    def __str__(self) -> str:
        return str(self.sockaddr[0])


def look_up(address: Address) -> list[Found]:
    """Every address, in the order in which the station tries them; or DialError."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a host name"
        raise _staged(LinkStage.NAME, LinkProblem.DNS, f"{address}: {reason}") from error
    return [Found(int(family), int(kind), proto, addr) for family, kind, proto, _, addr in found]


def knock(address: Address, found: Sequence[Found]) -> tuple[Found, tuple[str, ...]]:
    """The first that takes a connection, and what each of them does; DialError when none does."""
    reached: Found | None = None
    answers, failures = [], []
    for each in found:
        try:
            connect(each).close()
        except OSError as error:
            failures.append(error)
            answers.append(f"{each}: {one_line(error)}")
        else:
            reached = reached or each
            answers.append(f"{each}: connected to port {address.port}")
    if reached is None:
        failed = connect_error(address, failures)
        raise _staged(LinkStage.TCP, failed.problem, "; ".join(answers) or failed.detail)
    return reached, tuple(answers)


def certificates_shown(reached: Found, host: str) -> tuple[str, ...]:
    """A line for each certificate that the server shows, trusted or not; there may be none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # only looked at: whom to trust, the link decides
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    try:
        with connect(reached) as sock, context.wrap_socket(sock, server_hostname=host) as secured:
            chain = _chain(secured)
    except (OSError, ValueError):
        return ()
    return tuple(_line(der) for der in chain)


def connect(found: Found) -> socket.socket:
    sock = socket.socket(found.family, found.kind, found.proto)
    try:
        sock.settimeout(CONNECT_S)
        sock.connect(found.sockaddr)
    except BaseException:
        sock.close()
        raise
    return sock


def _chain(secured: ssl.SSLSocket) -> list[bytes]:
    """As sent, leaf first; Python has a public way to all of it from 3.13 on."""
    inner: Any = secured._sslobj  # type: ignore[attr-defined]
    return [ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in inner.get_unverified_chain()]


def _line(der: bytes) -> str:
    from cryptography.x509 import load_der_x509_certificate

    try:
        with reading():
            told = describe(load_der_x509_certificate(der))
    except CertificateError as error:
        return f"certificate: {error}"
    return (
        f"certificate: {_plain(told.subject)}; issued by {_plain(told.issuer)}; valid "
        f"{told.not_before:%Y-%m-%d %H:%M} to {told.not_after:%Y-%m-%d %H:%M} UTC; key {told.key}"
    )


def _staged(stage: LinkStage, problem: LinkProblem, detail: str) -> DialError:
    error = DialError(problem, detail)
    error.stage = stage
    return error


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)[:200]
