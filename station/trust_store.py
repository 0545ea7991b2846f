"""The certificates that the station holds: rows, and questions about them.

Rows carry what lists need, so that answering needs no `cryptography`. Private keys are not
among them: those are in a `ports.KeyStore`, and a row only names its key.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from station.pki.certificate import HashData
from station.pki.chain import CheckedChain, CheckedRoot
from station.pki.signing import Signing
from station.ports import Repository
from station.records import Record, Table

MAX_ENTRIES = 50
"""SecurityCtrlr.CertificateEntries, maxLimit."""


class CertificateUse(StrEnum):
    """What a certificate is for; the words of OCPP."""

    CSMS_ROOT = "CSMSRootCertificate"
    MANUFACTURER_ROOT = "ManufacturerRootCertificate"
    MO_ROOT = "MORootCertificate"
    V2G_ROOT = "V2GRootCertificate"
    STATION = "ChargingStationCertificate"
    V2G_CHAIN = "V2GCertificateChain"


ROOTS = (
    CertificateUse.CSMS_ROOT,
    CertificateUse.MANUFACTURER_ROOT,
    CertificateUse.MO_ROOT,
    CertificateUse.V2G_ROOT,
)


class Standing(StrEnum):
    """Whether a certificate counts as it is."""

    CURRENT = "Current"
    NEW = "New"  # a client certificate that has not made a connection yet
    FALLBACK = "Fallback"  # a root that was replaced, until its successor has proved itself


class CertificateRow(Record, frozen=True, kw_only=True):
    """One certificate, or one chain with the station's own certificate first."""

    use: CertificateUse
    fingerprint: str
    pem: str
    hash_data: HashData
    authorities: tuple[HashData, ...] = ()
    """Those between the certificate and its root."""
    subject: str
    not_before: datetime
    not_after: datetime
    standing: Standing = Standing.CURRENT
    key_id: str = ""
    public_key: bytes = b""

    @property
    def id(self) -> str:
        return f"{self.use}/{self.fingerprint}"


class SigningRow(Record, frozen=True, kw_only=True):
    """The request to have a key pair signed that is under way."""

    state: Signing
    key_id: str
    public_key: bytes
    csr: str
    repeats: int = 0
    """How often the request was sent again."""
    renews: str = ""
    """The fingerprint of the certificate that expires; empty when the CSMS asked."""
    use: CertificateUse = CertificateUse.STATION


CERTIFICATES = Table("certificate", CertificateRow, lambda row: row.id)
SIGNING = Table("signing", SigningRow, lambda row: row.use)


class TrustStore:
    """Looks certificates up and puts them in; in the unit of the present turn."""

    def __init__(self, rows: Repository[CertificateRow]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def all(self) -> list[CertificateRow]:
        return self._rows.all()

    def of(self, use: CertificateUse, *standings: Standing) -> list[CertificateRow]:
        """Of one use, with one of *standings* or with any."""
        return [
            row
            for row in self._rows.all()
            if row.use is use and (not standings or row.standing in standings)
        ]

    def find(self, use: CertificateUse, fingerprint: str) -> CertificateRow | None:
        return self._rows.get(f"{use}/{fingerprint}")

    def matching(self, wanted: HashData) -> list[CertificateRow]:
        """Those that OCPP names so; the digits are compared as numbers are."""
        known = _folded(wanted)
        return [row for row in self._rows.all() if _folded(row.hash_data) == known]

    def station(self, standing: Standing) -> CertificateRow | None:
        """The client certificate of that standing; there is one at most."""
        return next(iter(self.of(CertificateUse.STATION, standing)), None)

    def put(self, row: CertificateRow) -> None:
        self._rows.put(row)

    def delete(self, row: CertificateRow) -> None:
        self._rows.delete(row.id)

    def key_ids(self) -> list[str]:
        return [row.key_id for row in self._rows.all() if row.key_id]


def root_row(use: CertificateUse, root: CheckedRoot) -> CertificateRow:
    return CertificateRow(
        use=use,
        fingerprint=root.fingerprint,
        pem=root.pem,
        hash_data=root.hash_data,
        subject=root.description.subject,
        not_before=root.description.not_before,
        not_after=root.description.not_after,
    )


def chain_row(
    use: CertificateUse, chain: CheckedChain, public_key: bytes, standing: Standing
) -> CertificateRow:
    return CertificateRow(
        use=use,
        fingerprint=chain.fingerprint,
        pem=chain.pem,
        hash_data=chain.hash_data,
        authorities=chain.authorities,
        subject=chain.description.subject,
        not_before=chain.description.not_before,
        not_after=chain.description.not_after,
        standing=standing,
        key_id=chain.key_id,
        public_key=public_key,
    )


def to_pems(rows: Iterable[CertificateRow]) -> list[str]:
    return [row.pem for row in rows]


def _folded(names: HashData) -> tuple[str, str, str, str]:
    return (
        names.hash_algorithm,
        names.issuer_name_hash.lower(),
        names.issuer_key_hash.lower(),
        names.serial_number.lower().lstrip("0"),
    )
