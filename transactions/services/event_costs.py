"""What the answer to a message about a session says of costs and limits (OCPP 2.0.1 block I, 2.1 C17, E16).

Nothing here reads the database, except the charge point of a session to which there is something to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from accounts.models import IdToken
from accounts.services.authorization import Authorization
from chargepoints.models import ChargePoint, Command
from csms_project.common import bulk
from transactions import local_costs, session_limits
from transactions.cost_features import TARIFFS, has_feature, supported_limits
from transactions.models import Transaction
from transactions.price_now import Situation, next_change
from transactions.pricing import TariffError
from transactions.services.batch import SessionBatch
from transactions.services.cost_display import final_text
from transactions.services.opening import follow_cost
from transactions.session_price import parsed


@dataclass(frozen=True, slots=True, kw_only=True)
class CostNews:
    """What an event tells of costs.

    tariff_id  by which the charger calculates; "" where it does not say
    details    its own calculation; None: none
    limits     of the session, which the charger keeps to
    """

    tariff_id: str = ""
    details: Mapping[str, Any] | None = None
    limits: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostAnswer:
    """What an answer says.

    total_cost  including tax; None: not known, or told otherwise. Free of charge is 0 (OCPP 2.0.1 I03.FR.04)
    message     words for the display: what the session has cost, or prices that have changed
    limits      kind → number as text
    """

    total_cost: Decimal | None = None
    message: str = ""
    limits: Mapping[str, str] = field(default_factory=dict)


NOTHING = CostAnswer()
NO_NEWS = CostNews()


# ---------------------------------------------------------------- one event


def open_costs(row: Transaction, authorization: Authorization | None, batch: SessionBatch) -> None:
    """What a session that begins has to keep to, and when its prices change."""
    station = batch.charge_point(row.charge_point_id)
    first_limits(row, _payer(authorization))
    shows = station.shows_cost
    if shows and not row.is_free:
        row.price_change = coming_change(row, row.started_at)
    needs_cost = session_limits.MAX_COST in (row.limits or {}).get("wanted", {})
    central = not has_feature(station, TARIFFS)
    if needs_cost and central and not shows and session_limits.MAX_COST in supported_limits(station):
        # The charger can keep to a cost only while it is told the cost (E16.FR.11).
        follow_cost(row, batch)


def _payer(authorization: Authorization | None) -> IdToken | None:
    return authorization.token if authorization is not None and authorization.is_accepted else None


def take_news(
    row: Transaction, news: CostNews, authorization: Authorization | None, batch: SessionBatch
) -> None:
    """Keep what an event tells, and the limit of a driver who is known only now."""
    before = row.limits
    if news.limits:
        report_limits(row, news.limits)
    payer = _payer(authorization)
    if payer is not None and payer.balance is not None and row.id_token_id == payer.pk:
        first_limits(row, payer)
    if row.limits != before:
        batch.change(row, "limits")
    if (news.tariff_id or news.details is not None) and local_costs.keep(
        row, tariff_id=news.tariff_id, details=news.details
    ):
        batch.change(row, "local_cost")


def answer_event(
    row: Transaction, at: datetime, batch: SessionBatch, *, ends: bool, is_repeat: bool
) -> CostAnswer:
    """What the answer to an event says; a repeated one gets again what may have been lost.

    at    charger's clock
    ends  it is the end of the session, and its row is read whole
    """
    if ends:
        return answer_cost(row, shows_cost=batch.charge_point(row.charge_point_id).shows_cost)
    if is_repeat:
        return CostAnswer(limits=session_limits.unconfirmed(row.limits)) if row.is_active else NOTHING
    if not row.is_active or not (session_limits.is_pending(row.limits) or _has_changed(row, at)):
        return NOTHING
    limits = answer_limits(row, batch.charge_point(row.charge_point_id))
    message = _changed_price(row, at)
    batch.change(row, "limits", "price_change")
    return CostAnswer(limits=limits, message=message)


def answer_cost(row: Transaction, *, shows_cost: bool) -> CostAnswer:
    """The cost for the answer to the end of a session, as soon as it is known (I03.FR.02).

    While it runs the cost is told by a command of its own and never in an answer, so that it is not told twice
    (I02.FR.01).
    """
    if row.is_active:
        return NOTHING
    cost = Decimal(0) if row.is_free else row.cost
    return CostAnswer(total_cost=cost, message=final_text(row) if shows_cost and cost is not None else "")


# ---------------------------------------------------------------- prices that change (I06)


def coming_change(row: Transaction, at: datetime) -> dict[str, str] | None:
    """When other prices hold only because time passes, and which, in words."""
    if row.tariff_snapshot is None:
        return None
    situation = Situation(
        at=at,
        started_at=row.started_at,
        time_zone=row.time_zone,
        energy_wh=row.energy_wh,
        power_w=row.power_w or 0,
    )
    try:
        change = next_change(parsed(row.tariff_snapshot), situation)
    except TariffError:
        return None
    return {"at": change[0].isoformat(), "text": change[1].in_words()} if change is not None else None


def _has_changed(row: Transaction, at: datetime) -> bool:
    return bool(row.price_change) and datetime.fromisoformat(row.price_change["at"]) <= at


def _changed_price(row: Transaction, at: datetime) -> str:
    """The new prices in words, once; "" while the old ones hold.  The next change is looked for then."""
    text = ""
    if _has_changed(row, at):
        bulk.complete([row])
    while _has_changed(row, at):
        text = row.price_change["text"]
        row.price_change = coming_change(row, datetime.fromisoformat(row.price_change["at"]))
    return text


# ---------------------------------------------------------------- limits


def first_limits(row: Transaction, token: IdToken | None, asked: Mapping[str, Any] | None = None) -> None:
    """The limits of a session: a prepaid balance (C17.FR.03), and what its remote start asked for."""
    wanted = session_limits.read(asked or {})
    if row.limits and wanted:
        wanted = session_limits.lowest(wanted, row.limits.get("wanted", {}))
    balance = token.balance if token is not None else None
    if balance is not None:
        wanted = session_limits.lowest(wanted, {session_limits.MAX_COST: max(balance, Decimal(0))})
    if wanted:
        row.limits = session_limits.wanting(row.limits, wanted, prepaid=balance is not None)


def limits_by_us(row: Transaction, authorization: Authorization) -> None:
    """The limits of a session whose charger can be told none: we end it there (see `limit_enforcement`)."""
    first_limits(row, _payer(authorization))
    if row.limits:
        _, row.limits = session_limits.to_tell(row.limits, ())


def limits_of_start(row: Transaction, command: Command | None) -> None:
    """The limits that the remote start of a session named (C24.FR.02, C25.FR.24)."""
    if command is not None and command.payload.get("limits"):
        first_limits(row, None, command.payload["limits"])


def report_limits(row: Transaction, reported: Mapping[str, Any]) -> None:
    """Keep the limits that the charger says hold for the session."""
    row.limits = session_limits.reporting(row.limits, reported)


def answer_limits(row: Transaction, station: ChargePoint) -> dict[str, str]:
    """The limits for the answer to this event, each once; the session keeps that they were told."""
    if not row.limits or not row.is_active:
        return {}
    due, row.limits = session_limits.to_tell(row.limits, supported_limits(station))
    return due
