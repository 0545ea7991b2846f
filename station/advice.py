"""What to do about a connection that does not stand: one table for `joulepost doctor` and the API.

The advice is for an installer in front of the station: what to look at, and whom to call.
"""

from enum import StrEnum

from msgspec import Struct

from station.link import LinkDown, LinkProblem, LinkStage, TlsRefusal


class Step(StrEnum):
    """What has to succeed, in this order, before a station is at work."""

    SETTINGS = "settings"
    NAME = "name"
    TCP = "TCP"
    TLS = "TLS"
    UPGRADE = "upgrade"
    SUBPROTOCOL = "subprotocol"
    CREDENTIALS = "credentials"
    CONNECTION = "connection"
    """It stood, and was lost."""
    BOOT = "boot"


class Diagnosis(Struct, frozen=True):
    """What is wrong: where, what, and what to do; never a secret."""

    step: str
    problem: str
    advice: str


NO_SLOT = Diagnosis(
    Step.SETTINGS,
    "no network slot is filled",
    "Nobody has said where the CSMS is. Set url under [network] in the configuration.",
)
BOOT_REJECTED = (
    "The connection is good, but the CSMS does not accept this station. Ask its operator whether "
    "the station is registered under this identity and serial number."
)
BOOT_PENDING = (
    "The connection is good, and the CSMS has not released the station yet. Ask its operator to "
    "finish the set-up there; the station asks again by itself."
)
NOT_ANSWERED = (
    "The connection is good, but the CSMS does not answer the first message. Ask its operator "
    "what its log says."
)

STEPS = {
    LinkProblem.DNS: Step.NAME,
    LinkProblem.REFUSED: Step.TCP,
    LinkProblem.UNREACHABLE: Step.TCP,
    LinkProblem.TLS: Step.TLS,
    LinkProblem.UPGRADE: Step.UPGRADE,
    LinkProblem.UNAUTHORIZED: Step.CREDENTIALS,
    LinkProblem.SUBPROTOCOL: Step.SUBPROTOCOL,
}
STAGES = {
    LinkStage.NAME: Step.NAME,
    LinkStage.TCP: Step.TCP,
    LinkStage.TLS: Step.TLS,
    LinkStage.UPGRADE: Step.UPGRADE,
}

