"""What the processes of a larger installation have in common: `manage.py gateway`, `web` and `worker`.

`manage.py up` is all of them in one. These migrate nothing: `manage.py prepare` does, once for each version.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from csms_project import health, up
from csms_project.up import Address, UpError

if TYPE_CHECKING:
    from ocpp_gateway.tls import TlsKeeper

logger = logging.getLogger(__name__)


def port_number(text: str) -> int:
    """A port given on the command line."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port; use a number from 1 to 65535")
    return int(text)


def add_address(parser: CommandParser, *, port: int) -> None:
    """The options --host and --port."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 for the network")
    parser.add_argument("--port", type=port_number, default=port, help=f"port to listen on ({port})")


def add_tls(parser: CommandParser) -> None:
    """The options --tls-cert, --tls-key, --tls-client-ca, --tls-crl and --tls-allow-plain."""
    again = "may be given again"
    add = parser.add_argument
    add(
        "--tls-cert", action="append", metavar="FILE", help=f"certificate chain of this server (PEM); {again}"
    )
    add(
        "--tls-key",
        action="append",
        metavar="FILE",
        help="its key; without it the certificate's file has both",
    )
    add(
        "--tls-client-ca",
        action="append",
        metavar="FILE",
        help=f"authorities of client certificates; {again}",
    )
    add("--tls-crl", action="append", metavar="FILE", help=f"their revocation list; {again}")
    add(
        "--tls-allow-plain",
        action="store_true",
        help="serve connections without TLS on the same port, too (security profiles 0 and 1)",
    )


def tls_of(options: dict[str, Any]) -> TlsKeeper | None:
    """What was given for them, or else in the settings; None: no TLS here.

    Raises  UpError  the files cannot be used
    """
    from ocpp_gateway.tls import TlsError, TlsFiles, TlsKeeper, pair_up

    own = options["tls_cert"]
    certificates, keys = (own, options["tls_key"] or []) if own else (settings.TLS_CERT, settings.TLS_KEY)
    authorities = options["tls_client_ca"] or settings.TLS_CLIENT_CA
    lists = options["tls_crl"] or settings.TLS_CRL
    if not certificates and (options["tls_key"] or options["tls_client_ca"]):
        raise UpError("TLS needs a certificate of this server: give it with --tls-cert.")
    if not certificates and not lists:
        return None
    try:
        return TlsKeeper(
            TlsFiles(
                certificates=pair_up(certificates, keys),
                client_cas=tuple(Path(name) for name in authorities),
                revocations=tuple(Path(name) for name in lists),
                allow_plain=options["tls_allow_plain"] or settings.TLS_ALLOW_PLAIN,
                with_builtin=settings.TLS_BUILTIN_CA,
            )
        )
    except TlsError as error:
        raise UpError(str(error)) from error


def watch_tls(tls: TlsKeeper | None) -> None:
    """Let /health say when the server's certificate ends, or when new files cannot be used."""
    if tls is not None:
        health.register_check("tls", tls.problem, dispensable=True)


def address_of(options: dict[str, object]) -> Address:
    """What was given for them."""
    return Address(host=str(options["host"]), port=int(str(options["port"])))


@contextmanager
def ready_database() -> Iterator[None]:
    """Prove that the database can be used and has our tables; an SQLite file is ours alone meanwhile.

    Raises  UpError
    """
    settings.DEBUG = False
    lock = None
    if settings.SQLITE or not settings.PRODUCTION:
        up.prepare_directory(settings.DATA_DIR)
    if settings.SQLITE:
        lock = up.lock_database(Path(settings.DATABASES["default"]["NAME"]))
    try:
        up.check_database()
        check_schema()
        connection.close()
        yield
    finally:
        if lock is not None:
            lock.close()


def check_schema() -> None:
    """Refuse a database that lacks migrations.

    One that a newer version has changed is served: while an upgrade is under way processes of the old one go on, and
    are started again when they have to be.
    """
    try:
        executor = MigrationExecutor(connection)
        missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except DatabaseError as error:
        raise UpError(f"The database {up.database_name()} cannot be used: {up.first_line(error)}.") from error
    if missing:
        raise UpError(
            f"The database {up.database_name()} lacks {missing} migrations: run manage.py prepare first."
        )
    if newer := up.find_newer(executor):
        logger.warning("process.database_is_newer", extra={"migration": ".".join(newer[0])})


def check_static_files() -> None:
    """Refuse to serve a site without its style sheets and scripts."""
    if settings.PRODUCTION and not settings.STATIC_ROOT.is_dir():
        raise UpError(f"There is no {settings.STATIC_ROOT}: run manage.py collectstatic --noinput first.")


def listening(role: str, address: Address) -> Callable[[], None]:
    """Says in the log, once the port is open, what listens where."""

    def say() -> None:
        fields = {"role": role, "host": address.host, "port": address.port, "pid": os.getpid()}
        logger.info("process.started", extra={**fields, "version": settings.VERSION})

    return say


def leave_on_sigterm() -> None:
    """End with code 0 on a SIGTERM that comes before the server takes the signals."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))


def cannot_serve(address: Address, error: OSError) -> UpError:
    """One sentence for a port that was taken meanwhile."""
    return UpError(f"Cannot serve on {address.host} port {address.port}: {error.strerror}.")
