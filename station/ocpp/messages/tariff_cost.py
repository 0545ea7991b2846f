"""Messages of functional block I, TariffAndCost."""

from station.ocpp.types import Message, Request, String36


class CostUpdatedResponse(Message):
    pass


class CostUpdatedRequest(Request[CostUpdatedResponse]):
    """*total_cost* so far, with tax, in the configured currency."""

    total_cost: float
    transaction_id: String36
