"""The admin's home: first steps, figures, faults."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints.models import ChargePoint, Connection, Connector
from csms_project.dashboard.home import energy_chart
from tests import factories
from tests.browsing import sign_in

HOME = "admin:index"


def home(client: Client) -> Any:
    return client.get(reverse(HOME)).context


def tiles(client: Client) -> dict[str, str]:
    return {tile.title: tile.value for tile in home(client)["tiles"]}


@pytest.fixture
def signed_in(owner: Actor, client: Client) -> Client:
    return sign_in(client, owner)


def test_first_steps_tick_themselves_and_disappear(signed_in: Client, tenant: Tenant) -> None:
    def done() -> list[bool]:
        return [step.is_done for step in home(signed_in)["steps"]]

    assert done() == [False, False, False, False]
    factories.LocationFactory(tenant=tenant)
    assert done() == [True, False, False, False]
    charge_point = factories.ChargePointFactory(tenant=tenant)
    assert done() == [True, True, False, False]
    assert str(charge_point.pk) in home(signed_in)["steps"][2].url
    ChargePoint.objects.filter(pk=charge_point.pk).update(last_boot_at=timezone.now())
    assert done() == [True, True, True, False]
    factories.IdTokenFactory(tenant=tenant)
    assert done() == []


def test_first_steps_of_another_tenant_do_not_count(
    signed_in: Client, other_charge_point: ChargePoint, other_tenant: Tenant
) -> None:
    factories.IdTokenFactory(tenant=other_tenant)
    assert not any(step.is_done for step in home(signed_in)["steps"])


def test_first_steps_link_only_where_the_role_may_do_them(
    support: Actor, tenant: Tenant, client: Client
) -> None:
    steps = home(sign_in(client, support))["steps"]
    assert [step.may for step in steps] == [False, False, False, True]
    text = client.get(reverse(HOME)).content.decode()
    assert reverse("admin:accounts_idtoken_add") in text
    assert reverse("admin:chargepoints_location_add") not in text


def test_tiles_count_the_tenants_own_figures(
    signed_in: Client, charge_point: ChargePoint, connection: Connection, connector: Connector, tenant: Tenant
) -> None:
    factories.ChargePointFactory(tenant=tenant)
    now = timezone.now()
    ended = {"ended": True, "started_at": now - timedelta(hours=1), "ended_at": now}
    factories.TransactionFactory(connector=connector, **ended)
    factories.TransactionFactory(connector=connector, power_w=11000)
    factories.FrameAnomalyFactory(charge_point=charge_point)
    factories.FrameAnomalyFactory(charge_point=charge_point, resolved_at=now)
    factories.RefusedConnectionFactory(tenant=tenant, last_at=now)
    assert tiles(signed_in) == {
        "Chargers online": "1 / 2",
        "Active sessions": "1",
        "Power": "11.0 kW",
        "Energy today": "10.00 kWh",
        "Revenue today": "5.00 EUR",
        "Open anomalies": "1",
        "Security alerts": "0",
        "Alerts of chargers": "0",
        "Refused connections": "1",
    }


def test_tiles_leave_out_another_tenants_figures(
    signed_in: Client, other_charge_point: ChargePoint, tenant: Tenant
) -> None:
    connector = other_charge_point.connectors.first()
    factories.ConnectionFactory(charge_point=other_charge_point)
    factories.TransactionFactory(connector=connector, power_w=11000)
    factories.FrameAnomalyFactory(charge_point=other_charge_point)
    found = tiles(signed_in)
    assert (found["Chargers online"], found["Active sessions"], found["Open anomalies"]) == (
        "0 / 0",
        "0",
        "0",
    )
    assert found["Revenue today"] == "0.00 EUR"


def test_tiles_that_a_role_may_not_read_are_left_out(viewer: Actor, client: Client) -> None:
    found = tiles(sign_in(client, viewer))
    assert "Refused connections" not in found
    assert "Open anomalies" not in found


def test_revenue_in_two_currencies_is_not_added_up(signed_in: Client, connector: Connector) -> None:
    now = timezone.now()
    for currency in ("EUR", "IDR"):
        factories.TransactionFactory(
            connector=connector, ended=True, started_at=now, ended_at=now, currency=currency, cost=Decimal(7)
        )
    assert tiles(signed_in)["Revenue today"] == "7.00 EUR + 7.00 IDR"


def test_today_begins_at_the_tenants_midnight(
    signed_in: Client, connector: Connector, tenant: Tenant
) -> None:
    tenant.time_zone = "Pacific/Kiritimati"
    tenant.save()
    with timezone.override("Pacific/Kiritimati"):
        midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    for end in (midnight - timedelta(seconds=1), midnight + timedelta(seconds=1)):
        factories.TransactionFactory(connector=connector, ended=True, started_at=end, ended_at=end)
    assert tiles(signed_in)["Energy today"] == "10.00 kWh"


def test_faults_are_listed_with_their_error(signed_in: Client, charge_point: ChargePoint) -> None:
    charge_point.connectors.filter(ocpp_number=1).update(status="Faulted", error_code="GroundFailure")
    text = signed_in.get(reverse("admin:home_live")).content.decode()
    assert "GroundFailure" in text
    assert "CP-A" in text


def test_empty_home_says_what_to_do(signed_in: Client) -> None:
    text = signed_in.get(reverse(HOME)).content.decode()
    assert "Nobody charges now." in text
    assert "No charger reports a fault." in text
    assert "The chart begins with the first session that ends." in text


def test_chart_sums_the_days_of_the_active_zone(connector: Connector, tenant: Tenant) -> None:
    with timezone.override(UTC):
        today = timezone.localtime().replace(hour=0, minute=30)
        for back, energy in ((0, 1000), (0, 500), (13, 2000), (14, 9000)):
            end = today - timedelta(days=back)
            factories.TransactionFactory(
                connector=connector, ended=True, started_at=end, ended_at=end, energy_wh=Decimal(energy)
            )
        chart = energy_chart(tenant)
    assert chart is not None
    assert len(chart.bars) == 14
    assert (chart.bars[0].value, chart.bars[-1].value) == ("2 kWh", "1.5 kWh")
    assert chart.bars[0].percent == 100.0
    assert "3.5 kWh altogether" in chart.summary


def test_home_takes_a_fixed_number_of_queries(
    signed_in: Client, charge_point: ChargePoint, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for connector in charge_point.connectors.all():
        factories.TransactionFactory(connector=connector, started_at=datetime.now(UTC))
        connector.status = "Faulted"
        connector.save()
    factories.GatewayNodeFactory()
    with django_assert_num_queries(25):
        signed_in.get(reverse(HOME))


# ---------------------------------------------------------------- what makes the figures old
@pytest.mark.parametrize("view", [HOME, "admin:home_live"])
def test_home_says_that_it_is_stale_while_redis_is_away(
    signed_in: Client, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch, view: str
) -> None:
    factories.GatewayNodeFactory()
    assert "cs-notice" not in signed_in.get(reverse(view)).content.decode()
    monkeypatch.setattr("csms_project.dashboard.home.layer_is_away", lambda: True)
    page = signed_in.get(reverse(view)).content.decode()
    assert "Redis does not answer" in page
    assert "may be some seconds old" in page


def test_home_says_when_nothing_serves_chargers(signed_in: Client, charge_point: ChargePoint) -> None:
    factories.GatewayNodeFactory(lease_until=timezone.now() - timedelta(seconds=1))
    assert home(signed_in)["notices"] == ["No gateway process is running: no charger can be online."]
    factories.GatewayNodeFactory()
    assert home(signed_in)["notices"] == []
