"""A request to have a key pair signed: made, asked for, asked for again, and given up (A02)."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from msgspec.structs import replace

from station.context import Context
from station.device_model import Integer, OptionList, Text, Variable
from station.events import BackOnline, RegistrationAccepted
from station.ocpp.messages.common import GenericStatus
from station.ocpp.messages.security import (
    CertificateSigningUse,
    SignCertificateRequest,
    SignCertificateResponse,
)
from station.ocpp.rpc import CallFailed, Failure
from station.pki.key import KeyKind
from station.pki.signing import Input, Signing, next_state
from station.reactor import Timer
from station.trust_store import SIGNING, CertificateUse, SigningRow, TrustStore

log = logging.getLogger(__name__)

WAIT_MINIMUM = Variable(
    "SecurityCtrlr", "CertSigningWaitMinimum", Integer(unit="s", min=1, max=86400), default=300
)
REPEAT_TIMES = Variable(
    "SecurityCtrlr", "CertSigningRepeatTimes", Integer(min=0, max=16), default=3
)
ORGANIZATION_NAME = Variable("SecurityCtrlr", "OrganizationName", Text(max_length=64, min_length=1))
KEY_KIND: Variable[KeyKind] = Variable(
    "SecurityCtrlr", "CertificateKeyKind", OptionList(tuple(KeyKind)), default=KeyKind.P256
)


class SigningRequest:
    """The one request that may be under way; its table is in `pki.signing`."""

    def __init__(
        self, context: Context, store: TrustStore, on_refused: Callable[[SigningRow], Any]
    ) -> None:
        self._context, self._store, self._on_refused = context, store, on_refused
        self._rows = context.store.table(SIGNING)
        self._making = False
        self._asked_key = ""
        """The key of the request that is on its way."""
        self._timer: Timer | None = None
        variables = context.variables
        variables.declare(WAIT_MINIMUM)
        variables.declare(REPEAT_TIMES)
        variables.declare(ORGANIZATION_NAME, default=context.identity.vendor)
        variables.declare(KEY_KIND)
        context.events.subscribe(BackOnline, lambda _: self._ask())
        context.events.subscribe(RegistrationAccepted, lambda _: self._ask())

    @property
    def row(self) -> SigningRow | None:
        return self._rows.get(CertificateUse.STATION)

    @property
    def state(self) -> Signing:
        if self._making:
            return Signing.MAKING
        return Signing.IDLE if self.row is None else self.row.state

    def want(self, *, renews: str) -> None:
        """Begin, unless a request is being made or sent."""
        if next_state(self.state, Input.WANTED) is not Signing.MAKING or self._making:
            return
        self._cancel_repeat()
        self._making = True
        variables, keys = self._context.variables, self._context.keys
        key_id = self._context.new_id()
        kind, organization = variables[KEY_KIND], variables[ORGANIZATION_NAME]
        common_name = self._context.identity.serial_number  # A00.FR.511
        known = self.key_ids()

        def make() -> tuple[bytes, str]:
            keys.keep_only(known)
            public_key = keys.generate(key_id, kind)  # A02.FR.02
            return public_key, keys.csr(key_id, common_name=common_name, organization=organization)

        self._context.lane("pki").submit(make, partial(self._on_made, key_id, renews))

    def move(self, happened: Input) -> None:
        row = self.row
        if row is None:
            return
        state = next_state(row.state, happened)
        if state is Signing.IDLE:
            self._forget_request()
        elif state is not row.state:
            row = replace(row, state=state)
            self._rows.put(row)
            self._cancel_repeat()
            if state is Signing.WAITING:
                self._arm_repeat(row)

    def resume(self) -> None:
        """Take up the wait that the last process was in."""
        row = self.row
        if row is not None and row.state is Signing.WAITING:
            self._arm_repeat(row)

    def public_keys(self) -> dict[str, bytes]:
        """Of every key that a certificate may be for."""
        rows = self._store.of(CertificateUse.STATION)
        keys = {row.key_id: row.public_key for row in rows}
        if self.row is not None:
            keys[self.row.key_id] = self.row.public_key
        return keys

    def key_ids(self) -> list[str]:
        """Of every key that must stay."""
        return [*self._store.key_ids(), *self.public_keys()]

    def destroy_unused(self, key_id: str) -> None:
        """Once its row is gone for good, and if no other row needs it."""
        self._context.store.after_commit(self._destroy, key_id)

    def _destroy(self, key_id: str) -> None:
        if key_id not in self.key_ids():
            destroy = partial(self._context.keys.delete, key_id)
            self._context.lane("pki").submit(destroy, _log_failure)

    def _on_made(self, key_id: str, renews: str, made: tuple[bytes, str] | BaseException) -> None:
        self._making = False
        if isinstance(made, BaseException):
            log.error("no key pair could be made for a certificate: %s", type(made).__name__)
            self.resume()
            return
        public_key, csr = made
        self._forget_request()
        self._rows.put(
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
        row = self.row
        if row is None or row.state is not Signing.ASKING or self._asked_key == row.key_id:
            return
        self._asked_key = row.key_id
        self._context.csms.call(
            SignCertificateRequest(  # A02.FR.03, A02.FR.13, A03.FR.03, A03.FR.13
                csr=row.csr, certificate_type=CertificateSigningUse.CHARGING_STATION_CERTIFICATE
            ),
            partial(self._on_sign_certificate_result, row.key_id),
        )

    def _on_sign_certificate_result(
        self, key_id: str, answer: SignCertificateResponse | CallFailed
    ) -> None:
        if self._asked_key == key_id:
            self._asked_key = ""
        row = self.row
        if row is None or row.key_id != key_id or _is_lost(answer):
            return
        if _is_refused(answer):
            log.warning("the CSMS does not have a certificate signed")
            self.move(Input.REFUSED)
            self._on_refused(row)
        elif row.repeats > self._context.variables[REPEAT_TIMES]:
            self.move(Input.LAST_ACCEPTED)
        else:
            self.move(Input.ACCEPTED)

    def _arm_repeat(self, row: SigningRow) -> None:
        """A02.FR.18, A03.FR.18: each wait is twice as long as the one before it."""
        wait_s = self._context.variables[WAIT_MINIMUM] * 2**row.repeats
        self._timer = self._context.reactor.call_later(wait_s, self._repeat, source="certificates")

    def _repeat(self) -> None:
        self._timer = None
        row = self.row
        if row is not None and row.state is Signing.WAITING:
            state = next_state(row.state, Input.DUE)
            self._rows.put(replace(row, state=state, repeats=row.repeats + 1))
            self._ask()

    def _cancel_repeat(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _forget_request(self) -> None:
        self._cancel_repeat()
        row = self.row
        if row is not None:
            self._rows.delete(CertificateUse.STATION)
            self.destroy_unused(row.key_id)


def _is_lost(answer: SignCertificateResponse | CallFailed) -> bool:
    """The request never got an answer because the connection went: ask once more."""
    return isinstance(answer, CallFailed) and answer.failure is Failure.LOST


def _is_refused(answer: SignCertificateResponse | CallFailed) -> bool:
    """A timeout is none: the CSMS may well have heard it."""
    if isinstance(answer, CallFailed):
        return answer.failure is Failure.ERROR
    return answer.status is not GenericStatus.ACCEPTED


def _log_failure(result: object) -> None:
    if isinstance(result, BaseException):
        log.error("a private key could not be destroyed: %s", type(result).__name__)
