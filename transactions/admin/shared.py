"""How figures of sessions are shown."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.errors import AccountsError
from chargepoints.errors import ChargePointsError
from csms_project.common.admin import chip
from transactions.choices import Flag, TransactionState
from transactions.errors import TransactionsError
from transactions.models import Transaction
from transactions.pricing import minor_units

#: What services of sessions may refuse with.
ERRORS = (AccountsError, ChargePointsError, TransactionsError)


def kwh(energy_wh: Decimal | None) -> str:
    """Energy in kWh with the places that it has, at least two."""
    if energy_wh is None:
        return "–"
    text = f"{energy_wh / 1000:.6f}".rstrip("0")
    whole, _, places = text.partition(".")
    return f"{int(whole):,}.{places.ljust(2, '0')}"


def money(amount: Decimal | None, currency: str) -> str:
    """An amount with its currency."""
    if amount is None:
        return "–"
    return f"{amount:,.{minor_units(currency)}f} {currency}".strip()


def length(row: Transaction) -> timedelta | None:
    """How long a session lasted, or has lasted; None where a clock was wrong."""
    end = row.ended_at or (timezone.now() if row.is_active else None)
    return end - row.started_at if end is not None and end >= row.started_at else None


def state_chip(row: Transaction) -> SafeString:
    """Active or ended, and by what."""
    if row.state == TransactionState.ACTIVE:
        return chip("Active", "info")
    return chip("Ended", "neutral", title=row.get_end_kind_display())


def flag_chips(row: Transaction) -> SafeString:
    """One chip for each flag, explained in its title."""
    chips = ((chip(value.replace("_", " "), "warn", title=flag_text(value)),) for value in row.flags)
    return format_html('<span class="cs-chips">{}</span>', format_html_join(" ", "{}", chips))


def flag_text(value: str) -> str:
    """What a flag means."""
    return Flag(value).label if value in Flag.values else value


def local(moment: datetime | None) -> str:
    """Short date and time in the active time zone."""
    return "–" if moment is None else timezone.localtime(moment).strftime("%d %b %Y, %H:%M")


def cost_of(row: Any) -> Decimal | None:
    """The cost so far: `running_cost` where it was computed, else the final one."""
    cost: Decimal | None = getattr(row, "running_cost", row.cost)
    return cost