NO_NETWORK = (
    "Is the network cable in and the modem or Wi-Fi on? Does the address of the CSMS have the "
    "right port? If another device on this network reaches it, ask for the firewall."
)
CLOCK_OR_CERTIFICATE = (
    "Compare the date in the message with a watch. If the station's date is wrong, set its clock "
    "(time server, battery). If it is right, the operator of the CSMS must renew the certificate."
)
TLS_ADVICE = {
    TlsRefusal.INVALID_CSMS_CERTIFICATE: (
        "Whoever answers cannot prove to be the CSMS. Check host name and port first, and whether "
        "a proxy or a captive portal sits between. If they are right, ask the operator for the "
        "root certificate that belongs to this CSMS and install it: "
        "joulepost certs install --type CSMSRootCertificate FILE."
    ),
    TlsRefusal.INVALID_TLS_VERSION: (
        "The CSMS speaks only an old TLS that is not safe. Its operator must enable TLS 1.2 or 1.3."
    ),
    TlsRefusal.INVALID_TLS_CIPHER_SUITE: (
        "The CSMS and the station have no cipher suite in common. Its operator must enable one of "
        "the ECDHE suites with AES-GCM. Where only TLS_RSA suites are possible, "
        "SecurityCtrlr.AllowTLSRSA = true permits them."
    ),
    TlsRefusal.CLIENT_CERTIFICATE_REFUSED: (
        "The CSMS does not take the station's own certificate. Ask its operator whether he knows "
        "its issuer and this identity; joulepost certs list shows what the station presents."
    ),
    TlsRefusal.CLIENT_CERTIFICATE_UNUSABLE: (
        "Profile 3 needs a certificate of the station with its key. Install both: joulepost certs "
        "install --type ChargingStationCertificate --key KEY CHAIN."
    ),
    TlsRefusal.NO_ROOT: (
        "Profiles 2 and 3 need the root certificate of the CSMS. Get it from its operator and "
        "install it: joulepost certs install --type CSMSRootCertificate FILE."
    ),
    TlsRefusal.NOT_TLS: (
        "The port answers without TLS. Check the port; if the CSMS has no TLS, its address "
        "begins with ws:// (security profile 1)."
    ),
    TlsRefusal.OTHER: (
        "Something on the way breaks TLS off: a wrong port, a firewall that looks into "
        "connections, or a server that wants something else. Ask the operator what its log says."
    ),
}
REFUSED = (
    "The CSMS refuses identity or password. Compare both with what its operator has, letter by "
    "letter; capitals count. On a new password: SecurityCtrlr.BasicAuthPassword, or the "
    "password file of the configuration."
)
LATER = "The CSMS asks for patience. Nothing to do here; if it stays so, tell its operator."
STATUS_ADVICE = {
    404: (
        "The web server is there, but not at this path, or it does not know this identity. "
        "Compare the address and the identity with what the operator has given."
    ),
    429: LATER,
    503: LATER,
}
NOT_A_CSMS = (
    "Something answers that is no CSMS: a web page, a captive portal, a proxy. Check the whole "
    "address, and whether this network wants a log-in first."
)
SERVER_ERROR = "The CSMS has a fault of its own. The station goes on trying; tell the operator."
PROBLEM_ADVICE = {
    LinkProblem.DNS: (
        "The name of the CSMS is not found. Is it spelt right? If it is, the station has no "
        "network or no name server: check cable, modem and the network's settings."
    ),
    LinkProblem.REFUSED: (
        "The computer is there and nothing listens at this port. Check the port in the address; "
        "if it is right, the CSMS is not running: ask its operator."
    ),
    LinkProblem.UNREACHABLE: NO_NETWORK,
    LinkProblem.TLS: TLS_ADVICE[TlsRefusal.OTHER],
    LinkProblem.TIMEOUT: NO_NETWORK,
    LinkProblem.UNAUTHORIZED: REFUSED,
    LinkProblem.SUBPROTOCOL: (
        "The server does not speak OCPP 2.0.1 here. Ask the operator for the address for OCPP "
        "2.0.1; another version has often another path."
    ),
    LinkProblem.UPGRADE: NOT_A_CSMS,
    LinkProblem.CLOSED: (
        "The CSMS ended the connection. If it does so again and again, ask its operator why: the "
        "identity may be unknown there, or used twice."
    ),
    LinkProblem.RESET: (
        "The connection was cut on the way. Once is nothing; again and again means a router, a "
        "firewall or a modem that needs a look."
    ),
    LinkProblem.PONG_TIMEOUT: (
        "The CSMS fell silent. On mobile networks a shorter OCPPCommCtrlr.WebSocketPingInterval "
        "keeps connections alive; otherwise look at reception, modem and router."
    ),
    LinkProblem.SILENT: (
        "The connection is up, but nothing has been answered for ten minutes: what stands in front "
        "of the CSMS lives, the CSMS itself does not. Tell its operator."
    ),
    LinkProblem.PROTOCOL: "The CSMS sends what is no WebSocket. Tell its operator.",
    LinkProblem.TOO_BIG: "The CSMS sends messages that are too big. Tell its operator.",
    LinkProblem.LOCAL: "The station closed the connection itself and connects anew.",
}

ENDS = (LinkProblem.TIMEOUT, LinkProblem.CLOSED, LinkProblem.RESET)
STAGE_ADVICE = {
    LinkStage.NAME: PROBLEM_ADVICE[LinkProblem.DNS],
    LinkStage.TLS: TLS_ADVICE[TlsRefusal.OTHER],
    LinkStage.UPGRADE: NOT_A_CSMS,
}
"""A silence, or an end without a word, means something else at each stage."""


def diagnose(down: LinkDown) -> Diagnosis | None:
    """What an attempt that failed, or a connection that was lost, asks for."""
    if down.problem is LinkProblem.NONE:
        return None
    problem = down.problem.value + (f": {down.detail}" if down.detail else "")
    return Diagnosis(_step(down), problem, _advice(down))


def _step(down: LinkDown) -> Step:
    if down.problem in STEPS:
        return STEPS[down.problem]
    return Step.CONNECTION if down.stage is None else STAGES[down.stage]


def _advice(down: LinkDown) -> str:
    if down.only_dates:
        return CLOCK_OR_CERTIFICATE
    if down.tls is not None:
        return TLS_ADVICE[down.tls]
    status = down.http_status
    if status is not None and down.problem is LinkProblem.UPGRADE:
        known = STATUS_ADVICE.get(status)
        return known or (SERVER_ERROR if status >= 500 else NOT_A_CSMS)
    if down.problem in ENDS and down.stage in STAGE_ADVICE:
        return STAGE_ADVICE[down.stage]
    return PROBLEM_ADVICE[down.problem]
