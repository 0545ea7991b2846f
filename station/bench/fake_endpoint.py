"""The door of a fake CSMS: whom it lets in at one URL, and what TLS would have said of it.

There is no TLS in virtual time. An endpoint with a `root` is one whose certificate that root
has signed: the door opens when the station's TLS settings hold the same PEM text. An endpoint
without one is let through without a look, with or without TLS settings.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from station.link import LinkDown, LinkProblem, LinkTarget, TlsPeer, TlsRefusal

BEGIN, END = datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
DENIALS = (401, 403)


@dataclass
class Endpoint:
    """What happens to an attempt at one URL; asked in the order of the fields."""

    reachable: bool = True
    root: str = ""
    """PEM of the authority that has signed the certificate of this CSMS."""
    tls: TlsRefusal | None = None
    """TLS ends like this, whatever the station shows."""
    wants_certificate: bool = False
    """Security profile 3: nobody comes in without a client certificate."""
    not_after: datetime = END
    """When the certificate of this CSMS ends."""
    problem: LinkProblem | None = None
    """The attempt ends like this, after TLS."""
    status: int | None = None
    """Answer the upgrade with this HTTP status."""
    retry_after_s: float | None = None
    password: str | None = None
    """The only password that is accepted; others get a 401."""

    def refusal(self, target: LinkTarget, generation: int) -> LinkDown | None:
        """How the attempt fails; None: it succeeds."""
        if not self.reachable:
            return LinkDown(generation, LinkProblem.REFUSED, "csms.example")
        why = self._tls_refusal(target)
        if why is not None:
            return LinkDown(generation, LinkProblem.TLS, str(why), tls=why)
        if target.tls is not None and target.tls.utc > self.not_after:
            expired = TlsRefusal.INVALID_CSMS_CERTIFICATE
            return LinkDown(generation, LinkProblem.TLS, "expired", tls=expired, only_dates=True)
        if self.problem is not None:
            return LinkDown(generation, self.problem, "csms.example")
        status = self.status
        if status is None and self.password not in (None, target.password):
            status = 401
        if status is None:
            return None
        problem = LinkProblem.UNAUTHORIZED if status in DENIALS else LinkProblem.UPGRADE
        return LinkDown(
            generation,
            problem,
            f"HTTP {status}",
            http_status=status,
            retry_after_s=self.retry_after_s,
        )

    def peer(self, target: LinkTarget) -> TlsPeer | None:
        """What the station sees of the CSMS; None where there is no TLS."""
        if target.tls is None or not target.url.startswith("wss:"):
            return None
        return TlsPeer(
            subject="CN=csms.example",
            issuer="CN=root",
            not_before=BEGIN,
            not_after=self.not_after,
            fallback_root=bool(self.root) and self.root not in target.tls.roots,
            version="TLSv1.3",
            cipher_suite="TLS_AES_256_GCM_SHA384",
        )

    def _tls_refusal(self, target: LinkTarget) -> TlsRefusal | None:
        if self.tls is not None:
            return self.tls
        settings = target.tls
        known = () if settings is None else settings.roots + settings.fallback_roots
        if self.root and self.root not in known:
            return TlsRefusal.INVALID_CSMS_CERTIFICATE
        if self.wants_certificate and (settings is None or not settings.certificate_chain):
            return TlsRefusal.CLIENT_CERTIFICATE_REFUSED
        return None
