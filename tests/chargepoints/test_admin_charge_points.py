"""Charge points in the admin: register, keys, commands, acts on many, refusals."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Tenant, User
from accounts.permissions import Actor
from chargepoints import keys
from chargepoints.models import (
    ChargePoint,
    Command,
    Connection,
    FrameAnomaly,
    Location,
    RefusedConnection,
    Reservation,
)
from csms_project.common.models import AuditEntry
from tests import factories
from tests.browsing import messages_of, sign_in

RESERVATIONS = "/admin/chargepoints/reservation/"
LIST = "admin:chargepoints_chargepoint_changelist"


@pytest.fixture
def signed_in(owner: Actor, client: Client) -> Client:
    return sign_in(client, owner)


def page(charge_point: ChargePoint, tab: str = "overview") -> str:
    return reverse("admin:chargepoints_chargepoint_change", args=[charge_point.pk]) + f"?tab={tab}"


def send(client: Client, charge_point: ChargePoint, action: str, **data: Any) -> Any:
    return client.post(
        reverse("admin:chargepoints_chargepoint_command", args=[charge_point.pk, action]), data
    )


def act(client: Client, action: str, *rows: ChargePoint, **data: Any) -> Any:
    chosen = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(reverse(LIST), {**chosen, **data}, follow=True)


def names(client: Client, **query: str) -> list[str]:
    return [row.identity for row in client.get(reverse(LIST), query).context["cl"].result_list]


# --- registering and keys ---


def test_register_shows_url_and_generated_key_once(signed_in: Client, tenant: Tenant) -> None:
    data = {"identity": "Yard 1", "connectors": 2, "security_profile": 1}
    answer = signed_in.post(reverse("admin:chargepoints_chargepoint_add"), data)
    charge_point = ChargePoint.objects.get(identity="Yard 1")
    shown = {row["label"]: row["value"] for row in answer.context["secrets"]}
    assert shown["OCPP URL"] == "ws://testserver/ocpp/Yard%201"
    assert keys.verify_key(shown["Authorization key (password)"].encode(), charge_point.key_hash)
    assert (charge_point.tenant, charge_point.connectors.count()) == (tenant, 2)
    assert shown["Authorization key (password)"] not in signed_in.get(page(charge_point)).content.decode()


def test_register_behind_tls_shows_a_wss_url(signed_in: Client, settings: Any) -> None:
    settings.PUBLIC_URL = "https://csms.example.com"
    data = {"identity": "CP9", "connectors": 1, "security_profile": 2}
    answer = signed_in.post(reverse("admin:chargepoints_chargepoint_add"), data)
    assert "wss://csms.example.com/ocpp/CP9" in answer.content.decode()


def test_register_with_an_identity_of_another_tenant_is_an_error_of_the_form(
    signed_in: Client, other_charge_point: ChargePoint
) -> None:
    data = {"identity": "cp-b", "connectors": 1, "security_profile": 1}
    answer = signed_in.post(reverse("admin:chargepoints_chargepoint_add"), data)
    assert answer.context["adminform"].form.errors["identity"] == ["This identity is taken."]


def test_register_with_a_key_that_is_too_short_is_an_error_of_the_form(
    signed_in: Client, tenant: Tenant
) -> None:
    data = {"identity": "CP9", "connectors": 1, "security_profile": 1, "authorization_key": "short"}
    answer = signed_in.post(reverse("admin:chargepoints_chargepoint_add"), data)
    assert "authorization_key" in answer.context["adminform"].form.errors


def test_new_key_replaces_the_old_one_after_a_question(signed_in: Client, charge_point: ChargePoint) -> None:
    path = reverse("admin:chargepoints_chargepoint_key", args=[charge_point.pk])
    assert "ends at once" in signed_in.get(path).content.decode()
    secret = signed_in.post(path).context["secrets"][2]["value"]
    charge_point.refresh_from_db()
    assert keys.verify_key(secret.encode(), charge_point.key_hash)
    assert not keys.verify_key(factories.CHARGER_KEY.encode(), charge_point.key_hash)


def test_settings_are_changed_through_the_service(
    signed_in: Client, charge_point: ChargePoint, location: Location
) -> None:
    data = {
        "identity": "CP-A",
        "name": "Front",
        "location": location.pk,
        "security_profile": 1,
        "connectors-TOTAL_FORMS": 0,
        "connectors-INITIAL_FORMS": 0,
    }
    signed_in.post(page(charge_point, "settings"), data)
    entry = AuditEntry.objects.get(action="charge_points.change")
    assert entry.changes == {"name": ["", "Front"]}


def test_charge_point_with_sessions_is_not_deleted(signed_in: Client, charge_point: ChargePoint) -> None:
    factories.TransactionFactory(connector=charge_point.connectors.first())
    path = reverse("admin:chargepoints_chargepoint_delete", args=[charge_point.pk])
    answer = signed_in.post(path, {"post": "yes"}, follow=True)
    assert messages_of(answer) == ["The charge point has sessions and cannot be deleted; archive it instead."]
    assert ChargePoint.objects.filter(pk=charge_point.pk).exists()


# --- commands ---


def test_command_of_an_online_charger_is_queued_and_shown(
    signed_in: Client, charge_point: ChargePoint, connection: Connection
) -> None:
    factories.IdTokenFactory(tenant=charge_point.tenant, value="04AA")
    answer = send(signed_in, charge_point, "remote_start", id_token="04AA", connector="1")
    command = Command.objects.get()
    assert answer["Location"] == page(charge_point, "commands")
    assert (command.action, command.payload) == ("remote_start", {"id_token": "04AA", "connector": 1})
    assert (command.status, command.requested_via) == ("queued", "admin")
    assert "remote_start" in signed_in.get(answer["Location"]).content.decode()


def test_command_that_may_do_harm_wants_its_box_ticked(
    signed_in: Client, charge_point: ChargePoint, connection: Connection
) -> None:
    answer = send(signed_in, charge_point, "reset", kind="Hard")
    assert "Tick the box to go on." in answer.content.decode()
    assert not Command.objects.exists()
    send(signed_in, charge_point, "reset", kind="Hard", confirm="on")
    assert Command.objects.get().payload == {"kind": "Hard"}


def test_command_for_an_offline_charger_says_so_or_waits(
    signed_in: Client, charge_point: ChargePoint
) -> None:
    answer = send(signed_in, charge_point, "get_configuration")
    assert "The charge point is offline" in answer.content.decode()
    send(signed_in, charge_point, "get_configuration", if_offline="3600", keys="A\nB\n")
    command = Command.objects.get()
    assert command.payload == {"keys": ["A", "B"]}
    assert command.expires_at - command.created_at == timedelta(hours=1)


def test_command_with_a_wrong_argument_says_which(
    signed_in: Client, charge_point: ChargePoint, connection: Connection
) -> None:
    form = send(signed_in, charge_point, "unlock_connector", connector="0", confirm="on").context["form"]
    assert list(form.errors) == ["connector"]


def test_configuration_key_is_cleared_by_an_empty_value(
    signed_in: Client, charge_point: ChargePoint, connection: Connection
) -> None:
    send(signed_in, charge_point, "change_configuration", key="Note", value="", confirm="on")
    assert Command.objects.get().payload == {"key": "Note", "value": ""}


def test_raw_message_is_checked_and_queued_as_it_is(
    signed_in: Client, charge_point: ChargePoint, connection: Connection
) -> None:
    data = {"ocpp_action": "GetDiagnostics", "confirm": "on"}
    wrong = send(signed_in, charge_point, "raw", ocpp_payload='{"nothing": 1}', **data)
    assert wrong.context["form"].errors
    send(signed_in, charge_point, "raw", ocpp_payload='{"location": "ftp://example.com/"}', **data)
    assert Command.objects.get().payload == {"location": "ftp://example.com/"}


def test_unknown_command_answers_404(signed_in: Client, charge_point: ChargePoint) -> None:
    assert send(signed_in, charge_point, "explode").status_code == 404


def test_queued_command_is_cancelled_from_the_list(signed_in: Client, charge_point: ChargePoint) -> None:
    command = factories.CommandFactory(charge_point=charge_point)
    data = {"action": "cancel", "_selected_action": [command.pk]}
    signed_in.post(reverse("admin:chargepoints_command_changelist"), data)
    command.refresh_from_db()
    assert command.status == "cancelled"


def cancel_reservations(client: Client, *rows: Reservation, **data: str) -> Any:
    chosen = {"action": "cancel", "_selected_action": [row.pk for row in rows]}
    return client.post(RESERVATIONS, {**chosen, **data}, follow=True)


def test_reservation_is_cancelled_from_the_list_after_a_question(
    signed_in: Client, charge_point: ChargePoint, connection: Connection
) -> None:
    held = factories.ReservationFactory(charge_point=charge_point, status="active")
    ended = factories.ReservationFactory(charge_point=charge_point, status="used")
    question = cancel_reservations(signed_in, held, ended)
    assert "set these connectors free" in question.content.decode()
    assert not Command.objects.exists()
    answer = cancel_reservations(signed_in, held, ended, confirmed="1")
    assert messages_of(answer) == [
        "1 called off; the chargers' answers appear below.",
        f"{ended}: The reservation has ended.",
    ]
    command = Command.objects.get()
    assert (command.action, command.payload) == (
        "cancel_reservation",
        {"reservation_id": held.reservation_id},
    )


def test_reservations_of_a_charger_are_on_its_page_and_cancelled_from_there(
    signed_in: Client, charge_point: ChargePoint, connection: Connection
) -> None:
    empty = signed_in.get(page(charge_point, "reservations")).content.decode()
    assert "Nothing is reserved here" in empty
    factories.ReservationFactory(charge_point=charge_point, reservation_id=41, status="active")
    factories.ReservationFactory(
        charge_point=charge_point, reservation_id=42, status="rejected", end_reason="In use."
    )
    shown = signed_in.get(page(charge_point, "reservations")).content.decode()
    assert "In use." in shown
    assert "cancel_reservation/?reservation_id=41" in shown
    assert "reservation_id=42" not in shown
    send(signed_in, charge_point, "cancel_reservation", reservation_id="41", confirm="on")
    assert Command.objects.get().payload == {"reservation_id": 41}


def test_viewer_sees_the_reservations_of_a_charger_without_acts(
    viewer: Actor, charge_point: ChargePoint, client: Client
) -> None:
    factories.ReservationFactory(charge_point=charge_point, reservation_id=41, status="active")
    sign_in(client, viewer)
    shown = client.get(page(charge_point, "reservations")).content.decode()
    assert "04A1B2C3" in shown
    assert "cancel_reservation" not in shown


def test_reservations_are_listed_and_filtered_by_status_and_charger(
    signed_in: Client, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    held = factories.ReservationFactory(charge_point=charge_point, status="active")
    factories.ReservationFactory(charge_point=charge_point, status="used")
    factories.ReservationFactory(charge_point=other_charge_point, status="active")
    query = {"status__exact": "active", "charge_point": str(charge_point.pk)}
    assert list(signed_in.get(RESERVATIONS, query).context["cl"].result_list) == [held]


def test_viewer_sees_reservations_and_cannot_cancel(
    viewer: Actor, charge_point: ChargePoint, connection: Connection, client: Client
) -> None:
    held = factories.ReservationFactory(charge_point=charge_point, status="active")
    sign_in(client, viewer)
    cancel_reservations(client, held, confirmed="1")
    assert client.get(RESERVATIONS).status_code == 200
    assert not Command.objects.exists()


def test_reservation_of_another_tenant_is_not_cancelled(
    stranger: Actor, charge_point: ChargePoint, connection: Connection, client: Client
) -> None:
    held = factories.ReservationFactory(charge_point=charge_point, status="active")
    sign_in(client, stranger)
    cancel_reservations(client, held, confirmed="1")
    assert not Command.objects.exists()


def test_answer_in_words_is_shown_in_the_history(signed_in: Client, charge_point: ChargePoint) -> None:
    factories.CommandFactory(
        charge_point=charge_point, action="reserve_now", status="rejected", summary="Out of service."
    )
    assert "Out of service." in signed_in.get(page(charge_point, "commands")).content.decode()


# --- acts on many ---


def test_archive_asks_and_takes_the_charger_off_the_list(
    signed_in: Client, charge_point: ChargePoint
) -> None:
    act(signed_in, "archive", charge_point)
    assert names(signed_in) == ["CP-A"]
    act(signed_in, "archive", charge_point, confirmed="1")
    assert names(signed_in) == []
    assert names(signed_in, archived="only") == ["CP-A"]
    data = {"action": "unarchive", "_selected_action": [charge_point.pk]}
    signed_in.post(f"{reverse(LIST)}?archived=only", data)
    assert names(signed_in) == ["CP-A"]


def test_accept_and_reject_set_the_registration(signed_in: Client, charge_point: ChargePoint) -> None:
    act(signed_in, "reject", charge_point, confirmed="1")
    charge_point.refresh_from_db()
    assert charge_point.registration_status == "Rejected"
    signed_in.post(reverse("admin:chargepoints_chargepoint_step", args=[charge_point.pk, "accept"]))
    charge_point.refresh_from_db()
    assert charge_point.registration_status == "Accepted"


def test_support_is_not_offered_what_may_do_harm(
    support: Actor, charge_point: ChargePoint, client: Client
) -> None:
    sign_in(client, support)
    actions = (
        client.get(reverse(LIST))
        .context["cl"]
        .model_admin.get_actions(client.get(reverse(LIST)).wsgi_request)
    )
    assert "command_get_configuration" in actions
    assert "command_reset" not in actions
    assert "Reset…" not in client.get(page(charge_point)).content.decode()


# --- list and page ---


def test_list_filters_by_connection_status_and_model(
    signed_in: Client, charge_point: ChargePoint, connection: Connection, tenant: Tenant
) -> None:
    other = factories.ChargePointFactory(tenant=tenant, identity="CP-X", connectors=1, model="M1", vendor="V")
    other.connectors.update(status="Faulted")
    assert names(signed_in, online="yes") == ["CP-A"]
    assert names(signed_in, online="no") == ["CP-X"]
    assert names(signed_in, status="Faulted") == ["CP-X"]
    assert names(signed_in, model="M1") == ["CP-X"]
    assert names(signed_in, q="cp-x") == ["CP-X"]


def test_list_shows_the_running_session(signed_in: Client, charge_point: ChargePoint) -> None:
    session = factories.TransactionFactory(connector=charge_point.connectors.first(), energy_wh="4200")
    text = signed_in.get(reverse(LIST)).content.decode()
    assert "4.20 kWh" in text
    assert reverse("admin:transactions_transaction_change", args=[session.pk]) in text


def test_live_part_follows_the_state(signed_in: Client, charge_point: ChargePoint) -> None:
    path = reverse("admin:chargepoints_chargepoint_live", args=[charge_point.pk])
    assert "offline" in signed_in.get(path).content.decode()
    factories.ConnectionFactory(charge_point=charge_point)
    charge_point.connectors.filter(ocpp_number=1).update(status="Charging")
    text = signed_in.get(path).content.decode()
    assert "online since" in text
    assert "1 Charging" in text


def test_page_shows_url_sessions_and_history(signed_in: Client, charge_point: ChargePoint) -> None:
    connector = charge_point.connectors.first()
    ended = factories.TransactionFactory(connector=connector, ended=True)
    factories.VariableFactory(charge_point=charge_point, name="HeartbeatInterval", value="300")
    factories.OcppMessageFactory(charge_point=charge_point, action="BootNotification")
    factories.StatusEventFactory(charge_point=charge_point, status="Finishing")
    overview = signed_in.get(page(charge_point)).content.decode()
    assert "ws://testserver/ocpp/CP-A" in overview
    assert reverse("admin:transactions_transaction_change", args=[ended.pk]) in overview
    assert "HeartbeatInterval" in signed_in.get(page(charge_point, "configuration")).content.decode()
    assert "BootNotification" in signed_in.get(page(charge_point, "messages")).content.decode()
    assert "Finishing" in signed_in.get(page(charge_point, "events")).content.decode()


def test_messages_tab_is_hidden_from_who_may_not_read_messages(
    viewer: Actor, charge_point: ChargePoint, client: Client
) -> None:
    factories.OcppMessageFactory(charge_point=charge_point, action="BootNotification")
    text = sign_in(client, viewer).get(page(charge_point, "messages")).content.decode()
    assert "BootNotification" not in text


# --- refusals and anomalies ---


def test_refused_stranger_is_registered_with_its_key_shown(
    superuser: User, client: Client, settings: Any
) -> None:
    home = factories.TenantFactory(slug=settings.DEFAULT_TENANT)
    refused = factories.RefusedConnectionFactory(identity="STRANGER")
    client.force_login(superuser)
    listed = client.get(reverse("admin:chargepoints_refusedconnection_changelist")).content.decode()
    path = reverse("admin:chargepoints_refusedconnection_register", args=[refused.pk])
    assert path in listed
    answer = client.post(path, {"connectors": 2, "security_profile": 1, "name": "Gate"})
    charge_point = ChargePoint.objects.get(identity="STRANGER")
    shown = [row["value"] for row in answer.context["secrets"]]
    assert shown[0] == "ws://testserver/ocpp/STRANGER"
    assert keys.verify_key(shown[2].encode(), charge_point.key_hash)
    assert (charge_point.tenant, charge_point.name, charge_point.connectors.count()) == (home, "Gate", 2)
    assert not RefusedConnection.objects.exists()


def test_refused_stranger_is_not_seen_by_another_tenant(signed_in: Client) -> None:
    factories.RefusedConnectionFactory(identity="STRANGER")
    path = reverse("admin:chargepoints_refusedconnection_changelist")
    assert "STRANGER" not in signed_in.get(path).content.decode()


def test_refused_connection_of_a_known_charger_leads_to_its_page(
    signed_in: Client, charge_point: ChargePoint, tenant: Tenant
) -> None:
    refused = factories.RefusedConnectionFactory(
        tenant=tenant, charge_point=charge_point, identity="CP-A", reason="wrong_key"
    )
    answer = signed_in.get(reverse("admin:chargepoints_refusedconnection_register", args=[refused.pk]))
    assert answer["Location"] == reverse("admin:chargepoints_chargepoint_change", args=[charge_point.pk])


def test_anomaly_is_resolved_by_who_may_change_chargers(
    signed_in: Client, charge_point: ChargePoint, support: Actor, client: Client
) -> None:
    anomaly = factories.FrameAnomalyFactory(charge_point=charge_point)
    path = reverse("admin:chargepoints_frameanomaly_changelist")
    data = {"action": "resolve", "_selected_action": [anomaly.pk]}
    sign_in(Client(), support).post(path, data)
    assert FrameAnomaly.objects.get().resolved_at is None
    signed_in.post(path, data)
    assert FrameAnomaly.objects.get().resolved_at is not None
