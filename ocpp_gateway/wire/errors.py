"""Versions and CALLERROR codes: one neutral vocabulary, spelled as each version wants it on the wire.

The neutral names are those of OCPP 2.x. OCPP 1.6 spells two of them in its own way, and the misspelling
is the wire format (OCPP-J 1.6 errata 5.1 and 5.2).
"""

from enum import StrEnum
from typing import Final

V16: Final = "ocpp1.6"
V201: Final = "ocpp2.0.1"
V21: Final = "ocpp2.1"
VERSIONS: Final = (V16, V201, V21)

MAX_DESCRIPTION: Final = 255  # characters of a CALLERROR description, OCPP-J 2.0.1 part 4 §4.2.3


class ErrorCode(StrEnum):
    """Why a CALL was not carried out; the value is the OCPP 2.x spelling."""

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


# What 1.6 writes where it differs. Its table knows neither of the last two (OCPP-J 1.6 table 7).
_SPELLED_16: Final[dict[ErrorCode, str]] = {
    ErrorCode.FORMAT_VIOLATION: "FormationViolation",
    ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION: "OccurenceConstraintViolation",
    ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED: "ProtocolError",
    ErrorCode.RPC_FRAMEWORK_ERROR: "FormationViolation",
}

_NEUTRAL: Final[dict[str, ErrorCode]] = {code.value.casefold(): code for code in ErrorCode} | {
    "formationviolation": ErrorCode.FORMAT_VIOLATION,
    "occurenceconstraintviolation": ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
    "messagetypeerrorsupported": ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED,  # misprint in 2.0.1 part 4 §4.4
}


def spell_code(code: ErrorCode, version: str) -> str:
    """The code as it stands in a CALLERROR of this version."""
    if version == V16:
        return _SPELLED_16.get(code, code.value)
    return code.value


def read_code(text: str) -> ErrorCode | None:
    """The neutral code a charger meant, in the spelling of any version; None when it is of its own making."""
    return _NEUTRAL.get(text.strip().casefold())
