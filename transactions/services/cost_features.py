"""Keeps at each charger what its device model says it can do about costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from django.db.models import Q

from chargepoints.models import ChargePoint, Variable
from transactions.cost_features import COST_COMPONENT, LIMIT_COMPONENT, features_of

_NAMES = ("available", "enabled", "supportedlimits")
_CHUNK = 500


def resolve(now: datetime) -> int:
    """Look at the device models of chargers that have one; returns for how many something has changed.

    A job: read by charger, along the index of variables.
    """
    return sum(_resolve(ids) for ids in _chunks())


def _chunks() -> Iterator[Sequence[int]]:
    stations = ChargePoint.objects.filter(
        ~Q(ocpp_version__in=("", "ocpp1.6")) | ~Q(cost_features=""), archived_at=None
    )
    ids = list(stations.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(ids), _CHUNK):
        yield ids[start : start + _CHUNK]


def _resolve(ids: Sequence[int]) -> int:
    rows = Variable.objects.filter(
        charge_point_id__in=ids,
        component__in=(COST_COMPONENT, LIMIT_COMPONENT),
        name_key__in=_NAMES,
        attribute="Actual",
        gone_at=None,
    ).values_list("charge_point_id", "component", "name_key", "instance", "value")
    known: dict[int, dict[tuple[str, str, str], str]] = {pk: {} for pk in ids}
    for pk, component, name, instance, value in rows:
        known[pk][component.casefold(), name, instance.casefold()] = value or ""
    changed = 0
    for pk, values in known.items():
        features = features_of(values)
        stations = ChargePoint.objects.filter(pk=pk).exclude(cost_features=features)
        changed += stations.update(cost_features=features)
    return changed
