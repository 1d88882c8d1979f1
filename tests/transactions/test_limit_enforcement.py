"""Sessions at limits that their chargers do not know, and prepaid tags on chargers of OCPP 1.6."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import IdToken
from chargepoints.models import ChargePoint, Command, Connection, Connector
from tests import factories
from tests.factories import T0
from transactions.models import Transaction
from transactions.services.limit_enforcement import reached, stop_at_limits

HOUR = timedelta(hours=1)


def limited(connector: Connector, **fields: Any) -> Transaction:
    """A running session at 0.50 EUR/kWh whose charger knows no limits."""
    limits = fields.pop("limits", {"wanted": {"maxCost": "5"}, "unknown": ["maxCost"]})
    row: Transaction = factories.TransactionFactory(connector=connector, limits=limits, **fields)
    return row


@pytest.mark.parametrize(
    ("limits", "fields", "kind"),
    [
        ({"maxCost": "5"}, {"energy_wh": Decimal(10000)}, "maxCost"),
        ({"maxCost": "5.01"}, {"energy_wh": Decimal(10000)}, None),
        ({"maxEnergy": "9999"}, {"energy_wh": Decimal(10000)}, "maxEnergy"),
        ({"maxTime": "3600"}, {}, "maxTime"),
        ({"maxTime": "3601"}, {}, None),
        ({"maxSoC": "80"}, {"soc_percent": Decimal(80)}, "maxSoC"),
        ({"maxSoC": "80"}, {}, None),
        ({"maxCost": "0"}, {"is_free": True}, None),
    ],
)
def test_limit_is_reached(
    connector: Connector, limits: dict[str, str], fields: dict[str, Any], kind: str | None
) -> None:
    row = limited(connector, limits={"wanted": limits, "unknown": list(limits)}, **fields)
    assert reached(row, (), T0 + HOUR) == kind


def test_limit_that_the_charger_knows_is_its_own_matter(connector: Connector, connection: Connection) -> None:
    limited(
        connector, energy_wh=Decimal(10000), limits={"wanted": {"maxCost": "5"}, "told": {"maxCost": "5"}}
    )

    assert stop_at_limits(T0 + HOUR) == 0


def test_charger_is_asked_once_to_stop(connector: Connector, connection: Connection) -> None:
    limited(connector, energy_wh=Decimal(10000))

    assert stop_at_limits(T0 + HOUR) == 1
    assert stop_at_limits(T0 + HOUR) == 0

    assert Command.objects.get().action == "remote_stop"


def test_charger_that_is_away_is_asked_later(connector: Connector) -> None:
    limited(connector, energy_wh=Decimal(10000))

    assert stop_at_limits(T0 + HOUR) == 0


def test_session_without_a_readable_tariff_is_left_alone(
    connector: Connector, connection: Connection
) -> None:
    limited(connector, energy_wh=Decimal(10000), tariff_snapshot={"currency": "EUR"})

    assert stop_at_limits(T0 + HOUR) == 0


def test_tokens_balance_stays_as_it_is(connector: Connector, charge_point: ChargePoint) -> None:
    token: IdToken = factories.IdTokenFactory(tenant=charge_point.tenant, balance=Decimal(5))
    row = limited(connector, id_token=token, energy_wh=Decimal(10000))

    assert reached(row, (), T0) == "maxCost"
    token.refresh_from_db()
    assert token.balance == 5
