"""Prices and costs on the displays of chargers that can show them (OCPP 2.x block I; California pricing in 1.6).

The driver's price goes out with the authorization and the start; a job tells the running cost, not more often than the
tenant says and only the latest, and the final cost where the answer to the end has no room for it.  What no answer
carries is a command like others, so that what was sent and answered can be seen.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import orjson
from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.transaction import atomic, on_commit

from accounts.permissions import Actor
from accounts.services.authorization import Authorization
from chargepoints import commands
from chargepoints.choices import CommandStatus, ConnectorStatus, Via
from chargepoints.errors import ChargePointsError
from chargepoints.models import ChargePoint, Command, Variable
from chargepoints.selectors import find_value, live_connections
from transactions import cost_messages
from transactions.choices import LedgerKind, TransactionState
from transactions.cost_features import DISPLAY
from transactions.energy import Reading
from transactions.models import CostDisplay, Transaction
from transactions.price_now import PriceNow, Situation, money, next_change, next_energy_step, prices_at
from transactions.pricing import TariffError
from transactions.selectors import readings_of
from transactions.services.settling import explain, write_ledger
from transactions.services.tariffs import choose
from transactions.session_price import needs_readings, parsed, price_until

logger = logging.getLogger(__name__)

BATCH = 500
#: The shortest interval that a tenant may choose.
MIN_INTERVAL = timedelta(seconds=10)
NAME = "cost display"
#: A price is of use while the driver stands there, a running cost until the next one.
PRICE_LIFE = timedelta(minutes=2)
RUNNING_LIFE = timedelta(minutes=5)
#: A final cost waits so long for a charger that is away; so long a session that cannot be priced is looked at.
FINAL_LIFE = timedelta(days=1)
#: A start that arrives later is none that a driver waits for.
FRESH = timedelta(minutes=2)
RETRY_DEFAULT = timedelta(hours=6)
_IDLE = frozenset({ConnectorStatus.SUSPENDED_EV, ConnectorStatus.SUSPENDED_EVSE, ConnectorStatus.FINISHING})


def vendor_command(
    station: ChargePoint,
    message_id: str,
    fields: dict[str, Any],
    *,
    at: datetime,
    life: timedelta,
    waits: bool = False,
) -> Command:
    """A vendor message of ours as a command, not yet stored."""
    payload = {
        "vendor_id": cost_messages.VENDOR_ID,
        "message_id": message_id,
        "data": orjson.dumps(fields).decode(),
    }
    return _ordered(station, "data_transfer", payload, at=at, life=life, waits=waits)


def _ordered(
    station: ChargePoint,
    action: str,
    payload: dict[str, Any],
    *,
    at: datetime,
    life: timedelta,
    waits: bool = False,
) -> Command:
    """A command of ours, not yet stored."""
    return Command(
        tenant_id=station.tenant_id,
        charge_point_id=station.pk,
        action=action,
        payload=payload,
        requested_by_name=NAME,
        requested_via=Via.JOB,
        created_at=at,
        expires_at=at + life,
        waits_for_connection=waits,
        timeout_s=settings.OCPP_CALL_TIMEOUT_S,
    )


# --- the driver's price: in the batch that authorizes or starts, nothing is read for it ---


def price_command(
    station: ChargePoint, authorization: Authorization, id_token: str, at: datetime
) -> Command | None:
    """SetUserPrice for a driver who is authorized; None when nobody is, or the tariff cannot be read."""
    text = driver_price(station, authorization, at)
    if not text:
        return None
    fields = cost_messages.user_price(id_token=id_token, text=text)
    return vendor_command(station, cost_messages.SET_USER_PRICE, fields, at=at, life=PRICE_LIFE)


def driver_price(station: ChargePoint, authorization: Authorization, at: datetime) -> str:
    """What an authorized driver would pay here now, in words; "" for others, and where the tariff cannot be read."""
    if not authorization.is_accepted:
        return ""
    try:
        return user_price_text(station, authorization, at)
    except TariffError:
        return ""


def user_price_text(station: ChargePoint, authorization: Authorization | None, at: datetime) -> str:
    """What a driver would pay here now, in words.  Raises TariffError."""
    prices = _prices_here(station, authorization, at)
    return "Free of charge" if prices is None else prices.in_words()


def _prices_here(station: ChargePoint, authorization: Authorization | None, at: datetime) -> PriceNow | None:
    chosen = choose(
        tenant=station.tenant,
        charge_point=station,
        location=station.location,
        id_token=authorization.token if authorization is not None else None,
    )
    if chosen.snapshot is None:
        return None
    zone = (station.location.time_zone if station.location else "") or station.tenant.time_zone
    return prices_at(parsed(chosen.snapshot), Situation(at=at, started_at=at, time_zone=zone))


def is_fresh(started_at: datetime, received_at: datetime) -> bool:
    """Whether the driver may still stand at the charger."""
    return abs(received_at - started_at) <= FRESH


# --- which chargers ---


def _able() -> Q:
    """Chargers that are to be told prices and costs."""
    says_so = Q(cost_features__contains=DISPLAY) | Exists(_with_key())
    return Q(tenant__cost_display=True, archived_at=None) & (
        Q(cost_display=True) | (says_so & Q(cost_display__isnull=True))
    )


def _with_key() -> QuerySet[Variable]:
    rows: QuerySet[Variable] = Variable.objects.filter(
        charge_point=OuterRef("pk"),
        component="",
        name_key=cost_messages.SUPPORT_KEY.casefold(),
        value__iexact="true",
        gone_at=None,
    )
    return rows


@atomic
def resolve_chargers(now: datetime) -> int:
    """Note which chargers are told prices and costs; their running sessions are taken up.  Returns how many changed."""
    able = set(ChargePoint.objects.filter(_able()).order_by().values_list("pk", flat=True))
    shown = set(ChargePoint.objects.filter(shows_cost=True).order_by().values_list("pk", flat=True))
    ChargePoint.objects.filter(pk__in=able - shown).update(shows_cost=True)
    ChargePoint.objects.filter(pk__in=shown - able).update(shows_cost=False)
    running = Transaction.objects.filter(
        charge_point_id__in=able - shown, state=TransactionState.ACTIVE, cost_display=None
    )
    CostDisplay.objects.bulk_create(
        [
            CostDisplay(tenant_id=tenant_id, charge_point_id=station, transaction_id=pk)
            for pk, tenant_id, station in running.values_list("pk", "tenant_id", "charge_point_id")
        ],
        ignore_conflicts=True,
    )
    CostDisplay.objects.filter(charge_point_id__in=shown - able, closed_at=None).update(closed_at=now)
    return len(able ^ shown)


# --- running and final cost ---


@dataclass(slots=True)
class _Step:
    """What one run does, written together at its end."""

    now: datetime
    readings: dict[int, list[Reading]]
    lines: list[Any]
    wake: set[int]
    done: int = 0


def tell_costs(now: datetime) -> int:
    """Order the running and final costs that are due; returns how many sessions were looked at.

    A job: it finds its work in the rows.
    """
    told = 0
    for ids in _chunks(_due(now)):
        with atomic():
            told += _tell(ids, now)
    return told


def _due(now: datetime) -> list[int]:
    """Sessions that have ended, and running ones whose charger was told nothing for the tenant's interval."""
    online = Exists(live_connections().filter(charge_point=OuterRef("charge_point")))
    ended = ~Q(transaction__state=TransactionState.ACTIVE)
    waits = Q(running_at__isnull=True) | Q(running_at__lte=now - MIN_INTERVAL)
    rows = CostDisplay.objects.filter(ended | (Q(online) & waits), closed_at=None)
    found = rows.order_by(F("running_at").asc(nulls_first=True), "pk").values_list(
        "pk", "running_at", "transaction__state", "tenant__cost_interval_s"
    )
    return [
        pk
        for pk, told_at, state, interval_s in found[: 4 * BATCH]
        if state != TransactionState.ACTIVE
        or told_at is None
        or now - told_at >= timedelta(seconds=interval_s)
    ][:BATCH]


