"""Network connection profiles (B09, B10) and the security profile that goes with them (A05)."""

import hashlib
import logging
from collections.abc import Sequence

from msgspec import UNSET
from msgspec.structs import replace

from station.blocks.connection.access import settings_of
from station.context import Context
from station.device_model import (
    Boolean,
    Integer,
    Mutability,
    SequenceList,
    ValueRefused,
    Variable,
)
from station.events import SecurityHappened
from station.ocpp.messages.common import StatusInfo
from station.ocpp.messages.provisioning import (
    NetworkConnectionProfile,
    SetNetworkProfileRequest,
    SetNetworkProfileResponse,
    SetNetworkProfileStatus,
)
from station.records import Record, StoreHealth, Table
from station.rules import check_csms_url

log = logging.getLogger(__name__)

SLOTS = ("1", "2", "3")  # B09.FR.06
PRIORITY: Variable[tuple[str, ...]] = Variable(
    "OCPPCommCtrlr", "NetworkConfigurationPriority", SequenceList(SLOTS), default=("1",)
)
ACTIVE_PROFILE = Variable(
    "OCPPCommCtrlr",
    "ActiveNetworkProfile",
    Integer(min=0),
    default=0,
    mutability=Mutability.READ_ONLY,
    measured=True,
)
SECURITY_PROFILE = Variable(
    "SecurityCtrlr",
    "SecurityProfile",
    Integer(min=1, max=3),
    default=1,
    mutability=Mutability.READ_ONLY,
    measured=True,
)
ALLOW_DOWNGRADE = Variable(
    "SecurityCtrlr", "AllowSecurityProfileDowngrade", Boolean(), default=False
)
MAX_TIMEOUT_S = 600
INVALID_CONFIGURATION = "InvalidNetworkConf"


class NetworkRow(Record, frozen=True, kw_only=True):
    """One network slot."""

    slot: str
    url: str
    security_profile: int = 1
    message_timeout_s: int | None = None
    """None leaves the variable MessageTimeout as it is."""
    access: str = ""
    """What the access command gets; holds passwords."""

    def is_same_as(self, other: "NetworkRow") -> bool:
        """The same way to the same CSMS (B10.FR.10)."""
        return replace(self, message_timeout_s=None) == replace(other, message_timeout_s=None)

    def __repr__(self) -> str:
        return f"NetworkRow({self.slot}, {self.url}, profile {self.security_profile})"


class LastProfileRow(Record, frozen=True, kw_only=True):
    """The profile of the last successful connection (B10.FR.07).

    A copy: its slot may hold something else by now, which perhaps does not work.
    """

    slot: str
    profile: NetworkRow | None = None
    name: str = "last"


class ConfiguredRow(Record, frozen=True, kw_only=True):
    """What the installer's configuration said when it was last taken."""

    digest: str
    name: str = "slot 1"


NETWORK = Table("network", NetworkRow, lambda row: row.slot)
LAST_PROFILE = Table("last_profile", LastProfileRow, lambda row: row.name)
CONFIGURED = Table("configured_network", ConfiguredRow, lambda row: row.name)


