"""Which of several controls for the grid counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chargepoints.der import Held, in_force

AT = datetime(2026, 3, 2, 10, tzinfo=UTC)


def held(name: str, **fields: Any) -> Held:
    usual: dict[str, Any] = {"control_type": "FreqDroop", "is_default": True, "priority": 0}
    return Held(control_id=name, **{**usual, **fields})


def scheduled(name: str, **fields: Any) -> Held:
    return held(name, **{"is_default": False, "starts_at": AT, "duration_s": 60.0, **fields})


@pytest.mark.parametrize(
    ("controls", "seconds", "counts"),
    [
        ([held("a", priority=1), held("b", priority=0)], 0, "b"),
        ([held("a"), scheduled("b", priority=9)], 0, "b"),
        ([held("a"), scheduled("b")], -1, "a"),
        ([held("a"), scheduled("b")], 60, "a"),
        ([held("a"), scheduled("b", is_superseded=True)], 0, "a"),
        ([scheduled("a", priority=2), scheduled("b", priority=1)], 30, "b"),
        ([scheduled("a", duration_s=None)], 10_000, "a"),
        ([scheduled("a")], 61, None),
        ([held("a", is_superseded=True)], 0, None),
        ([held("a", is_default=False)], 0, None),
    ],
)
def test_scheduled_before_default_and_the_lowest_number_first(
    controls: list[Held], seconds: int, counts: str | None
) -> None:
    """R04.FR.09 to 11"""
    found = in_force(controls, AT + timedelta(seconds=seconds)).get("FreqDroop")
    assert (found.control_id if found else None) == counts


def test_types_do_not_hinder_each_other() -> None:
    found = in_force([held("a"), held("b", control_type="VoltVar")], AT)
    assert {kind: control.control_id for kind, control in found.items()} == {"FreqDroop": "a", "VoltVar": "b"}
