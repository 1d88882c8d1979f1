"""Charging profiles of a simulated charge point (OCPP 1.6 §3.13), in a simple but honest form."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ocpp_gateway.wire.timestamps import parse_timestamp

_VOLTS = 230
_DAY_S = 24 * 3600
_PURPOSES = ("ChargePointMaxProfile", "TxDefaultProfile", "TxProfile")


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

    def clear(
        self, *, profile_id: int | None, connector: int | None, purpose: str | None, stack_level: int | None
    ) -> bool:
        """Remove what fits all given criteria; an id alone decides (§5.5). False if nothing did."""

        def fits(old: Installed) -> bool:
            if profile_id is not None:
                return bool(old.profile["chargingProfileId"] == profile_id)
            return (
                connector in (None, old.connector)
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

    def limit_w(self, connector: int, at: datetime, *, session_start: datetime | None = None) -> int | None:
        """The power limit of a connector: the lower of the charge point's and the transaction's (§3.13.3)."""
        limits = [self._leading("ChargePointMaxProfile", 0, at, session_start)]
        own = self._leading("TxProfile", connector, at, session_start) if session_start else None
        default = self._leading("TxDefaultProfile", connector, at, session_start)
        if default is None:
            default = self._leading("TxDefaultProfile", 0, at, session_start)
        limits.append(default if own is None else own)
        known = [limit for limit in limits if limit is not None]
        return int(min(known)) if known else None

    def _leading(
        self, purpose: str, connector: int, at: datetime, session_start: datetime | None
    ) -> float | None:
        fitting = [old for old in self._installed if (old.purpose, old.connector) == (purpose, connector)]
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
        session_start: datetime | None,
    ) -> list[dict[str, Any]]:
        """Periods of the composite schedule, to the minute; the hardware's maximum where unlimited."""
        periods: list[dict[str, Any]] = []
        for second in range(0, min(max(duration_s, 1), _DAY_S), 60):
            limit_w = self.limit_w(connector, at + timedelta(seconds=second), session_start=session_start)
            watts = maximum_w if limit_w is None else min(limit_w, maximum_w)
            limit = float(watts) if unit == "W" else round(watts / (3 * _VOLTS), 1)
            if not periods or periods[-1]["limit"] != limit:
                periods.append({"startPeriod": second, "limit": limit})
        return periods
