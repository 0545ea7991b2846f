"""Stations whose meters sign, and what is in the data sets that they tell."""

import base64
from typing import Any

from station.bench.virtual import VirtualStation
from station.ocmf.data_set import DataSet, parse
from station.ocmf.signature import PublicKey, read_key
from tests.usecases.conftest import MakeStation
from tests.usecases.telling import Event

CARD = "04A1B2C3"
REGISTER = "Energy.Active.Import.Register"
SIGNING = {
    "SampledDataCtrlr.SignReadings": "true",
    "SampledDataCtrlr.TxUpdatedInterval": "0",
    "AlignedDataCtrlr.Interval": "0",
    "AuthCtrlr.OfflineTxForUnknownIdEnabled": "true",
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": "4",
    "OCPPCommCtrlr.RetryBackOffRandomRange": "0",
    "OCPPCommCtrlr.RetryBackOffRepeatTimes": "0",
}
Sample = dict[str, Any]


def make(
    make_station: MakeStation, *points: str, variables: dict[str, str] | None = None, **more: Any
) -> VirtualStation:
    """A station that signs; *variables* change or add to SIGNING."""
    presets = SIGNING | (variables or {})
    station: VirtualStation = make_station(*points, variables=presets, signing=True, **more)
    return station


def plug(station: VirtualStation, evse: int = 1, **car: Any) -> None:
    station.sim.plug(evse, **car)
    station.advance(3)


def show(station: VirtualStation, evse: int = 1, card: str = CARD) -> None:
    station.sim.token(card, evse=evse)
    station.advance(3)


def begin(station: VirtualStation, evse: int = 1, card: str = CARD) -> None:
    """A car that charges."""
    plug(station, evse)
    show(station, evse, card)
    station.advance(10)
    assert station.world.evses[evse].place.closed


def end(station: VirtualStation, evse: int = 1, card: str = CARD) -> None:
    show(station, evse, card)
    station.advance(5)
    station.sim.unplug(evse)
    station.advance(3)


def charge(station: VirtualStation, duration_s: float = 300.0, evse: int = 1) -> list[Event]:
    """A whole charge; the events of its transaction."""
    begin(station, evse)
    station.advance(duration_s)
    end(station, evse)
    last = station.csms.events()[-1]
    return station.csms.events(last["transactionInfo"]["transactionId"])


def registers(told: Event) -> list[Sample]:
    """The samples that tell the total register, of an event or of MeterValues."""
    return [
        sample
        for value in told.get("meterValue", [])
        for sample in value["sampledValue"]
        if sample.get("measurand", REGISTER) == REGISTER and "phase" not in sample
    ]


def signatures(told: Event) -> list[tuple[str, str]]:
    """Context and data of each, as the meter wrote it; empty data where there is no signature."""
    return [(sample["context"], data_of(sample)) for sample in registers(told)]


def data_of(sample: Sample) -> str:
    signed = sample.get("signedMeterValue")
    return "" if signed is None else base64.b64decode(signed["signedMeterData"]).decode()


def keys(told: Event) -> list[str]:
    """The public keys that went along; empty where it was left out."""
    return [
        sample["signedMeterValue"]["publicKey"]
        for sample in registers(told)
        if "signedMeterValue" in sample
    ]


def key_of(station: VirtualStation, evse: int = 1) -> PublicKey:
    """As the station tells it, once its meter has signed something."""
    return read_key(station.variable("FiscalMetering", "PublicKey", evse=evse))


def checked(station: VirtualStation, told: Event, evse: int = 1) -> list[DataSet]:
    """The data sets of every register told: each verifies, and says what the sample says."""
    found = []
    for sample in registers(told):
        data_set = parse(data_of(sample))
        assert key_of(station, evse).verifies(data_set)
        assert data_set.readings[0].energy_wh == sample["value"]
        assert sample["signedMeterValue"]["encodingMethod"] == "OCMF"
        assert sample["signedMeterValue"]["signingMethod"] == "", "it is in the data"
        found.append(data_set)
    return found


def reasons(data_sets: list[DataSet]) -> str:
    """ "BCE": why each was signed."""
    return "".join(each.readings[0].reason for each in data_sets)


def kinds(events: list[Event]) -> list[str]:
    return [event["eventType"] for event in events]
