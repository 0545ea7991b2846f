"""What a certificate of the CSMS says, as `ssl` decodes it: its names, its dates, one line of it.

Pure: no socket and no clock. Whoever asks has already had OpenSSL follow the path to a root.
"""

import ipaddress
import ssl
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

Certificate = Mapping[str, Any]
"""As of `SSLSocket.getpeercert`."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FAR_FUTURE = datetime(9999, 12, 31, tzinfo=UTC)


def is_for(certificate: Certificate, host: str, *, wildcards: bool) -> bool:
    """Whether *host* of the URL is named (A00.FR.309, A00.FR.412).

    The standard wants the name in the commonName and allows further ones in the
    subjectAltName (A00.FR.511), so a name counts wherever it stands. That is wider
    than RFC 6125, where a subjectAltName silences the commonName.
    """
    wanted = _plain(host)
    address = _address(wanted)
    names = [*common_names(certificate), *_alternative(certificate, "DNS")]
    if address is None:
        return any(_matches(_plain(name), wanted, wildcards=wildcards) for name in names)
    addresses = [*common_names(certificate), *_alternative(certificate, "IP Address")]
    return any(_address(name) == address for name in addresses)


def common_names(certificate: Certificate, field: str = "subject") -> list[str]:
    return [
        value
        for rdn in certificate.get(field, ())
        for key, value in rdn
        if key == "commonName"
    ]  # fmt: skip


def name_of(certificate: Certificate, field: str = "subject") -> str:
    """What people call it: the common name, else the organisation."""
    parts = {key: value for rdn in certificate.get(field, ()) for key, value in rdn}
    name = parts.get("commonName") or parts.get("organizationName") or "no name"
    return "".join(c if c.isprintable() else "?" for c in name[:64])


def names_of(certificate: Certificate) -> str:
    """Every host that it is for, for people."""
    alternative = [*_alternative(certificate, "DNS"), *_alternative(certificate, "IP Address")]
    names = dict.fromkeys([name_of(certificate), *(name.strip() for name in alternative)])
    shown = ", ".join("".join(c if c.isprintable() else "?" for c in name) for name in names)
    return shown[:120]


def validity(certificate: Certificate) -> tuple[datetime, datetime]:
    return _moment(certificate["notBefore"]), _moment(certificate["notAfter"])


def window(chain: Iterable[Certificate]) -> tuple[datetime, datetime]:
    """When every certificate of a chain is valid."""
    begins, ends = EPOCH, FAR_FUTURE
    for certificate in chain:
        not_before, not_after = validity(certificate)
        begins, ends = max(begins, not_before), min(ends, not_after)
    return begins, ends


def describe(certificate: Certificate) -> str:
    begins, ends = validity(certificate)
    return (
        f'"{name_of(certificate)}" issued by "{name_of(certificate, "issuer")}", '
        f"valid {begins:%Y-%m-%d} to {ends:%Y-%m-%d}"
    )


def _alternative(certificate: Certificate, kind: str) -> list[str]:
    return [value for key, value in certificate.get("subjectAltName", ()) if key == kind]


def _plain(name: str) -> str:
    return name.lower().removesuffix(".")


def _matches(pattern: str, host: str, *, wildcards: bool) -> bool:
    if pattern == host:
        return bool(host)
    if not wildcards or not pattern.startswith("*."):
        return False
    # AllowCSMSTLSWildcards: one whole label, the left-most, of a name that has two more.
    label, _, rest = host.partition(".")
    return bool(label) and "." in rest and "*" not in pattern[1:] and pattern[2:] == rest


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip())
    except ValueError:
        return None


def _moment(text: str) -> datetime:
    return EPOCH + timedelta(seconds=ssl.cert_time_to_seconds(text))
