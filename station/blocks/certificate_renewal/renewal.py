"""Client certificates: taken when they are good, tried out, and renewed before they expire."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from msgspec.structs import replace

from station.blocks.certificate_renewal.request import SigningRequest
from station.clock import Alarm, Trust
from station.context import Context
from station.device_model import Integer, Mutability, Variable
from station.events import (
    AllProfilesFailed,
    ClockSynchronised,
    SecurityHappened,
    StationCertificateChanged,
    TlsEstablished,
)
from station.ocpp.messages.common import StatusInfo
from station.ocpp.messages.remote_control import MessageTrigger
from station.ocpp.messages.security import (
    CertificateSignedRequest,
    CertificateSignedResponse,
    CertificateSignedStatus,
    CertificateSigningUse,
)
from station.pki.certificate import CertificateError
from station.pki.chain import CheckedChain, check_station_chain
from station.pki.signing import Input
from station.ports import Pending
from station.trust_store import (
    CERTIFICATES,
    CertificateRow,
    CertificateUse,
    SigningRow,
    Standing,
    TrustStore,
    chain_row,
    to_pems,
)

log = logging.getLogger(__name__)

MAX_CHAIN_SIZE = Variable(
    "SecurityCtrlr",
    "MaxCertificateChainSize",
    Integer(min=0, max=10000),
    default=10000,
    mutability=Mutability.READ_ONLY,
)
MONTH = timedelta(days=30)
DAY = timedelta(days=1)
DEADLINE_S = 20.0


class CertificateRenewal:
    """Has client certificates signed, tries them out, and says which one to present.

    Implements `queries.Trust`. A new certificate is on trial: it is presented first, and in
    turn with the old one once all network profiles have failed with it. Whichever makes a
    connection stays; the other one goes, with its key (A02.FR.10, A02.FR.28).
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = TrustStore(context.store.table(CERTIFICATES))
        self.request = SigningRequest(context, self._store, self._on_refused)
        self._falls_back = False
        self._alarm: Alarm | None = None
        context.variables.declare(MAX_CHAIN_SIZE)
        context.queries.trust = self
        context.queries.triggers[MessageTrigger.SIGN_CHARGING_STATION_CERTIFICATE] = self._triggered
        context.csms.answer(CertificateSignedRequest, self.certificate_signed)
        events = context.events
        events.subscribe(ClockSynchronised, self._on_clock_synchronised)
        events.subscribe(TlsEstablished, self._on_tls_established)
        events.subscribe(AllProfilesFailed, self._on_all_profiles_failed)

    def start(self) -> None:
        """Take up what was under way when the last process ended."""
        self.request.resume()
        self._watch_expiry()

    # -- what the connection asks (queries.Trust)

    def roots(self) -> Sequence[str]:
        return to_pems(self._store.of(CertificateUse.CSMS_ROOT, Standing.CURRENT))

    def fallback_roots(self) -> Sequence[str]:
        return to_pems(self._store.of(CertificateUse.CSMS_ROOT, Standing.FALLBACK))

    def station_certificate(self) -> tuple[str, str] | None:
        """Also one that has expired: the CSMS may still take it (A00.FR.430)."""
        row = self._presented
        return None if row is None else (row.pem, self._context.keys.key_file(row.key_id))

    @property
    def _presented(self) -> CertificateRow | None:
        new, current = self._store.station(Standing.NEW), self._store.station(Standing.CURRENT)
        if self._falls_back and current is not None:
            return current
        return new or current

    def _on_all_profiles_failed(self, _: AllProfilesFailed) -> None:
        """A02.FR.28, A03.FR.24: old and new take turns for as long as neither connects."""
        self._falls_back = self._store.station(Standing.NEW) is not None and not self._falls_back

    def _on_tls_established(self, event: TlsEstablished) -> None:
        """A02.FR.10, A03.FR.10: what made the connection stays, the other one goes."""
        used, new = self._presented, self._store.station(Standing.NEW)
        if not event.mutual or used is None or new is None:
            return
        current = self._store.station(Standing.CURRENT)
        if used is new:
            if current is not None:
                self._discard(current)
            self._store.put(replace(new, standing=Standing.CURRENT))
            log.info("the new certificate of the station is in use")
        else:
            self._discard(new)
            log.warning("the new certificate of the station does not work; the old one stays")
            self._context.events.publish(  # A02.FR.29, A03.FR.25
                SecurityHappened("DiscardedRenewedClientCertificate")
            )
        self._falls_back = False
        self._watch_expiry()

    def _triggered(self, evse_id: int | None, connector_id: int | None) -> bool:  # noqa: ARG002
        self.request.want(renews="")
        return True

    # -- the certificate comes

    def certificate_signed(
        self, request: CertificateSignedRequest
    ) -> CertificateSignedResponse | Pending[CertificateSignedResponse]:
        if request.certificate_type is CertificateSigningUse.V2G_CERTIFICATE:
            return _rejected("UnsupportedRequest", "this station has no ISO 15118")
        limit = self._context.variables[MAX_CHAIN_SIZE]
        if len(request.certificate_chain) > limit:  # A02.FR.16, A03.FR.16
            return _rejected("TooLargeElement", f"more than {limit} characters")
        clock = self._context.clock
        check = partial(
            check_station_chain,
            request.certificate_chain,
            keys=self.request.public_keys(),
            roots=to_pems(self._store.of(CertificateUse.CSMS_ROOT)),
            moment=None if clock.trust is Trust.NONE else clock.utc(),
            common_name=self._context.identity.serial_number,
        )
        pending = Pending(DEADLINE_S, _rejected("InternalError", "the check took too long"))
        self._context.lane("pki").submit(check, partial(self._on_checked, pending))
        return pending

    def _on_checked(
        self,
        pending: Pending[CertificateSignedResponse],
        chain: CheckedChain | BaseException,
    ) -> None:
        if pending.is_resolved:
            return
        if isinstance(chain, CheckedChain) and chain.key_id not in self.request.key_ids():
            chain = CertificateError("made for a key that was given up meanwhile")
        if isinstance(chain, CertificateError):  # A02.FR.07, A03.FR.07
            log.warning("the certificate that the CSMS sent is not valid: %s", chain)
            pending.resolve(_rejected("InvalidCertificate", str(chain)))
            event = SecurityHappened("InvalidChargingStationCertificate", str(chain))
            self._context.events.publish(event)
            self.request.move(Input.BAD)
        elif isinstance(chain, BaseException):
            log.error("a certificate could not be checked", exc_info=chain)
            pending.resolve(_rejected("InternalError", "the check itself failed"))
        else:
            pending.resolve(CertificateSignedResponse(status=CertificateSignedStatus.ACCEPTED))
            self._take(chain)

    def _take(self, chain: CheckedChain) -> None:
        """A02.FR.08, A03.FR.08: present it from now on."""
        if self._store.find(CertificateUse.STATION, chain.fingerprint) is not None:
            return  # sent twice
        public_key = self.request.public_keys()[chain.key_id]
        before = self._store.station(Standing.NEW)
        self._store.put(chain_row(CertificateUse.STATION, chain, public_key, Standing.NEW))
        if before is not None:
            self._discard(before)
        row = self.request.row
        if row is not None and row.key_id == chain.key_id:
            self.request.move(Input.GOOD)
        self._falls_back = False
        events = self._context.events
        events.publish(SecurityHappened("ReconfigurationOfSecurityParameters", "certificate"))
        events.publish(StationCertificateChanged())
        self._watch_expiry()

    def _discard(self, row: CertificateRow) -> None:
        self._store.delete(row)
        self.request.destroy_unused(row.key_id)

    # -- A03: before it expires

    def _watch_expiry(self, *, again: bool = False) -> None:
        """A03.FR.02: ask one month before; a day later *again* if the CSMS refused."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        row = self._store.station(Standing.NEW) or self._store.station(Standing.CURRENT)
        if row is None:
            return
        due = row.not_after - MONTH
        if again:
            due = max(due, self._context.clock.utc() + DAY)
        self._alarm = self._context.clock.call_at(due, self._renew, row.fingerprint)

    def _on_refused(self, row: SigningRow) -> None:
        if row.renews:
            self._watch_expiry(again=True)

    def _on_clock_synchronised(self, _: ClockSynchronised) -> None:
        if self._alarm is None:
            self._watch_expiry()

    def _renew(self, fingerprint: str) -> None:
        """With no trusted time nothing is known to expire; ClockSynchronised asks again."""
        self._alarm = None
        if self._context.clock.trust is Trust.NONE:
            return
        row = self.request.row
        if row is not None and row.renews == fingerprint:
            return  # asked for already; A03.FR.19 leaves the rest to the CSMS
        log.info("the certificate of the station expires within a month; a new one is asked for")
        self.request.want(renews=fingerprint)


def _rejected(reason_code: str, text: str) -> CertificateSignedResponse:
    return CertificateSignedResponse(
        status=CertificateSignedStatus.REJECTED,
        status_info=StatusInfo(reason_code=reason_code, additional_info=text[:512]),
    )
