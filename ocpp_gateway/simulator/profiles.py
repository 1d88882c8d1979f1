"""Charging profiles of a simulated charge point (OCPP 1.6 §3.13), in a simple but honest form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ocpp_gateway.wire.timestamps import parse_timestamp

_VOLTS = 230
_DAY_S = 24 * 3600
#: The last two are kept for 2.1; they are no limits of every session.
_PURPOSES = (
    "ChargePointMaxProfile",
    "TxDefaultProfile",
    "TxProfile",
    "PriorityCharging",
    "LocalGeneration",
)


@dataclass(frozen=True)
class Installed:
    """A profile on a connector."""

    connector: int
    profile: dict[str, Any]
    installed_at: datetime

    @property
    def purpose(self) -> str:
        return str(self.profile["chargingProfilePurpose"])

    @property
    def stack_level(self) -> int:
        return int(self.profile["stackLevel"])

    def limit_w(self, at: datetime, *, session_start: datetime | None) -> float | None:
        """The limit at a time in W (A times 230 V times the phases), None where the profile is silent."""
        for edge, reject_after in (("validFrom", False), ("validTo", True)):
            bound = parse_timestamp(self.profile.get(edge))
            if bound is not None and (at > bound if reject_after else at < bound):
                return None
        schedule = self.profile["chargingSchedule"]
        elapsed = self._elapsed(at, schedule, session_start)
        if elapsed < 0 or elapsed >= schedule.get("duration", float("inf")):
            return None
        period = None
        for candidate in schedule["chargingSchedulePeriod"]:
            if candidate["startPeriod"] <= elapsed:
                period = candidate
        if period is None:
            return None
        limit, phases = float(period["limit"]), period.get("numberPhases", 3)
        return limit if schedule["chargingRateUnit"] == "W" else limit * _VOLTS * phases

    def _elapsed(self, at: datetime, schedule: dict[str, Any], session_start: datetime | None) -> float:
        kind = self.profile["chargingProfileKind"]
        if kind == "Relative":
            start = session_start or self.installed_at
        else:
            start = parse_timestamp(schedule.get("startSchedule")) or session_start or self.installed_at
        elapsed = (at - start).total_seconds()
        if kind == "Recurring" and elapsed >= 0:
            return elapsed % (_DAY_S * (7 if self.profile.get("recurrencyKind") == "Weekly" else 1))
        return elapsed


class Profiles:
    """All profiles of a charge point."""

    def __init__(self) -> None:
        self._installed: list[Installed] = []

    def install(self, *, connector: int, profile: dict[str, Any], at: datetime) -> None:
        """Add a profile; it takes the place of one with the same id or the same purpose and stack level."""
        new = Installed(connector, profile, at)
        if new.purpose not in _PURPOSES or not profile["chargingSchedule"]["chargingSchedulePeriod"]:
            raise ValueError("not a charging profile")
        for period in profile["chargingSchedule"]["chargingSchedulePeriod"]:
            if period["startPeriod"] < 0 or period["limit"] < 0:
                raise ValueError("a period before the start or below zero")
        new.limit_w(at, session_start=at)
        self._installed = [
            old
            for old in self._installed
            if old.profile["chargingProfileId"] != profile["chargingProfileId"]
            and (old.connector, old.purpose, old.stack_level) != (connector, new.purpose, new.stack_level)
        ]
        self._installed.append(new)

    def __len__(self) -> int:
        return len(self._installed)

    def __iter__(self) -> Iterator[Installed]:
        return iter(self._installed)

    def remove(self, is_meant: Callable[[Installed], bool]) -> int:
        """Remove profiles; returns how many."""
        kept = [old for old in self._installed if not is_meant(old)]
        removed, self._installed = len(self._installed) - len(kept), kept
        return removed

    def clear(
        self, *, profile_id: int | None, connector: int | None, purpose: str | None, stack_level: int | None
    ) -> bool:
        """Remove what fits all given criteria (errata 3.25); without any, everything. False if nothing did."""

        def fits(old: Installed) -> bool:
            return (
                profile_id in (None, old.profile["chargingProfileId"])
                and connector in (None, old.connector)
                and purpose in (None, old.purpose)
                and stack_level in (None, old.stack_level)
            )

        kept = [old for old in self._installed if not fits(old)]
        removed = len(kept) < len(self._installed)
        self._installed = kept
        return removed

    def end_session(self, connector: int) -> None:
        """TxProfiles live as long as their transaction (§3.13.1)."""
        self._installed = [
            old for old in self._installed if not (old.connector == connector and old.purpose == "TxProfile")
        ]

    def limit_w(
        self, connector: int, at: datetime, *, session_start: datetime | None = None, sharing: int = 1
    ) -> int | None:
        """The power limit of a connector: the lower of the session's and its share of the charge point's (§3.13.3).

        sharing  connectors that charge: what the charge point may draw is for all of them together
        """
        limits = []
        if (whole := self._whole_w(at)) is not None:
            limits.append(whole / max(sharing, 1))
        if connector > 0:
            own = (
                self._leading(self._of("TxProfile", connector), at, session_start) if session_start else None
            )
            limit = self._leading(self._default(connector), at, session_start) if own is None else own
            if limit is not None:
                limits.append(limit)
        return int(min(limits)) if limits else None

    def _whole_w(self, at: datetime) -> float | None:
        return self._leading(self._of("ChargePointMaxProfile", 0), at, None)

    def _of(self, purpose: str, connector: int) -> list[Installed]:
        return [old for old in self._installed if (old.purpose, old.connector) == (purpose, connector)]

    def _default(self, connector: int) -> list[Installed]:
        """A default of the connector takes the place of that of all connectors on the same level (§3.13.1)."""
        own = self._of("TxDefaultProfile", connector)
        taken = {old.stack_level for old in own}
        return own + [old for old in self._of("TxDefaultProfile", 0) if old.stack_level not in taken]

    @staticmethod
    def _leading(fitting: list[Installed], at: datetime, session_start: datetime | None) -> float | None:
        for old in sorted(fitting, key=lambda old: old.stack_level, reverse=True):
            limit = old.limit_w(at, session_start=session_start)
            if limit is not None:
                return limit
        return None

    def composite(
        self,
        *,
        connector: int,
        at: datetime,
        duration_s: int,
        unit: str,
        maximum_w: int,
        session_starts: dict[int, datetime | None],
    ) -> list[dict[str, Any]]:
        """Periods of the composite schedule, to the minute; the hardware's maximum where unlimited.

        connector       0: what the charge point takes altogether
        maximum_w       of one connector
        session_starts  of each connector; None: no session
        """
        periods: list[dict[str, Any]] = []
        for second in range(0, min(max(duration_s, 1), _DAY_S), 60):
            moment = at + timedelta(seconds=second)
            watts = self._expected_w(connector, moment, maximum_w, session_starts)
            limit = float(watts) if unit == "W" else round(watts / (3 * _VOLTS), 1)
            if not periods or periods[-1]["limit"] != limit:
                periods.append({"startPeriod": second, "limit": limit})
        return periods

    def _expected_w(
        self, connector: int, at: datetime, maximum_w: int, session_starts: dict[int, datetime | None]
    ) -> int:
        if connector > 0:
            start = session_starts.get(connector) or at
            limit = self.limit_w(connector, at, session_start=start)
            return maximum_w if limit is None else min(limit, maximum_w)
        total = sum(self._expected_w(number, at, maximum_w, session_starts) for number in session_starts)
        whole = self._whole_w(at)
        return total if whole is None else min(int(whole), total)
