"""What the connection believes and presents under TLS (A00), and what a refusal is called.

A station that nobody has told the time checks path and name of the CSMS's certificate, not its
dates; once the time is known they are checked after all, and a certificate that is not valid
now ends the connection (docs/design/0007-time-and-certificates.md).
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from station.clock import BUILD_TIME, Trust
from station.context import Context
from station.device_model import Boolean, Variable
from station.events import ClockSynchronised, SecurityHappened, TlsEstablished
from station.link import LinkDown, LinkProblem, TlsPeer, TlsRefusal, TlsSettings
from station.records import Record, Table

log = logging.getLogger(__name__)

ALLOW_WILDCARDS = Variable("SecurityCtrlr", "AllowCSMSTLSWildcards", Boolean(), default=False)
ALLOW_TLS_RSA = Variable("SecurityCtrlr", "AllowTLSRSA", Boolean(), default=False)
"""A vendor's: offer cipher suites without forward secrecy to a CSMS that has nothing better."""

EVENTS = {
    TlsRefusal.INVALID_CSMS_CERTIFICATE: "InvalidCsmsCertificate",  # A00.FR.310, A00.FR.413
    TlsRefusal.INVALID_TLS_VERSION: "InvalidTLSVersion",  # A00.FR.316, A00.FR.419
    TlsRefusal.INVALID_TLS_CIPHER_SUITE: "InvalidTLSCipherSuite",  # A00.FR.323, A00.FR.426
    TlsRefusal.CLIENT_CERTIFICATE_REFUSED: "FailedToAuthenticateAtCsms",
}


WORTH_KEEPING = timedelta(hours=6)


class LastTimeRow(Record, frozen=True, kw_only=True):
    """The latest time that a CSMS told: no honest clock shows an earlier one any more."""

    moment: datetime
    name: str = "csms"


LAST_TIME = Table("last_time", LastTimeRow, lambda row: row.name)


class Tls:
    """Settings for the next attempt, and the peer of the present one."""

    def __init__(self, context: Context, on_invalid: Callable[[str], Any]) -> None:
        self._context, self._on_invalid = context, on_invalid
        self._peer: TlsPeer | None = None
        self._doubts_clock = False
        """A trusted certificate from the future: the plausible clock is probably behind."""
        self._times = context.store.table(LAST_TIME)
        context.variables.declare(ALLOW_WILDCARDS)
        context.variables.declare(ALLOW_TLS_RSA)
        context.events.subscribe(ClockSynchronised, self._on_clock_synchronised)

    def settings(self, security_profile: int, *, migrating: bool) -> TlsSettings | None:
        """For an attempt through a slot of this security profile; None without TLS.

        *migrating*: it is another CSMS than the one that worked last, so a root that is
        kept only for that one does not count (M05.FR.15, M05.FR.16).
        """
        trust = self._context.queries.trust
        if security_profile == 1:
            return None  # A00.FR.312, A00.FR.415: of the three only this one is without TLS
        own = trust.station_certificate() if trust is not None and security_profile == 3 else None
        chain, key_file = own or ("", "")
        return TlsSettings(
            roots=tuple(trust.roots()) if trust is not None else (),
            fallback_roots=() if migrating or trust is None else tuple(trust.fallback_roots()),
            utc=self._now(),
            check_dates=self._knows_time(),
            certificate_chain=chain,  # A00.FR.402; an expired one too (A00.FR.430)
            key_file=key_file,
            allow_wildcards=self._context.variables[ALLOW_WILDCARDS],
            allow_rsa_key_exchange=self._context.variables[ALLOW_TLS_RSA],
        )

    def _knows_time(self) -> bool:
        trust = self._context.clock.trust
        return trust is Trust.CSMS or (trust is Trust.LOCAL and not self._doubts_clock)

    def _now(self) -> datetime:
        """The clock; of a station without the time the earliest that it can be."""
        if self._context.clock.trust is not Trust.NONE:
            return self._context.clock.utc()
        last = self._times.get("csms")
        return BUILD_TIME if last is None else max(BUILD_TIME, last.moment)

    def established(self, peer: TlsPeer | None, *, mutual: bool) -> None:
        self._peer = peer
        if peer is not None:
            log.info("%s, %s, certificate of %s", peer.version, peer.cipher_suite, peer.subject)
            self._context.events.publish(TlsEstablished(peer.fallback_root, mutual=mutual))

    def lost(self) -> None:
        self._peer = None

    def event_of(self, fact: LinkDown) -> str:
        """The security event that a failed attempt is; empty if it is none."""
        if fact.only_dates and self._context.clock.trust is Trust.LOCAL:
            self._doubts_clock = True
        if fact.problem is LinkProblem.UNAUTHORIZED:
            return "FailedToAuthenticateAtCsms"
        return "" if fact.tls is None else EVENTS.get(fact.tls, "")

    def _on_clock_synchronised(self, _: ClockSynchronised) -> None:
        """A certificate that was taken without looking at its dates is looked at now."""
        peer, now = self._peer, self._context.clock.utc()
        last = self._times.get("csms")
        if last is None or now - last.moment > WORTH_KEEPING:
            self._times.put(LastTimeRow(moment=now))
        if peer is None or peer.not_before <= now <= peer.not_after:
            return
        log.warning("the certificate of %s is not valid now; the connection ends", peer.subject)
        self._peer = None
        detail = f"{peer.subject}: valid {peer.not_before:%Y-%m-%d} to {peer.not_after:%Y-%m-%d}"
        event = EVENTS[TlsRefusal.INVALID_CSMS_CERTIFICATE]
        self._context.events.publish(SecurityHappened(event, detail))
        self._on_invalid(event)
