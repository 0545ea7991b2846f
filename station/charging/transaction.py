"""When a transaction starts and ends, and its charging state: functions of facts, without state.

Edges count, never levels: with levels a transaction begun by plugging in would end at once
when `Authorized` is a stop point too, and would begin anew after a local stop with the cable
still in (E01, E06, and the table of TxStartStopPointEnumType).
"""

from enum import StrEnum

import msgspec

from station.ocpp.messages.transactions import ChargingState


class TxPoint(StrEnum):
    """A value of TxStartPoint or TxStopPoint."""

    PARKING_BAY_OCCUPANCY = "ParkingBayOccupancy"
    EV_CONNECTED = "EVConnected"
    AUTHORIZED = "Authorized"
    DATA_SIGNED = "DataSigned"
    POWER_PATH_CLOSED = "PowerPathClosed"
    ENERGY_TRANSFER = "EnergyTransfer"


class Facts(msgspec.Struct, frozen=True):
    """Everything known about one EVSE that a transaction depends on."""

    bay: bool = False
    """The bay sensor sees a vehicle."""
    connected: bool = False
    """EV and EVSE are connected (pilot A has ended)."""
    authorized: bool = False
    signed: bool = False
    """A signed meter value was obtained."""
    offered: bool = False
    """The EVSE is willing: energy is offered and the limit is at least the smallest current."""
    settling: bool = False
    """Energy is offered since so short a time that the EV may still get ready."""
    withheld: bool = False
    """The last event said SuspendedEVSE: that stands while the EV gets ready again."""
    drawing: bool = False
    """Energy flows."""

    @property
    def charging_state(self) -> ChargingState:
        if not self.connected:
            return ChargingState.IDLE
        if self.drawing:
            return ChargingState.CHARGING
        if not self.authorized:
            return ChargingState.EV_CONNECTED
        if not self.offered:
            return ChargingState.SUSPENDED_EVSE
        if self.settling:
            return ChargingState.SUSPENDED_EVSE if self.withheld else ChargingState.EV_CONNECTED
        return ChargingState.SUSPENDED_EV  # E01.FR.19

    def at(self, point: TxPoint) -> bool:
        """Whether the condition of *point* holds."""
        match point:
            case TxPoint.PARKING_BAY_OCCUPANCY:  # E01.FR.01, E06.FR.01
                return self.bay
            case TxPoint.EV_CONNECTED:  # E01.FR.02, E02.FR.06, E06.FR.02
                return self.connected
            case TxPoint.AUTHORIZED:  # E01.FR.03, E06.FR.03
                return self.authorized
            case TxPoint.DATA_SIGNED:  # E01.FR.04
                return self.signed
            case TxPoint.POWER_PATH_CLOSED:  # E01.FR.05, E06.FR.06
                return self.connected and self.authorized
        return self.drawing  # ENERGY_TRANSFER: E01.FR.06, E06.FR.07


Points = frozenset[TxPoint]


def starts(before: Facts, now: Facts, points: Points) -> bool:
    """Whether a start point is newly reached, or an authorisation comes while one holds."""
    if any(now.at(point) and not before.at(point) for point in points):
        return True
    granted = now.authorized and not before.authorized
    return granted and any(now.at(point) for point in points)


def news(before: Facts, now: Facts) -> Facts:
    """What holds now and did not before."""
    names = Facts.__struct_fields__
    return Facts(**{name: getattr(now, name) and not getattr(before, name) for name in names})


def ends(before: Facts, now: Facts, points: Points) -> bool:
    """Whether a stop point is newly lost, or what was lost leaves none that still could be.

    An authorisation that ends with no vehicle there leaves nobody who could leave the bay or
    unplug: E03.FR.15 and F02.FR.08 name the trigger, and this event may be the last.
    """
    lost_connection = before.connected and not now.connected
    lost_authorization = before.authorized and not now.authorized
    for point in points:
        if before.at(point) and not now.at(point):
            return True
        if point is TxPoint.POWER_PATH_CLOSED and (lost_connection or lost_authorization):
            return True  # each alone, whether or not the path was ever closed
        if point is TxPoint.ENERGY_TRANSFER and lost_authorization:
            return True
    if lost_connection and not any(now.at(point) for point in points):
        return True
    lost_anything = lost_connection or lost_authorization or (before.bay and not now.bay)
    return lost_anything and not (now.bay or now.connected or now.authorized)


def ends_with_authorization(facts: Facts, points: Points) -> bool:
    """Whether withdrawing the authorisation would end a transaction that has *facts*."""
    return ends(facts, msgspec.structs.replace(facts, authorized=False), points)
