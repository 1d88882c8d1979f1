"""Reads of charge points across models."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints.choices import FAILED_ITEM_STATUSES, OPEN_ITEM_STATUSES, CommandStatus, FleetItemStatus
from chargepoints.command_specs import REMOTE_STARTS, SESSION_WINDOW
from chargepoints.model_profiles import NONE, ModelProfile, built_in_profiles, choose, find_built_in
from chargepoints.models import (
    ChargePoint,
    ChargePointModelProfile,
    Command,
    ConfigurationState,
    Connection,
    FleetTask,
    FleetTaskItem,
    GatewayNode,
    RefusedConnection,
    Variable,
)
from chargepoints.variable_names import canonical, names_to_look_for


def live_connections() -> QuerySet[Connection]:
    """Connections whose gateway process is alive, by the database's clock: online is nothing else."""
    rows: QuerySet[Connection] = Connection.objects.filter(node__lease_until__gt=Now())
    return rows


def may_be_told_unasked(prefix: str = "") -> Q:
    """Charge points to which something may be sent that nobody has ordered (`auto_configure`).

    prefix  of the charge point's fields: "charge_point__"
    """
    own, tenants = f"{prefix}auto_configure", f"{prefix}tenant__auto_configure"
    return Q(**{own: True}) | Q(**{own: None, tenants: True})


def has_live_gateway() -> bool:
    """Whether any process serves chargers."""
    return GatewayNode.objects.filter(lease_until__gt=Now()).exists()