def _chunks(ids: Sequence[int], size: int = 100) -> Iterable[Sequence[int]]:
    return [ids[start : start + size] for start in range(0, len(ids), size)]


def _tell(ids: Sequence[int], now: datetime) -> int:
    rows = list(_locked(ids))
    needing = [
        row.transaction_id
        for row in rows
        if row.transaction.is_active and needs_readings(row.transaction.tariff_snapshot)
    ]
    step = _Step(now=now, readings=readings_of(needing), lines=[], wake=set())
    for row in rows:
        if row.transaction.is_active:
            _tell_running(row, step)
        else:
            _tell_final(row, step)
    write_ledger(step.lines)
    _wake(step.wake)
    return len(rows)


def _locked(ids: Sequence[int]) -> QuerySet[CostDisplay]:
    rows: QuerySet[CostDisplay] = (
        CostDisplay.objects.filter(pk__in=ids, closed_at=None)
        .select_related("transaction__connector", "charge_point__tenant", "running_command")
        .select_for_update(no_key=True, of=("self",))
        .order_by("pk")
    )
    return rows


def _tell_running(row: CostDisplay, step: _Step) -> None:
    """Replace the running cost that still waits, or order the next one; a charger that knows none is left alone."""
    last = row.running_command
    if last is not None and last.status == CommandStatus.NOT_SUPPORTED:
        row.closed_at = step.now
        row.save(update_fields=["closed_at"])
        return
    message = running_message(row.transaction, step.readings.get(row.transaction_id, ()), step.now)
    if message is None:
        row.running_at = step.now
        row.save(update_fields=["running_at"])
        return
    command = _ordered(row.charge_point, "cost_updated", message, at=step.now, life=RUNNING_LIFE)
    if not _replace(last, command):
        command.save(force_insert=True)
        if last is not None and last.is_final:
            # One for each session is enough for the books: the message log has every one.
            Command.objects.filter(pk=last.pk).delete()
        row.running_command = command
    row.running_at = step.now
    row.save(update_fields=["running_at", "running_command"])
    step.wake.add(row.charge_point_id)


