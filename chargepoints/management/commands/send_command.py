"""`manage.py send_command IDENTITY ACTION [name=value …]`."""

from __future__ import annotations

import getpass
import json
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.permissions import Actor
from chargepoints import commands
from chargepoints.choices import CommandStatus, Via
from chargepoints.command_specs import NEUTRAL
from chargepoints.errors import ChargePointsError, InvalidPayload
from chargepoints.models import ChargePoint
from chargepoints.models import Command as CommandRow
from chargepoints.services.cautions import warnings_for

POLL_S = 0.2


class Command(BaseCommand):
    """Queues a command for a charger and waits for its outcome."""

    help = "Send a command to a charge point and show what became of it."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = ", ".join(sorted(NEUTRAL))
        parser.add_argument("identity", help="identity of the charge point")
        parser.add_argument("action", help=f"{actions}; or an OCPP action such as Reset, sent verbatim")
        parser.add_argument(
            "arguments", nargs="*", help="name=value; values are read as JSON where they can be"
        )
        parser.add_argument("--payload", help="all arguments as one JSON object, instead of name=value")
        parser.add_argument(
            "--wait", type=float, default=30.0, help="seconds to wait for the outcome (0: do not wait)"
        )
        parser.add_argument("--timeout", type=int, help="seconds the charger has to answer")
        parser.add_argument("--expires-in", type=int, help="seconds to wait for a charger that is offline")
        parser.add_argument("--json", action="store_true", help="print the command as JSON")

    def handle(self, **options: Any) -> None:
        charge_point = _find(options["identity"])
        actor = Actor.system(getpass.getuser(), via=Via.CLI)
        action, payload = options["action"], _payload(options)
        try:
            waits = options["expires_in"] is not None
            found = warnings_for(charge_point, action, payload, waits=waits)
            command = commands.queue(
                actor=actor,
                charge_point=charge_point,
                action=action,
                payload=payload,
                expires_in=options["expires_in"],
                timeout_s=options["timeout"],
            )
        except InvalidPayload as error:
            raise CommandError("; ".join(f"{name}: {text}" for name, text in error.errors.items())) from error
        except ChargePointsError as error:
            raise CommandError(str(error)) from error
        for warning in found:
            self.stderr.write(f"Warning: {warning}", self.style.WARNING)
        self._report(_wait(command, options["wait"]), as_json=options["json"])

    def _report(self, command: CommandRow, *, as_json: bool) -> None:
        if as_json:
            shown = {
                name: getattr(command, name)
                for name in ("id", "action", "status", "request", "response", "summary", "error")
            }
            self.stdout.write(json.dumps(shown))
        else:
            self.stdout.write(f"{command}: {CommandStatus(command.status).label}")
            for name in ("request", "response", "error"):
                if getattr(command, name) is not None:
                    self.stdout.write(f"  {name}: {json.dumps(getattr(command, name))}")
            if command.summary:
                self.stdout.write(f"  {command.summary}")
        if command.is_final and command.status != CommandStatus.ACCEPTED:
            raise CommandError(f"The command ended as “{CommandStatus(command.status).label}”.", returncode=2)


def _find(identity: str) -> ChargePoint:
    found: ChargePoint | None = ChargePoint.objects.filter(identity_key=identity.casefold()).first()
    if found is None:
        raise CommandError(f"There is no charge point “{identity}”.")
    return found


def _payload(options: dict[str, Any]) -> dict[str, Any]:
    if options["payload"] is not None:
        try:
            payload = json.loads(options["payload"])
        except ValueError as error:
            raise CommandError(f"--payload is not JSON: {error}") from error
        if not isinstance(payload, dict):
            raise CommandError("--payload must be a JSON object.")
        return payload
    payload = {}
    for argument in options["arguments"]:
        name, separator, text = argument.partition("=")
        if not separator:
            raise CommandError(f"“{argument}” is not of the form name=value.")
        payload[name] = _value(options["action"], name, text)
    return payload


def _value(action: str, name: str, text: str) -> Any:
    """Text where the argument is text (a tag “1234” is no number), else JSON where it can be read so."""
    field = NEUTRAL[action].field(name) if action in NEUTRAL else None
    if field is not None and field.type in ("string", "enum", "datetime"):
        return text
    if field is not None and field.type == "strings":
        return [item for item in text.split(",") if item]
    try:
        return json.loads(text)
    except ValueError:
        return text


def _wait(command: CommandRow, seconds: float) -> CommandRow:
    deadline = time.monotonic() + seconds
    while not command.is_final and time.monotonic() < deadline:
        time.sleep(POLL_S)
        command.refresh_from_db()
    return command
