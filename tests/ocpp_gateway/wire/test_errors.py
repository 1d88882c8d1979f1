import pytest

from ocpp_gateway.wire.errors import V16, V21, V201, ErrorCode, read_code, spell_code


@pytest.mark.parametrize(
    ("code", "in_16", "in_2x"),
    [
        (ErrorCode.FORMAT_VIOLATION, "FormationViolation", "FormatViolation"),
        (
            ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
            "OccurenceConstraintViolation",
            "OccurrenceConstraintViolation",
        ),
        (ErrorCode.NOT_IMPLEMENTED, "NotImplemented", "NotImplemented"),
        (ErrorCode.RPC_FRAMEWORK_ERROR, "FormationViolation", "RpcFrameworkError"),
    ],
)
def test_spell_code_follows_the_version(code: ErrorCode, in_16: str, in_2x: str) -> None:
    assert [spell_code(code, version) for version in (V16, V201, V21)] == [in_16, in_2x, in_2x]


def test_spell_code_in_16_uses_only_codes_of_16() -> None:
    table_7 = {
        "NotImplemented",
        "NotSupported",
        "InternalError",
        "ProtocolError",
        "SecurityError",
        "FormationViolation",
        "PropertyConstraintViolation",
        "OccurenceConstraintViolation",
        "TypeConstraintViolation",
        "GenericError",
    }
    assert {spell_code(code, V16) for code in ErrorCode} == table_7


@pytest.mark.parametrize(
    "text",
    ["OccurenceConstraintViolation", "OccurrenceConstraintViolation", " occurrenceconstraintviolation"],
)
def test_read_code_takes_both_spellings(text: str) -> None:
    assert read_code(text) is ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION


def test_read_code_of_its_own_making_is_none() -> None:
    assert read_code("VendorPanic") is None
