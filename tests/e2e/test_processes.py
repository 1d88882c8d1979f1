"""The processes of a larger installation, one at a time: what each serves, what it refuses, how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from chargepoints.models import GatewayNode
from csms_project.common.jobs import registered
from tests.e2e.conftest import MakeProduct, open_charger
from tests.e2e.product import POSTGRESQL_URL, ROOT, Product, environment, wait_until
from tests.e2e.sockets import VERSION, RawSocket, upgrade_request

pytestmark = pytest.mark.server

GATEWAY = ("manage.py", "gateway", "--port", "{port}")
WEB = ("manage.py", "web", "--port", "{port}")
WORKER = ("manage.py", "worker", "--health-port", "{port}")
JOBS = {"jobs": "ok"} | ({"partitions": "ok"} if POSTGRESQL_URL else {})


def get(product: Product, path: str) -> tuple[int, str]:
    """Status and text of an HTTP answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{product.port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def health(product: Product) -> dict[str, Any]:
    """What the process says of itself."""
    shown: dict[str, Any] = json.loads(get(product, "/health")[1])
    return shown


def wait_healthy(product: Product, checks: dict[str, str]) -> None:
    """Wait until all is well and exactly these parts are looked at; a failure shows what was said last."""
    expected = {"status": "ok", "checks": checks}
    with suppress(AssertionError):
        wait_until(lambda: health(product) == expected, "health")
    assert health(product) == expected, product.log[-5000:]


def run(product: Product, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command on the product's database to its end."""
    return subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env=environment(product.database, product.directory),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def end(product: Product, number: int = signal.SIGTERM) -> int:
    """Send a signal and return the exit code."""
    product.process.send_signal(number)
    return product.process.wait(30)


def test_gateway_serves_chargers_and_probes_and_no_site(make_product: MakeProduct) -> None:
    gateway = make_product(*GATEWAY)
    with open_charger(gateway, "GW-1"):
        assert health(gateway)["checks"] == {"database": "ok", "channel_layer": "ok", "writer": "ok"}
        assert get(gateway, "/health/live") == (200, '{"status":"ok","checks":{"writer":"ok"}}')
        assert 'csms_connections{version="ocpp1.6"} 1.0' in get(gateway, "/metrics")[1]
        for path in ("/", "/admin/", "/api/v1/status", "/ocpp/GW-1"):
            assert get(gateway, path)[0] == 404
    assert end(gateway) == 0
    assert GatewayNode.objects.get().stopped_at is not None
    assert "Traceback" not in gateway.log


def test_web_serves_the_site_and_refuses_chargers(make_product: MakeProduct) -> None:
    web = make_product(*WEB)
    assert get(web, "/admin/login/")[0] == 200
    assert get(web, "/api/v1/status")[0] == 200
    assert health(web)["checks"] == {"database": "ok", "channel_layer": "ok"}
    with RawSocket(web.port) as raw:
        raw.send(upgrade_request("/ocpp/GW-1", [VERSION]))
        answer = raw.read_to_end()
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"they connect to a gateway process" in answer
    assert not GatewayNode.objects.exists()
    assert end(web, signal.SIGINT) == 0
    assert [line for line in web.log.splitlines() if '"level": "error"' in line] == []


def test_worker_runs_the_jobs_and_tells_of_them(make_product: MakeProduct) -> None:
    worker = make_product(*WORKER)
    name = "chargepoints.expire_commands"
    wait_until(
        lambda: f'csms_job_runs_total{{job="{name}",outcome="ok"}}' in get(worker, "/metrics")[1], name
    )
    wait_healthy(worker, {"database": "ok", **JOBS})
    assert end(worker) == 0
    assert "Traceback" not in worker.log


def test_second_signal_ends_a_process_at_once(make_product: MakeProduct) -> None:
    worker = make_product(*WORKER)
    began = time.monotonic()
    os.kill(worker.process.pid, signal.SIGSTOP)  # both signals are there before it can end in good order
    worker.process.send_signal(signal.SIGTERM)
    worker.process.send_signal(signal.SIGINT)
    os.kill(worker.process.pid, signal.SIGCONT)
    assert worker.process.wait(20) in {128 + signal.SIGTERM, 128 + signal.SIGINT}
    assert time.monotonic() - began < 10
    assert "process.ended_at_once" in worker.log


@pytest.mark.parametrize("command", [GATEWAY, WEB, WORKER], ids=["gateway", "web", "worker"])
def test_service_manager_is_told_of_start_and_stop(
    make_product: MakeProduct, tmp_path: Path, command: tuple[str, ...]
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        process = make_product(*command, NOTIFY_SOCKET=str(tmp_path / "notify"))
        assert manager.recv(100) == b"READY=1"
        process.terminate()
        assert manager.recv(100) == b"STOPPING=1"
    assert process.process.wait(30) == 0


@pytest.mark.parametrize("command", ["gateway", "web", "worker"])
def test_process_on_a_port_in_use_is_refused_in_one_sentence(make_product: MakeProduct, command: str) -> None:
    product = make_product(*WEB)
    option = "--health-port" if command == "worker" else "--port"
    done = run(product, command, option, str(product.port))
    assert done.returncode == 1
    assert f"CommandError: Port {product.port} is in use by another program" in done.stderr
    assert "Traceback" not in done.stderr


def test_job_by_hand_is_run_once(make_product: MakeProduct) -> None:
    product = make_product(*WEB)
    assert end(product) == 0
    done = run(product, "worker", "--once", "chargepoints.purge_receipts")
    assert done.stdout == "chargepoints.purge_receipts: 0 rows\n"
    assert len(run(product, "worker", "--list").stdout.splitlines()) == len(registered())


if POSTGRESQL_URL:  # several processes on one database: SQLite serves one

    def test_web_workers_share_the_port_and_their_figures_and_are_replaced(make_product: MakeProduct) -> None:
        web = make_product(*WEB, "--workers", "2")
        wait_until(lambda: "process.started" in web.log, "both serve", 30)
        assert get(web, "/api/v1/status")[0] == 200
        assert "django_http_requests_total_by_method_total" in get(web, "/metrics")[1]
        first = _children(web.process.pid)
        assert len(first) == 2
        os.kill(first[0], signal.SIGKILL)
        wait_until(lambda: len(set(_children(web.process.pid)) - set(first)) == 1, "another one", 20)
        assert get(web, "/api/v1/status")[0] == 200
        assert end(web) == 0
        assert "web.worker_died" in web.log

    def test_second_signal_ends_web_workers_at_once(make_product: MakeProduct) -> None:
        web = make_product(*WEB, "--workers", "2")
        wait_until(lambda: "process.started" in web.log, "both serve", 30)
        children = _children(web.process.pid)
        os.kill(children[0], signal.SIGSTOP)  # it cannot end in good order
        web.terminate()
        wait_until(lambda: not _is_running(children[1]), "the other one has ended", 20)
        web.terminate()
        assert web.process.wait(10) == 128 + signal.SIGTERM
        wait_until(lambda: not _is_running(children[0]), "it has been killed", 10)

    def test_web_workers_end_with_their_parent(make_product: MakeProduct) -> None:
        web = make_product(*WEB, "--workers", "2")
        wait_until(lambda: "process.started" in web.log, "both serve", 30)
        children = _children(web.process.pid)
        web.kill()
        wait_until(lambda: not any(_is_running(pid) for pid in children), "the children have ended", 20)

    def test_job_asked_for_by_hand_is_run_by_a_worker(make_product: MakeProduct) -> None:
        worker = make_product(*WORKER)
        name = "chargepoints.purge_nodes"  # once an hour otherwise
        assert run(worker, "worker", "--soon", name).stdout == f"{name}: asked for\n"
        wait_until(lambda: f'{{job="{name}",outcome="ok"}}' in get(worker, "/metrics")[1], name)

    def test_processes_share_a_database(make_product: MakeProduct) -> None:
        gateway, second = make_product(*GATEWAY), make_product(*GATEWAY)
        worker = make_product(*WORKER)
        with open_charger(gateway, "SHARED-1"), open_charger(second, "SHARED-2"):
            assert GatewayNode.objects.filter(stopped_at=None).count() == 2
            assert [end(worker), end(second), end(gateway)] == [0, 0, 0]

else:

    def test_second_process_on_sqlite_is_refused_in_one_sentence(make_product: MakeProduct) -> None:
        gateway = make_product(*GATEWAY)
        for command in ("worker", "web", "gateway"):
            done = run(gateway, command, "--health-port" if command == "worker" else "--port", "1024")
            assert done.returncode == 1
            assert "SQLite serves one process: stop it first, or set DATABASE_URL" in done.stderr
            assert len(done.stderr.splitlines()) == 1

    def test_job_cannot_be_asked_for_on_sqlite(make_product: MakeProduct) -> None:
        done = run(make_product(*WEB), "worker", "--soon", "chargepoints.purge_nodes")
        assert "SQLite has no workers" in done.stderr

    def test_web_workers_on_sqlite_are_refused(make_product: MakeProduct) -> None:
        web = make_product(*WEB)
        assert end(web) == 0
        done = run(web, "web", "--port", str(web.port), "--workers", "2")
        assert "SQLite serves one process: leave --workers out" in done.stderr


def _children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def _is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
