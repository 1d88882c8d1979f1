"""Background jobs of sessions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from csms_project.common.jobs import job
from csms_project.common.retention import BATCH, MonthRule
from transactions.choices import TransactionState
from transactions.models import MeterValue
from transactions.services import (
    charger_tariffs,
    closing,
    cost_display,
    cost_features,
    gaps,
    limit_enforcement,
    prepaid,
    web_payments,
)

HOUR_S = 3600


def samples_of_running_sessions() -> QuerySet[Any]:
    """Their sessions are not settled yet."""
    return MeterValue.objects.filter(transaction__state=TransactionState.ACTIVE)


METER_VALUES = MonthRule(
    model=MeterValue, setting="RETENTION_METER_VALUES_DAYS", keep=samples_of_running_sessions
)


@job(every_s=300)
def flag_stale(now: datetime) -> int:
    """Flag sessions that have been open for longer than their tenant expects."""
    return closing.flag_stale(now)


@job(every_s=300)
def close_stale(now: datetime) -> int:
    """Close stale sessions of tenants that have a rule for it."""
    return closing.close_stale(now)


@job(every_s=30)
def stop_blocked(now: datetime) -> int:
    """Ask chargers to end the sessions of blocked tags, for tenants that want it."""
    from transactions.services import control

    return control.stop_blocked(now)


@job(every_s=10)
def follow_charging_profiles(now: datetime) -> int:
    """Let charging profiles of a session begin and end with it."""
    from transactions import charging

    return charging.follow_profiles(now)


@job(every_s=60, batch=gaps.BATCH)
def ask_about_gaps(now: datetime) -> int:
    """Ask chargers about sessions of which events are missing."""
    return gaps.ask_about_gaps(now)


@job(every_s=5, batch=cost_display.BATCH)
def tell_costs(now: datetime) -> int:
    """Tell chargers with a display what running sessions cost, and what ended ones have cost."""
    return cost_display.tell_costs(now)


@job(every_s=30)
def resolve_cost_displays(now: datetime) -> int:
    """Note which chargers are told prices and costs."""
    return cost_display.resolve_chargers(now)


@job(every_s=60)
def resolve_cost_features(now: datetime) -> int:
    """Note what chargers of OCPP 2.x say they can do about costs and limits."""
    return cost_features.resolve(now)


@job(every_s=300)
def sync_charger_tariffs(now: datetime) -> int:
    """Give chargers that calculate costs themselves the tariff that they should have."""
    return charger_tariffs.sync(now)


@job(every_s=30)
def stop_at_limits(now: datetime) -> int:
    """Ask for the end of sessions that have reached a limit which their charger does not know."""
    return limit_enforcement.stop_at_limits(now)


@job(every_s=30, batch=prepaid.BATCH)
def debit_prepaid(now: datetime) -> int:
    """Take what sessions have cost from prepaid balances."""
    return prepaid.debit_due(now)


@job(every_s=15, batch=web_payments.BATCH)
def settle_web_payments(now: datetime) -> int:
    """Follow payments on the web: capture what sessions have cost, release what nobody used."""
    return web_payments.settle_due(now)


@job(every_s=300)
def sync_default_prices(now: datetime) -> int:
    """Give chargers the price that they show before anybody is known."""
    return cost_display.sync_default_prices(now)


@job(every_s=HOUR_S, batch=BATCH)
def purge_meter_values(now: datetime) -> int:
    """Retention of samples (RETENTION_METER_VALUES_DAYS); those of running sessions stay."""
    return METER_VALUES.purge(now)
