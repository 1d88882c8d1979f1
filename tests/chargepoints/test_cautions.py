"""What speaks against a command before it is sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Tenant
from chargepoints.cautions import _RULES, Facts, Held, Key, Session, Token, cautions
from chargepoints.command_specs import NEUTRAL, clean
from chargepoints.models import ChargePoint, Connection
from chargepoints.services.cautions import warnings_for
from tests import factories
from tests.chargepoints.test_command_specs import VALID

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
LATER = "2099-03-02T10:00:00Z"
EARLIER = "2026-03-02T09:00:00Z"
ALL_FEATURES = "Core,FirmwareManagement,LocalAuthListManagement,Reservation,SmartCharging,RemoteTrigger"
CHARGING = {1: "Charging", 2: "Available"}
FREE = {1: "Available", 2: "Available"}


def facts(**given: Any) -> Facts:
    """Of a charger with two free connectors; `keys` as name=value, read-only ones with a “!” before the value."""
    keys = {
        name.casefold(): Key(value=value.removeprefix("!"), is_readonly=value.startswith("!"))
        for name, value in given.pop("keys", {}).items()
    }
    return Facts(**{"now": NOW, "connectors": FREE, "keys": keys, **given})


def said(known: Facts, action: str, **payload: Any) -> list[str]:
    return cautions(known, action, clean(action, payload))


def start(**payload: Any) -> tuple[str, dict[str, Any]]:
    return "remote_start", {"id_token": "04AA", **payload}


def reserve(**payload: Any) -> tuple[str, dict[str, Any]]:
    return "reserve_now", {"id_token": "04AA", "expires_at": LATER, **payload}


def change(key: str, value: str) -> tuple[str, dict[str, Any]]:
    return "change_configuration", {"key": key, "value": value}


def profile(**payload: Any) -> tuple[str, dict[str, Any]]:
    periods = [{"start_period": 0, "limit": 16}]
    given = {"profile_id": 1, "purpose": "TxDefaultProfile", "periods": periods}
    return "set_charging_profile", {**given, **payload}


def local_list(count: int = 1, **payload: Any) -> tuple[str, dict[str, Any]]:
    entries = [{"id_token": f"T{n}", "status": "Accepted"} for n in range(count)]
    return "send_local_list", {"update_type": "Full", "version": 5, "entries": entries, **payload}


ONE_SESSION = (Session(connector=1, ocpp_id="77"),)
HELD = (Held(number=9, connector=1, id_token="04BB", parent_id_token="VIP"),)
TWO_PROFILES = {"MaxChargingProfilesInstalled": "2"}
ONE_WAY = {"ConnectorSwitch3to1PhaseSupported": "false"}
PHASES_CHANGE = [
    {"start_period": 0, "limit": 16},
    {"start_period": 60, "limit": 16, "number_phases": 1},
]
TWO_PERIODS = [{"start_period": 0, "limit": 16}, {"start_period": 60, "limit": 8}]

#: What is known, the command, and a part of the only sentence that is said; None: nothing is said.
CASES: list[tuple[Facts, tuple[str, dict[str, Any]], str | None]] = [
    # any command
    (facts(), ("clear_cache", {}), None),
    (facts(is_online=False), ("clear_cache", {}), "is offline: the command waits"),
    (facts(keys={"SupportedFeatureProfiles": "Core"}), reserve(connector=1), "does not list Reservation"),
    (facts(keys={"SupportedFeatureProfiles": "core, Reservation"}), reserve(connector=1), None),
    (
        facts(keys={"SupportedFeatureProfiles": "Core,Local Auth List Management"}),
        ("get_local_list_version", {}),
        None,
    ),
    (facts(keys={"SupportedFeatureProfiles": ""}), ("get_local_list_version", {}), None),
    (facts(), ("unlock_connector", {"connector": 3}), "no connector 3, only 1 and 2"),
    (facts(connectors={}), ("unlock_connector", {"connector": 3}), None),
    (facts(), ("trigger_message", {"message": "StatusNotification", "connector": 9}), "no connector 9"),
    # remote start
    (facts(), start(connector=1), None),
    (facts(connectors={1: "Preparing", 2: "Available"}), start(connector=1), None),
    (facts(connectors=CHARGING), start(connector=1), "Connector 1 is charging."),
    (facts(connectors={1: "SuspendedEV"}), start(connector=1), "Connector 1 is in a session."),
    (facts(connectors={1: "Finishing"}), start(connector=1), "Connector 1 still has the cable"),
    (facts(connectors={1: "Unavailable"}), start(connector=1), "Connector 1 is out of service."),
    (facts(connectors={1: "Faulted"}), start(connector=1), "Connector 1 reports a fault."),
    (facts(connectors={1: "Weird"}), start(connector=1), None),
    (facts(sessions=ONE_SESSION), start(connector=1), "Connector 1 is in a session."),
    (facts(sessions=ONE_SESSION), start(connector=2), None),
    (facts(sessions=ONE_SESSION), start(), None),
    (facts(connectors={1: "Charging", 2: "Faulted"}), start(), "No connector is free."),
    (facts(connectors={1: "Reserved"}), start(connector=1), "reports connector 1 as reserved"),
    (facts(reservations=HELD), start(connector=1), "reserved for the tag 04BB (reservation 9)"),
    (facts(reservations=HELD), start(connector=1, id_token="04bb"), None),
    (
        facts(reservations=HELD, tokens={"04aa": Token(status="Accepted", group="vip")}),
        start(connector=1),
        None,
    ),
    (facts(reservations=HELD), start(connector=2), None),
    (facts(tokens={"04aa": Token(status="Accepted")}), start(), None),
    (facts(tokens={"04aa": Token(status="Blocked")}), start(), "tag 04AA is blocked"),
    (facts(tokens={"04aa": Token(status="Expired")}), start(), "tag 04AA has expired"),
    (facts(tokens={"04aa": Token(status="Invalid")}), start(), "tag 04AA is not known here"),
    (
        facts(keys={"SupportedFeatureProfiles": "Core"}),
        start(charging_profile={"chargingProfilePurpose": "TxProfile"}),
        "does not list SmartCharging",
    ),
    # what ends sessions
    (facts(sessions=ONE_SESSION), ("remote_stop", {"transaction_id": "77"}), None),
    (facts(sessions=ONE_SESSION), ("remote_stop", {"transaction_id": "78"}), "No session with the id 78"),
    (facts(), ("reset", {"kind": "Soft"}), None),
    (facts(sessions=ONE_SESSION), ("reset", {"kind": "Soft"}), "running on connector 1: ended by the reset"),
    (facts(sessions=ONE_SESSION), ("reset", {"kind": "OnIdle"}), "restarts when it has ended"),
    (
        facts(sessions=ONE_SESSION, cuts_orders=True),
        ("reset", {"kind": "Soft"}),
        "restarts when it has ended",
    ),
    (facts(sessions=ONE_SESSION), ("reset", {"kind": "ImmediateAndResume"}), "and resumed"),
    (facts(sessions=ONE_SESSION), ("reset", {"kind": "Immediate", "connector": 2}), None),
    (
        facts(connectors={1: "Charging", 2: "SuspendedEVSE"}),
        ("reset", {"kind": "Hard"}),
        "connectors 1 and 2",
    ),
    (facts(sessions=ONE_SESSION), ("unlock_connector", {"connector": 1}), "unlocking ends it"),
    (facts(sessions=ONE_SESSION), ("unlock_connector", {"connector": 2}), None),
    (facts(connectors=CHARGING), ("change_availability", {"operative": False}), "when nothing is running"),
    (facts(connectors=CHARGING), ("change_availability", {"operative": True}), None),
    (facts(connectors=CHARGING), ("change_availability", {"operative": False, "connector": 2}), None),
    # reservations
    (facts(), reserve(), None),
    (facts(connectors=CHARGING), reserve(connector=1), "Connector 1 is charging."),
    (facts(reservations=HELD), reserve(connector=1), "reserved for the tag 04BB"),
    (facts(tokens={"04aa": Token(status="Invalid")}), reserve(connector=1), "is not known here"),
    (facts(knows_all_keys=True), reserve(), "no reservations for “any connector”"),
    (facts(knows_all_keys=True, keys={"ReserveConnectorZeroSupported": "true"}), reserve(), None),
    (facts(knows_all_keys=True), reserve(connector=1), None),
    (facts(reservations=HELD), ("cancel_reservation", {"reservation_id": 9}), None),
    (facts(reservations=HELD), ("cancel_reservation", {"reservation_id": 8}), "No reservation 8"),
    # configuration
    (facts(keys={"HeartbeatInterval": "300"}), change("HeartbeatInterval", "60"), None),
    (facts(keys={"HeartbeatInterval": "!300"}), change("heartbeatinterval", "60"), "as read-only"),
    (facts(), change("HeartbeatInterval", "often"), "should be a whole number"),
    (facts(), change("Vendor.Key", "1"), None),
    (
        facts(keys={"HeartbeatInterval": "!300"}),
        change("OCPPCommCtrlr/HeartbeatInterval", "60"),
        "as read-only",
    ),
    (
        facts(knows_all_keys=True),
        ("get_variables", {"variables": ["EVSE(1)/Power"]}),
        "has not reported EVSE(1)/Power",
    ),
    (
        facts(knows_all_keys=True),
        ("set_variables", {"variables": [{"key": "EVSE(1)/Power", "value": "1"}]}),
        "has not reported a key EVSE(1)/Power",
    ),
    (facts(knows_all_keys=True), change("Vendor.Key", "1"), "has not reported a key Vendor.Key"),
    (facts(knows_all_keys=True), change("AuthorizationKey", "a" * 40), None),
    (
        facts(keys={"SecurityProfile": "2"}),
        change("SecurityProfile", "1"),
        "lowers the security profile from 2",
    ),
    (facts(security_profile=3), change("SecurityProfile", "2"), "lowers the security profile from 3"),
    (facts(security_profile=1), change("SecurityProfile", "2"), None),
    (facts(), ("get_configuration", {"keys": ["Nothing"]}), None),
    (facts(knows_all_keys=True), ("get_configuration", {"keys": ["A", "B"]}), "has not reported A and B"),
    (
        facts(keys={"GetConfigurationMaxKeys": "1"}),
        ("get_configuration", {"keys": ["A", "B"]}),
        "up to 1 keys in one message; these are 2",
    ),
    (facts(keys={"AuthorizationCacheEnabled": "false"}), ("clear_cache", {}), "cache is off"),
    (facts(keys={"AuthorizationCacheEnabled": "maybe"}), ("clear_cache", {}), None),
    # local list
    (facts(), local_list(), None),
    (facts(keys={"LocalAuthListEnabled": "False"}), local_list(), "does not use its local list"),
    (facts(keys={"SendLocalListMaxLength": "2"}), local_list(3), "up to 2 tags in one message"),
    (facts(keys={"LocalAuthListMaxLength": "2"}), local_list(3), "holds up to 2 tags"),
    (facts(keys={"LocalAuthListMaxLength": "many"}), local_list(3), None),
    (facts(list_version=5), local_list(update_type="Differential"), "holds version 5 already"),
    (facts(list_version=4), local_list(update_type="Differential"), None),
    (facts(list_version=9), local_list(), None),
    # charging profiles
    (facts(), profile(), None),
    (facts(keys={"ChargeProfileMaxStackLevel": "3"}), profile(stack_level=4), "levels up to 3"),
    (facts(keys={"ChargeProfileMaxStackLevel": "3"}), profile(stack_level=3), None),
    (facts(keys={"ChargingScheduleMaxPeriods": "1"}), profile(periods=TWO_PERIODS), "up to 1 periods"),
    (facts(keys={"ChargingScheduleAllowedChargingRateUnit": "Current"}), profile(), None),
    (facts(keys={"ChargingScheduleAllowedChargingRateUnit": "A"}), profile(), None),
    (facts(keys={"ChargingScheduleAllowedChargingRateUnit": "Power"}), profile(), "no limits in ampere"),
    (
        facts(keys={"ChargingScheduleAllowedChargingRateUnit": "Current"}),
        profile(charging_rate_unit="W"),
        "no limits in watt",
    ),
    (facts(keys=TWO_PROFILES, profiles=frozenset({7, 8})), profile(), "keeps up to 2 profiles"),
    (facts(keys=TWO_PROFILES, profiles=frozenset({7, 8})), profile(profile_id=7), None),
    (facts(keys=ONE_WAY), profile(periods=PHASES_CHANGE), "cannot change the number of phases"),
    (facts(keys={"ConnectorSwitch3to1PhaseSupported": "true"}), profile(periods=PHASES_CHANGE), None),
    (facts(keys=ONE_WAY), profile(periods=TWO_PERIODS), None),
    (facts(), profile(valid_to=EARLIER), "no longer valid"),
    (facts(), profile(purpose="TxProfile", connector=1), "No session is running on connector 1"),
    (facts(connectors=CHARGING), profile(purpose="TxProfile", connector=1), None),
    (
        facts(sessions=ONE_SESSION),
        profile(purpose="TxProfile", connector=1, transaction_id="78"),
        "No session with the id 78",
    ),
    (facts(), ("get_composite_schedule", {}), None),
    (facts(), ("clear_charging_profile", {"connector": 4}), "no connector 4"),
    # files and certificates
    (facts(), ("update_firmware", {"location": "https://f.example/f"}), None),
    (
        facts(),
        ("update_firmware", {"location": "https://f.example/f", "retrieve_at": EARLIER}),
        "fetch the file is in the past",
    ),
    (
        facts(),
        (
            "signed_update_firmware",
            {**VALID["signed_update_firmware"], "retrieve_at": LATER, "install_at": "2098-01-01T00:00:00Z"},
        ),
        "install is before the time to fetch",
    ),
    (
        facts(keys={"SupportedFileTransferProtocols": "FTP,FTPS"}),
        ("get_diagnostics", {"location": "https://f.example/"}),
        "by FTP and FTPS, not by HTTPS",
    ),
    (
        facts(keys={"SupportedFileTransferProtocols": "FTP"}),
        ("get_diagnostics", {"location": "http://[broken"}),
        None,
    ),
    (
        facts(sessions=ONE_SESSION),
        ("update_firmware", {"location": "https://f.example/f"}),
        "may end it for the installation",
    ),
    (
        facts(keys={"CertificateSignedMaxChainSize": "10"}),
        ("certificate_signed", {"certificate_chain": VALID["certificate_signed"]["certificate_chain"]}),
        "up to 10 characters",
    ),
]


@pytest.mark.parametrize(("known", "order", "part"), CASES)
def test_what_is_said(known: Facts, order: tuple[str, dict[str, Any]], part: str | None) -> None:
    action, payload = order
    found = said(known, action, **payload)
    if part is None:
        assert found == []
    else:
        assert len(found) == 1, found
        assert part in found[0]
        assert found[0][0].isupper()
        assert found[0].endswith(".")


def test_every_rule_speaks_in_some_case() -> None:
    spoken = {order[0] for _, order, part in CASES if part is not None}
    assert set(_RULES) - spoken == {"get_log", "get_composite_schedule"}
    assert set(_RULES) <= set(NEUTRAL)


@pytest.mark.parametrize("action", sorted(NEUTRAL))
def test_nothing_is_known_and_nothing_is_said_but_what_names_something_unknown(action: str) -> None:
    found = cautions(Facts(now=NOW), action, clean(action, VALID[action]))
    named = {"remote_stop", "cancel_reservation", "set_charging_profile"}
    assert bool(found) == (action in named), found


def test_several_things_are_all_said_each_once() -> None:
    known = facts(
        is_online=False,
        connectors={1: "Faulted"},
        tokens={"04aa": Token(status="Blocked")},
        keys={"SupportedFeatureProfiles": "Core"},
    )
    assert len(said(known, "reserve_now", id_token="04AA", expires_at=LATER, connector=1)) == 4


def test_of_a_message_sent_verbatim_only_the_connection_is_said() -> None:
    assert cautions(facts(is_online=False, connectors=CHARGING), "Reset", {"type": "Hard"}) == [
        "The charger is offline: the command waits until it connects."
    ]


# --- what is known ---


def connect(charge_point: ChargePoint) -> None:
    factories.ConnectionFactory(charge_point=charge_point)


def test_facts_are_read_from_what_the_charger_and_the_books_say(
    connection: Connection, tenant: Tenant
) -> None:
    charge_point = connection.charge_point
    names = ["SupportedFeatureProfiles", *(f"Vendor{n}" for n in range(10))]
    for name in names:
        value = ALL_FEATURES if name == names[0] else "1"
        factories.VariableFactory(charge_point=charge_point, name=name, value=value, is_readonly=True)
    factories.VariableFactory(
        charge_point=charge_point, component="LocalAuthListCtrlr", name="ListVersion", value="7"
    )
    factories.TransactionFactory(connector=charge_point.connectors.get(ocpp_number=1), ocpp_id="77")
    factories.ReservationFactory(
        charge_point=charge_point,
        connector=charge_point.connectors.get(ocpp_number=2),
        reservation_id=9,
        id_token_value="04BB",
        status="active",
    )
    factories.IdTokenFactory(tenant=tenant, value="04AA", status="Blocked")

    def warned(action: str, **payload: Any) -> list[str]:
        return warnings_for(charge_point, action, payload)

    assert warned("clear_cache") == []
    assert warned("reset", kind="Soft") == [
        "A session is running on connector 1: ended by the reset, in good order."
    ]
    assert warned("remote_start", id_token="04AA", connector=2) == [
        "Connector 2 is reserved for the tag 04BB (reservation 9).",
        "The tag 04AA is blocked: a session for it is refused.",
    ]
    assert warned("change_configuration", key="Vendor3", value="2") == [
        "The charger reports Vendor3 as read-only."
    ]
    assert warned("change_configuration", key="Other", value="2") == [
        "The charger has not reported a key Other."
    ]
    assert "holds version 7 already" in warned("send_local_list", update_type="Differential", version=7)[0]


def test_other_chargers_sessions_reservations_and_tags_do_not_matter(
    connection: Connection, other_charge_point: ChargePoint
) -> None:
    factories.TransactionFactory(connector=other_charge_point.connectors.get(ocpp_number=1))
    factories.IdTokenFactory(tenant=other_charge_point.tenant, value="04AA")
    charge_point = connection.charge_point
    assert warnings_for(charge_point, "reset", {"kind": "Soft"}) == []
    found = warnings_for(charge_point, "remote_start", {"id_token": "04AA"})
    assert found == ["The tag 04AA is not known here: a session for it is refused."]


def test_ended_session_and_over_reservation_do_not_matter(connection: Connection) -> None:
    charge_point = connection.charge_point
    connector = charge_point.connectors.get(ocpp_number=1)
    factories.TransactionFactory(connector=connector, ended=True)
    factories.ReservationFactory(charge_point=charge_point, connector=connector, status="expired")
    assert warnings_for(charge_point, "reset", {"kind": "Soft"}) == []
    assert warnings_for(charge_point, "unlock_connector", {"connector": 1}) == []


def test_any_tag_is_fine_where_any_may_charge(connection: Connection) -> None:
    charge_point = connection.charge_point
    charge_point.authorization_mode = "any_token"
    assert warnings_for(charge_point, "remote_start", {"id_token": "04AA"}) == []


def test_few_keys_are_not_taken_for_all_of_them(connection: Connection) -> None:
    factories.VariableFactory(charge_point=connection.charge_point, name="HeartbeatInterval")
    given = {"key": "Other", "value": "1"}
    assert warnings_for(connection.charge_point, "change_configuration", given) == []


def test_offline_charger_and_wrong_arguments(charge_point: ChargePoint) -> None:
    offline = ["The charger is offline: the command waits until it connects."]
    assert warnings_for(charge_point, "clear_cache", {}) == offline
    assert warnings_for(charge_point, "Reset", {"type": "Soft"}) == offline
    assert warnings_for(charge_point, "reset", {"kind": "Gently"}) == []


def test_reservation_whose_answer_was_lost_counts(connection: Connection) -> None:
    charge_point = connection.charge_point
    factories.ReservationFactory(
        charge_point=charge_point,
        reservation_id=4,
        status="requested",
        expires_at=timezone.now() + timedelta(hours=1),
    )
    assert warnings_for(charge_point, "cancel_reservation", {"reservation_id": 4}) == []
