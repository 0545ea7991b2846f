"""What an X.509 certificate says: reading PEM, describing it, and how OCPP names it.

`cryptography` costs a boot 70 ms and 16 MB, so it is imported inside functions: a station
that makes no TLS connection and is asked for no certificate never loads it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

MAX_CHARS = 10_000
"""Longest PEM text that OCPP can carry (CertificateSigned, certificateChain)."""
MAX_CERTIFICATES = 8
"""A leaf, its authorities and the root: nobody needs more, and each costs time to check."""
MAX_SERIAL_BITS = 160
"""RFC 5280 4.1.2.2: 20 octets, 40 hexadecimal digits."""
BEGIN = "-----BEGIN CERTIFICATE-----"
HASH_ALGORITHM = "SHA256"
"""The only one in which the station names certificates (M04.FR.07)."""


class CertificateError(ValueError):
    """What is wrong with a certificate or a key, in one line for a person; never its content."""


class HashData(Struct, frozen=True):
    """How OCPP names a certificate; hexadecimal digits in lower case."""

    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str
    hash_algorithm: str = HASH_ALGORITHM


class Description(Struct, frozen=True):
    """What a person wants to know of a certificate."""

    subject: str
    common_name: str
    organization: str
    issuer: str
    serial_number: str
    not_before: datetime
    not_after: datetime
    key: str
    """Kind and size: "EC 256", "RSA 2048", "Ed25519"."""
    signature_hash: str
    """"sha256"; empty when the signature algorithm has none of its own."""
    is_ca: bool
    is_self_issued: bool
    key_usage: tuple[str, ...] = ()
    """Empty when the extension is missing, which allows everything."""


@contextmanager
def reading(what: str = "the certificate") -> Iterator[None]:
    """Whatever `cryptography` thinks of text from outside becomes a CertificateError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509 import DuplicateExtension, InvalidVersion, UnsupportedGeneralNameType

    malformed = (DuplicateExtension, InvalidVersion, UnsupportedGeneralNameType)
    try:
        yield
    except CertificateError:
        raise
    except (ValueError, TypeError, OverflowError, UnsupportedAlgorithm, *malformed) as error:
        raise CertificateError(f"{what} is malformed or of an unknown kind") from error


def read_pem(text: str, *, at_most: int = MAX_CERTIFICATES) -> "list[Certificate]":
    """Every certificate in *text*, in its order: at least one, and no more than *at_most*."""
    from cryptography.x509 import load_pem_x509_certificates

    if len(text) > MAX_CHARS:
        raise CertificateError(f"more than {MAX_CHARS} characters of PEM")
    if "PRIVATE KEY-----" in text:
        raise CertificateError("a private key is among the certificates")
    count = text.count(BEGIN)
    if count == 0:
        raise CertificateError("no certificate in PEM format")
    if count > at_most:
        allowed = "one certificate" if at_most == 1 else f"{at_most} certificates"
        raise CertificateError(f"{count} certificates, but at most {allowed} can be taken at once")
    with reading():
        certificates = load_pem_x509_certificates(text.encode("ascii"))
        for certificate in certificates:
            _touch(certificate)
    return certificates


def to_pem(*certificates: "Certificate") -> str:
    """As they are stored and sent (A00.FR.507): nothing but PEM, each line ended by a newline."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return "".join(each.public_bytes(Encoding.PEM).decode() for each in certificates)


def fingerprint(certificate: "Certificate") -> str:
    from cryptography.hazmat.primitives.hashes import SHA256

    return certificate.fingerprint(SHA256()).hex()


def public_key_der(certificate: "Certificate") -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    with reading():
        return certificate.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )


def hash_data(certificate: "Certificate", issuer: "Certificate") -> HashData:
    """CertificateHashData: hashes over the issuer's name and key as RFC 6960 takes them."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509.ocsp import OCSPRequestBuilder

    with reading():
        request = OCSPRequestBuilder().add_certificate(certificate, issuer, SHA256()).build()
        return HashData(
            issuer_name_hash=request.issuer_name_hash.hex(),
            issuer_key_hash=request.issuer_key_hash.hex(),
            serial_number=f"{certificate.serial_number:x}",
        )


def describe(certificate: "Certificate") -> Description:
    from cryptography.x509.oid import NameOID

    with reading():
        hashed = certificate.signature_hash_algorithm
        kind, size = key_kind(certificate)
        return Description(
            subject=certificate.subject.rfc4514_string(),
            common_name=_name(certificate, NameOID.COMMON_NAME),
            organization=_name(certificate, NameOID.ORGANIZATION_NAME),
            issuer=certificate.issuer.rfc4514_string(),
            serial_number=f"{certificate.serial_number:x}",
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            key=kind if size is None else f"{kind} {size}",
            signature_hash="" if hashed is None else hashed.name,
            is_ca=is_authority(certificate),
            is_self_issued=certificate.subject == certificate.issuer,
            key_usage=key_usage(certificate),
        )


def key_kind(certificate: "Certificate") -> tuple[str, int | None]:
    """("EC", 256), ("RSA", 2048), ("Ed25519", None)."""
    key = certificate.public_key()
    kind = type(key).__name__.removeprefix("_").removesuffix("PublicKey")
    return {"EllipticCurve": "EC"}.get(kind, kind), getattr(key, "key_size", None)


def is_authority(certificate: "Certificate") -> bool:
    """Basic constraints and key usage allow it to sign certificates."""
    from cryptography.x509 import BasicConstraints

    constraints = find_extension(certificate, BasicConstraints)
    usage = key_usage(certificate)
    return constraints is not None and constraints.ca and (not usage or "key_cert_sign" in usage)


USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)


def key_usage(certificate: "Certificate") -> tuple[str, ...]:
    """What the extension allows; empty when it is missing (A00.FR.512 only recommends it)."""
    from cryptography.x509 import KeyUsage

    usage = find_extension(certificate, KeyUsage)
    return () if usage is None else tuple(name for name in USAGES if getattr(usage, name))


def find_extension(certificate: "Certificate", kind: type[Any]) -> Any:
    """The value of the extension, or None."""
    from cryptography.x509 import ExtensionNotFound

    with reading():
        try:
            return certificate.extensions.get_extension_for_class(kind).value
        except ExtensionNotFound:
            return None


def _name(certificate: "Certificate", oid: Any) -> str:
    attributes = certificate.subject.get_attributes_for_oid(oid)
    return str(attributes[0].value) if attributes else ""


def _touch(certificate: "Certificate") -> None:
    """What is decoded late is decoded here, so that no later step meets malformed parts."""
    serial = certificate.serial_number
    if serial < 0 or serial.bit_length() > MAX_SERIAL_BITS:
        raise CertificateError("its serial number is negative or longer than 20 octets")
    certificate.public_key()
    certificate.subject.rfc4514_string()
    certificate.issuer.rfc4514_string()
    list(certificate.extensions)
    _ = certificate.signature_hash_algorithm
