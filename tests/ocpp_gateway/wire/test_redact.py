import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_gateway.wire.redact import _HIDDEN_NAME, _may_name_a_secret, redact_payload, redact_text

SECRET = "s3cr3t-value"


def variable(name: str, **more: Any) -> dict[str, Any]:
    return {"component": {"name": "SecurityCtrlr"}, "variable": {"name": name}, **more}


SECRET_PAYLOADS: list[tuple[str, dict[str, Any]]] = [
    ("ChangeConfiguration", {"key": "AuthorizationKey", "value": SECRET}),
    ("ChangeConfiguration", {"key": "authorizationkey", "value": SECRET}),
    ("ChangeConfiguration", {"key": "Vendor.WifiPassword", "value": SECRET}),
    ("ChangeConfiguration", {"key": "api_key", "value": SECRET}),
    ("ChangeConfiguration", {"key": "AccessToken", "value": SECRET}),
    ("ChangeConfiguration", {"key": "ClientSecret", "value": SECRET}),
    (
        "GetConfiguration",
        {"configurationKey": [{"key": "AuthorizationKey", "readonly": False, "value": SECRET}]},
    ),
    ("SetVariables", {"setVariableData": [variable("BasicAuthPassword", attributeValue=SECRET)]}),
    ("GetVariables", {"getVariableResult": [variable("basicauthpassword", attributeValue=SECRET)]}),
    (
        "NotifyReport",
        {
            "reportData": [
                variable("BasicAuthPassword", variableAttribute=[{"type": "Actual", "value": SECRET}])
            ]
        },
    ),
    ("NotifyEvent", {"eventData": [variable("BasicAuthPassword", actualValue=SECRET)]}),
    (
        "SetNetworkProfile",
        {"connectionData": {"vpn": {"key": SECRET, "password": SECRET}, "apn": {"apnPassword": SECRET}}},
    ),
    ("SetNetworkProfile", {"connectionData": {"basicAuthPassword": SECRET}}),
    ("Authorize", {"idToken": {"idToken": SECRET, "type": "KeyCode"}}),
    ("TransactionEvent", {"seqNo": 1, "idToken": {"idToken": SECRET, "type": "KeyCode"}}),
    ("TransactionEvent", {"idTokenInfo": {"groupIdToken": {"idToken": SECRET, "type": "keycode"}}}),
    (
        "RequestStartTransaction",
        {
            "idToken": {
                "idToken": "A",
                "type": "Central",
                "additionalInfo": [{"additionalIdToken": SECRET, "type": "KeyCode"}],
            }
        },
    ),
    ("UpdateFirmware", {"location": f"ftp://user:{SECRET}@files.example.org/fw.bin"}),
    ("GetDiagnostics", {"location": f"ftp://user:a/b?c#{SECRET}@files.example.org/"}),
    ("GetDiagnostics", {"location": f"sftp://{SECRET}@files.example.org/"}),
    ("GetLog", {"log": {"remoteLocation": f"https://user:{SECRET}@files.example.org/"}}),
    ("SignedUpdateFirmware", {"firmware": {"location": f"https://u:{SECRET}@files.example.org/fw"}}),
    ("GetLog", {"log": {"remoteLocation": f"https://files.example.org/?token={SECRET}"}}),
    ("DataTransfer", {"vendorId": "v", "data": f'{{"password":"{SECRET}","a":1}}'}),
    ("DataTransfer", {"vendorId": "v", "data": {"wifi": {"passphrase": SECRET}}}),
    ("CustomOperation", {"key": "AuthorizationKey", "value": SECRET}),
]


@pytest.mark.parametrize(("action", "payload"), SECRET_PAYLOADS)
def test_redact_payload_hides_secrets_and_nothing_else_of_the_shape(
    action: str, payload: dict[str, Any]
) -> None:
    before = copy.deepcopy(payload)
    redacted = redact_payload(action, payload)
    assert SECRET not in str(redacted)
    assert "***" in str(redacted)
    assert payload == before
    assert redacted.keys() == payload.keys()


