"""Functional block N, Diagnostics: what is known of a customer, told and forgotten (N09, N10).

Whoever keeps personal data registers with `queries.personal_data`; here a customer becomes
tokens, everybody is asked, and what they say goes to the CSMS, durably: what was cleared must
not get lost on its way. No line holds the token itself, so that no queue keeps it anew.
"""

from msgspec import UNSET

from station.charging.rows import TokenRow
from station.context import Context
from station.ocpp.messages.common import IdTokenType, StatusInfo
from station.ocpp.messages.diagnostics import (
    CustomerInformationRequest,
    CustomerInformationResponse,
    CustomerInformationStatus,
    NotifyCustomerInformationRequest,
)
from station.ocpp.registration import Registration
from station.records import SendClass

PART = 512
"""Characters of one NotifyCustomerInformation."""
NOTHING = ""
"""No data was found (N09.FR.06, N10.FR.04; TC_N_62 wants it empty)."""
CLEARED = "cleared"


class CustomerInformation:
    """Answers CustomerInformation; at least one NotifyCustomerInformation follows."""

    def __init__(self, context: Context) -> None:
        self._context = context
        context.csms.answer(CustomerInformationRequest, self.customer_information)

    def customer_information(
        self, request: CustomerInformationRequest
    ) -> CustomerInformationResponse:
        named = (request.id_token, request.customer_certificate, request.customer_identifier)
        if sum(each is not UNSET for each in named) != 1:  # N09.FR.09
            return _refused(
                CustomerInformationStatus.INVALID,
                "InvalidValue",
                "name exactly one of idToken, customerCertificate and customerIdentifier",
            )
        if not (request.report or request.clear):  # N09.FR.07, N10.FR.07
            return _refused(
                CustomerInformationStatus.REJECTED, "InvalidValue", "neither report nor clear"
            )
        if self._context.csms.registration is not Registration.ACCEPTED:  # N09.FR.03, N10.FR.05
            return _refused(CustomerInformationStatus.REJECTED, "CSNotAccepted", "")
        tokens = _tokens(request)
        told = self._about(tokens)
        if request.clear:
            told += self._forget(tokens)
        self._tell(request, "\n".join(told))
        # N09.FR.02, N10.FR.01
        return CustomerInformationResponse(status=CustomerInformationStatus.ACCEPTED)

    def _about(self, tokens: list[TokenRow]) -> list[str]:
        holders = self._context.queries.personal_data
        return [line for holder in holders for token in tokens for line in holder.about(token)]

    def _forget(self, tokens: list[TokenRow]) -> list[str]:
        """N10.FR.03, N10.FR.06; the lines tell what has to stay, and why."""
        holders = self._context.queries.personal_data
        return [line for holder in holders for token in tokens for line in holder.forget(token)]

    def _tell(self, request: CustomerInformationRequest, data: str) -> None:
        """N09.FR.05; without data one that says so; after clearing alone one that says that."""
        if not request.report:  # N10.FR.06
            data = CLEARED
        parts = [data[at : at + PART] for at in range(0, len(data), PART)] or [NOTHING]
        now = self._context.clock.utc()
        for seq_no, part in enumerate(parts):
            self._context.csms.owe(
                NotifyCustomerInformationRequest(
                    data=part,
                    seq_no=seq_no,
                    generated_at=now,
                    request_id=request.request_id,
                    tbc=True if seq_no + 1 < len(parts) else UNSET,
                ),
                send_class=SendClass.EVENT,
            )


def _tokens(request: CustomerInformationRequest) -> list[TokenRow]:
    """The tokens that the customer may have used here.

    An identifier is the text of a token of whatever type. Nothing is kept by certificate: only
    ISO 15118 would bring any.
    """
    if request.id_token is not UNSET:
        token = request.id_token
        return [TokenRow(id_token=token.id_token, type=token.type)]
    if request.customer_identifier is not UNSET:
        text = request.customer_identifier
        return [TokenRow(id_token=text, type=type) for type in IdTokenType]
    return []


def _refused(
    status: CustomerInformationStatus, reason_code: str, text: str
) -> CustomerInformationResponse:
    info = StatusInfo(reason_code=reason_code, additional_info=text or UNSET)
    return CustomerInformationResponse(status=status, status_info=info)
