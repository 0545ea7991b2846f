"""Judges certificates: the properties that the standard demands, and the path to a root.

A00.FR.501 to A00.FR.514 and RFC 5280 section 6, as far as a station needs it. Every check
raises CertificateError with the first thing that is wrong. *moment* None: the clock is not to
be trusted, so validity periods are not judged.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec import Struct

from station.pki.certificate import (
    CertificateError,
    Description,
    HashData,
    describe,
    find_extension,
    fingerprint,
    hash_data,
    is_authority,
    key_kind,
    key_usage,
    public_key_der,
    read_pem,
    reading,
    to_pem,
)

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

LEAST_BITS = {"RSA": 2048, "DSA": 2048, "EC": 224}  # A00.FR.502, A00.FR.503
WEAK_HASHES = ("md5", "sha1")  # A00.FR.504


class CheckedRoot(Struct, frozen=True):
    """A certificate that may be trusted, ready to be stored."""

    pem: str
    fingerprint: str
    hash_data: HashData
    description: Description
    signed_by: tuple[str, ...] = ()
    """Fingerprints of those present roots that signed it."""


class CheckedChain(Struct, frozen=True):
    """A certificate of the station with its authorities, ready to be stored."""

    pem: str
    """Leaf first, without the root."""
    fingerprint: str
    """Of the leaf."""
    key_id: str
    hash_data: HashData
    authorities: tuple[HashData, ...]
    description: Description


def check_root(pem: str, moment: datetime | None, present: Sequence[str] = ()) -> CheckedRoot:
    """One certificate that may become a root of trust; *present* are roots as PEM."""
    (root,) = read_pem(pem, at_most=1)
    check_properties(root, moment)
    if not is_authority(root):
        raise CertificateError("not the certificate of an authority (basic constraints, key usage)")
    others = [certificate for each in present for certificate in read_pem(each)]
    signers = [other for other in others if is_signed_by(root, other)]
    issuer = signers[0] if signers else root
    return CheckedRoot(
        pem=to_pem(root),
        fingerprint=fingerprint(root),
        hash_data=hash_data(root, issuer),
        description=describe(root),
        signed_by=tuple(fingerprint(signer) for signer in signers),
    )


def check_station_chain(
    pem: str,
    *,
    keys: Mapping[str, bytes],
    roots: Sequence[str],
    moment: datetime | None,
    common_name: str | None = None,
    is_client: bool = True,
) -> CheckedChain:
    """A signed certificate for one of the station's own *keys* (id and public key), leaf first.

    A02.FR.06, A03.FR.06. The other certificates may come in any order, with or without the root.
    *is_client*: it is for the connection to the CSMS, not for ISO 15118.
    """
    leaf, *others = read_pem(pem)
    key_id = _key_of(leaf, keys)
    check_properties(leaf, moment)
    if is_client:
        _check_client(leaf, common_name)
    anchors = [certificate for each in roots for certificate in read_pem(each)]
    path = find_path(leaf, others, anchors)
    for each in path[1:]:
        check_properties(each, moment)
    return CheckedChain(
        pem=to_pem(*path[:-1]),
        fingerprint=fingerprint(leaf),
        key_id=key_id,
        hash_data=hash_data(leaf, path[1]),
        authorities=tuple(hash_data(each, issuer) for each, issuer in pairwise(path[1:])),
        description=describe(leaf),
    )


def check_properties(certificate: "Certificate", moment: datetime | None) -> None:
    """Key, signature and validity of one certificate."""
    name = _shown(certificate)
    with reading():
        kind, size = key_kind(certificate)
        hashed = certificate.signature_hash_algorithm
    least = LEAST_BITS.get(kind)
    if least is not None and (size or 0) < least:
        raise CertificateError(f"{name}: {kind} key of {size} bits; at least {least} are demanded")
    if hashed is not None and hashed.name in WEAK_HASHES:
        raise CertificateError(f"{name}: signed with {hashed.name.upper()}, which is broken")
    _check_critical(certificate, name)
    if moment is None:
        return
    if moment < certificate.not_valid_before_utc:
        begin = certificate.not_valid_before_utc
        raise CertificateError(f"{name}: not valid before {begin:%Y-%m-%d %H:%M:%S} UTC")
    if moment > certificate.not_valid_after_utc:
        end = certificate.not_valid_after_utc
        raise CertificateError(f"{name}: expired on {end:%Y-%m-%d %H:%M:%S} UTC")


def find_path(
    leaf: "Certificate", others: "Sequence[Certificate]", anchors: "Sequence[Certificate]"
) -> "list[Certificate]":
    """From *leaf* by way of *others* to one of *anchors*, which need not be self-signed."""
    path = _climb([leaf], list(others), anchors)
    if path is None:
        raise CertificateError(f"{_shown(leaf)}: no path to an installed root certificate")
    for depth, authority in enumerate(path[1:]):
        if not is_authority(authority):
            raise CertificateError(f"{_shown(authority)}: signs, but is not an authority")
        _check_path_length(authority, depth)
    return path


def is_signed_by(certificate: "Certificate", issuer: "Certificate") -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _climb(
    path: "list[Certificate]", untried: "list[Certificate]", anchors: "Sequence[Certificate]"
) -> "list[Certificate] | None":
    """Each of *untried* is climbed once: whether a root is above it does not depend on the way."""
    top = path[-1]
    for anchor in anchors:
        if len(path) > 1 and anchor == top:
            return path
        if is_signed_by(top, anchor):
            return [*path, anchor]
    for above in [each for each in untried if each != top and is_signed_by(top, each)]:
        if above not in untried:
            continue
        untried.remove(above)
        found = _climb([*path, above], untried, anchors)
        if found is not None:
            return found
    return None


def _key_of(leaf: "Certificate", keys: Mapping[str, bytes]) -> str:
    public_key = public_key_der(leaf)
    for key_id, known in keys.items():
        if known == public_key:
            return key_id
    raise CertificateError(f"{_shown(leaf)}: made for a key that this station does not have")


def _check_client(leaf: "Certificate", common_name: str | None) -> None:
    """What the standard says of a station's certificate (A00.FR.427, A00.FR.509, A00.FR.511)."""
    from cryptography.x509 import ExtendedKeyUsage
    from cryptography.x509.oid import ExtendedKeyUsageOID

    about = describe(leaf)
    if not about.organization:
        raise CertificateError(f"{_shown(leaf)}: no organizationName in its subject")
    if common_name is not None and about.common_name != common_name:
        raise CertificateError(f"{_shown(leaf)}: commonName is not the serial number {common_name}")
    usage = key_usage(leaf)
    if usage and "digital_signature" not in usage:
        raise CertificateError(f"{_shown(leaf)}: its key usage does not allow signatures")
    purposes = find_extension(leaf, ExtendedKeyUsage)
    allowed = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    if purposes is not None and not any(each in allowed for each in purposes):
        raise CertificateError(f"{_shown(leaf)}: its extended key usage does not allow TLS clients")


def _check_critical(certificate: "Certificate", name: str) -> None:
    """RFC 5280 4.2: a critical extension that is not understood refuses the certificate."""
    from cryptography.x509 import UnrecognizedExtension

    for each in certificate.extensions:
        if each.critical and isinstance(each.value, UnrecognizedExtension):
            oid = each.oid.dotted_string
            raise CertificateError(f"{name}: critical extension {oid} is unknown")


def _check_path_length(authority: "Certificate", depth: int) -> None:
    from cryptography.x509 import BasicConstraints

    limit = find_extension(authority, BasicConstraints).path_length
    if limit is not None and depth > limit:
        raise CertificateError(f"{_shown(authority)}: more authorities below it than it allows")


def _shown(certificate: "Certificate") -> str:
    """Its subject, printable and short enough for a line of text."""
    text = "".join(c if c.isprintable() else "?" for c in certificate.subject.rfc4514_string())
    return (text if len(text) <= 80 else text[:79] + "…") or "(no subject)"
