"""Messages of functional block J, MeterValues: values outside transactions."""

from station.ocpp.messages.common import MeterValue
from station.ocpp.types import Message, NonEmpty, Request


class MeterValuesResponse(Message):
    pass


class MeterValuesRequest(Request[MeterValuesResponse]):
    """*evse_id* 0 is the meter of the whole station."""

    evse_id: int
    meter_value: NonEmpty[MeterValue]
