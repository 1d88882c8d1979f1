"""`manage.py configuration show|compare|drift|apply|export|import`: configurations of chargers and their templates."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccountsError
from accounts.models import Tenant
from accounts.permissions import Actor
from accounts.selectors import default_tenant
from chargepoints import errors
from chargepoints.choices import DriftState, Via
from chargepoints.comparing import compare
from chargepoints.models import ChargePoint, ConfigurationTemplate, Location
from chargepoints.selectors import find_charge_point, find_configuration_state, variables_of
from chargepoints.services import applying, drift, templates


class Command(BaseCommand):
    """Shows what chargers have and what they should have, and sends what differs."""

    help = "Configurations of chargers: what they have, what their templates want, and sending what differs."

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
        show = acts.add_parser("show", help="the keys of a charger as they were last read")
        show.add_argument("identity")
        show.add_argument("--search", default="", help="only names, values and components with this text")
        show.add_argument("--writable", action="store_true", help="only what can be changed")
        both = acts.add_parser("compare", help="two chargers side by side")
        both.add_argument("left", metavar="IDENTITY")
        both.add_argument("right", metavar="IDENTITY")
        both.add_argument("--all", action="store_true", help="also keys in which they do not differ")
        for act, text in (
            ("drift", "how chargers differ from their templates"),
            ("apply", "send what differs; without --yes it is only shown"),
        ):
            one = acts.add_parser(act, help=text)
            one.add_argument("identity", nargs="*", help="these chargers; without any: all")
            one.add_argument("--template", help="only keys whose value comes from the template of this name")
            one.add_argument("--site", help="only chargers of the location of this name")
            one.add_argument("--tenant", help="slug of the organisation; without it: the default one")
            if act == "apply":
                one.add_argument("--yes", action="store_true", help="send it, as a fleet task")
                one.add_argument("--with-refused", action="store_true", help="also what was refused before")
                one.add_argument(
                    "--reset", action="store_true", help="a soft reset of each charger at the end"
                )
                one.add_argument("--expires-in", type=int, help="seconds to wait for offline chargers")
        out = acts.add_parser("export", help="a template as JSON, without secrets")
        out.add_argument("name")
        out.add_argument("--tenant", help="slug of the organisation; without it: the default one")
        into = acts.add_parser("import", help="a template from a JSON file; it is not in use at first")
        into.add_argument("file", type=Path)
        into.add_argument("--tenant", help="slug of the organisation; without it: the default one")

    def handle(self, **options: Any) -> None:
        acts: dict[str, Callable[[dict[str, Any]], None]] = {
            "show": self._show,
            "compare": self._compare,
            "drift": self._drift,
            "apply": self._apply,
            "export": self._export,
            "import": self._import,
        }
        try:
            acts[options["act"]](options)
        except (errors.Invalid, errors.ChargePointsError, AccountsError) as error:
            raise CommandError(str(error)) from error

    # ------------------------------------------------------------ acts

    def _show(self, options: dict[str, Any]) -> None:
        charge_point = _charge_point(options["identity"])
        state = find_configuration_state(charge_point)
        whole = state.whole_read_at if state is not None else None
        self.stdout.write(
            f"All keys were read on {whole:%Y-%m-%d %H:%M} UTC." if whole else "Never read as a whole."
        )
        for row in variables_of(charge_point):
            told = not row.component or row.read_at is not None or row.set_answered_at is not None
            text = f"{row.key} = {row.value if row.value is not None else '–'}{_unit(row)}"
            fits = options["search"].casefold() in text.casefold()
            if told and fits and (row.may_change or not options["writable"]):
                self.stdout.write(f"{text}{_marks(row)}")

    def _compare(self, options: dict[str, Any]) -> None:
        left, right = _charge_point(options["left"]), _charge_point(options["right"])
        lines = compare(variables_of(left), variables_of(right), only_different=not options["all"])
        for line in lines:
            self.stdout.write(f"{line.name}: {line.left.text} | {line.right.text} ({line.verdict})")
        if not lines:
            self.stdout.write("No differences.")

    def _drift(self, options: dict[str, Any]) -> None:
        report = drift.report(_scope(options))
        self._tell(report.rows)
        self.stdout.write(f"{report.covered} chargers with a template, {report.in_line} in line.")

    def _apply(self, options: dict[str, Any]) -> None:
        scope = _scope(options)
        planned = applying.plan(
            scope, charge_points=scope.charge_points, with_refused=options["with_refused"]
        )
        self._tell(planned.sent)
        self.stdout.write(
            f"{len(planned.sent)} keys of {planned.chargers} chargers differ and can be sent, "
            f"{len(planned.left)} cannot."
        )
        if not options["yes"]:
            self.stdout.write("Nothing was sent: add --yes to send them.")
            return
        assert scope.tenant is not None
        task = applying.apply(
            actor=_actor(),
            tenant=scope.tenant,
            planned=planned,
            title="Set what templates want",
            reset=options["reset"],
            expires_in=options["expires_in"],
        )
        self.stdout.write(f"Task {task.pk}: manage.py fleet show {task.pk}")

    def _export(self, options: dict[str, Any]) -> None:
        found = _template(_tenant(options["tenant"]), options["name"])
        self.stdout.write(json.dumps(templates.to_document(found), indent=2, ensure_ascii=False))

    def _import(self, options: dict[str, Any]) -> None:
        try:
            document = json.loads(options["file"].read_text("utf-8-sig"))
        except (OSError, ValueError, RecursionError) as error:
            raise CommandError(f"{options['file']} cannot be read: {error}") from error
        made = templates.import_document(actor=_actor(), tenant=_tenant(options["tenant"]), document=document)
        self.stdout.write(f"Template “{made.template}” was made.")
        for text in made.left_out:
            self.stdout.write(text)

    def _tell(self, rows: Any) -> None:
        for row in rows:
            note = f" {row.note}" if row.note else ""
            self.stdout.write(
                f"{row.charger.identity}  {row.key}: {row.shown_actual or '–'} → {row.shown_wanted or '(empty)'}"
                f"  {DriftState(row.state).label}, {row.wanted.source.label}.{note}"
            )


# --- what is meant ---


def _unit(row: Any) -> str:
    return f" {row.unit}" if row.unit and row.value else ""


def _marks(row: Any) -> str:
    marks = {
        "read-only": row.is_readonly,
        "write-only": row.is_writeonly,
        f"set: {row.set_status}": row.set_status not in ("", "Accepted", "RebootRequired"),
        "after a reboot": row.reboot_required,
        "unknown to the charger": row.is_unknown,
        "no longer listed": row.gone_at is not None and not row.is_unknown,
    }
    found = [name for name, is_so in marks.items() if is_so]
    return f"  ({', '.join(found)})" if found else ""


def _scope(options: dict[str, Any]) -> drift.Scope:
    tenant = _tenant(options["tenant"])
    chosen = [_charge_point(identity, tenant).pk for identity in options["identity"]]
    site = None
    if options["site"]:
        site = Location.objects.for_tenant(tenant).filter(name=options["site"]).first()
        if site is None:
            raise CommandError(f"There is no location “{options['site']}”.")
    return drift.Scope(
        tenant=tenant,
        charge_points=chosen or None,
        location_id=site.pk if site is not None else None,
        template_id=_template(tenant, options["template"]).pk if options["template"] else None,
    )


def _charge_point(identity: str, tenant: Tenant | None = None) -> ChargePoint:
    found = find_charge_point(tenant, identity)
    if found is None:
        raise CommandError(f"There is no charge point “{identity}”.")
    return found


def _template(tenant: Tenant, name: str) -> ConfigurationTemplate:
    found: ConfigurationTemplate | None = (
        ConfigurationTemplate.objects.for_tenant(tenant).filter(name=name).first()
    )
    if found is None:
        raise CommandError(f"There is no template “{name}”.")
    return found


def _tenant(slug: str | None) -> Tenant:
    if not slug:
        return default_tenant()
    found = Tenant.objects.filter(slug=slug).first()
    if found is None:
        raise CommandError(f"There is no organisation “{slug}”.")
    return found


def _actor() -> Actor:
    return Actor.system(getpass.getuser(), via=Via.CLI)
