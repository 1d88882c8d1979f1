"""Costs and limits in answers (OCPP 2.0.1 block I, 2.1 E16 and C17) and what chargers calculate (I12)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import IdToken
from chargepoints.models import ChargePoint
from tests.factories import T0
from transactions import local_costs
from transactions.choices import Flag
from transactions.models import Transaction
from transactions.services.event_costs import (
    NOTHING,
    answer_cost,
    answer_limits,
    coming_change,
    first_limits,
    report_limits,
)

HOUR = timedelta(hours=1)


def energy(price: str, **when: Any) -> dict[str, Any]:
    return {"price_components": [{"type": "ENERGY", "price": price, "vat": None}], "restrictions": when}


def running(*elements: dict[str, Any], **fields: Any) -> Transaction:
    """A session that is not stored; 0.50 EUR/kWh unless told otherwise."""
    snapshot = {"name": "t", "currency": "EUR", "elements": list(elements) or [energy("0.50")]}
    values = {
        "state": "active",
        "started_at": T0,
        "currency": "EUR",
        "time_zone": "UTC",
        "flags": [],
        **fields,
    }
    return Transaction(tariff_snapshot=snapshot, energy_wh=Decimal(0), **values)


def ended(cost: str | None, **fields: Any) -> Transaction:
    return running(state="ended", ended_at=T0 + HOUR, cost=None if cost is None else Decimal(cost), **fields)


# --- the cost in the answer ---


@pytest.mark.parametrize(
    ("row", "cost"),
    [
        (ended("4.35"), Decimal("4.35")),
        (ended("0", is_free=True), Decimal(0)),
        (ended(None, is_free=True), Decimal(0)),
        (ended(None), None),
    ],
)
def test_end_is_answered_with_the_cost_where_it_is_known(row: Transaction, cost: Decimal | None) -> None:
    """I03.FR.02, .04: free is 0, never left out."""
    assert answer_cost(row, shows_cost=False).total_cost == cost


def test_end_is_told_in_words_to_a_charger_that_shows_them() -> None:
    row = ended("5.00")
    row.energy_wh = Decimal(10000)
    assert answer_cost(row, shows_cost=True).message == "10.00 kWh, 1:00 h, total 5.00 EUR incl. VAT"
    assert answer_cost(row, shows_cost=False).message == ""


def test_running_cost_is_never_in_the_answer() -> None:
    """I02.FR.01: it goes out as CostUpdated, not twice."""
    assert answer_cost(running(), shows_cost=True) == NOTHING


def test_next_prices_are_known_beforehand() -> None:
    row = running(energy("0.50", end_time="11:00"), energy("0.30"))
    assert coming_change(row, T0) == {"at": "2026-03-02T11:00:00+00:00", "text": "0.30 EUR/kWh, incl. VAT"}


def test_tariff_that_never_changes_or_cannot_be_read_has_no_next_prices() -> None:
    assert coming_change(running(), T0) is None
    row = running()
    row.tariff_snapshot = {"currency": "EUR"}
    assert coming_change(row, T0) is None


# --- limits ---


def test_prepaid_driver_may_spend_his_balance() -> None:
    """C17.FR.03"""
    row = running()
    first_limits(row, IdToken(balance=Decimal("12.50")), {"maxCost": 20, "maxTime": 600})

    station = ChargePoint(cost_features="maxCost")
    assert answer_limits(row, station) == {"maxCost": "12.50"}
    assert answer_limits(row, station) == {}
    assert row.limits is not None
    assert row.limits["prepaid"] is True


def test_driver_without_a_balance_has_no_limit() -> None:
    row = running()
    first_limits(row, IdToken())
    first_limits(row, None)

    assert row.limits is None
    assert answer_limits(row, ChargePoint(cost_features="maxCost")) == {}


def test_remote_start_brings_limits() -> None:
    """C24.FR.02, C25.FR.24"""
    row = running()
    first_limits(row, None, {"maxEnergy": 20000})

    assert answer_limits(row, ChargePoint(cost_features="tariffs maxEnergy")) == {"maxEnergy": "20000"}


def test_limit_that_a_charger_sets_is_kept() -> None:
    """E16.FR.01, .03"""
    row = running()

    report_limits(row, {"maxTime": 900})
    assert row.limits == {"reported": {"maxTime": "900"}}


def test_ended_session_is_told_no_limit() -> None:
    row = ended("1")
    first_limits(row, None, {"maxCost": 3})
    assert answer_limits(row, ChargePoint(cost_features="maxCost")) == {}


# --- the charger's own calculation ---


def details(total: str, **more: Any) -> dict[str, Any]:
    return {"currency": "EUR", "kind": "NormalCost", "total_incl": total, **more}


@pytest.mark.parametrize(
    ("told", "words", "differs"),
    [
        (details("4.35"), "The charger calculated 4.35 EUR, as we do.", False),
        (details("4.37"), "The charger calculated 4.37 EUR, as we do.", False),
        (details("4.40"), "The charger calculated 4.40 EUR, we 4.35 EUR.", True),
        (details("4.35", currency="USD"), "in another currency than ours (EUR)", True),
        (
            details("6.35", parts=[{"name": "reservationFixed", "excl": "2.00"}]),
            "The charger calculated 4.35 EUR, as we do.",
            False,
        ),
        ({"failed": True, "reason": "no meter"}, "could not calculate the cost: no meter", False),
        ({}, "", False),
    ],
)
def test_cost_of_the_charger_is_compared_with_ours(told: dict[str, Any], words: str, differs: bool) -> None:
    row = ended("4.35")
    local_costs.keep(row, tariff_id="t-1", details=told)

    sentence = local_costs.compare(row)

    assert words in sentence
    assert (Flag.COST_DIFFERS in row.flags) is differs


def test_flag_goes_when_the_costs_agree_again() -> None:
    row = ended("4.35", flags=["cost_differs"])
    local_costs.keep(row, details=details("4.35"))
    local_costs.compare(row)
    assert row.flags == []


def test_changed_tariff_is_named_with_the_difference() -> None:
    row = ended("4.35")
    row.local_cost = {"details": details("9"), "changes": [{"at": "x", "tariff_id": "t"}]}
    assert local_costs.compare(row).endswith("Its tariff was changed while it ran.")


def test_what_is_known_already_is_no_news() -> None:
    row = running()
    assert local_costs.keep(row, tariff_id="t-1", details=details("1"))
    assert not local_costs.keep(row, tariff_id="t-1")
    assert not local_costs.keep(row, details=details("1"))
