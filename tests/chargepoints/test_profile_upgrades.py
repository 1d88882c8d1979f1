"""Upgrades to a higher security profile: OCPP 1.6 security whitepaper A05."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from accounts.errors import PermissionRefused
from accounts.permissions import Actor
from chargepoints import commands, errors, profile_changes
from chargepoints.choices import CertificateState, CommandStatus, UpgradeStatus
from chargepoints.client_certificates import ClientCertificate
from chargepoints.models import ChargePoint, Command, Connection, GatewayNode, SecurityProfileUpgrade
from chargepoints.services import profile_upgrades, stations
from chargepoints.services.connections import Connected, Refused
from csms_project.common.models import AuditEntry, Event
from tests import factories
from tests.chargepoints.handshakes import connect
from tests.chargepoints.sending import send
from tests.factories import T0

RAW = {"key": "SecurityProfile", "value": "2"}


@pytest.fixture
def node(db: None) -> GatewayNode:
    row: GatewayNode = factories.GatewayNodeFactory(lease_until=T0 + timedelta(minutes=1))
    return row


@pytest.fixture
def online(connection: Connection) -> ChargePoint:
    """A charger of profile 1 that is connected."""
    return connection.charge_point


def start(actor: Actor, charge_point: ChargePoint, target: int = 2, **more: Any) -> SecurityProfileUpgrade:
    return profile_upgrades.start(actor=actor, charge_point=charge_point, target_profile=target, **more)


def answer(command: Command | None, connection: Connection, status: str, **more: Any) -> None:
    """The order is sent, and answered like this."""
    assert command is not None
    sent = send(command, connection, **RAW)
    response = {"status": more.pop("response")} if "response" in more else None
    commands.complete(sent.pk, status=CommandStatus(status), response=response)


def standing(charge_point: ChargePoint) -> tuple[int, int | None, str]:
    charge_point.refresh_from_db()
    row = SecurityProfileUpgrade.objects.first()
    status = str(row.status) if row is not None else ""
    return charge_point.security_profile, charge_point.pending_security_profile, status


def came(outcome: Connected | Refused) -> bool:
    return isinstance(outcome, Connected)


def with_tls(node: GatewayNode, **more: Any) -> Connected | Refused:
    return connect(node, is_secure=True, **more)


# ---------------------------------------------------------------- the way that is meant
def test_old_profile_works_until_the_first_success_with_the_new_one_and_never_again(
    technician: Actor, online: ChargePoint, connection: Connection, node: GatewayNode
) -> None:
    upgrade = start(technician, online)
    assert standing(online) == (1, None, "requested")
    assert not came(with_tls(node))  # not ordered yet
    answer(upgrade.command, connection, "accepted", response="Accepted")
    assert standing(online) == (1, 2, "waiting")
    assert came(connect(node))
    assert came(with_tls(node, received_at=T0))
    assert standing(online) == (2, None, "done")
    assert not came(connect(node))
    assert came(with_tls(node))
    kinds = set(Event.objects.values_list("kind", flat=True))
    assert {"charge_point.profile_upgrade_started", "charge_point.profile_upgraded"} <= kinds
    assert AuditEntry.objects.get(action="charge_points.upgrade_security").changes["security_profile"] == [
        1,
        2,
    ]


def test_charger_that_comes_with_the_new_profile_before_its_answer_has_succeeded(
    technician: Actor, online: ChargePoint, connection: Connection, node: GatewayNode
) -> None:
    upgrade = start(technician, online)
    assert upgrade.command is not None
    sent = send(upgrade.command, connection, **RAW)
    assert came(with_tls(node))
    commands.complete(sent.pk, status=CommandStatus.FAILED, error={"code": "ConnectionLost"})
    assert standing(online) == (2, None, "done")


def test_success_is_kept_when_two_handshakes_come_at_once(
    technician: Actor, online: ChargePoint, connection: Connection, node: GatewayNode
) -> None:
    from chargepoints.services import connections
    from chargepoints.services.batch import StationBatch

    upgrade = start(technician, online)
    answer(upgrade.command, connection, "accepted", response="Accepted")
    given: dict[str, Any] = {
        "identity": "CP-A",
        "username": b"CP-A",
        "password": bytes.fromhex(factories.CHARGER_KEY),
        "received_at": T0,
        "node_id": node.pk,
        "ocpp_version": "ocpp1.6",
    }
    # Both were read before either was decided.
    requests = [connections.Connect(**given, is_secure=True), connections.Connect(**given)]
    batch = StationBatch(now=T0)
    for request in requests:
        connections.want_connect(request, batch)
    batch.load()
    new, old = (connections.decide_connect(request, batch) for request in requests)
    batch.store()
    assert (came(new), came(old)) == (True, False)


# ---------------------------------------------------------------- when it does not go that way
@pytest.mark.parametrize(
    ("status", "response", "expected"),
    [
        ("accepted", "RebootRequired", (1, 2, "waiting")),
        ("rejected", "Rejected", (1, None, "rejected")),
        ("not_supported", "NotSupported", (1, None, "rejected")),
        ("timed_out", "", (1, 2, "waiting")),
        ("failed", "", (1, 2, "waiting")),
    ],
)
def test_answer_decides_whether_the_new_profile_stays_welcome(
    technician: Actor,
    online: ChargePoint,
    connection: Connection,
    status: str,
    response: str,
    expected: tuple[int, int | None, str],
) -> None:
    upgrade = start(technician, online)
    answer(upgrade.command, connection, status, response=response)
    assert standing(online) == expected
    upgrade.refresh_from_db()
    assert upgrade.detail


def test_order_that_is_never_sent_ends_the_upgrade(technician: Actor, online: ChargePoint) -> None:
    upgrade = start(technician, online)
    assert upgrade.command is not None
    commands.cancel(actor=technician, command=upgrade.command)
    assert standing(online) == (1, None, "cancelled")


def test_charger_that_falls_back_is_shown_and_may_still_succeed(
    technician: Actor, online: ChargePoint, connection: Connection, node: GatewayNode
) -> None:
    upgrade = start(technician, online)
    answer(upgrade.command, connection, "accepted", response="Accepted")
    assert came(connect(node))
    assert standing(online) == (1, 2, "fell_back")
    assert came(connect(node))
    assert Event.objects.filter(kind="charge_point.profile_fell_back").count() == 1
    upgrade.refresh_from_db()
    assert "came with profile 1 again" in upgrade.detail
    assert came(with_tls(node))
    assert standing(online) == (2, None, "done")


def test_charger_that_falls_back_with_a_wrong_certificate_says_what_was_wrong(
    technician: Actor, online: ChargePoint, connection: Connection, node: GatewayNode
) -> None:
    ChargePoint.objects.update(security_profile=2)
    online.refresh_from_db()
    upgrade = start(technician, online, 3)
    answer(upgrade.command, connection, "accepted", response="Accepted")
    wrong = ClientCertificate(common_names=("SN-2",), organisations=("Nobody",))
    assert came(with_tls(node, certificate=wrong))
    upgrade.refresh_from_db()
    assert "belongs to “Nobody”" in upgrade.detail
    right = ClientCertificate(common_names=("CP-A",), organisations=(online.tenant.certificate_organization,))
    assert came(with_tls(node, certificate=right))
    assert standing(online) == (3, None, "done")
    assert not came(with_tls(node))


def test_retry_orders_it_again(
    technician: Actor, online: ChargePoint, connection: Connection, node: GatewayNode
) -> None:
    upgrade = start(technician, online)
    with pytest.raises(errors.UpgradeUnderWay):
        profile_upgrades.retry(actor=technician, charge_point=online)
    answer(upgrade.command, connection, "timed_out")
    again = profile_upgrades.retry(actor=technician, charge_point=online)
    assert (again.pk, again.status) == (upgrade.pk, "requested")
    assert again.command_id != upgrade.command_id
    assert came(with_tls(node))  # the first order may have arrived


def test_cancel_lets_only_the_old_profile_in(
    technician: Actor, online: ChargePoint, connection: Connection, node: GatewayNode
) -> None:
    upgrade = start(technician, online)
    answer(upgrade.command, connection, "accepted", response="Accepted")
    profile_upgrades.cancel(actor=technician, charge_point=online)
    assert standing(online) == (1, None, "cancelled")
    assert not came(with_tls(node))
    with pytest.raises(errors.NoUpgrade):
        profile_upgrades.cancel(actor=technician, charge_point=online)


def test_cancel_withdraws_an_order_that_waits(technician: Actor, online: ChargePoint) -> None:
    upgrade = start(technician, online)
    profile_upgrades.cancel(actor=technician, charge_point=online)
    assert Command.objects.get().status == CommandStatus.CANCELLED
    upgrade.refresh_from_db()
    assert (upgrade.status, upgrade.detail) == ("cancelled", f"{technician.name} called it off.")
    assert Event.objects.filter(kind="charge_point.profile_upgrade_ended").count() == 1


def test_profile_set_by_hand_ends_the_upgrade(
    technician: Actor, online: ChargePoint, connection: Connection
) -> None:
    upgrade = start(technician, online)
    answer(upgrade.command, connection, "accepted", response="Accepted")
    stations.update_charge_point(actor=technician, charge_point=online, security_profile=2)
    assert standing(online) == (2, None, "cancelled")


# ---------------------------------------------------------------- by hand at the charger
def test_change_at_the_charger_is_welcome_at_once_and_the_old_profile_is_no_news(
    technician: Actor, charge_point: ChargePoint, node: GatewayNode
) -> None:
    start(technician, charge_point, over_ocpp=False)
    assert not Command.objects.exists()
    assert standing(charge_point) == (1, 2, "waiting")
    assert came(connect(node))
    assert standing(charge_point) == (1, 2, "waiting")
    assert came(with_tls(node))
    assert standing(charge_point) == (2, None, "done")


# ---------------------------------------------------------------- orders in other forms
@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("change_configuration", {"key": "securityprofile", "value": "2"}),
        ("ChangeConfiguration", {"key": "SecurityProfile", "value": " 2"}),
    ],
)
def test_order_in_any_form_is_an_upgrade(
    technician: Actor, online: ChargePoint, action: str, payload: dict[str, str]
) -> None:
    command = commands.queue(actor=technician, charge_point=online, action=action, payload=payload)
    row = SecurityProfileUpgrade.objects.get()
    assert (row.command, row.target_profile, row.from_profile) == (command, 2, 1)
    assert row.requested_by_name == command.requested_by_name


@pytest.mark.parametrize("action", ["change_configuration", "ChangeConfiguration"])
@pytest.mark.parametrize("value", ["0", "1"])
def test_order_to_lower_the_profile_is_refused(
    technician: Actor, online: ChargePoint, action: str, value: str
) -> None:
    ChargePoint.objects.update(security_profile=2)
    online.refresh_from_db()
    payload = {"key": "SecurityProfile", "value": value}
    with pytest.raises(errors.InvalidPayload, match="OCPP must not lower it"):
        commands.queue(actor=technician, charge_point=online, action=action, payload=payload)


@pytest.mark.parametrize("value", ["1", "7", "high", ""])
def test_order_that_is_no_upgrade_is_left_to_the_charger(
    technician: Actor, online: ChargePoint, value: str
) -> None:
    payload = {"key": "SecurityProfile", "value": value}
    commands.queue(actor=technician, charge_point=online, action="ChangeConfiguration", payload=payload)
    assert not SecurityProfileUpgrade.objects.exists()


def test_order_to_another_profile_than_that_under_way_is_refused(
    technician: Actor, online: ChargePoint
) -> None:
    start(technician, online)
    with pytest.raises(errors.InvalidPayload, match="An upgrade to profile 2 is under way"):
        commands.queue(
            actor=technician,
            charge_point=online,
            action="change_configuration",
            payload={"key": "SecurityProfile", "value": "3"},
        )


# ---------------------------------------------------------------- what cannot be started
@pytest.mark.parametrize("target", [0, 1, 4])
def test_start_only_upwards(technician: Actor, online: ChargePoint, target: int) -> None:
    with pytest.raises(errors.Invalid, match="Must be higher"):
        start(technician, online, target)


def test_start_without_a_key_that_the_profile_needs_is_refused(
    technician: Actor, online: ChargePoint
) -> None:
    ChargePoint.objects.update(security_profile=0, key_hash="")
    online.refresh_from_db()
    with pytest.raises(errors.Invalid, match="needs an authorization key"):
        start(technician, online, 2)
    assert start(technician, online, 3).target_profile == 3


def test_start_twice_is_refused(technician: Actor, online: ChargePoint) -> None:
    start(technician, online)
    with pytest.raises(errors.UpgradeUnderWay):
        start(technician, online, 3)


def test_start_for_an_offline_charger_waits_only_if_asked(
    technician: Actor, charge_point: ChargePoint
) -> None:
    with pytest.raises(errors.ChargePointOffline):
        start(technician, charge_point)
    assert start(technician, charge_point, expires_in=60).status == "requested"


def test_start_of_an_archived_charger_is_refused(technician: Actor, charge_point: ChargePoint) -> None:
    ChargePoint.objects.update(archived_at=T0)
    with pytest.raises(errors.ChargePointArchived):
        start(technician, charge_point, over_ocpp=False)


def test_only_who_may_change_settings_may_upgrade(
    support: Actor, technician: Actor, online: ChargePoint, other_charge_point: ChargePoint
) -> None:
    with pytest.raises(PermissionRefused):
        start(support, online, over_ocpp=False)
    with pytest.raises(PermissionRefused):
        start(technician, other_charge_point, over_ocpp=False)
    start(technician, online, over_ocpp=False)
    for act in (profile_upgrades.retry, profile_upgrades.cancel):
        with pytest.raises(PermissionRefused):
            act(actor=support, charge_point=online)


# ---------------------------------------------------------------- steps
def states(charge_point: ChargePoint, target: int, **more: Any) -> dict[str, str]:
    return {step.name: step.state for step in profile_upgrades.steps(charge_point, target, **more)}


def test_steps_of_a_charger_of_which_nothing_is_known(charge_point: ChargePoint) -> None:
    assert states(charge_point, 2) == {
        "connected": "missing",
        "supported": "unknown",
        "key": "ok",
        "tls": "unknown",
        "root": "unknown",
    }
    assert states(charge_point, 3, over_ocpp=False) == {
        "tls": "unknown",
        "root": "unknown",
        "cpo_name": "unknown",
        "certificate": "unknown",
        "authority": "unknown",
    }


def test_steps_that_are_there(online: ChargePoint, settings: Any) -> None:
    settings.PUBLIC_URL, settings.TLS_CLIENT_CA = "https://csms.example.com", ["ca.pem"]
    for name, value in (("SecurityProfile", "1"), ("CpoName", online.tenant.certificate_organization)):
        factories.VariableFactory(charge_point=online, name=name, value=value)
    factories.InstalledCertificateFactory(charge_point=online)
    factories.CertificateFactory(charge_point=online, state=CertificateState.DELIVERED)
    assert set(states(online, 2).values()) == {"ok"}
    assert set(states(online, 3).values()) == {"ok"}


def test_steps_that_are_missing(online: ChargePoint) -> None:
    ChargePoint.objects.update(security_profile=0, key_hash="")
    online.refresh_from_db()
    factories.VariableFactory(charge_point=online, name="CpoName", value="Somebody else")
    factories.CertificateFactory(charge_point=online, state=CertificateState.ISSUED)
    found = states(online, 2)
    assert (found["key"], found["supported"]) == ("missing", "missing")
    found = states(online, 3)
    assert (found["cpo_name"], found["certificate"]) == ("missing", "missing")


def test_steps_key_that_the_charger_has_taken(online: ChargePoint) -> None:
    ChargePoint.objects.update(security_profile=0)
    online.refresh_from_db()
    assert states(online, 1)["key"] == "unknown"
    factories.CommandFactory(
        charge_point=online,
        action="ChangeConfiguration",
        status=CommandStatus.ACCEPTED,
        payload={"key": "authorizationKey", "value": "***"},
    )
    assert states(online, 1)["key"] == "ok"


def test_find_latest_is_the_one_under_way(technician: Actor, charge_point: ChargePoint) -> None:
    assert profile_upgrades.find_latest(charge_point) is None
    start(technician, charge_point, over_ocpp=False)
    profile_upgrades.cancel(actor=technician, charge_point=charge_point)
    latest = start(technician, charge_point, 3, over_ocpp=False)
    assert profile_upgrades.find_latest(charge_point) == latest
    assert profile_changes.open_of(charge_point) == latest
    assert latest.status == UpgradeStatus.WAITING