def _replace(waiting: Command | None, command: Command) -> bool:
    """Let a command that was not sent yet say the latest; false when there is none."""
    if waiting is None or waiting.status != CommandStatus.QUEUED:
        return False
    rows = Command.objects.filter(pk=waiting.pk, status=CommandStatus.QUEUED)
    return bool(rows.update(payload=command.payload, expires_at=command.expires_at))


def running_message(row: Transaction, readings: Sequence[Reading], now: datetime) -> dict[str, Any] | None:
    """What `cost_updated` tells of a session; None when it has no price that can be told.

    The cost is for every version; meter and prices are for the extension of OCPP 1.6, which says them too.
    """
    if not row.ocpp_id:
        return None
    meter_wh = row.register_wh if row.register_wh is not None else row.meter_start_wh
    prices, then, step_kwh = PriceNow(currency=row.currency), None, None
    cost = Decimal(0)
    if not row.is_free:
        try:
            cost = price_until(row, readings, now).total
        except TariffError:
            return None
        tariff = parsed(row.tariff_snapshot or {})
        situation = Situation(
            at=now,
            started_at=row.started_at,
            time_zone=row.time_zone,
            energy_wh=row.energy_wh,
            power_w=row.power_w or 0,
        )
        prices, then = prices_at(tariff, situation), next_change(tariff, situation)
        step_kwh = next_energy_step(tariff, situation)
    more = cost_messages.running_cost(
        at=now,
        meter_wh=meter_wh or Decimal(0),
        is_charging=row.connector is None or row.connector.status not in _IDLE,
        now=prices,
        then=then,
        step_kwh=step_kwh,
    )
    return {"transaction_id": row.ocpp_id, "total_cost": f"{cost:f}", "more": more}


def _tell_final(row: CostDisplay, step: _Step) -> None:
    """Order the final cost, in place of a running cost that still waits; without a cost wait for one.

    Only the extension of OCPP 1.6 has a message for it: later versions say it in the answer to the end.
    """
    session = row.transaction
    ended = session.end_received_at or step.now
    if session.cost is None and step.now - ended < FINAL_LIFE:
        return
    row.closed_at = step.now
    has_message = session.ocpp_version == cost_messages.VERSION and session.ocpp_id.isdigit()
    if session.cost is not None and has_message and not _is_unable(row.running_command):
        text = final_text(session)
        fields = cost_messages.final_cost(transaction_id=int(session.ocpp_id), cost=session.cost, text=text)
        command = vendor_command(
            row.charge_point, cost_messages.FINAL_COST, fields, at=step.now, life=FINAL_LIFE, waits=True
        )
        if not _replace_by_final(row.running_command, command):
            command.save(force_insert=True)
        told = f"The charger's display is told: {text}"
        step.lines.append(explain(session, LedgerKind.NOTE, told, at=step.now))
        step.wake.add(row.charge_point_id)
    row.save(update_fields=["closed_at"])


