"""CPU time and memory of other processes, from /proc."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_LISTEN = "0A"


@dataclass(frozen=True)
class Process:
    """One line of /proc/PID/stat. CPU in seconds, that of its own and of children that have ended."""

    pid: int
    parent: int
    name: str
    cpu_s: float
    rss_bytes: int


def parse_stat(text: str) -> Process:
    """Read /proc/PID/stat; a name may hold blanks and brackets."""
    pid, _, rest = text.partition(" (")
    name, _, fields = rest.rpartition(") ")
    values = fields.split()
    ticks = sum(int(value) for value in values[11:15])
    return Process(
        pid=int(pid),
        parent=int(values[1]),
        name=name,
        cpu_s=ticks / os.sysconf("SC_CLK_TCK"),
        rss_bytes=int(values[21]) * os.sysconf("SC_PAGE_SIZE"),
    )


def list_processes(proc: Path = PROC) -> dict[int, Process]:
    """All processes that can be read."""
    found = {}
    for folder in proc.iterdir():
        if folder.name.isdigit():
            try:
                process = parse_stat((folder / "stat").read_text(errors="replace"))
            except (OSError, ValueError, IndexError):
                continue  # it has just ended
            found[process.pid] = process
    return found


def with_children(pids: Iterable[int], processes: dict[int, Process]) -> set[int]:
    """The given processes and all their descendants."""
    family = {pid for pid in pids if pid in processes}
    grown = True
    while grown:
        young = {p.pid for p in processes.values() if p.parent in family} - family
        family |= young
        grown = bool(young)
    return family


def _listening_inodes(port: int, proc: Path) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def find_listeners(port: int, proc: Path = PROC) -> set[int]:
    """Processes that hold a listening TCP socket of a port."""
    wanted = {f"socket:[{inode}]" for inode in _listening_inodes(port, proc)}
    found = set()
    for pid in list_processes(proc) if wanted else ():
        if not wanted.isdisjoint(_open_files(proc / str(pid) / "fd")):
            found.add(pid)
    return found


def _open_files(folder: Path) -> Iterator[str]:
    try:
        entries = list(folder.iterdir())
    except OSError:
        return  # not ours, or gone
    for entry in entries:
        with contextlib.suppress(OSError):  # closed meanwhile, as the listing's own descriptor always is
            yield os.readlink(entry)


@dataclass(frozen=True)
class Usage:
    """CPU seconds so far and resident bytes now; `found` processes were looked at."""

    cpu_s: float = 0.0
    rss_bytes: int = 0
    found: int = 0


def usage(pids: Iterable[int], proc: Path = PROC) -> Usage:
    """Usage of processes and their descendants."""
    processes = list_processes(proc)
    family = [processes[pid] for pid in with_children(pids, processes)]
    return Usage(sum(p.cpu_s for p in family), sum(p.rss_bytes for p in family), len(family))


def exact_cpu_s(pids: Iterable[int], proc: Path = PROC) -> float:
    """CPU seconds of the living threads of processes and their descendants, to the nanosecond.

    For differences over milliseconds, where the clock ticks of `usage` are too coarse.
    """
    total = 0
    for pid in with_children(pids, list_processes(proc)):
        with contextlib.suppress(OSError):
            for thread in os.listdir(proc / str(pid) / "task"):
                with contextlib.suppress(OSError):
                    text = (proc / str(pid) / "task" / thread / "schedstat").read_text()
                    total += int(text.split(" ", 1)[0])
    return total / 1e9


def open_files(pids: Iterable[int], proc: Path = PROC) -> int:
    """Number of file descriptors of processes and their descendants, as far as they can be read."""
    total = 0
    for pid in with_children(pids, list_processes(proc)):
        with contextlib.suppress(OSError):
            total += len(os.listdir(proc / str(pid) / "fd"))
    return total