def test_redact_payload_keeps_the_rest_readable() -> None:
    attribute = {"type": "Actual", "value": SECRET, "mutability": "WriteOnly"}
    payload = {"reportData": [variable("BasicAuthPassword", variableAttribute=[attribute])]}
    assert redact_payload("NotifyReport", payload) == {
        "reportData": [variable("BasicAuthPassword", variableAttribute=[attribute | {"value": "***"}])]
    }
    location = {"location": f"ftp://user:{SECRET}@files.example.org:21/fw.bin"}
    assert redact_payload("UpdateFirmware", location) == {"location": "ftp://***@files.example.org:21/fw.bin"}


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": "60"}),
        ("ChangeConfiguration", {"key": "SecurityProfile", "value": "2"}),
        ("GetConfiguration", {"key": ["AuthorizationKey"]}),
        ("GetConfiguration", {"unknownKey": ["AuthorizationKey"]}),
        ("Authorize", {"idTag": "04E91C"}),
        ("Authorize", {"idToken": {"idToken": "04E91C", "type": "ISO14443"}}),
        (
            "Authorize",
            {"idTokenInfo": {"status": "Accepted", "groupIdToken": {"idToken": "G", "type": "Central"}}},
        ),
        ("SetVariables", {"setVariableData": [variable("HeartbeatInterval", attributeValue="60")]}),
        ("UpdateFirmware", {"location": "https://files.example.org/fw.bin?v=1"}),
        ("GetLog", {"log": {"remoteLocation": "https://files.example.org/user@host"}}),
        ("GetLog", {"log": {"remoteLocation": "https://files.example.org:8080/user@host"}}),
        ("DataTransfer", {"vendorId": "v", "data": '{"value":"60"}'}),
        ("StatusNotification", {"connectorId": 1}),
        ("BootNotification", {"chargePointModel": "M", "iccid": None}),
        ("SetChargingProfile", {"limits": [1, 2.5, True, None]}),
    ],
)
def test_redact_payload_leaves_what_is_no_secret(action: str, payload: dict[str, Any]) -> None:
    assert redact_payload(action, payload) == payload


def test_redact_payload_hides_numbers_and_keeps_null() -> None:
    assert redact_payload("X", {"simPin": 1234, "password": None}) == {"simPin": "***", "password": None}


@pytest.mark.parametrize("payload", [None, [], "text", 5])
def test_redact_payload_no_object_is_returned(payload: object) -> None:
    assert redact_payload("Authorize", payload) == payload
    assert redact_payload("TransactionEvent", payload) == payload


@pytest.mark.parametrize(
    "text",
    [
        f'[2,"1","ChangeConfiguration",{{"key":"AuthorizationKey","value":"{SECRET}"',
        f'[2,"1","ChangeConfiguration",{{"key":"AuthorizationKey","value":"{SECRET}',
        f'[2,"1","ChangeConfiguration",{{"value":"{SECRET}","key":"authorizationKEY"',
        f'[2,"1","ChangeConfiguration",{{"key":"AuthorizationKey","value" : "a\\"{SECRET}"}}',
        f"[2,'1','ChangeConfiguration',{{'key':'AuthorizationKey','value':'{SECRET}'}}]",
        f"{{key:AuthorizationKey,value:{SECRET}}}",
        f'{{"variable":{{"name":"BasicAuthPassword"}},"attributeValue":"{SECRET}"',
        f'{{"data":"{{\\"password\\":\\"{SECRET}\\"}}"',
        f'{{"idToken":"{SECRET}","type":"KeyCode"',
        f'{{"location":"ftp://user:{SECRET}@host/',
        f"password={SECRET}",
    ],
)
def test_redact_text_hides_secrets_of_broken_frames(text: str) -> None:
    redacted = redact_text(text)
    assert SECRET not in redacted
    assert "***" in redacted


def test_redact_text_leaves_other_text() -> None:
    text = '[2,"1","StartTransaction",{"idTag":"04E91C","value":"5",'
    assert redact_text(text) == text


@given(st.text())
def test_redact_text_any_text_does_not_raise(text: str) -> None:
    redact_text(text)
    redact_text('"password":"' + text)


WORDS = ["pass", "passw", "PASSPHRASE", "pwd", "sec", "ret", "Credential", "psk", "pin", "PIN-code", "sim"]
PIECES = [*WORDS, "auth", "key", "Authorization", "token", "id", "TokenType", "p\u0131n", "\u017fecret", "_"]


@given(st.lists(st.sampled_from([*PIECES, " "]), max_size=8))
def test_redact_text_looks_closely_at_all_that_may_name_a_secret(pieces: list[str]) -> None:
    text = "".join(pieces)
    if _HIDDEN_NAME.search(text):
        assert _may_name_a_secret(text)


@pytest.mark.parametrize("action", ["GetDiagnostics", "GetLog", "UpdateFirmware", "SignedUpdateFirmware"])
def test_redact_payload_hides_links_of_one_use(action: str) -> None:
    payload = {
        "log": {"remoteLocation": f"https://h/files/upload/{SECRET}/"},
        "location": f"http://h/files/firmware/{SECRET}/a.bin",
    }
    assert SECRET not in str(redact_payload(action, payload))
    assert SECRET not in redact_text(str(payload))
