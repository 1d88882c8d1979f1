"""Files that people and chargers give us: below FILES_DIR, under names of our own, never executed or rendered."""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from django.conf import settings

_NAME = re.compile(r"[0-9a-f]{32}")
_FOLDER = re.compile(r"[a-z]{1,20}")
_PARTIAL = ".part"


class FileTooLarge(Exception):
    """The file is larger than allowed."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The file is larger than {limit} bytes.")
        self.limit = limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A file as it lies in the store; `name` is what a row keeps of it."""

    name: str
    size: int
    sha256: str


def path_of(folder: str, name: str) -> Path:
    """Where a file lies; raises ValueError for a name that is not ours."""
    if not _FOLDER.fullmatch(folder) or not _NAME.fullmatch(name):
        raise ValueError("not a name of the file store")
    root: Path = settings.FILES_DIR
    return root / folder / name


class Incoming:
    """A file that arrives piece by piece: there is nothing to be seen of it before `finish`.

    Leave the context without `finish` and all of it is removed.

    limit   bytes that it may have
    """

    def __init__(self, folder: str, *, limit: int) -> None:
        self._name = uuid.uuid4().hex
        self._path = path_of(folder, self._name)
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.partial = self._path.with_name(self._name + _PARTIAL)
        self._limit = limit
        self._digest = hashlib.sha256()
        self.size = 0
        descriptor = os.open(self.partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(descriptor, "wb")

    def __enter__(self) -> Incoming:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()

    def write(self, piece: bytes) -> None:
        """Append a piece.  Raises FileTooLarge, OSError."""
        self.size += len(piece)
        if self.size > self._limit:
            raise FileTooLarge(self._limit)
        self._digest.update(piece)
        self._file.write(piece)

    def flush(self) -> None:
        """Let readers of `partial` see what was written."""
        self._file.flush()

    def finish(self) -> Stored:
        """The file is complete, and stays whatever happens to the machine."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self.partial.rename(self._path)
        return Stored(name=self._name, size=self.size, sha256=self._digest.hexdigest())

    def discard(self) -> None:
        """Remove what is not finished; harmless after `finish`."""
        self._file.close()
        self.partial.unlink(missing_ok=True)


def store(folder: str, pieces: Iterable[bytes], *, limit: int) -> Stored:
    """Keep a file that is read piece by piece.  Raises FileTooLarge, OSError."""
    with Incoming(folder, limit=limit) as incoming:
        for piece in pieces:
            incoming.write(piece)
        return incoming.finish()


def remove(folder: str, name: str) -> None:
    """Delete a file; nothing happens when it is gone already."""
    if name:
        path_of(folder, name).unlink(missing_ok=True)


def remove_partial(folder: str, *, older_than: float) -> int:
    """Delete what arrived in part and was never finished (a process was killed); returns how many.

    older_than  seconds since the epoch of the last write
    """
    root: Path = settings.FILES_DIR / folder
    removed = 0
    for path in root.glob(f"*{_PARTIAL}") if root.is_dir() else ():
        try:
            if path.stat().st_mtime < older_than:
                path.unlink()
                removed += 1
        except FileNotFoundError:
            continue  # finished meanwhile
    return removed
