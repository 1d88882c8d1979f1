"""Tariffs on chargers that calculate costs themselves: what they have, what they should have, and sending it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.db.transaction import atomic

from accounts.actors import require
from accounts.permissions import Actor
from accounts.services.authorization import Authorization
from chargepoints import commands
from chargepoints.command_fields import SEND_DANGEROUS
from chargepoints.errors import ChargePointsError
from chargepoints.models import ChargePoint, Command, Evse
from csms_project.common import events
from transactions import errors
from transactions.cost_features import TARIFFS, has_feature
from transactions.local_tariffs import content_of, tariff_id_of
from transactions.models import ChargerTariff, Tariff, Transaction
from transactions.pricing_tariff import TariffError
from transactions.services.tariffs import choose

logger = logging.getLogger(__name__)

DEFAULT, DRIVER = "DefaultTariff", "DriverTariff"
#: What a charger may list: more is not kept.
MAX_TARIFFS, MAX_EVSES, MAX_TOKENS = 200, 100, 100
#: A tariff that a charger refused is sent again after this time.
RETRY = timedelta(hours=6)
NAME = "tariffs of chargers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A tariff as a charger lists it."""

    tariff_id: str
    kind: str
    evses: tuple[int, ...]
    valid_from: datetime | None = None
    id_tokens: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The default tariff that a charger should have: its id there, and what stands in it."""

    tariff_id: str
    content: dict[str, Any]


# ---------------------------------------------------------------- what it should have


def wanted_of(charge_point: ChargePoint) -> Wanted | None:
    """The default tariff of a charger by our settings; None where charging is free.  Raises TariffError."""
    chosen = choose(tenant=charge_point.tenant, charge_point=charge_point, location=charge_point.location)
    if chosen.snapshot is None:
        return None
    content = content_of(chosen.snapshot, chosen.tariff.description if chosen.tariff else "")
    return Wanted(tariff_id=tariff_id_of(content), content=content)


def driver_tariff(station: ChargePoint, authorization: Authorization) -> dict[str, Any] | None:
    """The own tariff of an accepted driver, for a charger that calculates costs itself (I08.FR.01); None: he has none.

    On the path of every authorization: for a token without a tariff it only looks at its row.
    """
    token = authorization.token
    if token is None or token.tariff_id is None or not authorization.is_accepted:
        return None
    if not station.tenant.local_tariffs or not has_feature(station, TARIFFS):
        return None
    chosen = choose(tenant=station.tenant, charge_point=station, location=station.location, id_token=token)
    if chosen.snapshot is None or chosen.tariff is None or chosen.tariff.pk != token.tariff_id:
        return None
    try:
        return content_of(chosen.snapshot, chosen.tariff.description)
    except TariffError:
        return None


def in_force(rows: Iterable[ChargerTariff], now: datetime) -> dict[int, ChargerTariff]:
    """EVSE → the default tariff that holds there now (I07.FR.20 to .23)."""
    found: dict[int, ChargerTariff] = {}
    begun = [row for row in rows if row.kind == DEFAULT and (row.valid_from is None or row.valid_from <= now)]
    for row in sorted(begun, key=lambda row: (row.valid_from is not None, row.valid_from or now)):
        found[row.evse_number] = row
    return found


def differs(charge_point: ChargePoint, wanted: Wanted | None, now: datetime) -> list[int]:
    """The EVSEs that have another default tariff than they should, or none; all where nothing is known.

    Nothing where charging is free: there is nothing to say about it.
    """
    if wanted is None:
        return []
    holds = in_force(ChargerTariff.objects.filter(charge_point=charge_point), now)
    numbers = sorted(evses_of(charge_point))
    everywhere = holds.get(0)
    return [
        number
        for number in numbers or [0]
        if (row := holds.get(number, everywhere)) is None or row.tariff_id != wanted.tariff_id
    ]


def evses_of(charge_point: ChargePoint) -> list[int]:
    """The numbers of a charger's EVSEs."""
    return list(
        Evse.objects.filter(charge_point=charge_point).order_by("number").values_list("number", flat=True)
    )


# ---------------------------------------------------------------- sending


def send_default(
    *,
    actor: Actor,
    charge_point: ChargePoint,
    tariff: Tariff | None = None,
    connector: int = 0,
    valid_from: datetime | None = None,
    expires_in: int | None = None,
    idempotency_key: str = "",
) -> Command:
    """Give a charger a default tariff; None: the one that it should have by our settings.

    Raises  PermissionRefused, NothingToSend (free of charge, or no tariff that can be read), and what
            `commands.queue` raises, also where the charger's version cannot say the tariff
    """
    require(actor, SEND_DANGEROUS, charge_point)
    wanted = _wanted(charge_point, tariff)
    payload: dict[str, Any] = {
        "tariff": wanted.content,
        "tariff_id": wanted.tariff_id,
        "connector": connector,
    }
    if valid_from is not None:
        payload["valid_from"] = valid_from.isoformat()
    return commands.queue(
        actor=actor,
        charge_point=charge_point,
        action="set_default_tariff",
        payload=payload,
        expires_in=expires_in,
        idempotency_key=idempotency_key,
    )


def change_session(
    *, actor: Actor, transaction: Transaction, tariff: Tariff, idempotency_key: str = ""
) -> Command:
    """Let a running session go on by another tariff (I11).

    Raises  PermissionRefused, TransactionNotActive, NothingToSend (other currency), and what `commands.queue` raises
    """
    require(actor, SEND_DANGEROUS, transaction)
    row = Transaction.objects.select_related("charge_point").get(pk=transaction.pk)
    if not row.is_active or not row.ocpp_id:
        raise errors.TransactionNotActive
    if row.currency and tariff.currency != row.currency:
        raise errors.NothingToSend(f"The session is in {row.currency}: its currency cannot change.")
    wanted = _wanted(row.charge_point, tariff)
    return commands.queue(
        actor=actor,
        charge_point=row.charge_point,
        action="change_transaction_tariff",
        payload={
            "transaction_id": row.ocpp_id,
            "tariff": wanted.content,
            "tariff_id": wanted.tariff_id,
        },
        idempotency_key=idempotency_key,
    )


