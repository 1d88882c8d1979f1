"""Charging profiles in the admin: the editor, setting and clearing, the tab and the limits of a session."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.permissions import Actor
from chargepoints import commands
from chargepoints.admin.charging_form import PRESETS
from chargepoints.choices import CommandStatus
from chargepoints.models import (
    ChargePoint,
    ChargingProfile,
    ChargingProfileAssignment,
    Command,
    Connection,
    FleetTask,
    FleetTaskItem,
)
from tests import factories
from tests.browsing import messages_of, sign_in

ADD = reverse("admin:chargepoints_chargingprofile_add")
SET = reverse("admin:chargepoints_chargingprofile_set")
PREVIEW = reverse("admin:chargepoints_chargingprofile_preview")


@pytest.fixture
def browser(client: Client, technician: Actor) -> Client:
    return sign_in(client, technician)


def form(*rows: tuple[Any, ...], **fields: Any) -> dict[str, Any]:
    """What the editor sends: rows of time and limit, with weekday and phases where given."""
    data: dict[str, Any] = {
        "name": "Night",
        "purpose": "TxDefaultProfile",
        "times": "daily",
        "unit": "A",
        "stack_level": 0,
        "elements-TOTAL_FORMS": len(rows),
        "elements-INITIAL_FORMS": 0,
        **fields,
    }
    for number, row in enumerate(rows):
        values = dict(zip(("at", "limit", "weekday", "phases"), row, strict=False))
        data |= {f"elements-{number}-{name}": value for name, value in values.items()}
    return data


def errors_of(answer: Any) -> str:
    assert answer.status_code == 200
    found = answer.context["adminform"].form
    return f"{found.errors} {found.row_forms.errors}"


def saved(answer: Any) -> ChargingProfile:
    assert answer.status_code == 302, errors_of(answer)
    row: ChargingProfile = ChargingProfile.objects.get()
    return row


# ---------------------------------------------------------------- the editor
def test_editor_writes_a_day_of_the_clock(browser: Client) -> None:
    row = saved(browser.post(ADD, form(("22:00", 32), ("6:00", "8.1", "", 3))))
    assert (row.kind, row.recurrency_kind, row.charging_rate_unit, row.duration) == (
        "Recurring",
        "Daily",
        "A",
        None,
    )
    assert row.periods == [
        {"start_period": 0, "limit": "8.1", "number_phases": 3},
        {"start_period": 57_600, "limit": "32"},
    ]
    assert row.start_schedule is not None
    local = timezone.localtime(row.start_schedule)
    assert (local.hour, local.minute) == (6, 0)
    assert timezone.now() - timedelta(days=2) < row.start_schedule < timezone.now()


def test_editor_writes_a_week_in_kilowatts(browser: Client) -> None:
    row = saved(browser.post(ADD, form(("7:00", "7.4", 0), ("19:00", 22, 4), times="weekly", unit="kW")))
    assert (row.recurrency_kind, row.charging_rate_unit) == ("Weekly", "W")
    assert [period["limit"] for period in row.periods] == ["7400", "22000"]


def test_editor_writes_times_of_a_session_and_a_date(browser: Client) -> None:
    row = saved(browser.post(ADD, form(("0:00", 16), ("2:30", 8), times="relative", ends_after="8:00")))
    assert (row.kind, row.start_schedule, row.duration) == ("Relative", None, 28_800)
    assert row.periods[1]["start_period"] == 9000
    change = reverse("admin:chargepoints_chargingprofile_change", args=[row.pk])
    data = form(("0:00", 16), times="absolute", start_0="2030-01-02", start_1="03:04:00")
    assert browser.post(change, data).status_code == 302
    row.refresh_from_db()
    assert (row.kind, row.start_schedule) == ("Absolute", datetime(2030, 1, 2, 3, 4, tzinfo=UTC))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (form(), "Give at least one limit."),
        (form(("25:00", 6)), "Times of a day end at 23:59."),
        (form(("noon", 6)), "Give a time as 6:30."),
        (form(("6:00", -1)), "greater than or equal to 0"),
        (form(("6:00", "")), "required"),
        (form(("6:00", "6.25")), "Must not have more than one decimal"),
        (form(("6:00", 6), ("6:00", 8)), "Two rows begin at the same time."),
        (form(("1:00", 6), times="relative"), "The first limit must begin at 0:00."),
        (form(("0:00", 6), times="absolute"), "Say from when the times count."),
        (form(("6:00", 6), ends_after="x"), "Give hours and minutes as 8:00."),
        (form(("6:00", 6), times="sometimes"), "Select a valid choice"),
        (form(("6:00", 6), name=""), "required"),
    ],
)
def test_editor_says_what_is_wrong(browser: Client, data: dict[str, Any], text: str) -> None:
    assert text in errors_of(browser.post(ADD, data))
    assert not ChargingProfile.objects.exists()


def test_editor_shows_what_is_stored_and_a_save_changes_nothing(browser: Client) -> None:
    row = saved(browser.post(ADD, form(("22:00", 22), ("6:00", "3.7"), unit="kW", min_charging_rate="1.4")))
    assert row.start_schedule is not None
    before = (row.start_schedule, row.periods, row.min_charging_rate)
    assert before[2] == Decimal(1400)
    change = reverse("admin:chargepoints_chargingprofile_change", args=[row.pk])
    shown = browser.get(change).context["adminform"].form
    assert [one.initial["at"] for one in shown.row_forms.forms] == ["06:00", "22:00"]
    assert [one.initial["limit"] for one in shown.row_forms.forms] == ["3.7", "22"]
    # Days later the same times are the same schedule.
    ChargingProfile.objects.update(start_schedule=row.start_schedule - timedelta(days=9))
    again = form(("6:00", "3.7"), ("22:00", 22), unit="kW", min_charging_rate="1.4")
    assert browser.post(change, again).status_code == 302
    row.refresh_from_db()
    assert (row.start_schedule, row.periods, row.min_charging_rate) == (
        before[0] - timedelta(days=9),
        *before[1:],
    )


@pytest.mark.parametrize("preset", [*PRESETS, "none"])
def test_presets_fill_the_editor_in_and_can_be_saved(browser: Client, preset: str) -> None:
    page = browser.get(ADD, {"preset": preset})
    shown = page.context["adminform"].form
    values = {name: shown[name].value() for name in ("purpose", "times", "unit")}
    rows = [
        tuple(
            one[name].value() if one[name].value() is not None else "" for name in ("at", "limit", "weekday")
        )
        for one in shown.row_forms.forms
    ]
    saved(browser.post(ADD, form(*rows, **values, name="Made of a preset")))


def test_preview_shows_the_chart_of_what_is_typed(browser: Client) -> None:
    page = browser.post(PREVIEW, form(("22:00", 32), ("6:00", 4), name=""))
    text = page.content.decode()
    assert "<svg" in text
    assert "06:00 4 A · 22:00 32 A" in text
    assert "Below 6 A most vehicles do not charge at all" in text
    assert "Correct the limits" in browser.post(PREVIEW, form(("x", 32))).content.decode()
    assert (
        "Two rows begin at the same time."
        in browser.post(PREVIEW, form(("1:00", 1), ("1:00", 2))).content.decode()
    )
    assert browser.get(PREVIEW).status_code == 405


def test_preview_of_a_profile_that_exists_shows_it_too(browser: Client) -> None:
    saved(browser.post(ADD, form(("6:00", 6))))
    assert "<svg" in browser.post(PREVIEW, form(("6:00", 8))).content.decode()


def test_preview_saves_nothing(browser: Client) -> None:
    browser.post(PREVIEW, form(("6:00", 6)))
    assert not ChargingProfile.objects.exists()


def test_reader_sees_a_profile_without_a_form(client: Client, viewer: Actor, technician: Actor) -> None:
    row = factories.ChargingProfileFactory(tenant=viewer.tenant, name="Default")
    page = sign_in(client, viewer).get(reverse("admin:chargepoints_chargingprofile_change", args=[row.pk]))
    assert page.context["row_forms"] is None
    assert "<svg" in page.content.decode()
    assert client.post(PREVIEW, form(("6:00", 6))).status_code == 403


def test_profile_that_stands_somewhere_is_not_deleted(browser: Client, charge_point: ChargePoint) -> None:
    row = factories.ChargingProfileFactory(tenant=charge_point.tenant)
    factories.ChargingProfileAssignmentFactory(charge_point=charge_point, profile=row)
    delete = reverse("admin:chargepoints_chargingprofile_delete", args=[row.pk])
    answer = browser.post(delete, {"post": "yes"}, follow=True)
    assert "The charging profile stands on CP-A / 1: clear it there first." in messages_of(answer)
    assert ChargingProfile.objects.exists()


def test_list_says_limits_in_words(browser: Client, charge_point: ChargePoint) -> None:
    row = factories.ChargingProfileFactory(tenant=charge_point.tenant)
    factories.ChargingProfileAssignmentFactory(charge_point=charge_point, profile=row)
    text = browser.get(reverse("admin:chargepoints_chargingprofile_changelist")).content.decode()
    assert "16 A" in text
    assert "1 connector" in text


# ---------------------------------------------------------------- on chargers
def test_profile_is_set_on_one_charger(browser: Client, connection: Connection) -> None:
    row = factories.ChargingProfileFactory(tenant=connection.charge_point.tenant)
    pk = connection.charge_point.pk
    page = browser.get(SET, {"profile": row.pk, "charge_points": f"{pk},x", "connector": "2"})
    assert page.context["form"].initial == {
        "profile": str(row.pk),
        "charge_points": [str(pk)],
        "connector": "2",
    }
    data = {"profile": row.pk, "charge_points": [pk], "connector": 2, "confirm": "on"}
    answer = browser.post(SET, data)
    assert answer["Location"].endswith("?tab=charging_profiles")
    command = Command.objects.get()
    assert command.payload["profile_id"] == row.pk
    assert command.payload["connector"] == 2
    assert ChargingProfileAssignment.objects.get().profile == row


def test_profile_for_many_chargers_is_a_task(browser: Client, connection: Connection) -> None:
    tenant = connection.charge_point.tenant
    row = factories.ChargingProfileFactory(tenant=tenant)
    model = factories.ModelProfileFactory(tenant=tenant, rate_unit="W")
    other = factories.ChargePointFactory(tenant=tenant, identity="CP-C", model_profile=model)
    chargers: list[Any] = [connection.charge_point, other]
    data = {"profile": row.pk, "charge_points": [one.pk for one in chargers], "connector": 0, "confirm": "on"}
    answer = browser.post(SET, data)
    task = FleetTask.objects.get()
    assert answer["Location"] == reverse("admin:chargepoints_fleettask_change", args=[task.pk])
    items = FleetTaskItem.objects.order_by("pk")
    assert [item.charge_point for item in items] == chargers
    assert {item.action for item in items} == {"set_charging_profile"}
    assert {item.payload["profile_id"] for item in items} == {row.pk}
    assert [item.payload["charging_rate_unit"] for item in items] == ["A", "W"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"confirm": ""}, "confirm"),
        ({"connector": 1}, "connector"),
        ({"charge_points": []}, "charge_points"),
        ({"profile": ""}, "profile"),
    ],
)
def test_setting_asks_for_what_is_missing(
    browser: Client, connection: Connection, change: dict[str, Any], field: str
) -> None:
    row = factories.ChargingProfileFactory(
        tenant=connection.charge_point.tenant, purpose="ChargePointMaxProfile"
    )
    data = {"profile": row.pk, "charge_points": [connection.charge_point.pk], "connector": 0, "confirm": "on"}
    page = browser.post(SET, data | change)
    assert set(page.context["form"].errors) == {field}
    assert not Command.objects.exists()


def test_setting_on_a_charger_that_is_offline_says_so(browser: Client, charge_point: ChargePoint) -> None:
    row = factories.ChargingProfileFactory(tenant=charge_point.tenant)
    data = {"profile": row.pk, "charge_points": [charge_point.pk], "connector": 0, "confirm": "on"}
    assert "offline" in str(browser.post(SET, data).context["form"].errors)
    assert browser.post(SET, data | {"if_offline": "3600"}).status_code == 302


def test_other_tenants_profiles_and_chargers_cannot_be_chosen(
    browser: Client, connection: Connection, other_charge_point: ChargePoint
) -> None:
    theirs = factories.ChargingProfileFactory(tenant=other_charge_point.tenant)
    data = {"profile": theirs.pk, "charge_points": [other_charge_point.pk], "connector": 0, "confirm": "on"}
    assert set(browser.post(SET, data).context["form"].errors) == {"profile", "charge_points"}


def test_action_of_the_list_leads_to_setting(browser: Client, charge_point: ChargePoint) -> None:
    url = reverse("admin:chargepoints_chargepoint_changelist")
    answer = browser.post(url, {"action": "set_charging_profile", "_selected_action": [charge_point.pk]})
    assert answer["Location"] == f"{SET}?charge_points={charge_point.pk}"


# ---------------------------------------------------------------- the tab
def tab(charge_point: ChargePoint) -> str:
    return f"{reverse('admin:chargepoints_chargepoint_change', args=[charge_point.pk])}?tab=charging_profiles"


def test_tab_of_a_charger_without_profiles_says_so(browser: Client, charge_point: ChargePoint) -> None:
    text = browser.get(tab(charge_point)).content.decode()
    assert "No charging profile was set here." in text
    assert "Nothing is limited here." in text


def test_tab_shows_what_stands_expected_reported_and_drawn(
    browser: Client, charge_point: ChargePoint
) -> None:
    profile = factories.ChargingProfileFactory(tenant=charge_point.tenant, name="Default")
    factories.ChargingProfileAssignmentFactory(charge_point=charge_point, profile=profile)
    factories.ChargingProfileAssignmentFactory(
        charge_point=charge_point, state="rejected", note="The charger refused it."
    )
    now = timezone.now()
    factories.ReportedScheduleFactory(charge_point=charge_point, starts_at=now, reported_at=now)
    session = factories.TransactionFactory(
        connector=charge_point.connectors.get(ocpp_number=1), started_at=now - timedelta(minutes=30)
    )
    layout = factories.MeterLayoutFactory(columns=[["Power.Active.Import", "W", None, None, None, None]])
    for minute in range(3):
        at = now - timedelta(minutes=20 - minute)
        factories.MeterValueFactory(transaction=session, layout=layout, values=["7400"], sampled_at=at)
    page = browser.get(tab(charge_point))
    text = page.content.decode()
    assert "The charger refused it." in text
    first = page.context["outlooks"][0]
    assert [(one.name, one.kind) for one in first["chart"].series] == [
        ("Expected limit", "limit"),
        ("Reported by the charger", "reported"),
        ("Drawn by the session", "actual"),
    ]
    assert (first["now_words"], first["source"]) == ("11.04 kW (16 A)", "Default")
    assert "at most 11 kW" in first["chart"].summary


def test_tab_marks_an_older_version_and_offers_to_send_again(
    browser: Client, charge_point: ChargePoint
) -> None:
    profile = factories.ChargingProfileFactory(
        tenant=charge_point.tenant, periods=[{"start_period": 0, "limit": "6"}]
    )
    factories.ChargingProfileAssignmentFactory(charge_point=charge_point, profile=profile)
    text = browser.get(tab(charge_point)).content.decode()
    assert "older version" in text
    assert "Set again…" in text


def test_viewer_sees_the_tab_without_buttons(
    client: Client, viewer: Actor, charge_point: ChargePoint
) -> None:
    factories.ChargingProfileAssignmentFactory(charge_point=charge_point)
    page = sign_in(client, viewer).get(tab(charge_point))
    assert page.context["profile_rows"][0]["clear_url"] == ""
    assert (page.context["set_url"], page.context["may_ask"]) == ("", False)


def test_profile_is_cleared_from_the_tab(browser: Client, connection: Connection) -> None:
    row = factories.ChargingProfileAssignmentFactory(charge_point=connection.charge_point)
    url = reverse("admin:chargepoints_chargingprofile_clear", args=[row.pk])
    assert f"Clear “Profile {row.profile_number}”" in browser.get(url).content.decode()
    assert browser.post(url)["Location"] == tab(connection.charge_point)
    command = Command.objects.get()
    assert command.payload == {"profile_id": row.profile_number, "connector": 1}


def test_profile_of_another_tenant_is_not_cleared(
    browser: Client,
    other_charge_point: ChargePoint,
    client: Client,
    support: Actor,
    charge_point: ChargePoint,
) -> None:
    theirs = factories.ChargingProfileAssignmentFactory(charge_point=other_charge_point)
    url = reverse("admin:chargepoints_chargingprofile_clear", args=[theirs.pk])
    assert browser.post(url).status_code == 404
    mine = factories.ChargingProfileAssignmentFactory(charge_point=charge_point)
    url = reverse("admin:chargepoints_chargingprofile_clear", args=[mine.pk])
    assert sign_in(client, support).post(url).status_code == 403


def test_charger_is_asked_for_its_schedule(
    browser: Client, connection: Connection, other_charge_point: ChargePoint
) -> None:
    url = reverse("admin:chargepoints_chargingprofile_ask", args=[connection.charge_point.pk])
    assert browser.get(url).status_code == 405
    assert browser.post(url, {"connector": "1"})["Location"] == tab(connection.charge_point)
    assert Command.objects.get().payload == {"connector": 1, "duration": 86_400}
    theirs = reverse("admin:chargepoints_chargingprofile_ask", args=[other_charge_point.pk])
    assert browser.post(theirs, {"connector": "1"}).status_code == 404


# ---------------------------------------------------------------- a session
@pytest.fixture
def session(connection: Connection) -> Any:
    return factories.TransactionFactory(connector=connection.charge_point.connectors.get(ocpp_number=1))


def page_of(session: Any, act: str) -> str:
    return reverse(f"admin:transactions_transaction_{act}", args=[session.pk])


def test_session_is_limited_from_its_page_and_freed_again(browser: Client, session: Any) -> None:
    labels = [button["label"] for button in browser.get(page_of(session, "change")).context["buttons"]]
    assert "Limit this session" in labels
    assert "Remove the limit" not in labels
    answer = browser.post(page_of(session, "limit"), {"limit": "3.7", "unit": "kW", "phases": "1"})
    assert answer.status_code == 302
    command = Command.objects.get()
    assert command.payload["periods"] == [{"start_period": 0, "limit": 3700, "number_phases": 1}]
    assert command.payload["transaction_id"] == session.ocpp_id
    commands.complete(command.pk, status=CommandStatus.ACCEPTED)
    page = browser.get(page_of(session, "change"))
    assert ("Own limit", "3.7 kW on 1 phase") in page.context["facts"]
    assert "Remove the limit" in [button["label"] for button in page.context["buttons"]]
    assert browser.post(page_of(session, "unlimit")).status_code == 302
    assert Command.objects.latest("pk").action == "clear_charging_profile"


def test_session_takes_a_profile_from_its_page(browser: Client, session: Any) -> None:
    profile = factories.ChargingProfileFactory(tenant=session.tenant)
    assert browser.post(page_of(session, "limit"), {"profile": profile.pk, "unit": "A"}).status_code == 302
    assert Command.objects.get().payload["purpose"] == "TxProfile"


@pytest.mark.parametrize(
    "data", [{}, {"limit": "x"}, {"limit": "6.25"}, {"limit": "-1"}, {"limit": "0.00001", "unit": "kW"}]
)
def test_wrong_limit_of_a_session_is_told(browser: Client, session: Any, data: dict[str, Any]) -> None:
    page = browser.post(page_of(session, "limit"), {"unit": "A", **data})
    assert "limit" in page.context["form"].errors
    assert not Command.objects.exists()


def test_session_that_has_ended_offers_no_limit(browser: Client, session: Any) -> None:
    type(session).objects.filter(pk=session.pk).update(state="ended", ended_at=timezone.now())
    labels = [button["label"] for button in browser.get(page_of(session, "change")).context["buttons"]]
    assert "Limit this session" not in labels
    answer = browser.post(page_of(session, "limit"), {"limit": "6", "unit": "A"}, follow=True)
    assert "cannot be limited" in messages_of(answer)[0]
