"""Which configuration a charger should have: templates that fit it, merged by rank.  Pure.

A source says for which chargers it is and which values they should have. Where two want the same key, the one of the
higher layer wins, then the one of the higher priority, then the one that says more exactly which chargers it is for:
a site before a firmware version before a model before a vendor, an exact name before a pattern.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from chargepoints.variable_names import canonical

#: Layers: what is known of a kind of charger gives way to what the operator wants.
PROFILE, TEMPLATE = 0, 1
_PARTS = ("the site", "the firmware version", "the model", "the vendor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Charger:
    """What decides which sources fit.

    profile         names the model profile that it follows
    auto_configure  it may be set up after a boot without being asked
    """

    pk: int
    tenant_id: int
    identity: str = ""
    name: str = ""
    vendor: str = ""
    model: str = ""
    firmware: str = ""
    location_id: int | None = None
    location_name: str = ""
    profile: str = ""
    auto_configure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A key and the value that it should have; secrets are in the clear here and nowhere else."""

    key: str
    text: str
    is_secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Values for the chargers that it fits.

    label           its name for people
    layer           TEMPLATE, or PROFILE for what is known of a kind of charger
    apply_at_boot   its values are sent after each boot
    only_if_auto    that only of chargers that may be set up without being asked
    since           of boots after this moment only
    profile         only for chargers that follow this model profile
    template_id     the template that it is
    """

    label: str
    values: Sequence[Value]
    vendor: str = ""
    model: str = ""
    firmware: str = ""
    location_id: int | None = None
    layer: int = TEMPLATE
    priority: int = 0
    apply_at_boot: bool = False
    only_if_auto: bool = False
    since: datetime | None = None
    profile: str = ""
    template_id: int | None = None

    def fits(self, charger: Charger) -> bool:
        """Whether it is for this charger."""
        return (
            (self.location_id is None or self.location_id == charger.location_id)
            and (not self.profile or self.profile == charger.profile)
            and fits_pattern(self.vendor, charger.vendor)
            and fits_pattern(self.model, charger.model)
            and fits_pattern(self.firmware, charger.firmware)
        )

    @property
    def exactness(self) -> tuple[int, ...]:
        """How exactly it says for which chargers it is, in the order of `_PARTS`; last the length of its names."""
        texts = (self.firmware, self.model, self.vendor)
        length = sum(len(text.replace("*", "").replace("?", "")) for text in texts)
        return (2 * (self.location_id is not None), *map(_exactness, texts), length)

    @property
    def rank(self) -> tuple[int, int, tuple[int, ...]]:
        """The higher one wins."""
        return (self.layer, self.priority, self.exactness)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The value that a key of a charger should have, and why.

    overruled  sources that fit too and want something else, or the same, for the key
    """

    value: Value
    source: Source
    overruled: tuple[Source, ...] = ()

    @property
    def reason(self) -> str:
        """Why this value, in words."""
        text = f"From “{self.source.label}”."
        for other in self.overruled:
            text += f" It wins over “{other.label}”: {_why(self.source, other)}."
        return text


def merge(sources: Iterable[Source], charger: Charger) -> dict[str, Wanted]:
    """What a charger should have, by canonical name of the key."""
    fitting = [source for source in sources if source.fits(charger)]
    # Of equals the first by name counts, so that the answer is always the same.
    fitting.sort(key=lambda source: source.label.casefold())
    fitting.sort(key=lambda source: source.rank, reverse=True)
    found: dict[str, list[tuple[Value, Source]]] = {}
    for source in fitting:
        for value in source.values:
            found.setdefault(canonical(value.key), []).append((value, source))
    return {
        key: Wanted(
            value=claims[0][0], source=claims[0][1], overruled=tuple(source for _, source in claims[1:])
        )
        for key, claims in found.items()
    }


def fits_pattern(pattern: str, text: str) -> bool:
    """Whether a text is what a pattern says, without regard to case; * is any text, ? any character."""
    return not pattern or _compiled(pattern).fullmatch(text.strip()) is not None


@lru_cache(maxsize=1000)
def _compiled(pattern: str) -> re.Pattern[str]:
    escaped = re.escape(pattern.strip()).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(escaped, re.IGNORECASE | re.DOTALL)


def _exactness(pattern: str) -> int:
    if not pattern:
        return 0
    return 1 if "*" in pattern or "?" in pattern else 2


def _why(winner: Source, loser: Source) -> str:
    if winner.layer != loser.layer:
        return "templates count more than what is known of the model"
    if winner.priority != loser.priority:
        return f"its priority is higher ({winner.priority} over {loser.priority})"
    for part, ours, theirs in zip(_PARTS, winner.exactness, loser.exactness, strict=False):
        if ours != theirs:
            return f"it names {part} more exactly" if theirs else f"it names {part}"
    if winner.exactness != loser.exactness:
        return "its patterns are longer"
    return "they rank the same, and it is the first by name"
