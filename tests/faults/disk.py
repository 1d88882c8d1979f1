"""A disk that is too small for a part of the database, and what stands for it where nothing may be mounted."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from tests.faults.services import hand_over
from tests.faults.site import Site

SIZE = "16m"
#: Each batch of the writer adds a row here; with so few rows on a page it soon needs a new one.
TABLE = "chargepoints_batchreceipt"
ROOM = 10  # percent of a page


class Disk(Protocol):
    """A disk that can be filled to the last byte, and emptied."""

    def fill(self) -> None: ...

    def empty(self) -> None: ...


@contextmanager
def small_disk(site: Site) -> Iterator[Disk]:
    """Let one of the tables lie on a disk of its own while this lasts."""
    path = site.directory / "small-disk"
    path.mkdir()
    if _mount(path):
        try:
            with _moved(site, path):
                yield MountedDisk(path)
        finally:
            _as_root("umount", "--lazy", str(path))
    else:
        with _told_full(site) as disk:
            yield disk


def _as_root(*command: str) -> bool:
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    with suppress(FileNotFoundError):
        return (
            subprocess.run([*prefix, *command], capture_output=True, check=False, timeout=20).returncode == 0
        )
    return False


def _mount(path: Path) -> bool:
    """Mount a file system in memory; containers often forbid it."""
    if not _as_root("mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=777", "tmpfs", str(path)):
        return False
    hand_over(path)
    return True


@contextmanager
def _moved(site: Site, path: Path) -> Iterator[None]:
    execute = site.postgresql.execute
    execute(f"CREATE TABLESPACE small LOCATION '{path}'")
    execute(f"ALTER TABLE {TABLE} SET (fillfactor = {ROOM})", "csms")
    execute(f"ALTER TABLE {TABLE} SET TABLESPACE small", "csms")
    try:
        yield
    finally:
        execute(f"ALTER TABLE {TABLE} SET TABLESPACE pg_default", "csms")
        execute(f"ALTER TABLE {TABLE} RESET (fillfactor)", "csms")
        # Files of dropped and moved tables go with the next checkpoint.
        execute("CHECKPOINT")
        execute("DROP TABLESPACE small")


class MountedDisk:
    """A real one."""

    def __init__(self, path: Path) -> None:
        self._ballast = path / "ballast"

    def fill(self) -> None:
        """Take all the room that is left."""
        with self._ballast.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))

    def empty(self) -> None:
        """Give it back."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def _told_full(site: Site) -> Iterator[Disk]:
    """Where nothing may be mounted: the server says what it says when the disk is full."""
    function = (
        "CREATE FUNCTION disk_is_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$"
    )
    site.postgresql.execute(function, "csms")
    disk = ToldDisk(site)
    try:
        yield disk
    finally:
        disk.empty()
        site.postgresql.execute("DROP FUNCTION disk_is_full()", "csms")


class ToldDisk:
    """A trigger."""

    def __init__(self, site: Site) -> None:
        self._execute = site.postgresql.execute

    def fill(self) -> None:
        """Refuse every further row."""
        trigger = f"CREATE TRIGGER full_disk BEFORE INSERT ON {TABLE} EXECUTE FUNCTION disk_is_full()"
        self._execute(trigger, "csms")

    def empty(self) -> None:
        """Take them again."""
        self._execute(f"DROP TRIGGER IF EXISTS full_disk ON {TABLE}", "csms")
