"""`manage.py ca …`: the built-in certificate authority on the command line."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccountsError
from accounts.permissions import Actor
from accounts.services.tenants import ensure_default_tenant
from chargepoints.choices import RevocationReason, Via
from chargepoints.errors import ChargePointsError
from chargepoints.models import Certificate, CertificateAuthority
from chargepoints.pki.keys import KeyFamily, KeyKind
from chargepoints.services import authorities, certificates
from csms_project.common import crypto


class Command(BaseCommand):
    """One subcommand for each act; what they do stands in `chargepoints.services.authorities`."""

    help = "Make, list, replace and export the certificate authorities of this installation."

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
        create = acts.add_parser("create", help="make a root and an issuing authority")
        create.add_argument("--name", required=True, help="the organisation that runs this installation")
        create.add_argument("--key", choices=KeyKind.values, default=KeyKind.EC_P256, help="kind of its keys")
        acts.add_parser("list", help="list all, with validity and fingerprints")
        for act, what in (
            ("rotate", "let a new issuing authority sign from now on"),
            ("replace-root", "make a new root, that the old one vouches for, and a new issuing authority"),
        ):
            parts = acts.add_parser(act, help=what)
            parts.add_argument("--family", choices=KeyFamily.values, default=KeyFamily.EC)
            parts.add_argument("--key", choices=KeyKind.values, default="", help="kind of the new keys")
        export = acts.add_parser("export", help="write roots, all authorities or a revocation list")
        export.add_argument("what", choices=["roots", "bundle", "crl"])
        export.add_argument("--out", type=Path, help="file; without it to the standard output")
        export.add_argument(
            "--authority", help="with crl: beginning of the fingerprint (default: who signs now)"
        )
        revoke = acts.add_parser("revoke", help="revoke a certificate")
        revoke.add_argument("certificate", help="serial number or fingerprint")
        revoke.add_argument("--reason", choices=RevocationReason.values, default=RevocationReason.UNSPECIFIED)
        acts.add_parser("reencrypt", help="encrypt the private keys with the newest of FIELD_ENCRYPTION_KEYS")

    def handle(self, **options: Any) -> None:
        act = getattr(self, f"_{options['act'].replace('-', '_')}")
        try:
            act(Actor.system(getpass.getuser(), via=Via.CLI), options)
        except (ChargePointsError, AccountsError) as error:
            raise CommandError(str(error)) from error
        except crypto.InvalidToken as error:
            raise CommandError(
                "A private key cannot be decrypted: FIELD_ENCRYPTION_KEYS no longer holds its key."
            ) from error

    def _create(self, actor: Actor, options: dict[str, Any]) -> None:
        ensure_default_tenant()
        made = authorities.create(actor=actor, name=options["name"], key_kind=options["key"])
        for row in (made.parent, made):
            self._tell(row)

    def _list(self, actor: Actor, options: dict[str, Any]) -> None:
        rows = CertificateAuthority.objects.order_by("family", "-kind", "-pk").defer("private_key", "crl")
        for row in rows:
            self._tell(row)
        if not rows:
            self.stdout.write("There is no certificate authority. Make one: manage.py ca create --name …")

    def _rotate(self, actor: Actor, options: dict[str, Any]) -> None:
        self._tell(authorities.rotate_issuing(actor=actor, family=options["family"], key_kind=options["key"]))

    def _replace_root(self, actor: Actor, options: dict[str, Any]) -> None:
        self._tell(authorities.replace_root(actor=actor, family=options["family"], key_kind=options["key"]))

    def _reencrypt(self, actor: Actor, options: dict[str, Any]) -> None:
        self.stdout.write(
            f"{authorities.reencrypt(actor=actor)} private keys are encrypted with the newest key."
        )

    def _revoke(self, actor: Actor, options: dict[str, Any]) -> None:
        given = options["certificate"].replace(":", "")
        row = certificates.find_certificate(given)
        if row is None:
            found = list(Certificate.objects.filter(serial_number__iexact=given.lstrip("0"))[:2])
            if len(found) > 1:
                raise CommandError("Several certificates have this serial number: give the fingerprint.")
            row = found[0] if found else None
        if row is None:
            raise CommandError(f"There is no certificate {options['certificate']}.")
        certificates.revoke(actor=actor, certificate=row, reason=options["reason"])
        self.stdout.write(f"{row} is revoked.")

    def _export(self, actor: Actor, options: dict[str, Any]) -> None:
        content = self._content(options)
        if not content:
            raise CommandError("There is nothing to export: make an authority first.")
        if options["out"] is None:
            self.stdout.write(content.decode() if options["what"] != "crl" else "", ending="")
            if options["what"] == "crl":
                sys.stdout.buffer.write(content)
            return
        options["out"].write_bytes(content)
        self.stdout.write(f"{options['out']} is written.")

    def _content(self, options: dict[str, Any]) -> bytes:
        if options["what"] == "roots":
            return authorities.roots_pem().encode()
        if options["what"] == "bundle":
            return authorities.bundle_pem().encode()
        rows = CertificateAuthority.objects.order_by("-state", "-pk")
        if options["authority"]:
            rows = rows.filter(fingerprint__startswith=options["authority"].lower())
        else:
            rows = rows.filter(kind="issuing", state="active")
        row = rows.first()
        if row is None:
            raise CommandError("There is no such authority.")
        return bytes(row.crl)

    def _tell(self, row: CertificateAuthority | None) -> None:
        if row is not None:
            self.stdout.write(
                f"{row.common_name}: {row.get_state_display()}, {row.key}, until {row.not_after:%Y-%m-%d}\n"
                f"  {row.fingerprint}"
            )
