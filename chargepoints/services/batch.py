"""The unit of work of messages from chargers: what they read and write of charge points and tokens.

Acts say beforehand what they will need (`want_…`), so that one query per model serves a whole batch; a row that
nobody wanted is read when it is asked for, so that wanting is never a matter of correctness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from django.conf import settings

from accounts.models import IdToken, Tenant
from accounts.services.authorization import TokenKey, load_tokens
from chargepoints.models import ChargePoint, ChargePointModelProfile, Connector, Evse, Location
from csms_project.common import bulk
from csms_project.common.shared_rows import SharedRows
from csms_project.common.unit_of_work import UnitOfWork

Request = TypeVar("Request", contravariant=True)
Work = TypeVar("Work", bound="StationBatch", contravariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class FromCharger:
    """What every request of a charger carries."""

    charge_point_id: int
    tenant_id: int
    received_at: datetime
    message_id: str = ""
    ocpp_version: str = "ocpp1.6"
    # What had to be mended in the message before it could be read.
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Act(Generic[Request, Work]):
    """A domain act: what a request needs, and what it does to the batch."""

    decide: Callable[[Any, Any], Any]
    want: Callable[[Any, Any], None] = lambda request, batch: None


#: What most messages need of a charge point; a boot reads the rest.
STATION_FIELDS = (
    "id", "tenant_id", "identity", "location_id", "authorization_mode", "pricing_mode", "tariff_id", "status",
    "error_code", "status_info", "status_at", "last_sample_at", "registration_status", "accepted_at",
    "auto_configure", "heartbeat_interval_s", "accepted_vendor_ids",
    "shows_cost", "cost_features", "model_profile_id", "built_in_profile", "profile_flags",
)  # fmt: skip
CONNECTOR_FIELDS = (
    "id", "tenant_id", "charge_point_id", "evse_id", "number", "ocpp_number", "status", "error_code",
    "vendor_id", "vendor_error_code", "status_info", "status_at", "status_received_at", "last_sample_at",
)  # fmt: skip


# Of the writer's thread.
_shared = SharedRows()


class Part(Protocol):
    """What another module reads and writes in a batch.

    load    read what was wanted
    settle  write what was decided so far, and trust nothing that was read: somebody else changes the tables now
    store   write what was decided
    """

    def load(self) -> None: ...
    def settle(self) -> None: ...
    def store(self) -> None: ...


Kind = TypeVar("Kind", bound=Part)


class StationBatch(UnitOfWork):
    """Charge points, connectors and tokens of one batch.

    A charger's messages come in order and from one process, and what changes is written by column: neither charge
    points nor connectors are locked, but where samples without a session must be known as repeats.
    """

    def __init__(self, *, now: datetime) -> None:
        super().__init__()
        self.now = now
        self._wanted_charge_points: set[int] = set()
        self._wanted_whole: set[int] = set()
        self._wanted_connectors: set[int] = set()
        self._wanted_locked: set[int] = set()
        self._wanted_numbers: set[tuple[int, int, int]] = set()
        self._wanted_tokens: set[TokenKey] = set()
        self._charge_points: dict[int, ChargePoint | None] = {}
        self._connectors: dict[int, dict[int, Connector]] = {}
        self._within: dict[int, dict[tuple[int, int], Connector]] = {}
        self._tokens: dict[TokenKey, list[IdToken]] = {}
        self._own_profiles: dict[int, list[ChargePointModelProfile]] = {}
        self._parts: dict[object, Any] = {}

    # -- parts

    def part(self, kind: Callable[[StationBatch], Kind]) -> Kind:
        """What another module reads and writes in this batch: made on first use, loaded and stored with it."""
        found: Kind | None = self._parts.get(kind)
        if found is None:
            found = self._parts[kind] = kind(self)
        return found

    def settle(self) -> None:
        """Write what the parts have decided, for a work that reads and writes their tables by itself."""
        for part in self._parts.values():
            part.settle()

    def store(self) -> None:
        for part in self._parts.values():
            part.store()
        super().store()

    # -- wanting

    def want_charge_point(self, charge_point_id: int, *, whole: bool = False) -> None:
        """Its row will be read or changed.

        whole  also what the charger said of itself at its boots
        """
        self._wanted_charge_points.add(charge_point_id)
        if whole:
            self._wanted_whole.add(charge_point_id)

    def want_connectors(self, charge_point_id: int, *, lock: bool = False) -> None:
        """Its connectors will be read or changed.

        lock  nobody else changes them until the commit
        """
        self._wanted_connectors.add(charge_point_id)
        if lock:
            self._wanted_locked.add(charge_point_id)

    def want_connector(self, charge_point_id: int, number: int, within: int = 1) -> None:
        """This one will be changed; made where the charger names it for the first time.

        number  of the EVSE; connector n of OCPP 1.6 is EVSE n
        within  number of the connector in its EVSE
        """
        self._wanted_connectors.add(charge_point_id)
        self._wanted_numbers.add((charge_point_id, number, within))

    def want_token(self, key: TokenKey) -> None:
        """A token will be decided about."""
        self._wanted_tokens.add(key)

    def load(self) -> None:
        """Read what was wanted: at most one query per model."""
        self._load_charge_points(self._wanted_charge_points - self._charge_points.keys())
        wanted = self._wanted_connectors - self._connectors.keys()
        self._load_connectors(wanted & self._wanted_locked, lock=True)
        self._load_connectors(wanted - self._wanted_locked)
        self._make_connectors()
        self._tokens.update(load_tokens(self._wanted_tokens - self._tokens.keys()))
        for part in self._parts.values():
            part.load()

    def _load_charge_points(self, ids: Iterable[int]) -> None:
        ids = set(ids)
        if not ids:
            return
        whole = bool(self._wanted_whole & ids)
        names = bulk.attributes(ChargePoint) if whole else STATION_FIELDS
        rows = bulk.load(ChargePoint, names, {"id": ids})
        self._add_settings(rows)
        if whole:
            self._own_profiles.update(
                _shared.owned(ChargePointModelProfile, "tenant_id", {row.tenant_id for row in rows})
            )
        self._charge_points.update(dict.fromkeys(ids))
        self._charge_points.update({row.pk: row for row in rows})

    def _add_settings(self, rows: Sequence[ChargePoint]) -> None:
        """Give the charge points their tenants, sites and tariffs: few rows that many share."""
        tenants = _shared.get(Tenant, {row.tenant_id for row in rows})
        sites = _shared.get(Location, {row.location_id for row in rows})
        tariff_model = ChargePoint._meta.get_field("tariff").related_model
        owners: list[Any] = [*rows, *sites.values()]
        wanted = {owner.tariff_id for owner in owners} | {t.default_tariff_id for t in tenants.values()}
        tariffs = _shared.get(tariff_model, wanted)
        for tenant in tenants.values():
            tenant._state.fields_cache["default_tariff"] = tariffs.get(tenant.default_tariff_id)
        for owner in owners:
            owner._state.fields_cache["tariff"] = tariffs.get(owner.tariff_id)
        profiles = _shared.get(ChargePointModelProfile, {row.model_profile_id for row in rows})
        for row in rows:
            cache = row._state.fields_cache
            cache["tenant"], cache["location"] = tenants[row.tenant_id], sites.get(row.location_id)
            cache["model_profile"] = profiles.get(row.model_profile_id)

    def _load_connectors(self, ids: Iterable[int], *, lock: bool = False) -> None:
        ids = set(ids)
        if not ids:
            return
        rows = bulk.load(
            Connector, CONNECTOR_FIELDS, {"charge_point_id": ids}, lock=lock, order_by="charge_point_id id"
        )
        self._connectors.update({pk: {} for pk in ids})
        self._within.update({pk: {} for pk in ids})
        for row in rows:
            self._know_connector(row)

    def _know_connector(self, row: Connector) -> None:
        self._connectors[row.charge_point_id].setdefault(row.ocpp_number, row)
        self._within[row.charge_point_id][row.ocpp_number, row.number] = row

    # -- reading

    def charge_point(self, charge_point_id: int) -> ChargePoint:
        """Its row; raises ChargePoint.DoesNotExist when it was deleted under an open socket."""
        if charge_point_id not in self._charge_points:
            self._load_charge_points([charge_point_id])
        row = self._charge_points[charge_point_id]
        if row is None:
            raise ChargePoint.DoesNotExist(f"charge point {charge_point_id}")
        return row

    def own_profiles(self, tenant_id: int) -> list[ChargePointModelProfile]:
        """The model profiles of a tenant, remembered for a moment."""
        if tenant_id not in self._own_profiles:
            self._own_profiles.update(_shared.owned(ChargePointModelProfile, "tenant_id", {tenant_id}))
        return self._own_profiles[tenant_id]

    def connectors(self, charge_point_id: int) -> dict[int, Connector]:
        """Its connectors by the number that the charger uses."""
        if charge_point_id not in self._connectors:
            self._load_connectors([charge_point_id], lock=charge_point_id in self._wanted_locked)
        return self._connectors[charge_point_id]

    def places_of(self, charge_point_id: int, number: int) -> int:
        """How many connectors an EVSE has, as far as we know."""
        self.connectors(charge_point_id)
        return sum(1 for evse, _ in self._within[charge_point_id] if evse == number)

    def tokens(self, key: TokenKey) -> list[IdToken]:
        """The tokens with this value."""
        if key not in self._tokens:
            self._tokens.update(load_tokens([key]))
        return self._tokens[key]

    # -- connectors appear when the charger first names them

    def _make_connectors(self) -> None:
        """Make those that are named for the first time, for all chargers at once: a new fleet boots in a storm."""
        missing = sorted(
            (pk, number, within)
            for pk, number, within in self._wanted_numbers
            if self._charge_points.get(pk) is not None
            and _is_place(number, within)
            and (number, within) not in self._within[pk]
        )
        if not missing:
            return
        tenants = {pk: self.charge_point(pk).tenant_id for pk, _, _ in missing}
        evses = [
            Evse(tenant_id=tenants[pk], charge_point_id=pk, number=number)
            for pk, number in dict.fromkeys((pk, number) for pk, number, _ in missing)
        ]
        Evse.objects.bulk_create(evses, ignore_conflicts=True)
        found = bulk.fetch(Evse, ("id", "charge_point_id", "number"), {"charge_point_id": tenants.keys()})
        keys = {(pk, number): key for key, pk, number in found}
        new = [
            Connector(
                tenant_id=tenants[pk],
                charge_point_id=pk,
                number=within,
                ocpp_number=number,
                evse_id=keys[pk, number],
            )
            for pk, number, within in missing
        ]
        Connector.objects.bulk_create(new, ignore_conflicts=True)
        self._load_connectors(tenants)

    def connector(self, charge_point_id: int, number: int, within: int | None = None) -> Connector | None:
        """A connector, made on its first appearance.

        number  of the EVSE; connector n of OCPP 1.6 is EVSE n
        within  of the connector in its EVSE; None: whichever it has

        None for EVSE 0 (the charger itself) and beyond OCPP_MAX_CONNECTORS, so that a mad charger cannot fill the
        table.
        """
        rows = self.connectors(charge_point_id)
        if within is None and number in rows:
            return rows[number]
        place = (number, within or 1)
        if place in self._within[charge_point_id]:
            return self._within[charge_point_id][place]
        if not _is_place(*place):
            return None
        tenant_id = self.charge_point(charge_point_id).tenant_id
        evse, _ = Evse.objects.get_or_create(
            charge_point_id=charge_point_id, number=number, defaults={"tenant_id": tenant_id}
        )
        row, _ = Connector.objects.get_or_create(
            evse=evse,
            number=place[1],
            defaults={"tenant_id": tenant_id, "charge_point_id": charge_point_id, "ocpp_number": number},
        )
        self._know_connector(row)
        return row


def _is_place(number: int, within: int) -> bool:
    limit: int = settings.OCPP_MAX_CONNECTORS
    return 0 < number <= limit and 0 < within <= limit
