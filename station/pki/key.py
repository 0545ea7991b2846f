"""Key pairs of the station and the requests to have them signed (A02.FR.02, A02.FR.03)."""

from enum import StrEnum
from typing import TYPE_CHECKING

from station.pki.certificate import CertificateError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import (
        CertificateIssuerPrivateKeyTypes,
    )

MAX_CSR = 5500
"""Longest request that SignCertificate can carry."""
MAX_KEY_CHARS = 20_000


class KeyKind(StrEnum):
    """What key pairs the station can make."""

    P256 = "P-256"
    P384 = "P-384"
    RSA_2048 = "RSA-2048"
    RSA_3072 = "RSA-3072"


RSA_BITS = {KeyKind.RSA_2048: 2048, KeyKind.RSA_3072: 3072}


def generate_key(kind: KeyKind) -> bytes:
    """A fresh private key as PEM (PKCS#8, not encrypted)."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    key: CertificateIssuerPrivateKeyTypes
    if kind in RSA_BITS:
        key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS[kind])
    else:
        key = ec.generate_private_key(ec.SECP384R1() if kind is KeyKind.P384 else ec.SECP256R1())
    return _to_pem(key)


def import_key(pem: bytes) -> bytes:
    """A private key from outside, as `generate_key` would have made it."""
    return _to_pem(_load(pem))


def public_key(private_pem: bytes) -> bytes:
    """The public half (DER, SubjectPublicKeyInfo)."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = _load(private_pem).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def make_csr(private_pem: bytes, *, common_name: str, organization: str) -> str:
    """A certificate signing request (RFC 2986) as PEM (A00.FR.509, A00.FR.511)."""
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import NameOID

    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
        ]
    )
    usage = x509.KeyUsage(  # A00.FR.512
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    request = builder.add_extension(usage, critical=True).sign(_load(private_pem), SHA256())
    text = request.public_bytes(Encoding.PEM).decode()
    if len(text) > MAX_CSR:
        raise CertificateError(f"the signing request has {len(text)} characters")
    return text


def _load(pem: bytes) -> "CertificateIssuerPrivateKeyTypes":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if len(pem) > MAX_KEY_CHARS:
        raise CertificateError("too long for a private key")
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise CertificateError("the private key is encrypted; decrypt it first") from None
    except (ValueError, UnsupportedAlgorithm):  # the cause might quote the key
        raise CertificateError("no private key in PEM format") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise CertificateError("the private key is neither RSA nor elliptic curve")
    return key


def _to_pem(key: "CertificateIssuerPrivateKeyTypes") -> bytes:
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
