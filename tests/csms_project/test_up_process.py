"""`manage.py up` as a process of its own, on a database file."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

pytestmark = pytest.mark.server
KEPT = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "TMPDIR", "VIRTUAL_ENV")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a clean installation."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**kept, "DATA_DIR": str(tmp_path / "data"), "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


def _command(*arguments: str) -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]


def _fail(environment: dict[str, str], *arguments: str) -> str:
    """Run `up`, which must not start; returns its only line on standard error."""
    done = subprocess.run(
        _command("up", *arguments),
        env=environment,
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert done.returncode != 0
    assert "is running" not in done.stdout
    assert "Traceback" not in done.stderr
    assert len(lines) == 1, done.stderr
    return lines[0]


class Up:
    """A running `up`."""

    def __init__(self, environment: dict[str, str], *arguments: str) -> None:
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed with the process
        self.process = subprocess.Popen(
            _command("up", *arguments),
            env=environment,
            cwd=settings.BASE_DIR,
            stdout=subprocess.PIPE,
            stderr=self.errors,
        )
        self.text = ""

    def wait_for(self, text: str) -> None:
        """Read its output until the text has come."""
        assert self.process.stdout is not None
        output = self.process.stdout.fileno()
        deadline = time.monotonic() + 50
        while time.monotonic() < deadline and text not in self.text:
            if not select.select([output], [], [], 1)[0]:
                continue
            if not (data := os.read(output, 65536)):
                break
            self.text += data.decode()
        if text not in self.text:
            self.end()
            self.errors.seek(0)
            raise AssertionError(f"{text!r} never came: {self.text} {self.errors.read()}")

    def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        self.text += self.process.communicate(timeout=30)[0].decode()
        return self.process.returncode

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


@pytest.fixture
def started() -> Iterator[list[Up]]:
    """Processes that are ended with the test, whatever happens."""
    running: list[Up] = []
    yield running
    for item in running:
        item.end()
        item.errors.close()


def test_port_in_use_is_one_sentence(environment: dict[str, str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        number = other.getsockname()[1]
        line = _fail(environment, "--port", str(number))
    assert f"Port {number} is in use by another program: choose a free one with --port." in line


def test_data_directory_that_cannot_be_written_is_one_sentence(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    line = _fail({**environment, "DATA_DIR": str(tmp_path / "file")})
    assert "Cannot write" in line
    assert "Set DATA_DIR to a directory that this user may write." in line


def test_database_that_is_away_is_one_sentence_without_password(
    environment: dict[str, str], port: int
) -> None:
    line = _fail({**environment, "DATABASE_URL": f"postgresql://csms:hunter2@127.0.0.1:{port}/csms"})
    assert f"The database csms at 127.0.0.1:{port} cannot be used: " in line
    assert "hunter2" not in line


def test_database_file_that_is_none_is_one_sentence(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "db.sqlite3").write_text("this is not a database, but long enough to be taken for one" * 20)
    line = _fail({**environment, "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3"})
    assert "cannot be used: file is not a database" in line


def test_setting_that_cannot_be_read_is_one_sentence(environment: dict[str, str]) -> None:
    line = _fail({**environment, "OCPP_PING_INTERVAL_S": "often"})
    assert line == "Configuration: OCPP_PING_INTERVAL_S=often is not a whole number."


def test_production_without_secrets_is_one_sentence(environment: dict[str, str]) -> None:
    line = _fail({**environment, "PRODUCTION": "1"})
    assert line == "Configuration: Set SECRET_KEY or SECRET_KEY_FILE: production has no default for it."


def test_server_starts_serves_stops_and_knows_its_admin_the_next_time(
    environment: dict[str, str], port: int, started: list[Up]
) -> None:
    first = Up(environment, "--port", str(port))
    started.append(first)
    first.wait_for("(make run ARGS=")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as answer:
        assert answer.status == 200
    # A second server on the same database is refused while the first one runs.
    assert f"Another server (process {first.process.pid})" in _fail(environment, "--port", str(port + 1))
    assert first.stop(signal.SIGTERM) == 0
    assert re.search(r"First admin made: user admin, password \S{12,} \(shown only now\)", first.text)
    assert f"ws://127.0.0.1:{port}/ocpp/" in first.text
    secrets = Path(environment["DATA_DIR"]) / "secrets"
    assert {file.stat().st_mode & 0o777 for file in secrets.iterdir()} == {0o600}

    second = Up(environment, "--port", str(port))
    started.append(second)
    second.wait_for("(make run ARGS=")
    assert second.stop(signal.SIGINT) == 0
    assert "Admin: user admin exists" in second.text
    assert "migrations" not in second.text
