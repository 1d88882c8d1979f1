"""Smart charging of OCPP 2.x in the admin: what the editor offers, and what the charge point's tab shows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.permissions import Actor
from chargepoints.models import ChargePoint, ChargingProfile, Command, Connection
from tests import factories
from tests.browsing import messages_of, sign_in
from tests.chargepoints.charging.test_admin import ADD, PREVIEW, errors_of, form, saved
from tests.factories import T0

DETAILS = {"max_offline_duration": 3600, "limit_at_soc": {"soc": 80, "limit": 5500}}
PERIODS = [
    {
        "start_period": 0,
        "operation_mode": "CentralSetpoint",
        "setpoint": "-5000",
        "setpoint_l2": "-2000",
    }
]


@pytest.fixture
def browser(client: Client, technician: Actor) -> Client:
    return sign_in(client, technician)


@pytest.fixture
def later(connection: Connection) -> ChargePoint:
    """The charger speaks 2.1, and is connected."""
    ChargePoint.objects.filter(pk=connection.charge_point_id).update(ocpp_version="ocpp2.1")
    row: ChargePoint = ChargePoint.objects.get(pk=connection.charge_point_id)
    return row


def change_url(row: ChargingProfile) -> str:
    return reverse("admin:chargepoints_chargingprofile_change", args=[row.pk])


def tab(browser: Client, charge_point: ChargePoint) -> str:
    url = reverse("admin:chargepoints_chargepoint_change", args=[charge_point.pk])
    return browser.get(f"{url}?tab=charging_profiles").content.decode()


# --- the editor ---


def test_editor_offers_nothing_of_2_1_without_such_a_charger(
    browser: Client, charge_point: ChargePoint
) -> None:
    page = browser.get(ADD).content.decode()

    assert "Only for chargers of OCPP 2.1" not in page
    assert "PriorityCharging" not in page
    assert "elements-0-mode" not in page


def test_editor_offers_2_1_where_a_charger_speaks_it(browser: Client, later: ChargePoint) -> None:
    page = browser.get(ADD).content.decode()

    assert "Only for chargers of OCPP 2.1" in page
    assert "PriorityCharging" in page
    assert "elements-0-mode" in page


def test_charger_of_somebody_else_changes_nothing(browser: Client) -> None:
    factories.ChargePointFactory(ocpp_version="ocpp2.1")

    assert "PriorityCharging" not in browser.get(ADD).content.decode()


def row_of(**values: Any) -> dict[str, Any]:
    return {f"elements-0-{name}": value for name, value in values.items()}


def test_editor_writes_what_only_2_1_knows(browser: Client, later: ChargePoint) -> None:
    data = form(("0:00", ""), times="relative", unit="kW") | row_of(
        mode="ExternalSetpoint", discharge_limit="6", phases="1", which="2"
    )
    data |= {"max_offline_duration": 3600, "soc": 80, "soc_limit": "5.5", "use_local_time": "on"}

    row = saved(browser.post(ADD, data))

    assert row.periods == [
        {
            "start_period": 0,
            "number_phases": 1,
            "phase_to_use": 2,
            "operation_mode": "ExternalSetpoint",
            "discharge_limit": "-6000",
        }
    ]
    assert row.details == {**DETAILS, "use_local_time": True}


def test_editor_keeps_what_it_does_not_show(browser: Client, later: ChargePoint) -> None:
    row = factories.ChargingProfileFactory(
        tenant=later.tenant,
        charging_rate_unit="W",
        periods=PERIODS,
        details={**DETAILS, "power_tolerance": "100.5"},
    )
    page = browser.get(change_url(row))
    shown = page.context["adminform"].form
    [first] = shown.row_forms.forms
    assert (first["setpoint"].value(), first["mode"].value()) == ("-5", "CentralSetpoint")
    assert shown["soc_limit"].value() == "5.5"

    data = form(("0:00", ""), times="relative", unit="kW", name=row.name) | row_of(
        mode="CentralSetpoint", setpoint="-4", rest=first["rest"].value()
    )
    data |= {"max_offline_duration": 60, "elements-INITIAL_FORMS": 1}
    answer = browser.post(change_url(row), data)

    assert answer.status_code == 302, errors_of(answer)
    row.refresh_from_db()
    assert row.periods == [{**PERIODS[0], "setpoint": "-4000"}]
    assert row.details == {"max_offline_duration": 60, "power_tolerance": "100.5"}


def test_editor_of_1_6_keeps_a_profile_of_2_1_whole(browser: Client, charge_point: ChargePoint) -> None:
    row = factories.ChargingProfileFactory(tenant=charge_point.tenant, details={"sales_tariff": {"id": 1}})

    answer = browser.post(change_url(row), form(("0:00", 10), times="relative", name="Other"))

    assert answer.status_code == 302, errors_of(answer)
    row.refresh_from_db()
    assert (row.name, row.details) == ("Other", {"sales_tariff": {"id": 1}})


@pytest.mark.parametrize(
    ("fields", "row", "said"),
    [
        ({}, {}, "This field is required."),
        ({"soc": 80}, {"limit": 16}, "Give both"),
        ({}, {"limit": 16, "mode": "Idle"}, "Must be left out in the mode Idle"),
        ({"dyn_update_interval": 60}, {"limit": 16}, "Only a profile that is updated"),
        ({}, {"limit": 16, "which": 2}, "Only where number_phases is 1"),
        ({}, {"limit": 16, "rest": "[}"}, "cannot be read"),
    ],
)
def test_editor_says_what_does_not_go_together(
    browser: Client, later: ChargePoint, fields: dict[str, Any], row: dict[str, Any], said: str
) -> None:
    data = form(("0:00", ""), times="relative", **fields) | row_of(**row)

    assert said in errors_of(browser.post(ADD, data))


def test_dynamic_profile_is_made_and_previewed(browser: Client, later: ChargePoint) -> None:
    data = form(("0:00", 11), times="dynamic", unit="kW", dyn_update_interval=60)

    preview = browser.post(PREVIEW, data).content.decode()
    row = saved(browser.post(ADD, data))

    assert "11 kW" in preview
    assert (row.kind, row.start_schedule, row.details) == ("Dynamic", None, {"dyn_update_interval": 60})


# --- the tab ---


def test_tab_shows_what_a_charger_has_told(browser: Client, later: ChargePoint) -> None:
    factories.ConnectorFactory(charge_point=later, evse__charge_point=later, ocpp_number=1)
    factories.ExternalLimitFactory(charge_point=later, is_grid_critical=True)
    factories.ExternalLimitFactory(charge_point=later, source="SO", cleared_at=T0)
    report = factories.ProfileReportFactory(charge_point=later, state="complete", ended_at=T0)
    factories.ReportedProfileFactory(report=report, profile_number=7, schedules=2)
    factories.ReportedProfileFactory(report=report, profile_number=8, content={"kind": "?"})
    factories.VehicleNeedsFactory(
        charge_point=later,
        energy_wh=20_000,
        departure_at=T0 + timedelta(hours=8),
        note="Enough for the 20.0 kWh that it needs by then.",
        schedule=[{"start_period": 0, "limit": "16", "number_phases": 3}],
        schedule_unit="A",
        schedule_from=T0,
        schedule_answer="Accepted",
        allowed_transfers=["AC_three_phase"],
    )

    page = tab(browser, later)

    assert "energy management" in page
    assert "grid critical" in page
    assert "4 kW" in page
    assert "the grid operator" not in page
    assert "first of 2 schedules" in page
    assert "every session" in page
    assert "Not known here" in page
    assert "Cannot be read" in page
    assert "20.0 kWh, AC, three phases" in page
    assert "up to 11.0 kW in 1 step" in page
    assert "Enough for the 20.0 kWh" in page


def test_tab_shows_an_evse_of_two_connectors_once(browser: Client, later: ChargePoint) -> None:
    first = factories.ConnectorFactory(charge_point=later, evse__charge_point=later, ocpp_number=1)
    factories.ConnectorFactory(charge_point=later, evse=first.evse, number=2, ocpp_number=1)

    assert tab(browser, later).count('aria-label="Connector 1"') == 1


def test_tab_says_that_the_charger_was_not_asked(browser: Client, later: ChargePoint) -> None:
    assert "Not asked yet." in tab(browser, later)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("open", "The charger is telling its profiles"),
        ("incomplete", "The last list broke off"),
        ("complete", "It named no profiles."),
    ],
)
def test_tab_says_how_far_the_list_is(browser: Client, later: ChargePoint, state: str, words: str) -> None:
    factories.ProfileReportFactory(charge_point=later, state=state)

    assert words in tab(browser, later)


def test_tab_of_a_charger_of_1_6_has_none_of_it(browser: Client, charge_point: ChargePoint) -> None:
    page = tab(browser, charge_point)

    assert "What the charger says it has" not in page
    assert "Charge with priority" not in page


def test_tab_offers_the_commands_of_2_1(browser: Client, later: ChargePoint) -> None:
    page = tab(browser, later)

    for label in ("Charge with priority", "Update a dynamic profile", "Allow ways of charging"):
        assert label in page


def test_profiles_are_asked_for(browser: Client, later: ChargePoint) -> None:
    url = reverse("admin:chargepoints_chargingprofile_list", args=[later.pk])

    answer = browser.post(url, follow=True)

    assert "its profiles appear here" in str(messages_of(answer))
    assert Command.objects.get().action == "get_charging_profiles"
    assert browser.get(url).status_code == 405


def test_charger_of_1_6_cannot_be_asked_for_profiles(browser: Client, connection: Connection) -> None:
    ChargePoint.objects.update(ocpp_version="ocpp1.6")
    url = reverse("admin:chargepoints_chargingprofile_list", args=[connection.charge_point_id])

    answer = browser.post(url, follow=True)

    assert "OCPP 1.6 has no message" in str(messages_of(answer))
    assert not Command.objects.exists()


def test_viewer_and_stranger_cannot_ask(
    client: Client, viewer: Actor, stranger: Actor, later: ChargePoint
) -> None:
    url = reverse("admin:chargepoints_chargingprofile_list", args=[later.pk])

    assert sign_in(client, viewer).post(url).status_code == 403
    assert sign_in(client, stranger).post(url).status_code == 404
    client.logout()
    assert client.post(url).status_code == 302
    assert not Command.objects.exists()
