"""The truth for a checker: one JSON line per acknowledged transaction message."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import orjson


class Journal:
    """Appends lines to a file, each complete on disk before the next; without a path it keeps nothing."""

    def __init__(self, path: Path | None = None) -> None:
        self._file: IO[bytes] | None = path.open("ab", buffering=0) if path is not None else None

    def write(self, record: dict[str, Any]) -> None:
        """Append one record."""
        if self._file is not None:
            self._file.write(orjson.dumps(record) + b"\n")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
