"""Every feature that is declared for certification is held against the running station."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import UNSET

from station.bench.virtual import VirtualStation
from station.blocks.monitoring.rows import MONITORS as MONITOR_ROWS
from station.device_model.entry import Entry, Slot
from station.ocpp.messages import common
from station.ocpp.messages.diagnostics import MonitoringBase, MonitoringCriterion
from station.ocpp.messages.provisioning import Attribute, ComponentCriterion, Mutability
from tests.conformance.conditions import evaluate
from tests.conformance.declared import cases, features
from tests.conformance.states import Tool

Check = Callable[[VirtualStation], bool | int]

WITH_LOCK = "(C-30 OR C-31 OR C-32 OR C-34)"
OFFLINE = (  # erratum 2025-02 to C-01
    f'("Local Authorization List Management" AND {WITH_LOCK}) OR (C-02 AND {WITH_LOCK[:-1]}'
    f" OR C-33)) OR (C-49 AND {WITH_LOCK}) OR C-35"
)


def built(cable: str = "fixed") -> VirtualStation:
    return VirtualStation(cable=cable).boot()


# -- what a declaration rests on


def slot(
    station: VirtualStation, component: str, name: str, evse: int | None = None
) -> Slot[Any] | None:
    place = UNSET if evse is None else common.EVSE(id=evse)
    entry = station.station.variables.find_entry(
        common.Component(name=component, evse=place), common.Variable(name=name)
    )
    return entry.slots.get(Attribute.ACTUAL) if isinstance(entry, Entry) else None


def has(component: str, name: str, evse: int | None = None) -> Check:
    """The variable exists."""
    return lambda station: slot(station, component, name, evse) is not None


def settable(component: str, name: str) -> Check:
    def check(station: VirtualStation) -> bool:
        found = slot(station, component, name)
        return found is not None and found.mutability is Mutability.READ_WRITE

    return check


def can_be(component: str, name: str, value: str, evse: int | None = None) -> Check:
    """The variable has the value, or the CSMS can give it that value."""

    def check(station: VirtualStation) -> bool:
        found = slot(station, component, name, evse)
        if found is None:
            return False
        if found.text() == value:
            return True
        data = {
            "component": {"name": component} | ({"evse": {"id": evse}} if evse else {}),
            "variable": {"name": name},
            "attributeValue": value,
        }
        answer = station.csms.call("SetVariables", {"setVariableData": [data]})
        return answer["setVariableResult"][0]["attributeStatus"] == "Accepted"

    return check


def preset(component: str, name: str, value: str) -> Check:
    """A manufacturer can ship the station so; read-only ever after."""

    def check(_: VirtualStation) -> bool:
        shipped = VirtualStation(variables={f"{component}.{name}": value}).boot()
        found = slot(shipped, component, name)
        return found is not None and found.text() == value

    return check


def lists(component: str, name: str, member: str | None = None) -> Check:
    """A list variable that can hold *member*, or that holds anything at all."""

    def check(station: VirtualStation) -> bool:
        found = slot(station, component, name)
        if found is None:
            return False
        if member is None:
            return found.text() != ""
        values = found.kind.characteristics().values_list
        return values is not UNSET and member in values.split(",")

    return check


def answers(action: str, payload: dict[str, Any]) -> Check:
    """The station carries the action out: it neither lacks nor refuses it as such."""

    def check(station: VirtualStation) -> bool:
        message_id = station.csms.send_call(action, payload)
        station.settle()
        answer = station.csms.results[message_id]
        if isinstance(answer, Exception):
            assert getattr(answer, "code", "") in ("NotImplemented", "NotSupported"), answer
            return False
        return answer.get("status") not in ("NotImplemented", "NotSupported")

    return check


def brings_along(kind: str) -> Check:
    """There is such a monitor before the CSMS has set any."""

    def check(station: VirtualStation) -> bool:
        rows = station.station.store.table(MONITOR_ROWS).all()
        return any(row.kind == kind for row in rows)

    return check


def lacks_a_criterion(station: VirtualStation) -> bool:
    asked = [
        ("GetReport", {"requestId": 1, "componentCriteria": [each]}) for each in ComponentCriterion
    ]
    asked += [
        ("GetMonitoringReport", {"requestId": 1, "monitoringCriteria": [each]})
        for each in MonitoringCriterion
    ]
    asked += [("SetMonitoringBase", {"monitoringBase": each}) for each in MonitoringBase]
    answers = []
    for action, request in asked:
        answers.append(station.csms.call(action, request)["status"])
        station.settle()
    return "NotSupported" in answers


def can_watch(component: str, variable: str) -> Check:
    """The variable takes a Delta monitor."""

    def check(station: VirtualStation) -> bool:
        monitor = {
            "value": 1.0,
            "type": "Delta",
            "severity": 8,
            "component": {"name": component},
            "variable": {"name": variable},
        }
        answer = station.csms.call("SetVariableMonitoring", {"setMonitoringData": [monitor]})
        return bool(answer["setMonitoringResult"][0]["status"] == "Accepted")

    return check


def triggers(message: str) -> Check:
    return answers("TriggerMessage", {"requestedMessage": message})


def starts_locally(id_type: str) -> Check:
    """A token of the type, plugged in first, begins a transaction that names it."""

    def check(station: VirtualStation) -> bool:
        station.sim.plug(1)
        station.settle()
        if id_type == "NoAuthorization":
            station.sim.button(1, "start")
        else:
            station.sim.token("12345678", type=id_type, evse=1)
        station.advance(5)
        types = [event.get("idToken", {}).get("type") for event in station.csms.events()]
        return id_type in types

    return check


def limits_the_energy_of_refused_tokens(station: VirtualStation) -> bool:
    """With an allowance a refused token charges for a while, and then no longer."""
    if slot(station, TX, "MaxEnergyOnInvalidId") is None:
        return False
    station.variable(TX, "MaxEnergyOnInvalidId", "100")
    station.variable(TX, "StopTxOnInvalidId", "false")
    station.csms.answers["TransactionEvent"] = {"idTokenInfo": {"status": "Invalid"}}
    starts_locally("ISO14443")(station)
    station.advance(10)
    closed = station.world.evses[1].place.closed
    station.advance(60)
    return closed and not station.world.evses[1].place.closed


def stops_locally(id_type: str) -> Check:
    def check(station: VirtualStation) -> bool:
        starts_locally(id_type)(station)
        station.advance(30)
        if id_type == "NoAuthorization":
            station.sim.button(1, "stop")
        else:
            station.sim.token("12345678", type=id_type, evse=1)
        station.advance(30)
        return "StopAuthorized" in [event["triggerReason"] for event in station.csms.events()]

    return check


def starts_remotely(id_type: str) -> Check:
    def check(station: VirtualStation) -> bool:
        text = "" if id_type == "NoAuthorization" else "12345678"
        token = {"idToken": text, "type": id_type}
        request = {"idToken": token, "remoteStartId": 1, "evseId": 1}
        if station.csms.call("RequestStartTransaction", request)["status"] != "Accepted":
            return False
        station.sim.plug(1)
        station.advance(5)
        return any(
            event.get("idToken", {}).get("type") == id_type for event in station.csms.events()
        )

    return check


def board(check: Callable[[Any], bool | int]) -> Check:
    return lambda station: check(station.description)


def connectors(station: VirtualStation) -> list[Any]:
    return [each for evse in station.description.evses for each in evse.connectors]


def plugs_in_unauthorised(station: VirtualStation) -> bool:
    station.sim.plug(1)
    station.settle()
    return "Occupied" in [each["connectorStatus"] for each in station.csms.of("StatusNotification")]


def charges_in_mode_3(station: VirtualStation) -> bool:
    tool = Tool(station)
    tool.energy_transfer_started()
    return True


def formula(condition: str) -> Check:
    return lambda _: evaluate(condition, features()).holds


def with_sockets(check: Check) -> Check:
    return lambda _: check(built("socket"))


def with_signing_meters(check: Check) -> Check:
    return lambda _: check(VirtualStation(signing=True).boot())


def never(_: VirtualStation) -> bool:
    return False


def offers(cable: str) -> Check:
    """The product is built with such cables."""
    return lambda _: all(each.cable.value == cable for each in connectors(built(cable)))


MEASURANDS = "SampledDataCtrlr"
UI, SMART, MONITOR = "DisplayMessageCtrlr", "SmartChargingCtrlr", "MonitoringCtrlr"
TX, AUTH, CACHE, COMM = "TxCtrlr", "AuthCtrlr", "AuthCacheCtrlr", "OCPPCommCtrlr"
START_POINTS = {
    "C-09.1": "EVConnected",
    "C-09.2": "Authorized",
    "C-09.4": "PowerPathClosed",
    "C-09.5": "EnergyTransfer",
    "C-09.6": "ParkingBayOccupancy",
}
STOP_POINTS = {
    "C-10.1": "EVConnected",
    "C-10.2": "Authorized",
    "C-10.3": "PowerPathClosed",
    "C-10.4": "EnergyTransfer",
    "C-10.5": "ParkingBayOccupancy",
}
LOG = {"logType": "DiagnosticsLog", "requestId": 1, "log": {"remoteLocation": "ftp://127.0.0.1/"}}
FIRMWARE = {
    "requestId": 1,
    "firmware": {"location": "ftp://127.0.0.1/", "retrieveDateTime": "2026-03-02T09:00:00Z"},
}
CUSTOMER = {"requestId": 1, "report": True, "clear": False}
SUMMARY = {"requestId": 1, "reportBase": "SummaryInventory"}
MONITORS = {"requestId": 1}

CHECKS: dict[str, Check] = {
    "Core": lambda station: station.csms.connected,
    "Advanced Security": triggers("SignChargingStationCertificate"),
    "Local Authorization List Management": answers("GetLocalListVersion", {}),
    "Smart Charging": has(SMART, "RateUnit"),
    "Advanced Device Management": answers("GetMonitoringReport", MONITORS),
    "Reservation": answers("CancelReservation", {"reservationId": 1}),
    "ISO 15118 Support": has("ISO15118Ctrlr", "Enabled", 1),
    "Advanced User Interface": has(UI, "SupportedFormats"),
    "Mode 1/2-only": lambda station: not charges_in_mode_3(station),
    "Wireless": lambda station: any(each.type[0] == "w" for each in connectors(station)),
    "HFS-1": offers("socket"),
    "HFS-2": offers("fixed"),
    "HFS-3": lambda station: all(each.type[0] in "cs" for each in connectors(station)),
    "HFS-4": lambda station: not all(each.type[0] in "cs" for each in connectors(station)),
    "HFS-5": board(lambda description: all(evse.phases >= 1 for evse in description.evses)),
    "HFS-6": board(lambda description: all(evse.phases >= 2 for evse in description.evses)),
    "HFS-7": board(lambda description: all(evse.phases >= 3 for evse in description.evses)),
    "HFS-8": board(lambda description: len(description.evses)),
    "HFS-10": board(lambda description: len(description.readers) > 0),
    "C-01": formula(OFFLINE),
    "C-02": can_be(AUTH, "OfflineTxForUnknownIdEnabled", "true"),
    "C-03": limits_the_energy_of_refused_tokens,
    "C-04": has("ChargingStation", "MinimumStatusDuration"),
    "C-06.1": can_be(TX, "StopTxOnEVSideDisconnect", "false"),
    "C-06.2": can_be(TX, "StopTxOnEVSideDisconnect", "true"),
    "C-07": has(AUTH, "MasterPassGroupId"),
    "C-08": has(AUTH, "MasterPassGroupId"),
    **{id: lists(TX, "TxStartPoint", point) for id, point in START_POINTS.items()},
    "C-09.3": with_signing_meters(lists(TX, "TxStartPoint", "DataSigned")),
    **{id: lists(TX, "TxStopPoint", point) for id, point in STOP_POINTS.items()},
    "C-12.1": with_sockets(can_be(COMM, "UnlockOnEVSideDisconnect", "true")),
    "C-12.2": with_sockets(can_be(COMM, "UnlockOnEVSideDisconnect", "false")),
    "C-13": can_be("EVSE", "AllowReset", "true", 1),
    "C-14": answers("CustomerInformation", {**CUSTOMER, "customerIdentifier": "c"}),
    "C-20": has("ChargingStation", "AllowNewSessionsPendingFirmwareUpdate"),
    "C-21": has(COMM, "QueueAllMessages"),
    "C-23": lists("ClockCtrlr", "TimeSource", "Heartbeat"),
    "C-25": has("ClockCtrlr", "TimeOffset"),
    "C-26": has("ClockCtrlr", "TimeZone"),
    "C-28": settable("AlignedDataCtrlr", "SendDuringIdle"),
    "C-29.1": triggers("MeterValues"),
    "C-29.2": triggers("TransactionEvent"),
    "C-29.3": triggers("LogStatusNotification"),
    "C-29.4": triggers("FirmwareStatusNotification"),
    "C-29.5": triggers("StatusNotification"),
    "C-29.6": triggers("BootNotification"),
    "C-30": starts_locally("ISO14443"),
    "C-31": starts_locally("ISO15693"),
    "C-32": starts_locally("KeyCode"),
    "C-33": starts_locally("Local"),
    "C-34": starts_locally("MacAddress"),
    "C-35": starts_locally("NoAuthorization"),
    "C-36": starts_remotely("ISO14443"),
    "C-37": starts_remotely("ISO15693"),
    "C-38": starts_remotely("Central"),
    "C-39": starts_remotely("NoAuthorization"),
    "C-40.1": lists(MEASURANDS, "TxStartedMeasurands"),
    "C-40.2": lists(MEASURANDS, "TxUpdatedMeasurands"),
    "C-40.3": lists(MEASURANDS, "TxEndedMeasurands"),
    "C-40.4": lists("AlignedDataCtrlr", "Measurands"),
    "C-40.5": lists("AlignedDataCtrlr", "TxEndedMeasurands"),
    "C-41": triggers("SignChargingStationCertificate"),
    "C-42": with_signing_meters(has(MEASURANDS, "SignReadings")),
    "C-43": answers("UpdateFirmware", FIRMWARE),
    "C-47": answers(
        "SetNetworkProfile",
        {
            "configurationSlot": 1,
            "connectionData": {
                "ocppVersion": "OCPP20",
                "ocppTransport": "JSON",
                "ocppCsmsUrl": "ws://csms.example",
                "messageTimeout": 30,
                "securityProfile": 1,
                "ocppInterface": "Wired0",
            },
        },
    ),
    "C-48.1": can_be(AUTH, "AuthorizeRemoteStart", "true"),
    "C-48.2": can_be(AUTH, "AuthorizeRemoteStart", "false"),
    "C-49": has(CACHE, "Enabled"),
    "C-51": settable(TX, "TxStartPoint"),
    "C-52": settable(TX, "TxStopPoint"),
    "C-53": has(CACHE, "LifeTime"),
    "C-54": has(CACHE, "Policy"),
    "C-56": answers("GetBaseReport", SUMMARY),
    "C-57": answers("GetLog", LOG),
    "C-58": has(AUTH, "DisableRemoteAuthorization"),
    "C-59": has(CACHE, "DisablePostAuthorize"),
    "C-60": answers("UpdateFirmware", FIRMWARE),
    "C-61": can_be("SecurityCtrlr", "SecurityProfile", "1"),
    "C-70": stops_locally("ISO14443"),
    "C-71": stops_locally("ISO15693"),
    "C-72": stops_locally("KeyCode"),
    "C-75": stops_locally("NoAuthorization"),
    "AS-2": preset("SecurityCtrlr", "AdditionalRootCertificateCheck", "true"),
    "AS-3": has("SecurityCtrlr", "CertSigningWaitMinimum"),
    "SC-2.1": lists(SMART, "RateUnit", "A"),
    "SC-2.2": lists(SMART, "RateUnit", "W"),
    "R-1": answers("CancelReservation", {"reservationId": 1}),
    "R-2": has("ReservationCtrlr", "NonEvseSpecific"),
    "R-3": settable("ReservationCtrlr", "Enabled"),
    "DM-3": has(MONITOR, "OfflineQueuingSeverity"),
    "ISO-4": has("ISO15118Ctrlr", "PnCEnabled", 1),  # else there is no certificate to tell of
    "ISO-5": has("ISO15118Ctrlr", "CentralContractValidationAllowed", 1),
    "LA-1": settable("LocalAuthListCtrlr", "Enabled"),
    "LA-3": has("LocalAuthListCtrlr", "DisablePostAuthorize"),
    "UI-1.1": lists(UI, "SupportedPriorities", "AlwaysFront"),
    "UI-1.2": lists(UI, "SupportedPriorities", "InFront"),
    "UI-1.3": lists(UI, "SupportedPriorities", "NormalCycle"),
    "UI-2.1": lists(UI, "SupportedFormats", "ASCII"),
    "UI-2.2": lists(UI, "SupportedFormats", "HTML"),
    "UI-2.3": lists(UI, "SupportedFormats", "URI"),
    "UI-2.4": lists(UI, "SupportedFormats", "UTF8"),
    "AQ-1": answers("GetInstalledCertificateIds", {}),
    "AQ-2": with_sockets(lambda station: not plugs_in_unauthorised(station)),
    "AQ-3": never,  # nothing but OCPP will ever remove one
    "AQ-4": has(SMART, "Phases3to1"),
    "AQ-5": brings_along("HardWiredMonitor"),
    "AQ-6": brings_along("PreconfiguredMonitor"),
    "AQ-7": answers("UpdateFirmware", FIRMWARE),
    "AQ-8": board(lambda description: all(reader.evse for reader in description.readers)),
    "AQ-9": charges_in_mode_3,
    "AQ-10": can_watch("SecurityCtrlr", "BasicAuthPassword"),
    "OUT-1": lacks_a_criterion,
    "AQ-11": triggers("SignCombinedCertificate"),
    "AQ-18": with_sockets(lambda station: any(each.has_lock for each in connectors(station))),
}
"""How to find out, feature by feature.

Where a block does not exist yet, its absence is the check: building it makes the test fail, and
whoever builds it declares the feature and checks it properly.
"""


def test_every_declared_feature_has_a_check() -> None:
    assert sorted(features()) == sorted(CHECKS)


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_declaration_is_what_the_station_does(name: str) -> None:
    assert CHECKS[name](built()) == features()[name]


def test_every_condition_of_a_case_can_be_evaluated() -> None:
    declared = features()
    for case in cases():
        evaluate(case.condition, declared)


def test_each_choice_that_part_5_demands_has_one_yes() -> None:
    declared = features()
    for family in ("C-06.", "C-09.", "C-10.", "C-12.", "C-40.", "C-48."):
        assert any(value for name, value in declared.items() if name.startswith(family)), family
    assert any(declared[f"C-{number}"] for number in range(36, 40))
