"""Functional block A, Security: events that the CSMS must hear of (A04)."""

from station.context import Context
from station.events import SecurityHappened
from station.ocpp.messages.security import SecurityEventNotificationRequest
from station.records import SendClass

CRITICAL = frozenset(
    {
        "FirmwareUpdated",
        "SettingSystemTime",
        "StartupOfTheDevice",
        "ResetOrReboot",
        "SecurityLogWasCleared",
        "MemoryExhaustion",
        "TamperDetectionActivated",
        "InvalidFirmwareSignature",
        "InvalidFirmwareSigningCertificate",
        "InvalidCsmsCertificate",
        "InvalidChargingStationCertificate",
        "InvalidTLSVersion",
        "InvalidTLSCipherSuite",
        "MaintenanceLoginAccepted",
        "MaintenanceLoginFailed",
    }
)


class SecurityEvents:
    """Owes the CSMS the critical ones until it has acknowledged them (A04.FR.02)."""

    def __init__(self, context: Context) -> None:
        self._context = context
        context.events.subscribe(SecurityHappened, self._on_security_happened)

    def _on_security_happened(self, event: SecurityHappened) -> None:
        if event.type not in CRITICAL:
            return
        request = SecurityEventNotificationRequest(
            type=event.type, timestamp=self._context.clock.utc()
        )
        self._context.csms.owe(request, send_class=SendClass.SECURITY)
