"""Samples that are stored already: a repeated MeterValue is known by its place, its moment and its content."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from csms_project.common.fields import dumps
from transactions.models import MeterValue, Transaction

#: Moments that one query asks for.
CHUNK = 500

Content = tuple[int, str]  # layout id, values


class Place(NamedTuple):
    """Where a repeat is looked for.

    session    the samples of one session, whatever connector they named
    outside    those of a connector that belong to no session
    connector  all of a connector, for samples that name no session: which one they get depends on when they arrive
    """

    kind: str
    charge_point_id: int
    number: int


def session_place(row: Transaction) -> Place:
    """The samples of a session."""
    return Place("session", row.charge_point_id, row.pk)


class KnownSamples:
    """What is stored at the places and moments that a batch asks about, and what the batch adds."""

    def __init__(self) -> None:
        self._contents: dict[tuple[Place, datetime], set[Content]] = {}
        self._loaded: set[tuple[Place, datetime]] = set()
        self._newest: dict[Place, datetime | None] = {}

    def is_bounded(self, place: Place) -> bool:
        """Whether it is known until when the place had samples before this batch."""
        return place in self._newest

    def bound(self, place: Place, newest: Iterable[datetime | None]) -> None:
        """Before this batch no sample of the place was later than these; the first word counts."""
        if place not in self._newest:
            self._newest[place] = max((at for at in newest if at is not None), default=None)

    def load(self, place: Place, moments: Iterable[datetime]) -> None:
        """Read what is stored of these moments: one query for all; none for moments after the newest stored one."""
        newest = self._newest[place]
        if newest is None:
            return
        wanted = sorted({at for at in moments if at <= newest and (place, at) not in self._loaded})
        for start in range(0, len(wanted), CHUNK):
            self._read(place, wanted[start : start + CHUNK])

    def _read(self, place: Place, moments: list[datetime]) -> None:
        self._loaded.update((place, at) for at in moments)
        rows = MeterValue.objects.filter(**_where(place), sampled_at__in=moments).order_by()
        for at, layout_id, values in rows.values_list("sampled_at", "layout_id", "values"):
            self._contents.setdefault((place, at), set()).add((layout_id, compact(values)))

    def __contains__(self, key: tuple[Place, datetime, Content]) -> bool:
        place, at, content = key
        return content in self._contents.get((place, at), ())

    def add(self, places: Iterable[Place], at: datetime, content: Content) -> None:
        """A sample of this batch, at every place where a repeat of it may be looked for."""
        for place in places:
            self._contents.setdefault((place, at), set()).add(content)


def _where(place: Place) -> dict[str, Any]:
    if place.kind == "session":
        return {"transaction_id": place.number}
    where = {"charge_point_id": place.charge_point_id, "connector_number": place.number}
    return where | {"transaction": None} if place.kind == "outside" else where


def compact(values: Iterable[str]) -> str:
    """A comparable form of sample values."""
    return dumps(list(values))