def _is_unable(command: Command | None) -> bool:
    return command is not None and command.status == CommandStatus.NOT_SUPPORTED


def _replace_by_final(waiting: Command | None, command: Command) -> bool:
    if waiting is None or waiting.status != CommandStatus.QUEUED:
        return False
    rows = Command.objects.filter(pk=waiting.pk, status=CommandStatus.QUEUED)
    return bool(
        rows.update(
            action=command.action,
            payload=command.payload,
            expires_at=command.expires_at,
            waits_for_connection=True,
        )
    )


def final_text(row: Transaction) -> str:
    """What a session has cost, in words."""
    if row.is_free or row.cost is None:
        return f"{_kwh(row.energy_wh)}, free of charge"
    parts = [f"{_kwh(row.energy_wh)}"]
    if row.ended_at is not None and row.ended_at > row.started_at:
        minutes = int((row.ended_at - row.started_at).total_seconds() // 60)
        parts.append(f"{minutes // 60}:{minutes % 60:02} h")
    lines = [
        f"{line['description']} {money(Decimal(line['amount']), row.currency)}"
        for line in row.cost_lines
        if Decimal(line["amount"])
    ]
    if len(lines) > 1:
        parts += lines
    parts.append(f"total {money(row.cost, row.currency)} incl. VAT")
    return ", ".join(parts)


def _kwh(wh: Decimal) -> str:
    return f"{wh / 1000:.2f} kWh"


def _wake(charge_point_ids: set[int]) -> None:
    """Tell the gateways, once the rows are there; they look by themselves too."""
    if not charge_point_ids:
        return
    found = live_connections().filter(charge_point_id__in=charge_point_ids)
    for node, station in found.values_list("node_id", "charge_point_id"):
        on_commit(partial(commands.wake_node, node, station))


# --- the default price ---


def sync_default_prices(now: datetime) -> int:
    """Give chargers the price that they show before anybody is known; returns how many were told."""
    told = 0
    stations = ChargePoint.objects.filter(shows_cost=True).select_related(
        "tenant__default_tariff", "tariff", "location__tariff"
    )
    for station in stations.order_by("pk"):
        told += _sync_default_price(station, now)
    return told


def _sync_default_price(station: ChargePoint, now: datetime) -> bool:
    key = cost_messages.DEFAULT_PRICE_KEY
    present = Variable.objects.filter(
        charge_point=station, component="", name_key=key.casefold(), is_readonly=False, gone_at=None
    )
    if not present.exists():
        return False
    wanted = default_price(station, now)
    if wanted is None or _same_json(find_value(station, key), wanted):
        return False
    recent = Command.objects.filter(
        charge_point=station, action="change_configuration", created_at__gt=now - RETRY_DEFAULT
    )
    if any(
        command.payload.get("key") == key and command.payload.get("value") == wanted for command in recent
    ):
        return False
    try:
        commands.queue(
            actor=Actor.system(NAME),
            charge_point=station,
            action="change_configuration",
            payload={"key": key, "value": wanted},
            expires_in=int(RETRY_DEFAULT.total_seconds()),
        )
    except ChargePointsError as error:
        logger.info("cost_display.skipped", extra={"charge_point": station.identity, "reason": str(error)})
        return False
    return True


def default_price(station: ChargePoint, now: datetime) -> str | None:
    """The value of the key; None where no tariff can be told in its 500 characters."""
    try:
        prices = _prices_here(station, None, now)
    except TariffError:
        return None
    prices = prices or PriceNow(currency=station.tenant.currency)
    text = prices.in_words()
    fields = cost_messages.default_price(prices, text=text, offline_text=text)
    value = orjson.dumps(fields).decode()
    return value if len(value) <= cost_messages.MAX_DEFAULT_PRICE else None


def _same_json(text: str | None, wanted: str) -> bool:
    try:
        return text is not None and bool(orjson.loads(text) == orjson.loads(wanted))
    except orjson.JSONDecodeError:
        return False
