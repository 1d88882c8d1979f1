"""Starting the whole product in one process: `manage.py up`.

Everything that can be wrong is found before success is reported, and said in one sentence (`UpError`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError, connection
from django.db.migrations.exceptions import InconsistentMigrationHistory
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import NotSupportedError
from django.utils import timezone

from accounts.errors import AccountsError
from accounts.models import User
from accounts.services import tenants
from csms_project import network
from csms_project.common import migrating
from csms_project.common.partitions import ensure_partitions

Say = Callable[[str], None]
START_LOCK = 0x63736D73  # any number that only we use


class UpError(Exception):
    """The product cannot be started; the message is one sentence for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the server listens."""

    host: str = "127.0.0.1"
    port: int = 8000

    @property
    def local_url(self) -> str:
        """Host and port for a client on this machine."""
        host = "127.0.0.1" if self.host in network.WILDCARDS else self.host
        return f"{network.url_host(host)}:{self.port}"


def prepare(*, address: Address, say: Say) -> None:
    """Check address, directory and database, migrate, and make the default tenant and the first admin."""
    settings.DEBUG = False
    check_address(address)
    prepare_directory(settings.DATA_DIR)
    prepare_database(say=say)


def check_address(address: Address) -> None:
    """Prove that a server could listen there."""
    try:
        network.check_free(address.host, address.port)
    except network.AddressError as error:
        raise UpError(str(error)) from error


def prepare_database(*, say: Say) -> None:
    """Bring the database to this version, and make the default tenant and the first admin."""
    check_database()
    with start_lock():
        migrate(say=say)
        make_first_rows(say=say)


def prepare_directory(path: Path) -> None:
    """Create DATA_DIR and prove that this user may write there."""
    probe = path / f".write-test-{os.getpid()}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UpError(
            f"Cannot write in {error.filename or path}: {error.strerror}. "
            "Set DATA_DIR to a directory that this user may write."
        ) from error


def lock_database(path: Path) -> IO[str] | None:
    """Hold an SQLite database while this process lives: it serves one server.

    Returns  the open lock file beside it, to be kept; None on systems without file locks
    """
    try:
        import fcntl
    except ImportError:
        return None
    try:
        file = path.with_name(f"{path.name}.lock").open("a+")
    except OSError as error:
        raise UpError(f"Cannot write {error.filename}: {error.strerror}.") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        owner = file.read().strip() or "unknown"
        file.close()
        raise UpError(
            f"Another server (process {owner}) uses the database {path}, and SQLite serves one process: "
            "stop it first, or set DATABASE_URL=postgresql://…"
        ) from error
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def check_database() -> None:
    """Connect once, without the pool, which would retry for half a minute."""
    try:
        if settings.POSTGRESQL:
            _check_postgresql()
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, NotSupportedError) as error:
        raise UpError(f"The database {database_name()} cannot be used: {first_line(error)}.") from error


def _check_postgresql() -> None:
    import psycopg

    parameters: dict[str, Any] = connection.get_connection_params()
    parameters.pop("context", None)
    parameters.pop("cursor_factory", None)
    try:
        psycopg.connect(**parameters).close()
    except psycopg.Error as error:
        raise DatabaseError(str(error)) from error


def database_name() -> str:
    """The database for people, without its password."""
    values = settings.DATABASES["default"]
    if settings.SQLITE:
        return str(values["NAME"])
    place = f"{values.get('HOST') or 'localhost'}:{values.get('PORT') or 5432}"
    return f"{values['NAME']} at {place}"


def first_line(error: BaseException) -> str:
    """The first line of an error's text, without a full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")


def migrate(*, say: Say) -> None:
    """Bring the database to this version."""
    try:
        pending = check_migrations()
        if pending:
            say(f"Updating the database {database_name()}: {pending} migrations")
            migrating.patiently(lambda: call_command("migrate", interactive=False, verbosity=0), say=say)
        # Before anything is written: rows in the default partition would forbid that of their month.
        ensure_partitions(timezone.now())
    except (DatabaseError, InconsistentMigrationHistory, CommandError) as error:
        raise UpError(f"The database {database_name()} could not be updated: {first_line(error)}.") from error


