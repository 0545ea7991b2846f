"""Variables that decide when transactions start, end and go on: TxCtrlr and its neighbours."""

from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct

from hal.api import BoardDescription, CableKind
from station.charging.transaction import Points, TxPoint
from station.device_model import (
    INVALID_VALUE,
    Boolean,
    DeviceModel,
    Integer,
    MemberList,
    Mutability,
    OptionList,
    ValueRefused,
    Variable,
)

START_POINTS: tuple[TxPoint, ...] = tuple(TxPoint)
STOP_POINTS: tuple[TxPoint, ...] = tuple(
    point for point in TxPoint if point is not TxPoint.DATA_SIGNED
)

TX_START_POINT: Variable[tuple[TxPoint, ...]] = Variable(
    "TxCtrlr", "TxStartPoint", MemberList(START_POINTS), default=(TxPoint.POWER_PATH_CLOSED,)
)
TX_STOP_POINT: Variable[tuple[TxPoint, ...]] = Variable(
    "TxCtrlr",
    "TxStopPoint",
    MemberList(STOP_POINTS),
    default=(TxPoint.EV_CONNECTED, TxPoint.AUTHORIZED),
)
EV_CONNECTION_TIMEOUT = Variable(
    "TxCtrlr", "EVConnectionTimeOut", Integer(unit="s", min=1, max=86400), default=120
)
STOP_TX_ON_EV_SIDE_DISCONNECT = Variable(
    "TxCtrlr", "StopTxOnEVSideDisconnect", Boolean(), default=True
)
MAX_ENERGY_ON_INVALID_ID = Variable(
    "TxCtrlr", "MaxEnergyOnInvalidId", Integer(unit="Wh", min=0), default=0
)
STOP_TX_ON_INVALID_ID = Variable("TxCtrlr", "StopTxOnInvalidId", Boolean(), default=True)
TX_BEFORE_ACCEPTED = Variable("TxCtrlr", "TxBeforeAcceptedEnabled", Boolean(), default=True)
UNLOCK_ON_EV_SIDE_DISCONNECT = Variable(
    "OCPPCommCtrlr", "UnlockOnEVSideDisconnect", Boolean(), default=True
)


class Resume(StrEnum):
    """What a restart does to a transaction."""

    RESUME = "Resume"
    END = "End"


TX_RESUMPTION = Variable(  # ours: docs/vendor-variables.md
    "TxCtrlr", "TxResumption", OptionList(tuple(Resume)), default=Resume.RESUME
)
TX_RESUMPTION_TIMEOUT = Variable(  # ours: docs/vendor-variables.md
    "TxCtrlr", "TxResumptionTimeout", Integer(unit="s", min=0, max=7 * 86400), default=0
)
AUTH_ENABLED = Variable("AuthCtrlr", "Enabled", Boolean(), default=True)


class Policy(Struct, frozen=True):
    """The variables that decide about transactions, read when they are needed."""

    start_points: Callable[[], Points]
    stop_points: Callable[[], Points]
    connection_timeout_s: Callable[[], int]
    stop_on_ev_side_disconnect: Callable[[], bool]
    unlock_on_ev_side_disconnect: Callable[[], bool]
    authorization_needed: Callable[[], bool]
    may_begin: Callable[[], bool]
    """Transactions may begin now: the CSMS has accepted the station, or need not have."""
    resumption: Callable[[], Resume]
    resumption_timeout_s: Callable[[], int]
    """Resume only after an outage of at most so many seconds; 0: after any."""
    stop_on_invalid_id: Callable[[], bool]
    max_energy_on_invalid_id: Callable[[], int]
    """In Wh; 0: none (E05.FR.02)."""


class ChargingVariables:
    """Declares the variables and reads them for those who decide."""

    def __init__(self, variables: DeviceModel, board: BoardDescription) -> None:
        self._variables = variables
        bays = all(evse.has_bay_sensor for evse in board.evses)
        absent = set() if bays else {TxPoint.PARKING_BAY_OCCUPANCY}
        signs = all(evse.signs for evse in board.evses)
        unsigned = set() if signs else {TxPoint.DATA_SIGNED}
        starts = tuple(p for p in START_POINTS if p not in absent | unsigned)
        stops = tuple(p for p in STOP_POINTS if p not in absent)
        variables.declare(TX_START_POINT, values=starts)
        variables.declare(TX_STOP_POINT, values=stops)
        variables.validate(TX_START_POINT, _not_empty)
        variables.validate(TX_STOP_POINT, _not_empty)
        variables.declare(EV_CONNECTION_TIMEOUT)
        variables.declare(STOP_TX_ON_EV_SIDE_DISCONNECT)
        variables.declare(STOP_TX_ON_INVALID_ID)
        self._meters = any(evse.has_meter for evse in board.evses)
        if self._meters:
            variables.declare(MAX_ENERGY_ON_INVALID_ID)
        variables.declare(TX_BEFORE_ACCEPTED)
        variables.declare(TX_RESUMPTION)
        variables.declare(TX_RESUMPTION_TIMEOUT)
        variables.declare(AUTH_ENABLED)
        sockets = any(
            connector.cable is CableKind.SOCKET
            for evse in board.evses
            for connector in evse.connectors
        )
        if sockets:
            variables.declare(UNLOCK_ON_EV_SIDE_DISCONNECT)
        else:
            variables.declare(
                UNLOCK_ON_EV_SIDE_DISCONNECT, default=False, mutability=Mutability.READ_ONLY
            )

    @property
    def start_points(self) -> Points:
        points: tuple[TxPoint, ...] = self._variables[TX_START_POINT]
        return frozenset(points)

    @property
    def stop_points(self) -> Points:
        points: tuple[TxPoint, ...] = self._variables[TX_STOP_POINT]
        return frozenset(points)

    @property
    def max_energy_on_invalid_id(self) -> int:
        """In Wh; a board without meters does not have the variable, and gives nothing."""
        return self._variables[MAX_ENERGY_ON_INVALID_ID] if self._meters else 0

    @property
    def before_accepted(self) -> bool:
        return self._variables[TX_BEFORE_ACCEPTED]

    def policy(self, accepted: Callable[[], bool]) -> Policy:
        """*accepted*: the CSMS has accepted the station (BootNotification)."""
        variables = self._variables
        return Policy(
            start_points=lambda: self.start_points,
            stop_points=lambda: self.stop_points,
            connection_timeout_s=lambda: variables[EV_CONNECTION_TIMEOUT],
            stop_on_ev_side_disconnect=lambda: variables[STOP_TX_ON_EV_SIDE_DISCONNECT],
            unlock_on_ev_side_disconnect=lambda: variables[UNLOCK_ON_EV_SIDE_DISCONNECT],
            authorization_needed=lambda: variables[AUTH_ENABLED],
            may_begin=lambda: self.before_accepted or accepted(),
            resumption=lambda: variables[TX_RESUMPTION],
            resumption_timeout_s=lambda: variables[TX_RESUMPTION_TIMEOUT],
            stop_on_invalid_id=lambda: variables[STOP_TX_ON_INVALID_ID],
            max_energy_on_invalid_id=lambda: self.max_energy_on_invalid_id,
        )


def _not_empty(value: tuple[TxPoint, ...]) -> None:
    if not value:
        raise ValueRefused(INVALID_VALUE, "at least one point is needed")
