"""Functional block A, Security: the client certificate of the station, renewed (A02, A03)."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from msgspec.structs import replace

from station.clock import Alarm, Trust
from station.context import Context
from station.device_model import Integer, Mutability, OptionList, Text, Variable
from station.events import (
    AllProfilesFailed,
    BackOnline,
    ClockSynchronised,
    RegistrationAccepted,
    SecurityHappened,
    StationCertificateChanged,
    TlsEstablished,
)
from station.ocpp.messages.common import GenericStatus, StatusInfo
from station.ocpp.messages.remote_control import MessageTrigger
from station.ocpp.messages.security import (
    CertificateSignedRequest,
    CertificateSignedResponse,
    CertificateSignedStatus,
    CertificateSigningUse,
    SignCertificateRequest,
    SignCertificateResponse,
)
from station.ocpp.rpc import CallFailed, Failure
from station.pki.certificate import CertificateError
from station.pki.chain import CheckedChain, check_station_chain
from station.pki.key import KeyKind
from station.pki.signing import Input, Signing, next_state
from station.ports import Pending
from station.reactor import Timer
from station.trust_store import (
    CERTIFICATES,
    SIGNING,
    CertificateRow,
    CertificateUse,
    SigningRow,
    Standing,
    TrustStore,
    chain_row,
    to_pems,
)

log = logging.getLogger(__name__)

WAIT_MINIMUM = Variable(
    "SecurityCtrlr", "CertSigningWaitMinimum", Integer(unit="s", min=1, max=86400), default=300
)
REPEAT_TIMES = Variable(
    "SecurityCtrlr", "CertSigningRepeatTimes", Integer(min=0, max=16), default=3
)
MAX_CHAIN_SIZE = Variable(
    "SecurityCtrlr",
    "MaxCertificateChainSize",
    Integer(min=0, max=10000),
    default=10000,
    mutability=Mutability.READ_ONLY,
)
ORGANIZATION_NAME = Variable("SecurityCtrlr", "OrganizationName", Text(max_length=64, min_length=1))
KEY_KIND: Variable[KeyKind] = Variable(
    "SecurityCtrlr", "CertificateKeyKind", OptionList(tuple(KeyKind)), default=KeyKind.P256
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
        self._signing = context.store.table(SIGNING)
        self._making = False
        self._asked_key = ""
        """The key of the request that is on its way."""
        self._falls_back = False
        self._timer: Timer | None = None
        self._alarm: Alarm | None = None
        variables = context.variables
        for number in (WAIT_MINIMUM, REPEAT_TIMES, MAX_CHAIN_SIZE):
            variables.declare(number)
        variables.declare(ORGANIZATION_NAME, default=context.identity.vendor)
        variables.declare(KEY_KIND)
        context.queries.trust = self
        context.queries.triggers[MessageTrigger.SIGN_CHARGING_STATION_CERTIFICATE] = self._triggered
        context.csms.answer(CertificateSignedRequest, self.certificate_signed)
        events = context.events
        events.subscribe(BackOnline, lambda _: self._ask())
        events.subscribe(RegistrationAccepted, lambda _: self._ask())
        events.subscribe(ClockSynchronised, self._on_clock_synchronised)
        events.subscribe(TlsEstablished, self._on_tls_established)
        events.subscribe(AllProfilesFailed, self._on_all_profiles_failed)

    def start(self) -> None:
        """Take up what was under way when the last process ended."""
        self._resume()
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
        """A02.FR.28: old and new take turns for as long as neither connects."""
        self._falls_back = self._store.station(Standing.NEW) is not None and not self._falls_back

    def _on_tls_established(self, event: TlsEstablished) -> None:
        """A02.FR.10: what made the connection stays, the other one goes."""
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
            self._context.events.publish(  # A02.FR.29
                SecurityHappened("DiscardedRenewedClientCertificate")
            )
        self._falls_back = False
        self._watch_expiry()

    # -- asking for a certificate

    @property
    def _row(self) -> SigningRow | None:
        return self._signing.get(CertificateUse.STATION)

    @property
    def _state(self) -> Signing:
        if self._making:
            return Signing.MAKING
        return Signing.IDLE if self._row is None else self._row.state

    def _triggered(self, evse_id: int | None, connector_id: int | None) -> bool:  # noqa: ARG002
        self._want(renews="")
        return True

    def _want(self, *, renews: str) -> None:
        if next_state(self._state, Input.WANTED) is not Signing.MAKING or self._making:
            return
        self._cancel_repeat()
        self._making = True
        variables, keys, key_id = (
            self._context.variables,
            self._context.keys,
            self._context.new_id(),
        )
        kind, organization = variables[KEY_KIND], variables[ORGANIZATION_NAME]
        common_name = self._context.identity.serial_number  # A00.FR.511
        known = self._key_ids()

        def make() -> tuple[bytes, str]:
            keys.keep_only(known)
            public_key = keys.generate(key_id, kind)  # A02.FR.02
            return public_key, keys.csr(key_id, common_name=common_name, organization=organization)

        self._context.lane("pki").submit(make, partial(self._on_made, key_id, renews))

    def _on_made(self, key_id: str, renews: str, made: tuple[bytes, str] | BaseException) -> None:
        self._making = False
        if isinstance(made, BaseException):
            log.error("no key pair could be made for a certificate: %s", type(made).__name__)
            self._resume()
            return
        public_key, csr = made
        self._forget_request()
        self._signing.put(
            SigningRow(
                state=next_state(Signing.MAKING, Input.KEY_MADE),
                key_id=key_id,
                public_key=public_key,
                csr=csr,
                renews=renews,
            )
        )
        self._ask()

    def _ask(self) -> None:
        """Offline, the request waits until the CSMS can be reached."""
        row = self._row
        if row is None or row.state is not Signing.ASKING or self._asked_key == row.key_id:
            return
        self._asked_key = row.key_id
        self._context.csms.call(
            SignCertificateRequest(  # A02.FR.03, A02.FR.13
                csr=row.csr, certificate_type=CertificateSigningUse.CHARGING_STATION_CERTIFICATE
            ),
            partial(self._on_sign_certificate_result, row.key_id),
        )

    def _on_sign_certificate_result(
        self, key_id: str, answer: SignCertificateResponse | CallFailed
    ) -> None:
        if self._asked_key == key_id:
            self._asked_key = ""
        row = self._row
        if row is None or row.key_id != key_id or _is_lost(answer):
            return
        if _is_refused(answer):
            log.warning("the CSMS does not have a certificate signed")
            self._move(Input.REFUSED)
            if row.renews:
                self._watch_expiry(again=True)
        elif row.repeats > self._context.variables[REPEAT_TIMES]:
            self._move(Input.LAST_ACCEPTED)
        else:
            self._move(Input.ACCEPTED)

    def _resume(self) -> None:
        row = self._row
        if row is not None and row.state is Signing.WAITING:
            self._arm_repeat(row)

    def _move(self, happened: Input) -> None:
        row = self._row
        if row is None:
            return
        state = next_state(row.state, happened)
        if state is Signing.IDLE:
            self._forget_request()
        elif state is not row.state:
            row = replace(row, state=state)
            self._signing.put(row)
            self._cancel_repeat()
            if state is Signing.WAITING:
                self._arm_repeat(row)

    def _arm_repeat(self, row: SigningRow) -> None:
        """A02.FR.18: each wait is twice as long as the one before it."""
        wait_s = self._context.variables[WAIT_MINIMUM] * 2**row.repeats
        self._timer = self._context.reactor.call_later(wait_s, self._repeat, source="certificates")

    def _repeat(self) -> None:
        self._timer = None
        row = self._row
        if row is not None and row.state is Signing.WAITING:
            state = next_state(row.state, Input.DUE)
            self._signing.put(replace(row, state=state, repeats=row.repeats + 1))
            self._ask()

    def _cancel_repeat(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _forget_request(self) -> None:
        self._cancel_repeat()
        row = self._row
        if row is not None:
            self._signing.delete(CertificateUse.STATION)
            self._destroy_unused(row.key_id)

    # -- the certificate comes

    def certificate_signed(
        self, request: CertificateSignedRequest
    ) -> CertificateSignedResponse | Pending[CertificateSignedResponse]:
        if request.certificate_type is CertificateSigningUse.V2G_CERTIFICATE:
            return _rejected("UnsupportedRequest", "this station has no ISO 15118")
        limit = self._context.variables[MAX_CHAIN_SIZE]
        if len(request.certificate_chain) > limit:  # A02.FR.16
            return _rejected("TooLargeElement", f"more than {limit} characters")
        clock = self._context.clock
        check = partial(
            check_station_chain,
            request.certificate_chain,
            keys=self._public_keys(),
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
        if isinstance(chain, CheckedChain) and chain.key_id not in self._key_ids():
            chain = CertificateError("made for a key that was given up meanwhile")
        if isinstance(chain, CertificateError):  # A02.FR.07
            log.warning("the certificate that the CSMS sent is not valid: %s", chain)
            pending.resolve(_rejected("InvalidCertificate", str(chain)))
            event = SecurityHappened("InvalidChargingStationCertificate", str(chain))
            self._context.events.publish(event)
            self._move(Input.BAD)
        elif isinstance(chain, BaseException):
            log.error("a certificate could not be checked", exc_info=chain)
            pending.resolve(_rejected("InternalError", "the check itself failed"))
        else:
            pending.resolve(CertificateSignedResponse(status=CertificateSignedStatus.ACCEPTED))
            self._take(chain)

    def _take(self, chain: CheckedChain) -> None:
        """A02.FR.08: present it from now on."""
        if self._store.find(CertificateUse.STATION, chain.fingerprint) is not None:
            return  # sent twice
        public_key = self._public_keys()[chain.key_id]
        before = self._store.station(Standing.NEW)
        self._store.put(chain_row(CertificateUse.STATION, chain, public_key, Standing.NEW))
        if before is not None:
            self._discard(before)
        row = self._row
        if row is not None and row.key_id == chain.key_id:
            self._move(Input.GOOD)
        self._falls_back = False
        events = self._context.events
        events.publish(SecurityHappened("ReconfigurationOfSecurityParameters", "certificate"))
        events.publish(StationCertificateChanged())
        self._watch_expiry()

    # -- keys

    def _public_keys(self) -> dict[str, bytes]:
        """Of every key that a certificate may be for."""
        rows = self._store.of(CertificateUse.STATION)
        keys = {row.key_id: row.public_key for row in rows}
        if self._row is not None:
            keys[self._row.key_id] = self._row.public_key
        return keys

    def _key_ids(self) -> list[str]:
        """Of every key that must stay."""
        return [*self._store.key_ids(), *self._public_keys()]

    def _discard(self, row: CertificateRow) -> None:
        self._store.delete(row)
        self._destroy_unused(row.key_id)

    def _destroy_unused(self, key_id: str) -> None:
        self._context.store.after_commit(self._destroy, key_id)

    def _destroy(self, key_id: str) -> None:
        if key_id not in self._key_ids():
            destroy = partial(self._context.keys.delete, key_id)
            self._context.lane("pki").submit(destroy, _log_failure)

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

    def _on_clock_synchronised(self, _: ClockSynchronised) -> None:
        if self._alarm is None:
            self._watch_expiry()

    def _renew(self, fingerprint: str) -> None:
        """With no trusted time nothing is known to expire; ClockSynchronised asks again."""
        self._alarm = None
        if self._context.clock.trust is Trust.NONE:
            return
        row = self._row
        if row is not None and row.renews == fingerprint:
            return  # asked for already; A03.FR.19 leaves the rest to the CSMS
        log.info("the certificate of the station expires within a month; a new one is asked for")
        self._want(renews=fingerprint)


def _is_lost(answer: SignCertificateResponse | CallFailed) -> bool:
    """The request never got an answer because the connection went: ask once more."""
    return isinstance(answer, CallFailed) and answer.failure is Failure.LOST


def _is_refused(answer: SignCertificateResponse | CallFailed) -> bool:
    """A timeout is none: the CSMS may well have heard it."""
    if isinstance(answer, CallFailed):
        return answer.failure is Failure.ERROR
    return answer.status is not GenericStatus.ACCEPTED


def _rejected(reason_code: str, text: str) -> CertificateSignedResponse:
    return CertificateSignedResponse(
        status=CertificateSignedStatus.REJECTED,
        status_info=StatusInfo(reason_code=reason_code, additional_info=text[:512]),
    )


def _log_failure(result: object) -> None:
    if isinstance(result, BaseException):
        log.error("a private key could not be destroyed: %s", type(result).__name__)
