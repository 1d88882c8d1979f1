"""The composite schedule: which limit follows from several charging profiles (OCPP 1.6 §3.13).

Of the profiles of one purpose the one with the highest stack level leads, among those that are valid and have something
to say at that moment.  A TxProfile takes the place of the default ones.  What a charging profile of the whole charger
allows is the upper bound of all: the minimum of both is the limit.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from chargepoints.charging.plan import (
    CHARGE_POINT_MAX,
    PERIOD_S,
    RECURRING,
    RELATIVE,
    TX,
    TX_DEFAULT,
    Period,
    Plan,
    convert,
)

SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A profile that a charger holds.

    connector  0: the charger itself, or every connector
    since      when it was installed
    name       for people
    """

    plan: Plan
    connector: int
    since: datetime
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A limit from a moment on, until the next slice; `limit` None: none.

    source  the profile that decides
    """

    start: datetime
    limit: Decimal | None = None
    number_phases: int | None = None
    source: Standing | None = None


def composite(
    standings: Sequence[Standing],
    *,
    connector: int,
    start: datetime,
    end: datetime,
    unit: str,
    voltage: int,
    session_start: datetime | None = None,
) -> list[Slice]:
    """The limits of a connector from `start` until before `end`; never empty.

    connector      0: the whole charger, which only its own profile limits
    session_start  of the running session; None: as for one that begins at `start`, without its TxProfiles
    unit           A per phase, or W in total; other limits are converted with the line voltage (§7.12)
    """
    groups = _groups(standings, connector, has_session=session_start is not None)
    from_session = session_start or start
    edges = {start}
    for standing in (each for group in groups for each in group):
        edges |= set(_edges(standing.plan, _anchor(standing, from_session), start, end))
        if start < standing.since < end:
            edges.add(standing.since)
    slices: list[Slice] = []
    for at in sorted(edges):
        found = _limit(groups, at, from_session, unit, voltage)
        if not slices or _shown(found) != _shown(slices[-1]):
            slices.append(found)
    return slices


def limit_at(slices: Sequence[Slice], at: datetime) -> Slice | None:
    """The slice that holds at a moment."""
    earlier = [one for one in slices if one.start <= at]
    return earlier[-1] if earlier else None


def spans(slices: Sequence[Slice], end: datetime) -> Iterator[tuple[datetime, datetime, Slice]]:
    """Each slice with its start and end."""
    last = slices[-1:]
    for one, following in pairwise(slices):
        yield one.start, following.start, one
    for one in last:
        yield one.start, end, one


# --- which profiles take part ---


Group = list[Standing]


def _groups(
    standings: Sequence[Standing], connector: int, *, has_session: bool
) -> tuple[Group, Group, Group]:
    """Profiles of the charger, of the session, and default ones; the highest level first."""
    of_charger = [one for one in standings if one.plan.purpose == CHARGE_POINT_MAX]
    if connector == 0:
        return _by_level(of_charger), [], []
    own = [one for one in standings if one.connector == connector]
    of_session = [one for one in own if one.plan.purpose == TX] if has_session else []
    default = [one for one in own if one.plan.purpose == TX_DEFAULT]
    # A default profile of the connector takes the place of the one of all connectors on the same level (§3.13.1).
    taken = {one.plan.stack_level for one in default}
    default += [
        one
        for one in standings
        if one.connector == 0 and one.plan.purpose == TX_DEFAULT and one.plan.stack_level not in taken
    ]
    return _by_level(of_charger), _by_level(of_session), _by_level(default)


def _by_level(group: Iterable[Standing]) -> Group:
    """The highest level first; of one level, which a charger never holds twice, the newest."""
    return sorted(group, key=lambda one: (one.plan.stack_level, one.since), reverse=True)


def _limit(
    groups: tuple[Group, Group, Group], at: datetime, from_session: datetime, unit: str, voltage: int
) -> Slice:
    of_charger, of_session, default = groups
    session = _leading(of_session, at, from_session) or _leading(default, at, from_session)
    candidates = [
        Slice(
            start=at,
            limit=convert(
                period.limit,
                phases=period.number_phases,
                unit=standing.plan.charging_rate_unit,
                to=unit,
                voltage=voltage,
            ),
            number_phases=period.number_phases,
            source=standing,
        )
        for standing, period in filter(None, (session, _leading(of_charger, at, from_session)))
    ]
    return min(candidates, key=lambda one: one.limit or Decimal(0), default=Slice(start=at))


def _leading(group: Group, at: datetime, from_session: datetime) -> tuple[Standing, Period] | None:
    """What prevails at a moment: lower levels come in where higher ones are silent (§3.13.2, §5.16.4)."""
    for standing in group:
        if at < standing.since:
            continue
        period = _period(standing.plan, _anchor(standing, from_session), at)
        if period is not None:
            return standing, period
    return None


def _shown(one: Slice) -> tuple[object, ...]:
    return one.limit, one.number_phases, id(one.source)


# --- one profile over time ---


def _anchor(standing: Standing, from_session: datetime) -> datetime:
    """Where the times of a profile count from."""
    plan = standing.plan
    if plan.kind != RELATIVE and plan.start_schedule is not None:
        return plan.start_schedule
    return standing.since if plan.purpose == CHARGE_POINT_MAX else from_session


def _period(plan: Plan, anchor: datetime, at: datetime) -> Period | None:
    """The period of a profile at a moment; None where it is silent."""
    if plan.valid_from is not None and at < plan.valid_from:
        return None
    if plan.valid_to is not None and at >= plan.valid_to:
        return None
    elapsed = (at - anchor) // SECOND
    if elapsed < 0:
        return None
    if plan.kind == RECURRING:
        elapsed %= PERIOD_S.get(plan.recurrency_kind, PERIOD_S["Daily"])
    if plan.duration is not None and elapsed >= plan.duration:
        return None
    begun = bisect_right(plan.periods, elapsed, key=lambda period: period.start_period)
    return plan.periods[begun - 1] if begun else None


def _edges(plan: Plan, anchor: datetime, start: datetime, end: datetime) -> Iterator[datetime]:
    """The moments within a time at which a profile may change its mind."""
    for bound in (plan.valid_from, plan.valid_to):
        if bound is not None and start < bound < end:
            yield bound
    offsets = {period.start_period for period in plan.periods} | {plan.duration or 0, 0}
    recurs = PERIOD_S.get(plan.recurrency_kind) if plan.kind == RECURRING else None
    if recurs is None:
        bases = [0]
    else:
        first = max((start - anchor) // SECOND // recurs, 0)
        last = max((end - anchor) // SECOND // recurs, -1)
        bases = [cycle * recurs for cycle in range(first, last + 1)]
        offsets = {offset for offset in offsets if offset < recurs}
    for base in bases:
        for offset in offsets:
            at = _after(anchor, base + offset)
            if at is not None and start < at < end:
                yield at


def _after(moment: datetime, seconds: int) -> datetime | None:
    try:
        return moment + seconds * SECOND
    except OverflowError:
        return None
