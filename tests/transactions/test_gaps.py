"""Asking about sessions of which events are missing (2.0.1 E14; TC_E_29 to TC_E_31)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from chargepoints.models import ChargePoint, Command, Connection, Connector
from tests import factories
from transactions.models import Transaction
from transactions.services.gaps import ask_about_gaps

pytestmark = pytest.mark.django_db
NOW = timezone.now()
#: Numbers 0 to 5, one of which is missing.
GAP: dict[str, Any] = {"first_seq_no": 0, "last_seq_no": 5, "event_count": 5, "start_digest": "x"}


@pytest.fixture
def back(charge_point: ChargePoint) -> Connection:
    """The charger came back ten minutes ago and may be asked."""
    ChargePoint.objects.filter(pk=charge_point.pk).update(auto_configure=True, ocpp_version="ocpp2.0.1")
    row: Connection = factories.ConnectionFactory(
        charge_point=charge_point,
        ocpp_version="ocpp2.0.1",
        connected_at=NOW - timedelta(minutes=10),
        node__lease_until=NOW + timedelta(hours=1),
    )
    return row


def session(connector: Connector, **fields: Any) -> Transaction:
    row: Transaction = factories.TransactionFactory(
        connector=connector, started_at=NOW - timedelta(hours=1), ocpp_id="tx-1"
    )
    Transaction.objects.filter(pk=row.pk).update(**{**GAP, **fields})
    return row


def asked() -> list[Any]:
    return [row.payload for row in Command.objects.filter(action="get_transaction_status")]


def test_charger_that_is_back_is_asked_once(back: Connection, connector: Connector) -> None:
    """E14.FR.02, .04: by the session's id; again only after the next connection."""
    session(connector)
    assert (ask_about_gaps(NOW), ask_about_gaps(NOW)) == (1, 0)
    assert asked() == [{"transaction_id": "tx-1"}]

    Command.objects.update(created_at=NOW - timedelta(hours=1))
    assert ask_about_gaps(NOW) == 1


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"start_digest": ""}, id="start unknown"),
        pytest.param({"state": "ended", "flags": ["events_missing"], "ended_at": NOW}, id="ended"),
    ],
)
def test_other_gaps_are_asked_about(back: Connection, connector: Connector, fields: dict[str, Any]) -> None:
    session(connector, **fields)
    assert ask_about_gaps(NOW) == 1


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"event_count": 6}, id="complete"),
        pytest.param({"first_seq_no": None, "last_seq_no": None, "event_count": 0}, id="no events"),
        pytest.param({"started_at": NOW - timedelta(days=30)}, id="long ago"),
        pytest.param({"state": "ended", "flags": ["offline"], "ended_at": NOW}, id="ended without the flag"),
    ],
)
def test_nothing_is_asked_about_others(
    back: Connection, connector: Connector, fields: dict[str, Any]
) -> None:
    session(connector, **fields)
    assert ask_about_gaps(NOW) == 0


@pytest.mark.parametrize("why", ["offline", "just back", "not unasked"])
def test_some_chargers_are_not_asked(back: Connection, connector: Connector, why: str) -> None:
    session(connector)
    if why == "offline":
        back.delete()
    elif why == "just back":
        Connection.objects.update(connected_at=NOW - timedelta(seconds=30))
    else:
        ChargePoint.objects.update(auto_configure=False)
    assert ask_about_gaps(NOW) == 0
