"""A public key infrastructure made at run time: roots, issuers and leaves with every defect."""

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PEM = serialization.Encoding.PEM
NOW = datetime.now(UTC).replace(microsecond=0)

# DER of the object identifiers' last part (PKCS #1), and of the DigestInfo before the hash.
SHA256_WITH_RSA = bytes.fromhex("06092a864886f70d01010b")
BROKEN_HASHES = {
    "sha1": ("06092a864886f70d010105", "3021300906052b0e03021a05000414"),
    "md5": ("06092a864886f70d010104", "3020300c06082a864886f70d020505000410"),
}


@dataclass(frozen=True)
class Issued:
    """A certificate, its key and whoever issued it (None: signed by itself)."""

    certificate: x509.Certificate
    key: Key
    issuer: "Issued | None" = None

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(PEM).decode()

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(
            PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    @property
    def chain(self) -> str:
        """The leaf and what leads to the root, without it."""
        return self.pem + (self.issuer.chain if self.issuer and self.issuer.issuer else "")

    def save(self, folder: Path, *, chain: str | None = None) -> tuple[Path, Path]:
        """Files of the chain and of the key, for `load_cert_chain`."""
        name = f"{self.certificate.serial_number:x}"
        chain_file, key_file = folder / f"{name}.pem", folder / f"{name}.key"
        chain_file.write_text(self.chain if chain is None else chain)
        key_file.touch(0o600)
        key_file.write_text(self.key_pem)
        return chain_file, key_file


@cache
def rsa_key(bits: int, number: int = 0) -> rsa.RSAPrivateKey:
    """Slow to make, hence shared; *number* tells keys of one length apart."""
    return rsa.generate_private_key(65537, bits)


def ec_key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve or ec.SECP256R1())


def issue(
    common_name: str,
    issuer: Issued | None = None,
    *,
    key: Key | None = None,
    authority: bool = False,
    path_length: int | None = None,
    days: tuple[float, float] = (-1, 30),
    dns: tuple[str, ...] = (),
    ips: tuple[str, ...] = (),
    key_usage: bool = True,
    only_for_clients: bool = False,
    broken_hash: str = "",
) -> Issued:
    """A certificate of *issuer*, or one signed by itself."""
    key = key or ec_key()
    subject = x509.Name([
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example CSO"),
        x509.NameAttribute(NameOID.COMMON_NAME, common_name),
    ])  # fmt: skip
    signer = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
    )
    if authority:
        constraints = x509.BasicConstraints(ca=True, path_length=path_length)
        builder = builder.add_extension(constraints, critical=True)
    if key_usage:
        builder = builder.add_extension(usage(authority=authority), critical=True)
    if only_for_clients:
        extended = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = builder.add_extension(extended, critical=False)
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in dns]
    names += [x509.IPAddress(ipaddress.ip_address(ip)) for ip in ips]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = builder.sign(signer, hashes.SHA256())
    if broken_hash:
        certificate = resign(certificate, signer, broken_hash)
    return Issued(certificate, key, issuer)


def usage(*, authority: bool) -> x509.KeyUsage:
    flags: dict[str, Any] = dict.fromkeys(
        (
            "content_commitment", "data_encipherment", "key_agreement", "encipher_only",
            "decipher_only",
        ),
        False,
    )  # fmt: skip
    return x509.KeyUsage(
        digital_signature=not authority,
        key_encipherment=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        **flags,
    )


def resign(certificate: x509.Certificate, signer: Key, broken_hash: str) -> x509.Certificate:
    """The same with a hash that `cryptography` no longer signs with."""
    assert isinstance(signer, rsa.RSAPrivateKey)
    identifier, info = (bytes.fromhex(text) for text in BROKEN_HASHES[broken_hash])
    body = certificate.tbs_certificate_bytes.replace(SHA256_WITH_RSA, identifier)
    digest = info + hashlib.new(broken_hash, body).digest()
    numbers = signer.private_numbers()
    modulus, size = numbers.public_numbers.n, signer.key_size // 8
    padded = b"\x00\x01" + b"\xff" * (size - len(digest) - 3) + b"\x00" + digest
    signature = pow(int.from_bytes(padded, "big"), numbers.d, modulus).to_bytes(size, "big")
    whole = certificate.public_bytes(serialization.Encoding.DER)
    whole = whole.replace(SHA256_WITH_RSA, identifier)[:-size] + signature
    return x509.load_der_x509_certificate(whole)
