"""Two configurations side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from chargepoints.configuration_keys import KeySpec, find_key, is_same
from chargepoints.models import Variable
from chargepoints.variable_names import canonical

#: What a charger says of a key that it does not have.
_ABSENT = {"never listed", "not known to the charger"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What one charger says of a key.

    state  "": the value is known; else why there is none, in words
    """

    value: str | None = None
    state: str = ""

    @property
    def text(self) -> str:
        """For people and files."""
        return self.state or (self.value if self.value is not None else "no value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One key of two chargers; `is_same` None: nobody can tell."""

    name: str
    spec: KeySpec | None
    left: Side
    right: Side
    is_same: bool | None

    @property
    def verdict(self) -> str:
        """In a word."""
        return {True: "same", False: "differs", None: "cannot be compared"}[self.is_same]


def compare(left: Iterable[Variable], right: Iterable[Variable], *, only_different: bool) -> list[Line]:
    """The keys that either charger has, by name; secrets are never compared.

    A key of OCPP 1.6 is compared with the variable of 2.x that means the same.
    """
    ours, theirs = _by_name(left), _by_name(right)
    lines = [_line(ours.get(key), theirs.get(key)) for key in sorted(ours.keys() | theirs.keys())]
    return [line for line in lines if not (only_different and line.is_same)]


def _by_name(rows: Iterable[Variable]) -> dict[str, Variable]:
    found: dict[str, Variable] = {}
    for row in rows:
        if row.component and row.read_at is None:
            continue  # what we keep beside the configuration
        key = canonical(row.key)
        if key not in found or found[key].gone_at is not None or found[key].is_unknown:
            found[key] = row
    return found


def _line(left: Variable | None, right: Variable | None) -> Line:
    row = left or right
    assert row is not None
    ours, theirs = _side(left), _side(right)
    return Line(
        name=row.key,
        spec=find_key(row.key),
        left=ours,
        right=theirs,
        is_same=_verdict(row.key, ours, theirs),
    )


def _side(row: Variable | None) -> Side:
    if row is None:
        return Side(state="never listed")
    if row.is_unknown:
        return Side(state="not known to the charger")
    if row.gone_at is not None:
        return Side(value=row.value, state="no longer listed")
    return Side(value=row.value, state="secret" if row.is_secret else "")


def _verdict(name: str, ours: Side, theirs: Side) -> bool | None:
    if ours.state == theirs.state == "secret":
        return None
    if {ours.state, theirs.state} <= _ABSENT:
        return True
    if ours.state or theirs.state:
        return ours.state == theirs.state
    if ours.value is None or theirs.value is None:
        return ours.value == theirs.value
    return is_same(name, ours.value, theirs.value)
