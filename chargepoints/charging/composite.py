"""The composite schedule: which limit follows from several charging profiles (OCPP 1.6 §3.13).

Of the profiles of one purpose the one with the highest stack level leads, among those that are valid and have something
to say at that moment.  A TxProfile takes the place of the default ones.  What a charging profile of the whole charger
allows is the upper bound of all, and so is what others have told the charger: the least of these is the limit.  In 2.x
priority takes the place of what a session has, and what is generated on the site comes on top (2.1 part 2, K 3.5).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from chargepoints.charging.plan import (
    CHARGE_POINT_MAX,
    DYNAMIC,
    EXTERNAL,
    LOCAL_GENERATION,
    PERIOD_S,
    PRIORITY,
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
    for standing in groups.all():
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Groups:
    """Profiles by what they are for, the highest level first.

    session  groups of which the first that has something to say counts
    bounds   groups that each bound the limit
    """

    session: tuple[Group, ...]
    bounds: tuple[Group, ...]
    added: Group

    def all(self) -> Iterator[Standing]:
        for group in (*self.session, *self.bounds, self.added):
            yield from group


def _groups(standings: Sequence[Standing], connector: int, *, has_session: bool) -> _Groups:
    def of(purpose: str, *places: int) -> Group:
        return [one for one in standings if one.plan.purpose == purpose and one.connector in places]

    of_charger = _by_level(one for one in standings if one.plan.purpose == CHARGE_POINT_MAX)
    places = (0,) if connector == 0 else (0, connector)
    # Each source of an external limit bounds for itself.
    outside = [[one] for one in of(EXTERNAL, *places)]
    added = _by_level(of(LOCAL_GENERATION, *places))
    if connector == 0:
        return _Groups(session=(), bounds=(of_charger, *outside), added=added)
    own = of(TX_DEFAULT, connector)
    # A default profile of the connector takes the place of the one of all connectors on the same level (§3.13.1).
    taken = {one.plan.stack_level for one in own}
    default = own + [one for one in of(TX_DEFAULT, 0) if one.plan.stack_level not in taken]
    session = [of(PRIORITY, 0, connector), of(TX, connector)] if has_session else []
    return _Groups(
        session=tuple(_by_level(group) for group in (*session, default)),
        bounds=(of_charger, *outside),
        added=added,
    )


def _by_level(group: Iterable[Standing]) -> Group:
    """The highest level first; of one level, which a charger never holds twice, the newest."""
    return sorted(group, key=lambda one: (one.plan.stack_level, one.since), reverse=True)


def _limit(groups: _Groups, at: datetime, from_session: datetime, unit: str, voltage: int) -> Slice:
    leading = (_leading(group, at, from_session) for group in groups.session)
    session = next((found for found in leading if found is not None), None)
    bounds = [_leading(group, at, from_session) for group in groups.bounds]
    candidates = [
        Slice(start=at, limit=limit, number_phases=period.number_phases, source=standing)
        for standing, period in filter(None, (session, *bounds))
        if (limit := _in_unit(standing, period, unit, voltage)) is not None
    ]
    least = min(candidates, key=lambda one: one.limit or Decimal(0), default=Slice(start=at))
    added = _leading(groups.added, at, from_session)
    more = _in_unit(*added, unit, voltage) if added is not None else None
    return least if more is None or least.limit is None else replace(least, limit=least.limit + more)


def _in_unit(standing: Standing, period: Period, unit: str, voltage: int) -> Decimal | None:
    if period.cap is None:
        return None
    given, phases = standing.plan.charging_rate_unit, period.number_phases
    return convert(period.cap, phases=phases, unit=given, to=unit, voltage=voltage)


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
    is_from_session = plan.kind != DYNAMIC and plan.purpose in (TX, TX_DEFAULT, PRIORITY)
    return from_session if is_from_session else standing.since


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