def _wanted(charge_point: ChargePoint, tariff: Tariff | None) -> Wanted:
    try:
        if tariff is None:
            wanted = wanted_of(charge_point)
        else:
            content = content_of(tariff.snapshot(), tariff.description)
            wanted = Wanted(tariff_id=tariff_id_of(content), content=content)
    except TariffError as error:
        raise errors.NothingToSend(f"The tariff cannot be read: {error.message}") from error
    if wanted is None:
        raise errors.NothingToSend("Charging is free here: there is no tariff to send.")
    return wanted


def sync(now: datetime) -> int:
    """Give chargers that calculate costs the default tariff that they should have; returns how many were told.

    A job: what differs is found in the rows. Where a charger has refused a tariff it is not asked again for some hours.
    """
    stations = ChargePoint.objects.filter(
        tenant__local_tariffs=True, archived_at=None, cost_features__contains=TARIFFS
    ).select_related("tenant__default_tariff", "tariff", "location__tariff")
    return sum(_sync(station, now) for station in stations.order_by("pk") if has_feature(station, TARIFFS))


def _sync(station: ChargePoint, now: datetime) -> bool:
    try:
        wanted = wanted_of(station)
    except TariffError:
        return False
    if wanted is None or not differs(station, wanted, now):
        return False
    recent = Command.objects.filter(
        charge_point=station, action="set_default_tariff", created_at__gt=now - RETRY
    )
    if any(command.payload.get("tariff_id") == wanted.tariff_id for command in recent):
        return False
    try:
        send_default(actor=Actor.system(NAME), charge_point=station, expires_in=int(RETRY.total_seconds()))
    except (ChargePointsError, errors.TransactionsError) as error:
        logger.info("charger_tariffs.skipped", extra={"charge_point": station.identity, "reason": str(error)})
        return False
    return True


# ---------------------------------------------------------------- what chargers answer


@atomic
def took_default(
    command: Command,
    *,
    evse: int,
    tariff_id: str,
    content: dict[str, Any] | None,
    valid_from: datetime | None,
    now: datetime,
) -> None:
    """The charger has taken a default tariff: it stands in place of those that it makes void (I07.FR.20 to .22)."""
    numbers = [evse] if evse else evses_of(command.charge_point) or [0]
    rows = _rows(command).filter(evse_number__in=numbers)
    if valid_from is None or valid_from <= now:
        begun = Q(valid_from__isnull=True) | Q(valid_from__lte=now)
        rows.filter(begun, kind=DEFAULT).delete()
    rows.filter(tariff_id=tariff_id).delete()
    _create(
        command,
        [
            ChargerTariff(
                evse_number=number,
                tariff_id=tariff_id,
                kind=DEFAULT,
                valid_from=valid_from,
                content=content,
                set_at=now,
            )
            for number in numbers
        ],
    )
    events.record(
        "tariff.set_on_charger",
        tenant_id=command.tenant_id,
        object_type="charge_point",
        object_id=command.charge_point_id,
        charge_point=command.charge_point.identity,
        data={"tariff_id": tariff_id, "evses": numbers},
        at=now,
    )


@atomic
def listed(command: Command, *, evse: int, tariffs: Sequence[Told], now: datetime) -> None:
    """The charger has told its tariffs, of one EVSE or (0) of all: what it does not list is gone."""
    rows = _rows(command)
    if evse:
        rows = rows.filter(evse_number=evse)
    known = {(row.evse_number, row.tariff_id): row for row in rows}
    contents = {row.tariff_id: row.content for row in known.values() if row.content}
    found: dict[tuple[int, str], ChargerTariff] = {}
    for told in tariffs[:MAX_TARIFFS]:
        for number in told.evses[:MAX_EVSES] or (evse,):
            before = known.get((number, told.tariff_id))
            found[number, told.tariff_id] = ChargerTariff(
                evse_number=number,
                tariff_id=told.tariff_id,
                kind=told.kind,
                valid_from=told.valid_from,
                id_tokens=list(told.id_tokens[:MAX_TOKENS]),
                content=contents.get(told.tariff_id),
                set_at=before.set_at if before is not None else None,
                read_at=now,
            )
    rows.delete()
    _create(command, found.values())


@atomic
def cleared(command: Command, *, evse: int | None, tariff_ids: Sequence[str]) -> None:
    """The charger has removed these tariffs, or (without ids) all that were meant."""
    rows = _rows(command)
    if evse:
        rows = rows.filter(evse_number=evse)
    if tariff_ids:
        rows = rows.filter(tariff_id__in=tariff_ids)
    rows.delete()


def _rows(command: Command) -> QuerySet[ChargerTariff]:
    # Answers of one charger come one after the other; its row is the lock against anybody else.
    ChargePoint.objects.select_for_update(no_key=True, of=("self",)).get(pk=command.charge_point_id)
    rows: QuerySet[ChargerTariff] = ChargerTariff.objects.filter(charge_point_id=command.charge_point_id)
    return rows


def _create(command: Command, rows: Iterable[ChargerTariff]) -> None:
    made = list(rows)
    for row in made:
        row.tenant_id, row.charge_point_id = command.tenant_id, command.charge_point_id
    ChargerTariff.objects.bulk_create(made)