class Profiles:
    """The slots, which of them may be used, and in which order."""

    def __init__(self, context: Context, *, takes_access: bool) -> None:
        self._context, self._takes_access = context, takes_access
        self._rows = context.store.table(NETWORK)
        self._last = context.store.table(LAST_PROFILE)
        self._configured = context.store.table(CONFIGURED)
        variables = context.variables
        for number in (ACTIVE_PROFILE, SECURITY_PROFILE):
            variables.declare(number)
        variables.declare(ALLOW_DOWNGRADE)
        variables.declare(PRIORITY)
        variables.validate(PRIORITY, self._check_priority)
        context.csms.answer(SetNetworkProfileRequest, self.set_network_profile)
        context.queries.last_root_needed.register(self._needs_root)

    def configure(self, url: str, security_profile: int, *, first_only: bool) -> None:
        """Fill slot 1 at the first start, or when the installer has changed what he wrote.

        What he writes wins over everything the CSMS has set: the way to another profile that
        is not OCPP (A00.FR.005), and the way out for a station that finds no CSMS any more.
        """
        digest = hashlib.sha256(f"{url} {security_profile}".encode()).hexdigest()
        known = self._configured.get("slot 1")
        if not url or (known is not None and (first_only or known.digest == digest)):
            return
        self._configured.put(ConfiguredRow(digest=digest))
        self._rows.put(NetworkRow(slot="1", url=url, security_profile=security_profile))
        variables = self._context.variables
        variables.update(SECURITY_PROFILE, security_profile, persist=True)  # A00.FR.004
        if known is None:
            return
        others = tuple(slot for slot in variables[PRIORITY] if slot != "1")
        variables.update(PRIORITY, ("1", *others), persist=True)
        log.warning("network slot 1 was changed by the configuration")
        self._tell_security("network slot 1 by configuration")

    def order(self) -> list[NetworkRow]:
        """The usable slots in the order of priority; any other when none of these is left.

        After a restart the first of them is the first to be tried (A05.FR.05, B10.FR.04).
        """
        rows = [self._rows.get(slot) for slot in self._context.variables[PRIORITY]]
        return self._usable(rows) or self._usable(self._rows.all())

    def last_working(self) -> NetworkRow | None:
        """The profile to fall back to, unless it is a weaker one than that in force."""
        last = self._last.get("last")
        rows = self._usable([last.profile]) if last is not None else []
        return rows[0] if rows else None

    def is_other_than_last(self, row: NetworkRow) -> bool:
        last = self.last_working()
        return last is not None and not last.is_same_as(row)

    def worked(self, row: NetworkRow) -> None:
        """The CSMS took the connection through *row*: it is the one to fall back to."""
        variables = self._context.variables
        variables.update(ACTIVE_PROFILE, int(row.slot))
        last, before = self._last.get("last"), variables[SECURITY_PROFILE]
        variables.update(SECURITY_PROFILE, row.security_profile, persist=True)
        if before != row.security_profile:
            self._tell_security(f"security profile {row.security_profile} after {before}")
        if last is None or last.profile != row:
            self._last.put(LastProfileRow(slot=row.slot, profile=row))
        self._drop_lower(row.security_profile, rises=row.security_profile > before)

    def _usable(self, rows: Sequence[NetworkRow | None]) -> list[NetworkRow]:
        return [row for row in rows if row is not None and self._may_use(row.security_profile)]

    def set_network_profile(self, request: SetNetworkProfileRequest) -> SetNetworkProfileResponse:
        slot, profile = str(request.configuration_slot), request.connection_data
        if slot not in SLOTS:  # B09.FR.05
            return _rejected("InvalidConfSlot", f"slots are {', '.join(SLOTS)}")
        wrong = self._wrong_with(profile)
        if wrong:  # B09.FR.02
            return _rejected(INVALID_CONFIGURATION, wrong)
        if not self._may_use(profile.security_profile):  # B09.FR.04, B09.FR.31
            return _rejected("NoSecurityDowngrade", "")
        if slot in self._context.variables[PRIORITY] and not self._is_ready(
            profile.security_profile
        ):
            return _rejected(INVALID_CONFIGURATION, "certificates for this profile are missing")
        if self._context.store.health is StoreHealth.VOLATILE:  # B09.FR.03
            return _refused(SetNetworkProfileStatus.FAILED, "OutOfStorage", "it would not last")
        self._rows.put(
            NetworkRow(
                slot=slot,
                url=check_csms_url(profile.ocpp_csms_url),
                security_profile=profile.security_profile,
                message_timeout_s=profile.message_timeout,
                access=settings_of(slot, profile),
            )
        )
        self._tell_security(f"network slot {slot}")
        return SetNetworkProfileResponse(status=SetNetworkProfileStatus.ACCEPTED)  # B09.FR.01

    def _wrong_with(self, profile: NetworkConnectionProfile) -> str:
        try:
            url = check_csms_url(profile.ocpp_csms_url)
        except ValueError as error:
            return f"ocppCsmsUrl {error}"
        if profile.ocpp_transport.value != "JSON":
            return "ocppTransport must be JSON"
        if profile.security_profile not in (1, 2, 3):
            return "securityProfile must be 1, 2 or 3"
        if url.lower().startswith("wss:") is (profile.security_profile == 1):
            return "profile 1 goes with ws://, profiles 2 and 3 with wss://"
        if not 0 < profile.message_timeout <= MAX_TIMEOUT_S:
            return f"messageTimeout must be 1 to {MAX_TIMEOUT_S} s"
        if not self._takes_access and (profile.apn is not UNSET or profile.vpn is not UNSET):
            return "APN and VPN need an access_command in [network] of the configuration"
        return ""

    def _check_priority(self, slots: tuple[str, ...]) -> None:
        """B10.FR.01, B10.FR.02, A05.FR.02 to A05.FR.04, A05.FR.08 to A05.FR.10"""
        if not slots:
            raise ValueRefused(INVALID_CONFIGURATION, "at least one slot is needed")
        for slot in slots:
            row = self._rows.get(slot)
            if row is None:
                raise ValueRefused(INVALID_CONFIGURATION, f"slot {slot} is empty")
            if not self._may_use(row.security_profile):
                raise ValueRefused("NoSecurityDowngrade", f"slot {slot} has a lower profile")
            if not self._is_ready(row.security_profile):
                raise ValueRefused(
                    INVALID_CONFIGURATION, f"slot {slot}: certificates for its profile are missing"
                )

    def _may_use(self, security_profile: int) -> bool:
        """A00.FR.005 as amended: up always, down only from 3 to 2, and only if allowed."""
        variables = self._context.variables
        current = variables[SECURITY_PROFILE]
        if security_profile >= current:
            return True
        # A05.FR.08, A05.FR.09
        return security_profile == 2 and current == 3 and variables[ALLOW_DOWNGRADE]

    def _is_ready(self, security_profile: int) -> bool:
        trust = self._context.queries.trust
        if security_profile == 1:
            return True
        if trust is None or not trust.roots():  # A05.FR.02
            return False
        return security_profile == 2 or trust.station_certificate() is not None  # A05.FR.03

    def _drop_lower(self, security_profile: int, *, rises: bool) -> None:
        """A05.FR.06: the way back to a weaker profile is gone."""
        variables = self._context.variables
        for row in self._rows.all():
            lower = row.security_profile < security_profile
            if lower and (rises or not self._may_use(row.security_profile)):
                self._rows.delete(row.slot)
        left = tuple(slot for slot in variables[PRIORITY] if self._rows.get(slot) is not None)
        if left != variables[PRIORITY]:
            variables.update(PRIORITY, left or tuple(self._slots_left()), persist=True)

    def _slots_left(self) -> list[str]:
        return [row.slot for row in self._rows.all()]

    def _needs_root(self) -> bool | None:
        return True if any(row.security_profile > 1 for row in self._rows.all()) else None

    def _tell_security(self, what: str) -> None:
        self._context.events.publish(SecurityHappened("ReconfigurationOfSecurityParameters", what))


def _rejected(reason_code: str, text: str) -> SetNetworkProfileResponse:
    return _refused(SetNetworkProfileStatus.REJECTED, reason_code, text)


def _refused(
    status: SetNetworkProfileStatus, reason_code: str, text: str
) -> SetNetworkProfileResponse:
    info = StatusInfo(reason_code=reason_code, additional_info=text or UNSET)
    return SetNetworkProfileResponse(status=status, status_info=info)
