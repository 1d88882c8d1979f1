"""How the load test sees other processes, and the PostgreSQL cluster of the server."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import pytest
from django.db import connection

from csms_project.management.commands.bench import conninfo_from_settings
from ocpp_gateway.simulator.bench.database import Database, DatabaseUnusable, find_postmaster
from ocpp_gateway.simulator.bench.processes import (
    Process,
    Usage,
    exact_cpu_s,
    find_listeners,
    list_processes,
    open_files,
    parse_stat,
    usage,
    with_children,
)


def _stat(pid: int, parent: int, name: str = "python", ticks: tuple[int, ...] = (1, 2, 3, 4)) -> str:
    fields = ["S", str(parent), *["0"] * 9, *map(str, ticks), "20", "0", "1", "0", "99", "1000000", "10", "0"]
    return f"{pid} ({name}) {' '.join(fields)}\n"


def test_parse_stat_with_brackets_in_the_name_counts_children_too() -> None:
    process = parse_stat(_stat(7, 1, name="a (b) c"))
    assert (process.pid, process.parent, process.name) == (7, 1, "a (b) c")
    assert process.cpu_s == 10 / os.sysconf("SC_CLK_TCK")
    assert process.rss_bytes == 10 * os.sysconf("SC_PAGE_SIZE")


def test_with_children_finds_all_descendants_once() -> None:
    def process(pid: int, parent: int) -> Process:
        return Process(pid, parent, "p", 0.0, 0)

    everyone = {p.pid: p for p in (process(1, 0), process(5, 1), process(6, 5), process(9, 1))}
    assert with_children([5, 6, 404], everyone) == {5, 6}
    assert with_children([1], everyone) == {1, 5, 6, 9}


def test_find_listeners_reads_sockets_of_processes(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    head = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    )
    line = (
        "   0: 0100007F:{port} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 0 0 {inode} 1\n"
    )
    table = head + line.format(port="1F40", state="0A", inode=111)
    table += line.format(port="1F40", state="01", inode=222) + line.format(port="1F41", state="0A", inode=333)
    (tmp_path / "net" / "tcp").write_text(table)
    for pid, inode in ((10, 111), (11, 222), (12, 333)):
        (tmp_path / str(pid) / "fd").mkdir(parents=True)
        (tmp_path / str(pid) / "stat").write_text(_stat(pid, 1))
        (tmp_path / str(pid) / "fd" / "4").symlink_to(f"socket:[{inode}]")
    assert find_listeners(8000, tmp_path) == {10}
    assert find_listeners(9999, tmp_path) == set()


def test_usage_sums_a_family_and_skips_what_has_ended(tmp_path: Path) -> None:
    for pid, parent in ((10, 1), (11, 10), (12, 1)):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(_stat(pid, parent))
    (tmp_path / "13").mkdir()
    assert set(list_processes(tmp_path)) == {10, 11, 12}
    assert usage([10, 13], tmp_path).found == 2
    assert usage([], tmp_path) == Usage()


def test_exact_cpu_adds_the_threads_of_a_family(tmp_path: Path) -> None:
    for pid, parent, threads in ((10, 1, (10, 14)), (11, 10, (11,)), (12, 1, (12,))):
        for thread in threads:
            (tmp_path / str(pid) / "task" / str(thread)).mkdir(parents=True)
            (tmp_path / str(pid) / "task" / str(thread) / "schedstat").write_text("1500000 77 3\n")
        (tmp_path / str(pid) / "stat").write_text(_stat(pid, parent))
    assert exact_cpu_s([10, 404], tmp_path) == 0.0045
    (tmp_path / "10" / "task" / "14" / "schedstat").unlink()  # it has just ended
    assert exact_cpu_s([10], tmp_path) == 0.003


def test_open_files_counts_those_of_a_family(tmp_path: Path) -> None:
    for pid, parent, files in ((10, 1, 3), (11, 10, 2), (12, 1, 9)):
        (tmp_path / str(pid) / "fd").mkdir(parents=True)
        (tmp_path / str(pid) / "stat").write_text(_stat(pid, parent))
        for number in range(files):
            (tmp_path / str(pid) / "fd" / str(number)).symlink_to("socket:[1]")
    assert open_files([10, 404], tmp_path) == 5
    shutil.rmtree(tmp_path / "11" / "fd")  # ended, or somebody else's
    assert open_files([10], tmp_path) == 3


def _cluster(tmp_path: Path, *, parent: str = "postgres") -> Path:
    for pid, above, name in (
        (20, 1, parent),
        (21, 20, "postgres"),
        (22, 20, "postgres"),
        (30, 1, "postgres"),
    ):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(_stat(pid, above, name))
    return tmp_path


def test_postmaster_is_the_parent_of_the_own_backend(tmp_path: Path) -> None:
    proc = _cluster(tmp_path)
    postmaster = find_postmaster(22, proc)
    assert postmaster == 20
    assert usage([postmaster], proc).found == 3  # not the other cluster's


def test_postmaster_on_another_machine_is_refused(tmp_path: Path) -> None:
    proc = _cluster(tmp_path, parent="bash")
    for backend in (22, 404):
        with pytest.raises(DatabaseUnusable, match="--postgres-pid"):
            find_postmaster(backend, proc)


def test_usage_counts_children_that_have_ended(tmp_path: Path) -> None:
    proc = _cluster(tmp_path)
    before = usage([20], proc).cpu_s
    # Backend 22 has used 7 ticks, ends and is reaped: its 7 ticks are in the parent's figures from now on.
    shutil.rmtree(proc / "22")
    (proc / "20" / "stat").write_text(_stat(20, 1, "postgres", ticks=(1, 2, 3 + 5, 4 + 5)))
    assert usage([20], proc).cpu_s == before


@pytest.mark.django_db(transaction=True)
def test_database_of_the_server_is_found_and_measured() -> None:
    if connection.vendor == "sqlite":
        assert conninfo_from_settings() == ""
        return
    with contextlib.closing(Database(conninfo_from_settings())) as database:
        before = database.wal_bytes()
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE bench_wal (id integer)")
            cursor.execute("DROP TABLE bench_wal")
        assert database.wal_bytes() > before
        assert list_processes()[database.postmaster()].name == "postgres"
