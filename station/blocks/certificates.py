"""Functional block M, certificates: what is installed (M03), deleted (M04) and installed (M05)."""

import logging
from functools import partial

from msgspec import UNSET
from msgspec.structs import replace

from station.clock import Trust
from station.context import Context
from station.device_model import Boolean, Integer, Mutability, Variable
from station.events import SecurityHappened, TlsEstablished
from station.ocpp.messages.certificates import (
    CertificateHashDataChain,
    DeleteCertificateRequest,
    DeleteCertificateResponse,
    DeleteCertificateStatus,
    GetCertificateIdUse,
    GetInstalledCertificateIdsRequest,
    GetInstalledCertificateIdsResponse,
    GetInstalledCertificateStatus,
    InstallCertificateRequest,
    InstallCertificateResponse,
    InstallCertificateStatus,
)
from station.ocpp.messages.common import CertificateHashData, HashAlgorithm, StatusInfo
from station.pki.certificate import CertificateError, HashData
from station.pki.chain import CheckedRoot, check_root
from station.ports import Pending
from station.trust_store import (
    CERTIFICATES,
    MAX_ENTRIES,
    CertificateRow,
    CertificateUse,
    Standing,
    TrustStore,
    root_row,
    to_pems,
)

log = logging.getLogger(__name__)

CERTIFICATE_ENTRIES = Variable(
    "SecurityCtrlr",
    "CertificateEntries",
    Integer(min=0, max=MAX_ENTRIES),
    mutability=Mutability.READ_ONLY,
    measured=True,
)
ADDITIONAL_ROOT_CHECK = Variable(
    "SecurityCtrlr",
    "AdditionalRootCertificateCheck",
    Boolean(),
    default=False,
    mutability=Mutability.READ_ONLY,
)
DEADLINE_S = 20.0
"""Longest time that a check may take; the CSMS waits no longer than about 30 s."""
MAX_AUTHORITIES = 4
"""So many can be listed below a certificate."""