def check_migrations() -> int:
    """Number of migrations to apply; refuses a database that a newer version has changed."""
    executor = MigrationExecutor(connection)
    executor.loader.check_consistent_history(connection)
    newer = find_newer(executor)
    if newer:
        raise UpError(
            f"The database {database_name()} was changed by a newer version of this software "
            f"({'.'.join(newer[0])}): update it."
        )
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def find_newer(executor: MigrationExecutor) -> list[tuple[str, str]]:
    """Applied migrations of our apps that this version does not know."""
    known = set(executor.loader.disk_migrations)
    ours = {app for app, _ in known}
    # A squashed migration replaces others that stay recorded.
    replaced = {name for migration in executor.loader.disk_migrations.values() for name in migration.replaces}
    return sorted(
        name
        for name in executor.loader.applied_migrations
        if name[0] in ours and name not in known | replaced
    )


@contextmanager
def start_lock() -> Iterator[None]:
    """What is done here, one process does at a time: an advisory lock of PostgreSQL; SQLite has its file lock."""
    if not settings.POSTGRESQL:
        yield
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [START_LOCK])
    except DatabaseError as error:
        raise UpError(f"The database {database_name()} cannot be used: {first_line(error)}.") from error
    try:
        yield
    finally:
        with suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [START_LOCK])


def make_first_rows(*, say: Say) -> None:
    """The default tenant and the first admin; a generated password is shown here and never again."""
    try:
        tenants.ensure_default_tenant()
        admins = User.objects.filter(is_superuser=True, is_active=True).order_by("pk")
        known = admins.filter(username=settings.CSMS_ADMIN_USERNAME).first() or admins.first()
        if known is not None:
            name = known.username
            say(f"Admin: user {name} exists (forgotten the password? manage.py changepassword {name})")
            return
        user, generated = tenants.ensure_first_admin(
            settings.CSMS_ADMIN_USERNAME, settings.CSMS_ADMIN_PASSWORD or None
        )
    except ValidationError as error:
        raise UpError(f"The first admin cannot be made: {' '.join(error.messages)}") from error
    except (AccountsError, DatabaseError) as error:
        raise UpError(f"The first admin cannot be made: {first_line(error)}.") from error
    if not user.is_superuser or not user.is_active:
        raise UpError(
            f"No administrator is left, and user {user.username} is none: "
            "set CSMS_ADMIN_USERNAME to a new name."
        )
    if generated:
        say(f"First admin made: user {user.username}, password {generated} (shown only now)")
    else:
        say(f"First admin made: user {user.username}, with the password of CSMS_ADMIN_PASSWORD")


def own_url(address: Address) -> str:
    """Where other machines reach this server; on the loopback address only this one does."""
    return f"http://{network.reachable_hosts(address.host)[0]}:{address.port}"


def banner(address: Address, *, with_tls: bool = False) -> list[str]:
    """What is printed once the server listens."""
    s = "s" if with_tls else ""
    lines = [f"Charging station management system {settings.VERSION} is running. Stop it with Ctrl+C.", ""]
    hosts = [f"{host}:{address.port}" for host in network.reachable_hosts(address.host)]
    first = "Open"
    for host in hosts:
        lines += [
            f"  {first:<9}http{s}://{host}/admin/   API: http{s}://{host}/api/docs/",
            f"  {'':<9}Chargers connect to  ws{s}://{host}{settings.OCPP_PATH}",
        ]
        first = "or"
    if settings.PUBLIC_URL:
        public = settings.PUBLIC_URL.rstrip("/")
        socket_url = public.replace("http", "ws", 1)
        lines += [
            f"  {'Public':<9}{public}/admin/   API: {public}/api/docs/",
            f"  {'':<9}Chargers connect to  {socket_url}{settings.OCPP_PATH}",
        ]
    lines += [
        "",
        "  A charger adds its identity to that URL; where it does not, type it behind the last slash.",
    ]
    if network.is_loopback(address.host):
        lines += [
            f"  Real chargers cannot reach {address.host}. To serve your network, start with --host 0.0.0.0",
            '  (make run ARGS="--host 0.0.0.0").',
        ]
    return [*lines, ""]
