"""`manage.py issue_cert`: a certificate for this system's server, or for a charger from a file."""

from __future__ import annotations

import getpass
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccountsError
from accounts.permissions import Actor
from chargepoints.certificate_providers import ProviderError
from chargepoints.choices import Via
from chargepoints.errors import ChargePointsError
from chargepoints.pki.keys import KeyKind
from chargepoints.selectors import find_charge_point
from chargepoints.services import authorities, certificate_requests, certificates


class Command(BaseCommand):
    """Writes files; the server's private key is kept nowhere else."""

    help = "Sign a certificate for the gateway (--server) or for a charger (--charger with --csr)."

    def add_arguments(self, parser: CommandParser) -> None:
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument(
            "--server",
            nargs="+",
            metavar="HOST",
            help="names or addresses under which chargers reach the gateway",
        )
        whose.add_argument("--charger", metavar="IDENTITY", help="a registered charge point")
        parser.add_argument("--csr", type=Path, help="with --charger: the request that it has made, in PEM")
        parser.add_argument(
            "--key", choices=KeyKind.values, default=KeyKind.EC_P256, help="with --server: kind of its key"
        )
        parser.add_argument(
            "--days", type=float, default=certificates.SERVER_DAYS, help="with --server: how long it is valid"
        )
        parser.add_argument(
            "--out",
            type=Path,
            default=Path(),
            help="folder for server.pem, server.key and roots.pem; or file for the charger's chain",
        )

    def handle(self, **options: Any) -> None:
        actor = Actor.system(getpass.getuser(), via=Via.CLI)
        try:
            if options["server"]:
                self._server(actor, options)
            else:
                self._charger(actor, options)
        except (ChargePointsError, AccountsError, ProviderError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}") from error

    def _server(self, actor: Actor, options: dict[str, Any]) -> None:
        if options["csr"]:
            raise CommandError("--csr is for --charger: the server's key is made here.")
        if not 0 < options["days"] <= 825:
            raise CommandError("--days must be more than 0 and at most 825.")
        folder: Path = options["out"]
        if not folder.is_dir():
            raise CommandError(f"{folder} is no folder.")
        made = certificates.issue_server(
            actor=actor,
            hosts=options["server"],
            key_kind=options["key"],
            valid_for=timedelta(days=options["days"]),
        )
        name = "server-rsa" if options["key"].startswith("rsa") else "server"
        _write_private(folder / f"{name}.key", made.key_pem)
        (folder / f"{name}.pem").write_text(made.row.full_chain)
        (folder / "roots.pem").write_text(authorities.roots_pem())
        self.stdout.write(
            f"{made.row.common_name}: valid until {made.row.not_after:%Y-%m-%d %H:%M} UTC\n"
            f"  {folder / name}.pem (with its chain), {folder / name}.key, {folder / 'roots.pem'} (for the chargers)"
        )

    def _charger(self, actor: Actor, options: dict[str, Any]) -> None:
        if options["csr"] is None:
            raise CommandError(
                "--charger needs --csr FILE: the key is made in the charger and never leaves it."
            )
        station = find_charge_point(None, options["charger"])
        if station is None:
            raise CommandError(f"There is no charge point {options['charger']}.")
        csr = options["csr"].read_text(errors="replace")
        made = certificate_requests.sign_for(actor=actor, charge_point=station, csr=csr)
        if options["out"] == Path():
            self.stdout.write(made.full_chain, ending="")
            return
        options["out"].write_text(made.full_chain)
        self.stdout.write(f"{made}: valid until {made.not_after:%Y-%m-%d}, written to {options['out']}")


def _write_private(path: Path, text: str) -> None:
    """A file that only its owner reads, from its first byte on; one that exists is replaced."""
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