class Certificates:
    """Lists, takes and removes certificates; of client certificates it only knows that they are."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = TrustStore(context.store.table(CERTIFICATES))
        context.variables.declare(CERTIFICATE_ENTRIES)
        context.variables.declare(ADDITIONAL_ROOT_CHECK)
        context.variables.provide(CERTIFICATE_ENTRIES, lambda: len(self._store))
        context.csms.answer(GetInstalledCertificateIdsRequest, self.get_installed_certificate_ids)
        context.csms.answer(DeleteCertificateRequest, self.delete_certificate)
        context.csms.answer(InstallCertificateRequest, self.install_certificate)
        context.events.subscribe(TlsEstablished, self._on_tls_established)

    # -- M03 (M03.FR.01)

    def get_installed_certificate_ids(
        self, request: GetInstalledCertificateIdsRequest
    ) -> GetInstalledCertificateIdsResponse:
        wanted = list(CertificateUse)
        if request.certificate_type is not UNSET:
            wanted = [CertificateUse(each) for each in request.certificate_type]
        chains = [
            _to_chain(row)
            for row in self._store.all()
            if row.use is not CertificateUse.STATION and row.use in wanted
        ]
        if not chains:  # M03.FR.02
            return GetInstalledCertificateIdsResponse(
                status=GetInstalledCertificateStatus.NOT_FOUND
            )
        return GetInstalledCertificateIdsResponse(  # M03.FR.03, M03.FR.04
            status=GetInstalledCertificateStatus.ACCEPTED, certificate_hash_data_chain=chains
        )

    # -- M04 (M04.FR.01)

    def delete_certificate(self, request: DeleteCertificateRequest) -> DeleteCertificateResponse:
        rows = self._store.matching(_from_hash_data(request.certificate_hash_data))
        if not rows:  # M04.FR.04
            return DeleteCertificateResponse(status=DeleteCertificateStatus.NOT_FOUND)
        refusal = next(filter(None, map(self._refuse_to_delete, rows)), None)
        if refusal is not None:  # M04.FR.03
            return DeleteCertificateResponse(
                status=DeleteCertificateStatus.FAILED,
                status_info=StatusInfo(reason_code="UnsupportedRequest", additional_info=refusal),
            )
        for row in rows:
            self._delete(row)
        return DeleteCertificateResponse(status=DeleteCertificateStatus.ACCEPTED)  # M04.FR.02

    def _refuse_to_delete(self, row: CertificateRow) -> str | None:
        if row.use is CertificateUse.STATION:  # M04.FR.06
            return "the certificate of the charging station cannot be deleted"
        last = row.use is CertificateUse.CSMS_ROOT and len(self._store.of(row.use)) == 1
        if last and self._context.queries.last_root_needed.ask():
            return "the last CSMS root certificate is needed to connect"
        return None

    def _delete(self, row: CertificateRow) -> None:
        self._store.delete(row)
        if row.key_id:
            self._context.store.after_commit(self._destroy_key, row.key_id)
        if row.use is CertificateUse.CSMS_ROOT and row.standing is Standing.CURRENT:
            self._promote_fallback()
        self._tell_security(f"{row.use} deleted")

    def _promote_fallback(self) -> None:
        """The successor is gone: what was kept for its sake is all there is."""
        if not self._store.of(CertificateUse.CSMS_ROOT, Standing.CURRENT):
            for row in self._store.of(CertificateUse.CSMS_ROOT, Standing.FALLBACK):
                self._store.put(replace(row, standing=Standing.CURRENT))

    def _destroy_key(self, key_id: str) -> None:
        destroy = partial(self._context.keys.delete, key_id)
        self._context.lane("pki").submit(destroy, _log_failure)

    # -- M05

    def install_certificate(
        self, request: InstallCertificateRequest
    ) -> Pending[InstallCertificateResponse]:
        """M05.FR.01"""
        pending = Pending(DEADLINE_S, _failed("the check took too long"))
        clock = self._context.clock
        check = partial(
            check_root,
            request.certificate,
            None if clock.trust is Trust.NONE else clock.utc(),
            to_pems(self._store.of(CertificateUse.CSMS_ROOT)),
        )
        use = CertificateUse(request.certificate_type)
        self._context.lane("pki").submit(check, partial(self._on_checked, use, pending))
        return pending

    def _on_checked(
        self,
        use: CertificateUse,
        pending: Pending[InstallCertificateResponse],
        root: CheckedRoot | BaseException,
    ) -> None:
        if pending.is_resolved:
            return
        if isinstance(root, CertificateError):  # M05.FR.07
            pending.resolve(_rejected("InvalidCertificate", str(root)))
        elif isinstance(root, BaseException):  # M05.FR.03
            log.error("a certificate could not be checked", exc_info=root)
            pending.resolve(_failed("the check itself failed"))
        else:
            pending.resolve(self._install(use, root))

    def _install(self, use: CertificateUse, root: CheckedRoot) -> InstallCertificateResponse:
        known = self._store.find(use, root.fingerprint)
        if known is not None and known.standing is Standing.CURRENT:  # M05.FR.17
            return InstallCertificateResponse(status=InstallCertificateStatus.ACCEPTED)
        if known is None and len(self._store) >= MAX_ENTRIES:  # M05.FR.06
            return _rejected("OutOfStorage", f"no more than {MAX_ENTRIES} certificates")
        checked = self._context.variables[ADDITIONAL_ROOT_CHECK]
        if use is CertificateUse.CSMS_ROOT and checked:
            current = self._store.of(use, Standing.CURRENT)
            if current and not any(row.fingerprint in root.signed_by for row in current):
                # M05.FR.11
                return _rejected("InvalidCertificate", "not signed by the root that it replaces")
            self._demote(current)  # M05.FR.12
        self._store.put(root_row(use, root))
        self._tell_security(f"{use} installed")
        return InstallCertificateResponse(status=InstallCertificateStatus.ACCEPTED)  # M05.FR.02

    def _demote(self, current: list[CertificateRow]) -> None:
        """One fallback at most, and one that has worked: a root on trial gives way without trace.

        M05.FR.09, M05.FR.10. With a fallback present the current root has not proved itself, so
        that keeping it instead could lock the station out.
        """
        proven = self._store.of(CertificateUse.CSMS_ROOT, Standing.FALLBACK)
        for row in current:
            if proven:
                self._store.delete(row)
            else:
                self._store.put(replace(row, standing=Standing.FALLBACK))

    def _on_tls_established(self, event: TlsEstablished) -> None:
        """M05.FR.13: the new root has proved itself."""
        if event.fallback_root:
            return
        for row in self._store.of(CertificateUse.CSMS_ROOT, Standing.FALLBACK):
            self._store.delete(row)
            log.info("the CSMS root certificate that was replaced is removed")

    def _tell_security(self, what: str) -> None:
        self._context.events.publish(SecurityHappened("ReconfigurationOfSecurityParameters", what))


def _to_chain(row: CertificateRow) -> CertificateHashDataChain:
    authorities = [_to_hash_data(each) for each in row.authorities[:MAX_AUTHORITIES]]
    return CertificateHashDataChain(
        certificate_type=GetCertificateIdUse(row.use),
        certificate_hash_data=_to_hash_data(row.hash_data),
        child_certificate_hash_data=authorities or UNSET,  # M03.FR.05
    )


def _to_hash_data(names: HashData) -> CertificateHashData:
    return CertificateHashData(
        hash_algorithm=HashAlgorithm(names.hash_algorithm),
        issuer_name_hash=names.issuer_name_hash,
        issuer_key_hash=names.issuer_key_hash,
        serial_number=names.serial_number,
    )


def _from_hash_data(names: CertificateHashData) -> HashData:
    return HashData(
        issuer_name_hash=names.issuer_name_hash,
        issuer_key_hash=names.issuer_key_hash,
        serial_number=names.serial_number,
        hash_algorithm=names.hash_algorithm,
    )


def _rejected(reason_code: str, text: str) -> InstallCertificateResponse:
    return InstallCertificateResponse(
        status=InstallCertificateStatus.REJECTED,
        status_info=StatusInfo(reason_code=reason_code, additional_info=text[:512]),
    )


def _failed(text: str) -> InstallCertificateResponse:
    return InstallCertificateResponse(
        status=InstallCertificateStatus.FAILED,
        status_info=StatusInfo(reason_code="InternalError", additional_info=text),
    )


def _log_failure(result: object) -> None:
    if isinstance(result, BaseException):
        log.error("a private key could not be destroyed: %s", type(result).__name__)
