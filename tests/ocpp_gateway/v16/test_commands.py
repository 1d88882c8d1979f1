"""Every neutral command as a call of OCPP 1.6, valid by the official schema."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from chargepoints.command_specs import NEUTRAL, clean
from ocpp_gateway.dispatcher import neutral_problem
from ocpp_gateway.outcome import CannotSend
from ocpp_gateway.v16.commands import CALLS, EXTENDED, asked_message, to_call
from ocpp_gateway.wire import frames, schemas
from tests.chargepoints.test_command_specs import LATER, PEM, PROFILE, VALID

AT = "2099-03-02T10:00:00.000Z"
HASHES = {"hashAlgorithm": "SHA256", "issuerNameHash": "ab", "issuerKeyHash": "cd", "serialNumber": "FFF"}

SAID: dict[str, dict[str, Any]] = {
    "remote_stop": {"transactionId": 17},
    "reset": {"type": "Hard"},
    "unlock_connector": {"connectorId": 2},
    "change_availability": {"connectorId": 0, "type": "Inoperative"},
    "trigger_message": {"requestedMessage": "MeterValues", "connectorId": 1},
    "get_configuration": {"key": ["HeartbeatInterval"]},
    "change_configuration": {"key": "HeartbeatInterval", "value": "300"},
    "clear_cache": {},
    "data_transfer": {"vendorId": "com.example", "messageId": "m", "data": "d"},
    "get_local_list_version": {},
    "send_local_list": {
        "listVersion": 3,
        "updateType": "Differential",
        "localAuthorizationList": [
            {"idTag": "04A1", "idTagInfo": {"status": "Accepted", "parentIdTag": "G", "expiryDate": AT}},
            {"idTag": "04A2"},
        ],
    },
    "reserve_now": {
        "connectorId": 1,
        "idTag": "04A1",
        "parentIdTag": "G",
        "reservationId": 7,
        "expiryDate": AT,
    },
    "cancel_reservation": {"reservationId": 7},
    "set_charging_profile": {
        "connectorId": 1,
        "csChargingProfiles": {
            "chargingProfileId": 5,
            "stackLevel": 2,
            "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Recurring",
            "recurrencyKind": "Daily",
            "validFrom": AT,
            "validTo": AT,
            "transactionId": 17,
            "chargingSchedule": {
                "duration": 86_400,
                "chargingRateUnit": "W",
                "minChargingRate": 6.5,
                "startSchedule": AT,
                "chargingSchedulePeriod": [
                    {"startPeriod": 0, "limit": 16.1, "numberPhases": 3},
                    {"startPeriod": 3600, "limit": 8},
                ],
            },
        },
    },
    "clear_charging_profile": {
        "id": 5,
        "connectorId": 1,
        "chargingProfilePurpose": "TxProfile",
        "stackLevel": 2,
    },
    "get_composite_schedule": {"connectorId": 1, "duration": 3600, "chargingRateUnit": "A"},
    "update_firmware": {
        "location": "https://files.example.org/f.bin",
        "retries": 3,
        "retryInterval": 60,
        "retrieveDate": AT,
    },
    "signed_update_firmware": {
        "requestId": 9,
        "retries": 3,
        "retryInterval": 60,
        "firmware": {
            "location": "https://files.example.org/f.bin",
            "signingCertificate": PEM,
            "signature": "c2ln",
            "retrieveDateTime": AT,
            "installDateTime": AT,
        },
    },
    "get_diagnostics": {
        "location": "ftp://files.example.org/",
        "retries": 3,
        "retryInterval": 60,
        "startTime": AT,
        "stopTime": AT,
    },
    "get_log": {
        "logType": "SecurityLog",
        "requestId": 9,
        "retries": 3,
        "retryInterval": 60,
        "log": {
            "remoteLocation": "https://files.example.org/",
            "oldestTimestamp": AT,
            "latestTimestamp": AT,
        },
    },
    "get_installed_certificate_ids": {"certificateType": "CentralSystemRootCertificate"},
    "install_certificate": {"certificateType": "ManufacturerRootCertificate", "certificate": PEM},
    "delete_certificate": {"certificateHashData": HASHES},
    "certificate_signed": {"certificateChain": PEM},
}


@pytest.mark.parametrize("action", sorted(SAID))
def test_to_call_says_every_argument(action: str) -> None:
    assert to_call(action, VALID[action]) == (CALLS[action][0], SAID[action])


def test_to_call_remote_start_with_a_profile_says_it() -> None:
    profile = SAID["set_charging_profile"]["csChargingProfiles"]
    given = {"id_token": "04A1", "connector": 1, "charging_profile": profile}

    assert to_call("remote_start", given) == (
        "RemoteStartTransaction",
        {"idTag": "04A1", "connectorId": 1, "chargingProfile": profile},
    )


def test_every_command_of_the_version_is_tried() -> None:
    assert {*SAID, "remote_start", "cost_updated"} == CALLS.keys()


def test_to_call_running_cost_goes_out_as_the_vendor_message() -> None:
    more = {"timestamp": AT, "meterValue": 3000, "state": "Charging", "chargingPrice": {"kWhPrice": 0.5}}

    name, call = to_call("cost_updated", {"transaction_id": "7", "total_cost": "1.50", "more": more})

    assert (name, call["vendorId"], call["messageId"]) == (
        "DataTransfer",
        "org.openchargealliance.costmsg",
        "RunningCost",
    )
    assert orjson.loads(call["data"]) == {"transactionId": 7, "cost": 1.5, **more}


@pytest.mark.parametrize("action", sorted(SAID))
def test_to_call_without_optional_arguments_is_valid(action: str) -> None:
    needed = {field.name for field in NEUTRAL[action].fields if field.required}
    given = {name: value for name, value in VALID[action].items() if name in needed}
    if action == "set_charging_profile":
        given = PROFILE
    if action == "get_installed_certificate_ids":  # optional in 2.x alone
        given = {"certificate_type": "CentralSystemRootCertificate"}
    # Numbers that are left to us are there when the command is sent.
    numbers = {name: 1 for name in ("reservation_id", "version", "request_id") if NEUTRAL[action].field(name)}

    name, call = to_call(action, {**clean(action, given), **numbers})

    assert schemas.check_request("ocpp1.6", name, call, strict=True) is None


def test_to_call_full_list_without_tags_empties_it() -> None:
    assert to_call("send_local_list", {"update_type": "Full", "version": 1}) == (
        "SendLocalList",
        {"listVersion": 1, "updateType": "Full"},
    )


def test_to_call_moments_are_said_in_utc() -> None:
    given = {**VALID["reserve_now"], "expires_at": "2099-03-02T12:00:00+02:00"}

    assert to_call("reserve_now", given)[1]["expiryDate"] == AT


def test_to_call_limits_are_written_with_their_digits() -> None:
    periods = [
        {"start_period": n, "limit": limit} for n, limit in enumerate(["0.1", 0.3, 16, "32.7", 11000.9])
    ]
    name, call = to_call(
        "set_charging_profile", clean("set_charging_profile", {**PROFILE, "periods": periods})
    )

    text = frames.call("1", name, call)

    for limit in ("0.1", "0.3", "16", "32.7", "11000.9"):
        assert f'"limit":{limit}}}' in text


@pytest.mark.parametrize(("message", "asked"), sorted(EXTENDED.items()))
def test_to_call_message_of_the_security_extension_is_asked_for_by_its_own_call(
    message: str, asked: str
) -> None:
    name, call = to_call("trigger_message", {"message": message, "connector": 1})

    assert (name, call) == ("ExtendedTriggerMessage", {"requestedMessage": asked, "connectorId": 1})
    # What comes is served while the charger is Pending.
    assert asked_message(name, call) == message


def test_asked_message_of_the_plain_call_is_the_one_named() -> None:
    assert asked_message("TriggerMessage", {"requestedMessage": "Heartbeat"}) == "Heartbeat"
    assert asked_message("Reset", {"type": "Soft"}) is None


@pytest.mark.parametrize(
    ("action", "change"),
    [
        ("remote_start", {"id_token": "T" * 21}),
        ("remote_stop", {"transaction_id": "a-text-of-ocpp-2"}),
        ("reserve_now", {"parent_id_token": "T" * 21}),
        ("set_charging_profile", {"transaction_id": "x"}),
        ("send_local_list", {"entries": [{"id_token": "T" * 21}]}),
    ],
)
def test_to_call_what_the_version_does_not_take_is_not_said(action: str, change: dict[str, Any]) -> None:
    given = {**VALID[action], "charging_profile": None, **change}

    with pytest.raises(CannotSend, match=r"OCPP 1\.6"):
        to_call(action, given)

    assert "OCPP 1.6" in (neutral_problem("ocpp1.6", action, given) or "")


def test_neutral_problem_of_what_can_be_said_is_none() -> None:
    assert neutral_problem("ocpp1.6", "reserve_now", {**VALID["reserve_now"], "expires_at": LATER}) is None


@pytest.mark.parametrize(
    ("action", "more", "problem"),
    [
        ("remote_start", {"parent_id_token": "G"}, "cannot name a group"),
        ("unlock_connector", {"within": 2}, "leave “within” out"),
        ("change_availability", {"connector": 1, "within": 2}, "leave “within” out"),
        ("trigger_message", {"within": 2}, "leave “within” out"),
        ("trigger_message", {"message": "TransactionEvent"}, "knows no TransactionEvent"),
        ("reserve_now", {"connector_type": "cCCS2"}, "cannot reserve a kind of connector"),
        ("data_transfer", {"data": "{}", "as_json": True}, "carries text only"),
        ("update_firmware", {"install_at": LATER}, "no time for the installation"),
    ],
)
def test_to_call_with_an_argument_of_2x_says_what_is_wrong(
    action: str, more: dict[str, Any], problem: str
) -> None:
    with pytest.raises(CannotSend, match=problem):
        to_call(action, {**VALID[action], **more})


def test_types_that_we_know_are_not_said_and_do_no_harm() -> None:
    given = {"id_token": "04A1", "id_token_type": "ISO14443", "remote_start_id": 7}

    assert to_call("remote_start", given) == ("RemoteStartTransaction", {"idTag": "04A1"})
