"""A certificate authority for virtual time: roots, issuers, and certificates for signing requests.

`tests.pki` makes certificates for real TLS around the real present; this one makes them for
the year in which virtual stations live, and for keys that it never sees.
"""

from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from station.bench.virtual import EPOCH

PEM = serialization.Encoding.PEM
YEAR = timedelta(days=365)


def name(common_name: str | None, organization: str | None = "Test") -> x509.Name:
    parts = [(NameOID.COMMON_NAME, common_name), (NameOID.ORGANIZATION_NAME, organization)]
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts if text is not None])


class Authority:
    """Has a key and a certificate, and signs others: self-signed unless it has an *issuer*."""

    def __init__(
        self,
        common_name: str = "Test Root",
        issuer: "Authority | None" = None,
        *,
        key: Any = None,
        begin: datetime | None = None,
        end: datetime | None = None,
        is_ca: bool = True,
        path_length: int | None = None,
    ) -> None:
        self.name = name(common_name)
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.issuer = issuer or self
        builder = self._builder(self.name, self.key.public_key(), begin, end or EPOCH + 10 * YEAR)
        builder = builder.issuer_name(self.issuer.name)
        basic = x509.BasicConstraints(ca=is_ca, path_length=path_length)
        builder = builder.add_extension(basic, critical=True)
        self.certificate = builder.sign(self.issuer.key, hashes.SHA256())

    @property
    def pem(self) -> str:
        return to_pem(self.certificate)

    def sign(
        self,
        public_key: Any,
        common_name: str | None = "CS001",
        *,
        organization: str | None = "Test",
        begin: datetime | None = None,
        end: datetime | None = None,
        extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (),
    ) -> x509.Certificate:
        builder = self._builder(name(common_name, organization), public_key, begin, end)
        for value, critical in extensions:
            builder = builder.add_extension(value, critical=critical)
        return builder.issuer_name(self.name).sign(self.key, hashes.SHA256())

    def sign_request(self, csr: str, **changes: Any) -> str:
        """What a CSMS would hand over for *csr*: the certificate as PEM."""
        request = x509.load_pem_x509_csr(csr.encode())
        assert request.is_signature_valid
        (common_name,) = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        (organization,) = request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        subject = {"common_name": common_name.value, "organization": organization.value}
        return to_pem(self.sign(request.public_key(), **{**subject, **changes}))

    def _builder(
        self, subject: x509.Name, public_key: Any, begin: datetime | None, end: datetime | None
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin or EPOCH - YEAR)
            .not_valid_after(end or EPOCH + YEAR)
        )


def to_pem(*certificates: x509.Certificate) -> str:
    return "".join(each.public_bytes(PEM).decode() for each in certificates)


def private_pem(key: Any) -> bytes:
    return bytes(
        key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
