"""Whether a server grows while it works: memory and file descriptors over a soak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

ALLOWED_BYTES = 2_000_000
ALLOWED_SHARE = 0.015
ALLOWED_FILES = 8
_ENOUGH = 12


@dataclass(frozen=True, slots=True)
class Sample:
    """The server at one moment; `files` without the sockets of the load."""

    at_s: float
    rss_bytes: int
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """The last quarter of a soak compared with the third; the first half is for caches to fill.

    rss_growth_per_hour   what the growth would be in an hour at the same pace
    rss_by_tenth          the course of the memory, in bytes
    """

    rss_bytes: int
    rss_growth_bytes: int
    rss_growth_per_hour: int
    files: int
    files_growth: int
    rss_by_tenth: tuple[int, ...]

    @property
    def is_steady(self) -> bool:
        """Memory and descriptors stay where they are, give or take what an allocator does."""
        allowed = max(ALLOWED_BYTES, ALLOWED_SHARE * self.rss_bytes)
        return self.rss_growth_bytes <= allowed and self.files_growth <= ALLOWED_FILES

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "rss_bytes": self.rss_bytes,
            "rss_growth_bytes": self.rss_growth_bytes,
            "rss_growth_bytes_per_hour": self.rss_growth_per_hour,
            "rss_bytes_by_tenth": list(self.rss_by_tenth),
            "files": self.files,
            "files_growth": self.files_growth,
            "steady": self.is_steady,
        }


def measure_growth(samples: Sequence[Sample]) -> Growth | None:
    """Compare the third and the last quarter; None when there are too few samples.

    Memory by its median; descriptors by their minimum, because sockets that the load has closed linger for a moment.
    """
    if len(samples) < _ENOUGH:
        return None
    quarter = len(samples) // 4
    early, late = samples[-2 * quarter : -quarter], samples[-quarter:]
    seconds = median(s.at_s for s in late) - median(s.at_s for s in early)
    before, after = (int(median(s.rss_bytes for s in part)) for part in (early, late))
    return Growth(
        rss_bytes=before,
        rss_growth_bytes=after - before,
        rss_growth_per_hour=int((after - before) * 3600 / seconds) if seconds > 0 else 0,
        files=min(s.files for s in early),
        files_growth=min(s.files for s in late) - min(s.files for s in early),
        rss_by_tenth=tuple(int(median(s.rss_bytes for s in part)) for part in _tenths(samples)),
    )


def _tenths(samples: Sequence[Sample]) -> list[Sequence[Sample]]:
    edges = [len(samples) * tenth // 10 for tenth in range(11)]
    return [samples[start:end] for start, end in pairwise(edges)]