def command_note(command: Command) -> str:
    """What the answer means, in words; "" where the status says it all.

    Of an accepted remote start: what became of it, for accepted is not yet a session (OCPP 1.6 §5.11).
    Prefetch `transactions` for lists.
    """
    if command.action not in REMOTE_STARTS or command.status != CommandStatus.ACCEPTED:
        return command.summary
    sessions = [str(row) for row in command.transactions.all()]
    if sessions:
        return f"{sessions[0]} has started."
    began = command.completed_at or command.created_at
    if timezone.now() < began + SESSION_WINDOW:
        return "No session has started yet."
    minutes = int(SESSION_WINDOW.total_seconds() // 60)
    return f"The charger accepted, but no session started within {minutes} minutes."


def find_charge_point(tenant: Tenant | None, identity: str) -> ChargePoint | None:
    """The charge point with this identity, whatever its case."""
    if not identity.isprintable():  # no identity, and PostgreSQL refuses some of it
        return None
    rows: QuerySet[ChargePoint] = ChargePoint.objects.for_tenant(tenant)
    return rows.filter(identity_key=identity.strip().casefold()).first()


def find_live_connection(charge_point: ChargePoint) -> Connection | None:
    """The charge point's socket, or None while it is offline."""
    return live_connections().filter(charge_point=charge_point).first()


def charge_points_with_status(tenant: Tenant | None) -> QuerySet[ChargePoint]:
    """Charge points with what a list shows: `is_online`, location, connection, EVSEs and connectors.

    A constant number of queries for any number of rows.
    """
    online = live_connections().filter(charge_point=OuterRef("pk"))
    rows: QuerySet[ChargePoint] = (
        ChargePoint.objects.for_tenant(tenant)
        .annotate(is_online=Exists(online))
        .select_related("tenant", "location", "connection", "connection__node", "tariff", "model_profile")
        .prefetch_related("connectors__evse", "evses__connectors")
    )
    return rows


def list_connections(tenant: Tenant | None) -> QuerySet[Connection]:
    """Who is connected now, the newest first."""
    rows: QuerySet[Connection] = (
        Connection.objects.for_tenant(tenant)
        .filter(node__lease_until__gt=Now())
        .select_related("charge_point", "charge_point__location", "node")
        .order_by("-connected_at", "pk")
    )
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlineCounts:
    """Charge points that are not archived."""

    total: int
    online: int
    offline: int
    pending: int
    faulted: int


def online_counts(tenant: Tenant | None) -> OnlineCounts:
    """How many charge points there are, by what an operator asks first; one query."""
    online = live_connections().filter(charge_point=OuterRef("pk"))
    counts = (
        ChargePoint.objects.for_tenant(tenant)
        .filter(archived_at=None)
        .annotate(is_online=Exists(online))
        .aggregate(
            total=Count("pk"),
            online=Count("pk", filter=Q(is_online=True)),
            pending=Count("pk", filter=~Q(registration_status="Accepted")),
            faulted=Count("pk", filter=Q(status="Faulted")),
        )
    )
    return OnlineCounts(offline=counts["total"] - counts["online"], **counts)


def refusals_for(actor: Actor) -> QuerySet[RefusedConnection]:
    """Refused handshakes that an actor may see: of its own chargers, and of strangers in the default tenant.

    A stranger belongs to nobody yet; the default tenant takes chargers in, so its people see them.
    """
    rows = RefusedConnection.objects.select_related("charge_point").order_by("-last_at")
    if actor.tenant is None:
        return rows if actor.is_superuser else rows.none()
    visible = Q(tenant=actor.tenant)
    if actor.tenant.slug == settings.DEFAULT_TENANT or actor.is_superuser:
        visible |= Q(tenant=None)
    return rows.filter(visible)


def find_value(charge_point: ChargePoint, name: str) -> str | None:
    """The value of a configuration key that the charger has; None where it has, or told, none."""
    row = find_variable(charge_point, name)
    return row.value if row is not None else None


def find_variable(charge_point: ChargePoint, name: str) -> Variable | None:
    """A configuration key, or the variable of 2.x that means the same; None where the charger has, or told, none.

    Either name will do, whichever version the charger speaks.
    """
    wanted = canonical(name)
    rows = Variable.objects.filter(
        charge_point=charge_point, name_key__in=names_to_look_for(name), is_unknown=False, gone_at=None
    )
    return next((row for row in rows.order_by("pk") if canonical(row.key) == wanted), None)


def has_device_model(charge_point: ChargePoint) -> bool:
    """Whether the charger has told variables of 2.x, and not only keys of OCPP 1.6."""
    rows = Variable.objects.filter(charge_point=charge_point, gone_at=None, read_at__isnull=False)
    return rows.exclude(component="").exists()


def find_configuration_state(charge_point: ChargePoint) -> ConfigurationState | None:
    """When its configuration was read; None: never."""
    found: ConfigurationState | None = ConfigurationState.objects.filter(charge_point=charge_point).first()
    return found


#: Where a charge point keeps which profile is its own, and what of it concerns every message.
PROFILE_COLUMNS = ("model_profile_id", "built_in_profile", "profile_flags")


def profile_of(charge_point: ChargePoint) -> ModelProfile:
    """The model profile of a charge point, `model_profiles.NONE` without one; no query where its row is loaded."""
    row = charge_point.model_profile if charge_point.model_profile_id is not None else None
    if row is not None:
        # Batches share the row: it is read once, not with every start.
        known: ModelProfile | None = row.__dict__.get("_profile")
        if known is None:
            known = row.__dict__["_profile"] = row.as_profile()
        return known
    return find_built_in(charge_point.built_in_profile) if charge_point.built_in_profile else NONE


def profiles_of(charge_points: Iterable[ChargePoint]) -> dict[int, ModelProfile]:
    """The model profiles of many charge points by their keys; one query."""
    rows = list(charge_points)
    keys = {row.model_profile_id for row in rows if row.model_profile_id is not None}
    own = {
        row.pk: row.as_profile()
        for row in (ChargePointModelProfile.objects.filter(pk__in=keys) if keys else ())
    }
    return {
        row.pk: own.get(row.model_profile_id)
        or (find_built_in(row.built_in_profile) if row.built_in_profile else NONE)
        for row in rows
    }


def chosen_profile(charge_point: ChargePoint, own: Iterable[ChargePointModelProfile]) -> ModelProfile:
    """The profile that fits what a charge point says of itself best: of its tenant, else built-in."""
    return choose(
        [row.as_profile() for row in own if row.is_active],
        built_in_profiles(),
        vendor=charge_point.vendor,
        model=charge_point.model,
        firmware=charge_point.firmware_version,
    )


def put_profile(charge_point: ChargePoint, profile: ModelProfile) -> bool:
    """Set the columns that name a profile; true when that changed one.  Nothing is saved."""
    before = [getattr(charge_point, name) for name in PROFILE_COLUMNS]
    after = [profile.pk, profile.key, profile.flags]
    for name, value in zip(PROFILE_COLUMNS, after, strict=True):
        setattr(charge_point, name, value)
    return before != after


def variables_of(charge_point: ChargePoint) -> QuerySet[Variable]:
    """Configuration as the charger last reported it, by name."""
    rows: QuerySet[Variable] = Variable.objects.filter(charge_point=charge_point).order_by(
        "component",
        "component_instance",
        "evse_number",
        "connector_number",
        "name_key",
        "instance",
        "attribute",
    )
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetCounts:
    """How many orders of a fleet task stand how; `by_status` holds no zeros."""

    by_status: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.by_status.values())

    @property
    def open(self) -> int:
        """Waiting or under way."""
        return self._sum(OPEN_ITEM_STATUSES)

    @property
    def ended(self) -> int:
        return self.total - self.open

    @property
    def accepted(self) -> int:
        return self._sum({FleetItemStatus.ACCEPTED})

    @property
    def failed(self) -> int:
        """What may be tried again."""
        return self._sum(FAILED_ITEM_STATUSES)

    @property
    def cancelled(self) -> int:
        return self._sum({FleetItemStatus.CANCELLED})

    def _sum(self, statuses: Iterable[str]) -> int:
        return sum(self.by_status.get(status, 0) for status in statuses)


def fleet_counts(tasks: Iterable[FleetTask]) -> dict[int, FleetCounts]:
    """The counts of these tasks by primary key; one query."""
    found: dict[int, dict[str, int]] = {task.pk: {} for task in tasks}
    rows = FleetTaskItem.objects.filter(task__in=found).order_by().values("task", "status")
    for row in rows.annotate(count=Count("pk")) if found else ():
        found[row["task"]][row["status"]] = row["count"]
    return {pk: FleetCounts(by_status=counts) for pk, counts in found.items()}


def following() -> Q:
    """Local lists that follow the tags by themselves."""
    return Q(is_kept=True) | Q(is_kept__isnull=True, tenant__keep_local_lists=True)
