"""Why TLS failed, from what OpenSSL says of it: a refusal that has a name, and one line.

What an alert means depends on when it comes. Before the CSMS has chosen a cipher suite,
"handshake failure" says that none of ours suits it (some servers say the same of versions;
nothing tells these two apart). Afterwards a complaint can only be about our certificate;
in TLS 1.3 it comes even later, in place of the HTTP answer.
"""

import re
import ssl

from station.io.peer_certificate import Certificate, describe, name_of
from station.link import TlsRefusal

PATH_PROBLEMS = {
    2: "neither sent nor installed is its issuer {issuer}",
    7: "a signature in its chain is wrong",
    18: "it is signed by itself and not installed as a root",
    19: "its root {issuer} is not installed",
    20: "neither sent nor installed is its issuer {issuer}",
    21: "neither sent nor installed is its issuer {issuer}",
    24: "one of its issuers may not issue certificates",
    25: "its chain is longer than one of its issuers allows",
    26: "it is not meant for a TLS server",
    66: "its key is too short",
    67: "the key of one of its issuers is too short",
    68: "its chain is signed with a broken hash",
    79: "one of its issuers may not issue certificates",
}
"""Words for OpenSSL's verification results; for others OpenSSL's own are taken."""

OLD_VERSION = {
    "TLSV1_ALERT_PROTOCOL_VERSION",
    "UNSUPPORTED_PROTOCOL",
    "UNSUPPORTED_SSL_VERSION",
    "WRONG_SSL_VERSION",
    "VERSION_TOO_LOW",
}
NO_SUITE = {"SSLV3_ALERT_HANDSHAKE_FAILURE", "TLSV1_ALERT_INSUFFICIENT_SECURITY"}
WEAK_CHOICE = {
    "DH_KEY_TOO_SMALL",
    "UNKNOWN_CIPHER_RETURNED",
    "WRONG_CIPHER_RETURNED",
    "WRONG_CURVE",
    "WRONG_SIGNATURE_TYPE",
}
OUR_CERTIFICATE = {
    "SSLV3_ALERT_BAD_CERTIFICATE": "it is damaged",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "it has expired",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "it is revoked",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "no reason given",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "no reason given",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "of a kind that it does not support",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "none was presented",
    "TLSV1_ALERT_ACCESS_DENIED": "access denied",
    "TLSV1_ALERT_DECRYPT_ERROR": "its signature does not fit",
    "TLSV1_ALERT_UNKNOWN_CA": "its issuer is unknown there",
}
NOT_TLS = {
    "HTTP_REQUEST",
    "PACKET_LENGTH_TOO_LONG",
    "RECORD_LAYER_FAILURE",  # OpenSSL 3.2 and later
    "WRONG_VERSION_NUMBER",
}
REASON = re.compile(r"\] ([a-z0-9/ ]+)")


class TlsError(Exception):
    """No connection that may be used; *detail* is one line for a person."""

    def __init__(self, refusal: TlsRefusal, detail: str, *, only_dates: bool = False) -> None:
        super().__init__(f"{refusal}: {detail}")
        self.refusal, self.detail, self.only_dates = refusal, detail[:400], only_dates


def path_refused(error: ssl.SSLCertVerificationError, sent: list[Certificate]) -> TlsError:
    """A00.FR.308, A00.FR.411."""
    reason = PATH_PROBLEMS.get(error.verify_code, error.verify_message)
    shown = f"certificate {describe(sent[0])}: " if sent else ""
    issuer = name_of(_top(sent), "issuer") if sent else "unknown"
    detail = shown + reason.replace("{issuer}", f'"{issuer}"')
    return TlsError(TlsRefusal.INVALID_CSMS_CERTIFICATE, detail)


def _top(sent: list[Certificate]) -> Certificate:
    """As far up as what was sent leads."""
    by_subject = {str(certificate.get("subject")): certificate for certificate in sent[1:]}
    top = sent[0]
    for _ in sent:
        top = by_subject.get(str(top.get("issuer")), top)
    return top


def explain(error: ssl.SSLError, *, chosen: bool, rsa_key_exchange: bool) -> TlsError:
    """What a broken handshake means; *chosen*: after the CSMS had chosen version and suite."""
    reason = reason_of(error)
    if reason in OLD_VERSION:  # A00.FR.316, A00.FR.419
        detail = "the CSMS offers no TLS 1.2 or 1.3"
        return TlsError(TlsRefusal.INVALID_TLS_VERSION, detail)
    if reason in WEAK_CHOICE or (reason in NO_SUITE and not chosen):  # A00.FR.323, A00.FR.426
        hint = "" if rsa_key_exchange else "; TLS_RSA suites are switched off"
        detail = f"the CSMS offers none of the station's cipher suites{hint}"
        return TlsError(TlsRefusal.INVALID_TLS_CIPHER_SUITE, detail)
    if reason in OUR_CERTIFICATE:
        return certificate_refused(reason)
    if reason in NOT_TLS and not chosen:
        return TlsError(TlsRefusal.NOT_TLS, "what answers at this port does not speak TLS")
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return TlsError(TlsRefusal.OTHER, "closed during the handshake without a reason")
    return TlsError(TlsRefusal.OTHER, f"handshake failed: {words(error)}")


def reason_of(error: ssl.SSLError) -> str:
    """OpenSSL's name of it, made from its words where this Python does not know the name yet."""
    if named := getattr(error, "reason", None):
        return str(named)
    said = REASON.search(str(error))
    return said[1].strip().upper().replace(" ", "_") if said else ""


def certificate_refused(reason: str) -> TlsError:
    detail = f"the CSMS refuses the station's certificate: {OUR_CERTIFICATE[reason]}"
    return TlsError(TlsRefusal.CLIENT_CERTIFICATE_REFUSED, detail)


def words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError) and (reason := reason_of(error)):
        return reason.lower().replace("_", " ")
    said = error.strerror if isinstance(error, OSError) else ""
    return " ".join((said or str(error) or type(error).__name__).split())[:200]
