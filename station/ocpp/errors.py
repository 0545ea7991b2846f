"""The error codes of OCPP-J, and the exception that carries one to the CALLERROR."""

from enum import StrEnum

MAX_DESCRIPTION = 255


class ErrorCode(StrEnum):
    """What a CALLERROR may say (OCPP-J 4.3); 2.0.1 spells *Occurrence* with two r, 1.6 did not."""

    FORMAT_VIOLATION = "FormatViolation"
    GENERIC_ERROR = "GenericError"
    INTERNAL_ERROR = "InternalError"
    MESSAGE_TYPE_NOT_SUPPORTED = "MessageTypeNotSupported"
    NOT_IMPLEMENTED = "NotImplemented"
    NOT_SUPPORTED = "NotSupported"
    OCCURRENCE_CONSTRAINT_VIOLATION = "OccurrenceConstraintViolation"
    PROPERTY_CONSTRAINT_VIOLATION = "PropertyConstraintViolation"
    PROTOCOL_ERROR = "ProtocolError"
    RPC_FRAMEWORK_ERROR = "RpcFrameworkError"
    SECURITY_ERROR = "SecurityError"
    TYPE_CONSTRAINT_VIOLATION = "TypeConstraintViolation"


class RpcError(Exception):
    """The CALL cannot be carried out; *code* is what the CSMS is told."""

    def __init__(self, code: ErrorCode, description: str = "") -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description[:MAX_DESCRIPTION]
