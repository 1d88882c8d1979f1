"""What all openings of a session share, whichever message begins it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from accounts.choices import AuthorizationStatus
from accounts.services.authorization import Authorization
from chargepoints.choices import ConnectorStatus, ReservationStatus
from chargepoints.models import Connector, Reservation
from chargepoints.selectors import profile_of
from chargepoints.services.batch import FromCharger
from csms_project.common import bulk
from transactions.choices import EndKind, TransactionState
from transactions.corrections import Correction
from transactions.models import CostDisplay, Transaction
from transactions.services.batch import SessionBatch
from transactions.services.cost_display import is_fresh, price_command
from transactions.services.sessions import end_transaction
from transactions.services.settling import known_end
from transactions.services.tariffs import choose


def new_session(
    request: FromCharger,
    connector: Connector | None,
    authorization: Authorization | None,
    batch: SessionBatch,
    **fields: Any,
) -> Transaction:
    """A session at a place, with the tariff and the corrections that hold for it from now on.

    fields  what the message says: ocpp_id, started_at, id_token_value, …
    """
    station = batch.charge_point(request.charge_point_id)
    tenant, location = station.tenant, station.location  # each look at a related row costs a microsecond
    token = authorization.token if authorization is not None else None
    chosen = choose(tenant=tenant, charge_point=station, location=location, id_token=token)
    correction = Correction.of(profile_of(station))
    return bulk.make(
        Transaction,
        id=batch.unused_key(),
        tenant_id=station.tenant_id,
        charge_point_id=station.pk,
        evse_id=connector.evse_id if connector else None,
        connector_id=connector.pk if connector else None,
        ocpp_version=request.ocpp_version,
        id_token_id=token.pk if token else None,
        group_name=authorization.group_name if authorization is not None else "",
        authorization_status=authorization.status if authorization is not None else "",
        start_received_at=request.received_at,
        meter_correction=correction.as_json(),
        energy_wh=Decimal(0),
        tariff_id=chosen.tariff.pk if chosen.tariff else None,
        tariff_snapshot=chosen.snapshot,
        currency=chosen.currency,
        is_free=chosen.is_free,
        time_zone=(location.time_zone if location else "") or tenant.time_zone,
        **fields,
    )


def with_status(authorization: Authorization, status: AuthorizationStatus) -> Authorization:
    if status is authorization.status:
        return authorization
    return replace(authorization, status=status, expires_at=None, message="", tariff=None)


def limited(
    authorization: Authorization, request: FromCharger, connector_number: int, batch: SessionBatch
) -> Authorization:
    """The authorization, or ConcurrentTx where the token is used up by sessions elsewhere."""
    if authorization.is_accepted and _has_too_many(authorization, request, connector_number, batch):
        return with_status(authorization, AuthorizationStatus.CONCURRENT_TX)
    return authorization


def _has_too_many(
    authorization: Authorization, request: FromCharger, connector_number: int, batch: SessionBatch
) -> bool:
    """Whether the token is used up by sessions elsewhere; those on a connector that is free do not count."""
    token = authorization.token
    if token is None:
        return False
    tenant = batch.charge_point(request.charge_point_id).tenant
    limit = token.max_active_sessions if token.max_active_sessions is not None else tenant.max_active_sessions
    if limit is None:
        return False
    here = (request.charge_point_id, connector_number)
    stored = (
        Transaction.objects.filter(id_token=token, state=TransactionState.ACTIVE)
        .exclude(connector__status=ConnectorStatus.AVAILABLE)
        .exclude(charge_point_id=here[0], connector_number=here[1])
        .values_list("pk", flat=True)
    )
    running = sum(1 for pk in stored if not batch.has_ended(pk))
    fresh = sum(
        1
        for row in batch.added(Transaction)
        if row.id_token_id == token.pk
        and row.is_active
        and (row.charge_point_id, row.connector_number) != here
    )
    return running + fresh >= limit


def supersede_older(row: Transaction, request: FromCharger, batch: SessionBatch) -> None:
    """Close what is still open on the connector and began earlier; its real stop, if one comes, will win.

    The end is found as when a session is closed by hand; the gap before the next start is never charged.
    """
    for older in batch.open_transactions(row.charge_point_id):
        elsewhere = older is row or older.connector_number != row.connector_number
        if elsewhere or older.started_at > row.started_at:
            continue
        ended_at, basis = known_end(
            older,
            [reading.at for reading in batch.readings(older)],
            latest=row.started_at,
            otherwise="the next start, because its samples go on after it",
        )
        older.end_note = (
            f"The next session started on the connector and no stop had come. The end is {basis}."
        )
        end_transaction(
            older,
            kind=EndKind.SUPERSEDED,
            ended_at=ended_at,
            at=request.received_at,
            batch=batch,
        )


def connect_reservation(row: Transaction, request: FromCharger, batch: SessionBatch) -> None:
    """The reservation that a session uses up."""
    if row.reservation_number is None:
        return
    reservation = Reservation.objects.filter(
        charge_point_id=row.charge_point_id, reservation_id=row.reservation_number
    ).first()
    if reservation is None:
        return
    row.reservation = reservation
    if reservation.status in (ReservationStatus.ACTIVE, ReservationStatus.REQUESTED):
        reservation.status = ReservationStatus.USED
        reservation.ended_at = request.received_at
        reservation.end_reason = ""
        batch.change(reservation, "status", "ended_at", "end_reason")


def follow_cost(row: Transaction, batch: SessionBatch) -> None:
    """Tell the charger from now on what a new session costs."""
    batch.add(
        CostDisplay(tenant_id=row.tenant_id, charge_point_id=row.charge_point_id, transaction_id=row.pk)
    )


def show_price(
    row: Transaction, request: FromCharger, authorization: Authorization, batch: SessionBatch
) -> None:
    """Tell the charger's display the driver's price, and from now on what the session costs."""
    station = batch.charge_point(row.charge_point_id)
    follow_cost(row, batch)
    if is_fresh(row.started_at, request.received_at):
        command = price_command(station, authorization, row.id_token_value, request.received_at)
        if command is not None:
            batch.add(command)
