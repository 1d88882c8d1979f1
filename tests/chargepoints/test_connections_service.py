"""Handshakes, sockets and leases: OCPP-J 1.6 §3.2, §6.2; OCPP 1.6 security whitepaper A00, A01."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.choices import OnboardingMode
from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints import commands
from chargepoints.choices import CommandStatus, RefusalReason, RegistrationStatus, SecurityProfile
from chargepoints.keys import hash_key
from chargepoints.models import ChargePoint, Connection, GatewayNode, RefusedConnection
from chargepoints.models.sites import validate_identity
from chargepoints.services import connections, presence, stations
from chargepoints.services.connections import Connected, Disconnect, Refused, Seen
from csms_project.common.models import Event
from tests import factories
from tests.chargepoints.handshakes import KEY, accepted, connect, run
from tests.chargepoints.sending import send
from tests.factories import CHARGER_KEY, T0

NEW_KEY = "ffeeddccbbaa99887766554433221100ffeeddcc"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def node(db: None) -> GatewayNode:
    row: GatewayNode = factories.GatewayNodeFactory(lease_until=T0 + MINUTE)
    return row


def refused(outcome: Connected | Refused) -> tuple[int, str]:
    assert isinstance(outcome, Refused), outcome
    return outcome.http_status, outcome.reason.value


# ------------------------------------------------------------------ who may connect


@pytest.mark.parametrize(
    "password", [KEY, CHARGER_KEY.encode(), CHARGER_KEY.upper().encode()], ids=["bytes", "hex", "HEX"]
)
def test_connect_with_the_key_in_any_spelling_is_accepted(
    node: GatewayNode, charge_point: ChargePoint, password: bytes
) -> None:
    outcome = accepted(connect(node, password=password, remote_address="192.0.2.7"))

    row = Connection.objects.get()
    assert (outcome.charge_point_id, outcome.tenant_id) == (charge_point.pk, charge_point.tenant_id)
    assert (row.token, row.node, row.ocpp_version) == (outcome.token, node, "ocpp1.6")
    assert (row.connected_at, row.remote_address, row.tenant) == (T0, "192.0.2.7", charge_point.tenant)
    assert outcome.replaced is None


@pytest.mark.usefixtures("charge_point")
@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"password": None}, (401, "no_credentials")),
        ({"username": None}, (401, "no_credentials")),
        ({"password": b""}, (401, "wrong_key")),
        ({"password": b"wrong"}, (401, "wrong_key")),
        ({"password": b"\xff\x00\xfe"}, (401, "wrong_key")),
        ({"password": KEY + b"\x00"}, (401, "wrong_key")),
        ({"username": b"CP-B"}, (401, "wrong_key")),
        ({"username": b"\xff"}, (401, "wrong_key")),
        ({"identity": "CP-X"}, (404, "unknown_identity")),
        ({"identity": "CP-A "}, (404, "unknown_identity")),
    ],
)
def test_connect_that_must_not_be_served_is_refused_and_listed(
    node: GatewayNode, fields: dict[str, Any], answer: tuple[int, str]
) -> None:
    assert refused(connect(node, **fields)) == answer

    row = RefusedConnection.objects.get()
    assert (row.reason, row.count, row.first_at) == (answer[1], 1, T0)
    assert not Connection.objects.exists()


def test_connect_of_a_charger_without_a_key_is_refused(node: GatewayNode, charge_point: ChargePoint) -> None:
    ChargePoint.objects.update(key_hash="")

    assert refused(connect(node, password=b"")) == (401, "no_key_set")


def test_connect_of_an_archived_charger_is_refused(node: GatewayNode, charge_point: ChargePoint) -> None:
    ChargePoint.objects.update(archived_at=T0)

    assert refused(connect(node)) == (404, "archived")


@pytest.mark.parametrize("profile", [SecurityProfile.TLS_BASIC, SecurityProfile.TLS_CERTIFICATE])
def test_connect_below_its_security_profile_is_refused(
    node: GatewayNode, charge_point: ChargePoint, profile: SecurityProfile
) -> None:
    ChargePoint.objects.update(security_profile=profile)

    assert refused(connect(node)) == (403, "security_profile")


def test_connect_with_a_key_is_not_enough_where_a_certificate_is_wanted(
    node: GatewayNode, charge_point: ChargePoint
) -> None:
    ChargePoint.objects.update(security_profile=SecurityProfile.TLS_CERTIFICATE)

    assert refused(connect(node, is_secure=True)) == (403, "security_profile")


def test_connect_over_tls_meets_profile_2(node: GatewayNode, charge_point: ChargePoint) -> None:
    ChargePoint.objects.update(security_profile=SecurityProfile.TLS_BASIC)

    assert accepted(connect(node, is_secure=True)).charge_point_id == charge_point.pk
    assert refused(connect(node, is_secure=True, password=b"wrong")) == (401, "wrong_key")


def test_connect_without_a_profile_needs_no_key(node: GatewayNode, charge_point: ChargePoint) -> None:
    ChargePoint.objects.update(security_profile=SecurityProfile.NONE, key_hash="")

    accepted(connect(node, password=None, username=None))


def test_connect_ignores_case_of_identity_and_user_name(node: GatewayNode, charge_point: ChargePoint) -> None:
    assert accepted(connect(node, "cp-a", username=b"Cp-A")).identity == "CP-A"


def test_connect_tells_how_the_charger_stands(node: GatewayNode, charge_point: ChargePoint) -> None:
    ChargePoint.objects.update(registration_status="Pending", accepted_at=T0, strict_schema=True)

    outcome = accepted(connect(node))

    assert outcome.registration is RegistrationStatus.PENDING
    assert (outcome.was_accepted, outcome.strict_schema) == (True, True)


# ------------------------------------------------------------------ key changes


def test_both_keys_work_until_the_first_login_decides_for_the_new(
    node: GatewayNode, charge_point: ChargePoint
) -> None:
    ChargePoint.objects.update(pending_key_hash=hash_key(NEW_KEY))

    accepted(connect(node, password=NEW_KEY.encode()))

    accepted(connect(node, password=bytes.fromhex(NEW_KEY)))
    assert refused(connect(node, password=KEY)) == (401, "wrong_key")


def test_login_with_the_old_key_ends_the_new_one(node: GatewayNode, charge_point: ChargePoint) -> None:
    ChargePoint.objects.update(pending_key_hash=hash_key(NEW_KEY))

    accepted(connect(node, password=KEY))

    assert refused(connect(node, password=NEW_KEY.encode())) == (401, "wrong_key")
    accepted(connect(node, password=KEY))


def test_wrong_key_decides_nothing_about_a_key_change(node: GatewayNode, charge_point: ChargePoint) -> None:
    ChargePoint.objects.update(pending_key_hash=hash_key(NEW_KEY))

    connect(node, password=b"wrong")

    assert ChargePoint.objects.get(pk=charge_point.pk).pending_key_hash


# ------------------------------------------------------------------ one socket for each charger


def test_newest_socket_wins_and_names_the_one_it_displaced(
    node: GatewayNode, charge_point: ChargePoint
) -> None:
    first = accepted(connect(node))
    other = factories.GatewayNodeFactory()

    second = accepted(connect(other))

    assert second.replaced == (node.pk, first.token)
    assert Connection.objects.get().token == second.token


def test_late_close_of_the_displaced_socket_leaves_the_charger_online(
    node: GatewayNode, charge_point: ChargePoint
) -> None:
    first, second = accepted(connect(node)), accepted(connect(node))

    late = Disconnect(charge_point_id=charge_point.pk, token=first.token, at=T0 + MINUTE)
    assert run(connections.decide_disconnect, late) is False

    assert Connection.objects.get().token == second.token
    assert not Event.objects.filter(kind="charge_point.disconnected").exists()


def test_stranger_with_a_wrong_key_does_not_displace_the_live_socket(
    node: GatewayNode, charge_point: ChargePoint
) -> None:
    first = accepted(connect(node))

    connect(node, password=b"guess")

    assert Connection.objects.get().token == first.token


def test_close_of_the_live_socket_marks_the_charger_offline(
    node: GatewayNode, charge_point: ChargePoint
) -> None:
    outcome = accepted(connect(node))
    request = Disconnect(
        charge_point_id=charge_point.pk, token=outcome.token, at=T0 + MINUTE, close_code=1006
    )

    assert run(connections.decide_disconnect, request) is True

    charge_point.refresh_from_db()
    assert (Connection.objects.count(), charge_point.last_seen_at) == (0, T0 + MINUTE)
    assert Event.objects.get(kind="charge_point.disconnected").data == {"code": 1006}


def test_connect_without_open_commands_asks_once_and_changes_none(
    node: GatewayNode, charge_point: ChargePoint
) -> None:
    factories.CommandFactory(charge_point=charge_point, status=CommandStatus.ACCEPTED)
    connect(node)

    with CaptureQueriesContext(connection) as queries:
        connect(node)

    about_commands = [query["sql"] for query in queries if "chargepoints_command" in query["sql"]]
    assert len(about_commands) == 1
    assert about_commands[0].startswith("SELECT")


def test_close_fails_what_was_sent_and_leaves_what_is_complete(
    node: GatewayNode, charge_point: ChargePoint
) -> None:
    token = accepted(connect(node)).token
    done, lost = [
        send(factories.CommandFactory(charge_point=charge_point), Connection.objects.get()) for _ in range(2)
    ]
    commands.complete(done.pk, status=CommandStatus.ACCEPTED)

    for _ in range(2):
        run(connections.decide_disconnect, Disconnect(charge_point_id=charge_point.pk, token=token, at=T0))

    done.refresh_from_db()
    lost.refresh_from_db()
    assert (done.status, lost.status) == (CommandStatus.ACCEPTED, CommandStatus.FAILED)
    assert lost.error["code"] == commands.CONNECTION_LOST
    assert Event.objects.filter(kind="command.completed", object_id=str(lost.pk)).count() == 1


def test_close_whose_row_has_gone_still_fails_what_it_had_sent(
    node: GatewayNode, charge_point: ChargePoint
) -> None:
    token = accepted(connect(node)).token
    lost = send(factories.CommandFactory(charge_point=charge_point), Connection.objects.get())
    Connection.objects.all().delete()

    late = Disconnect(charge_point_id=charge_point.pk, token=token, at=T0)
    assert run(connections.decide_disconnect, late) is False

    lost.refresh_from_db()
    assert lost.status == CommandStatus.FAILED


# ------------------------------------------------------------------ strangers


def test_unknown_charger_is_counted_once_per_identity_and_reason(node: GatewayNode, tenant: Tenant) -> None:
    for minute in range(3):
        connect(node, "NEW-1", received_at=T0 + minute * MINUTE, user_agent="firmware/1")

    row = RefusedConnection.objects.get()
    assert (row.identity, row.reason, row.count) == ("NEW-1", RefusalReason.UNKNOWN_IDENTITY, 3)
    assert (row.first_at, row.last_at, row.user_agent) == (T0, T0 + 2 * MINUTE, "firmware/1")


def test_strangers_cannot_fill_the_table(
    node: GatewayNode, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "MAX_REFUSED_ROWS", 20)
    for number in range(50):
        connect(node, f"S{number}", received_at=T0 + number * MINUTE)

    assert RefusedConnection.objects.count() <= 20
    assert RefusedConnection.objects.filter(identity="S49").exists()


@pytest.fixture
def default_tenant(tenant: Tenant, settings: Any) -> Tenant:
    settings.DEFAULT_TENANT = tenant.slug
    return tenant


def test_unknown_charger_connects_after_one_click(
    node: GatewayNode, default_tenant: Tenant, owner: Actor
) -> None:
    connect(node, "NEW-1")
    listed = RefusedConnection.objects.get()

    made = stations.register_refused(
        actor=owner, refused=listed, tenant=default_tenant, authorization_key=CHARGER_KEY
    )

    assert accepted(connect(node, "NEW-1")).charge_point_id == made.charge_point.pk
    assert not RefusedConnection.objects.exists()


@pytest.mark.parametrize(
    ("mode", "registration"), [(OnboardingMode.PENDING, "Pending"), (OnboardingMode.ACCEPT, "Accepted")]
)
def test_onboarding_registers_a_stranger_and_takes_its_key(
    node: GatewayNode, default_tenant: Tenant, mode: OnboardingMode, registration: str
) -> None:
    Tenant.objects.filter(pk=default_tenant.pk).update(onboarding_mode=mode)

    outcome = accepted(connect(node, "NEW-1"))

    row = ChargePoint.objects.get()
    assert (row.identity, row.tenant, row.registration_status) == ("NEW-1", default_tenant, registration)
    assert outcome.was_accepted is False
    assert refused(connect(node, "NEW-1", password=b"another")) == (401, "wrong_key")
    accepted(connect(node, "NEW-1", password=CHARGER_KEY.encode()))


@pytest.mark.parametrize("identity", ["ΐ" * 17, "ß" * 25, "x" * 49])
def test_identity_that_is_too_long_without_its_case_is_not_taken(identity: str) -> None:
    with pytest.raises(ValidationError):
        validate_identity(identity)


@pytest.mark.parametrize("identity", ["ΐ" * 16, "ß" * 24, "x" * 48])
def test_onboarding_of_the_longest_identity_is_stored(
    node: GatewayNode, default_tenant: Tenant, identity: str
) -> None:
    Tenant.objects.filter(pk=default_tenant.pk).update(onboarding_mode=OnboardingMode.ACCEPT)
    validate_identity(identity)

    outcome = accepted(connect(node, identity))

    row = ChargePoint.objects.get(pk=outcome.charge_point_id)
    assert (row.identity, len(row.identity_key)) == (identity, 48)


def test_onboarding_stops_when_too_many_wait(
    node: GatewayNode, default_tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    Tenant.objects.filter(pk=default_tenant.pk).update(onboarding_mode=OnboardingMode.PENDING)
    monkeypatch.setattr(connections, "MAX_WAITING_CHARGE_POINTS", 2)
    for number in range(2):
        accepted(connect(node, f"NEW-{number}"))

    assert refused(connect(node, "NEW-2")) == (404, "unknown_identity")


# ------------------------------------------------------------------ signs of life


def test_signs_of_life_are_written_for_the_own_socket_only(
    node: GatewayNode, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    mine, theirs = accepted(connect(node)), accepted(connect(node, "CP-B"))
    at = T0 + MINUTE
    seen = {charge_point.pk: (mine.token, at, 7), other_charge_point.pk: (uuid.uuid4(), at, None)}

    run(connections.decide_seen, Seen(charge_points=seen))

    frames = dict(Connection.objects.values_list("token", "last_frame_at"))
    assert frames == {mine.token: at, theirs.token: T0}
    assert ChargePoint.objects.get(pk=charge_point.pk).clock_offset_s == 7
