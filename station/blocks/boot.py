"""Functional block B, Provisioning: cold boot and registration (B01 to B03), and the clock."""

import logging
from datetime import datetime, timedelta

from station.clock import Trust
from station.context import Context
from station.device_model import (
    DateTime,
    DeviceModel,
    Mutability,
    SequenceList,
    Text,
    Variable,
)
from station.events import ClockSynchronised, CsmsConnected, CsmsTimeTold, HeartbeatIntervalGiven
from station.ocpp.messages.provisioning import (
    BootNotificationRequest,
    BootNotificationResponse,
    BootReason,
    ChargingStation,
    RegistrationStatus,
)
from station.ocpp.messages.remote_control import MessageTrigger
from station.ocpp.registration import Input, Registration
from station.ocpp.rpc import CallFailed
from station.reactor import Timer
from station.records import SendClass

log = logging.getLogger(__name__)

DATE_TIME: Variable[datetime] = Variable(
    "ClockCtrlr", "DateTime", DateTime(), mutability=Mutability.READ_ONLY, measured=True
)
TIME_SOURCE: Variable[tuple[str, ...]] = Variable(
    "ClockCtrlr", "TimeSource", SequenceList(("Heartbeat", "NTP")), default=("Heartbeat",)
)


def _about(component: str, name: str, length: int) -> Variable[str]:
    return Variable(component, name, Text(max_length=length), mutability=Mutability.READ_ONLY)


VENDOR_NAME = _about("ChargingStation", "VendorName", 50)
MODEL = _about("ChargingStation", "Model", 20)
SERIAL_NUMBER = _about("ChargingStation", "SerialNumber", 25)
FIRMWARE_VERSION = _about("ChargingStation", "FirmwareVersion", 50)

OWN_RETRY_S = 60
"""Until the next BootNotification when the CSMS names no interval (B02.FR.07, B03.FR.05)."""
STEP_WORTH_A_WORD_S = 1.0


class Boot:
    """Registers the station and sets its clock."""

    def __init__(self, context: Context, reason: BootReason) -> None:
        self._context, self._reason = context, reason
        self._retry: Timer | None = None
        self._open = False
        self._declare(context.variables)
        context.events.subscribe(CsmsConnected, self._on_csms_connected)
        context.events.subscribe(CsmsTimeTold, lambda event: self.set_clock(event.moment))
        context.queries.triggers[MessageTrigger.BOOT_NOTIFICATION] = self._triggered

    def set_clock(self, moment: datetime) -> None:
        """Take the CSMS's time, if the operator wants it before that of the system."""
        sources = self._context.variables[TIME_SOURCE]
        if "Heartbeat" not in sources:  # B01.FR.06, G02.FR.06
            return
        clock = self._context.clock
        local_first = "NTP" in sources and sources.index("NTP") < sources.index("Heartbeat")
        if local_first and clock.trust is Trust.LOCAL:
            return
        step_s, doubt_s = self._step_to(moment)
        if step_s == 0.0 and clock.trust is Trust.CSMS:
            return
        clock.set_utc(clock.utc() + timedelta(seconds=step_s), Trust.CSMS)
        if abs(step_s) >= STEP_WORTH_A_WORD_S:
            log.info("the clock was set by the CSMS, %+.0f s", step_s)
        self._context.events.publish(ClockSynchronised("Heartbeat", step_s, doubt_s))

    def _step_to(self, moment: datetime) -> tuple[float, float]:
        """How far the clock must move, and how wrong it may be then, in seconds.

        The CSMS said so at some moment since it was asked. A clock that agrees with any of them,
        or nearly, stays as it is: a step back would misdate what follows.
        """
        clock, now = self._context.clock, self._context.reactor.now()
        way_s = now - self._context.csms.last_sent_at
        step_s = (moment - clock.utc()).total_seconds()
        agrees = -STEP_WORTH_A_WORD_S - way_s < step_s < STEP_WORTH_A_WORD_S
        if agrees and clock.trust is not Trust.NONE:
            return 0.0, 0.0
        if way_s < STEP_WORTH_A_WORD_S:
            return step_s, 0.0
        return step_s + way_s / 2, way_s / 2

    def _declare(self, variables: DeviceModel) -> None:
        variables.declare(DATE_TIME)
        variables.provide(DATE_TIME, self._context.clock.utc)
        variables.declare(TIME_SOURCE)
        identity = self._context.identity
        variables.declare(VENDOR_NAME, default=identity.vendor)
        variables.declare(MODEL, default=identity.model)
        variables.declare(SERIAL_NUMBER, default=identity.serial_number)
        variables.declare(FIRMWARE_VERSION, default=identity.firmware_version)

    def _on_csms_connected(self, _: CsmsConnected) -> None:
        """A reconnect is no boot: only a station that was not answered yet must speak now.

        One that was is bound to its interval: B02.FR.04.
        """
        registration = self._context.csms.registration
        waits = registration is not Registration.ACCEPTED and self._retry is None
        if registration is Registration.NONE or waits:
            self._send(self._reason)  # B01.FR.01

    def _triggered(self, evse_id: int | None, connector_id: int | None) -> bool:  # noqa: ARG002
        if self._context.csms.registration is Registration.ACCEPTED:  # F06.FR.17
            return False
        self._send(BootReason.TRIGGERED)
        return True

    def _send(self, reason: BootReason) -> None:
        self._cancel_retry()
        if self._open:
            return
        self._open = True
        variables = self._context.variables
        about = ChargingStation(
            model=variables[MODEL],
            vendor_name=variables[VENDOR_NAME],
            serial_number=variables[SERIAL_NUMBER],
            firmware_version=variables[FIRMWARE_VERSION],
        )
        request = BootNotificationRequest(reason=reason, charging_station=about)
        self._context.csms.call(request, self._on_boot_result, send_class=SendClass.BOOT)

    def _on_boot_result(self, answer: BootNotificationResponse | CallFailed) -> None:
        self._open = False
        happened = self._context.csms.happened
        if isinstance(answer, CallFailed):
            happened(Input.BOOT_FAILED)
            self._again_in(OWN_RETRY_S)
            return
        self.set_clock(answer.current_time)
        log.info("the CSMS answered BootNotification with %s", answer.status)
        if answer.status is RegistrationStatus.ACCEPTED:
            self._context.events.publish(HeartbeatIntervalGiven(answer.interval))
            happened(Input.BOOT_ACCEPTED)
            return
        # The connection stays: B02.FR.06
        pending = answer.status is RegistrationStatus.PENDING
        happened(Input.BOOT_PENDING if pending else Input.BOOT_REJECTED)
        interval_s = answer.interval if answer.interval > 0 else OWN_RETRY_S
        self._again_in(interval_s)  # B02.FR.08, B03.FR.06

    def _again_in(self, delay_s: float) -> None:
        self._cancel_retry()
        self._retry = self._context.reactor.call_later(delay_s, self._retry_due, source="boot")

    def _retry_due(self) -> None:
        self._retry = None
        if self._context.csms.connected:
            self._send(self._reason)

    def _cancel_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
