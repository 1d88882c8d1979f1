"""The buttons under which a charge point's page offers its commands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from accounts.admin_base import allowed
from chargepoints.command_fields import SEND_DANGEROUS, CommandSpec
from chargepoints.command_specs import GROUPS, NEUTRAL
from chargepoints.commands import can_be_said
from chargepoints.models import ChargePoint

RAW = CommandSpec(
    action="raw",
    label="OCPP message",
    description="Send an OCPP message as it is, after its schema check. For what has no form of its own.",
    dangerous=True,
    permission=SEND_DANGEROUS,
    confirm="Send this message as it is?",
)
ON_OVERVIEW = (
    "remote_start",
    "unlock_connector",
    "reset",
    "change_availability",
    "trigger_message",
    "get_configuration",
)


def button_groups(request: HttpRequest, obj: ChargePoint) -> list[tuple[str, list[dict[str, Any]]]]:
    """All commands that may be sent from here, by what they are about."""
    groups = [(title, _buttons(request, obj, specs)) for title, specs in (*GROUPS, ("OCPP", (RAW,)))]
    return [(title, made) for title, made in groups if made]


def buttons(
    request: HttpRequest, obj: ChargePoint, *, names: Sequence[str] = ON_OVERVIEW
) -> list[dict[str, Any]]:
    """Some of the commands that may be sent from here."""
    return _buttons(request, obj, [NEUTRAL[name] for name in names])


def _buttons(request: HttpRequest, obj: ChargePoint, specs: Iterable[CommandSpec]) -> list[dict[str, Any]]:
    if obj.archived_at is not None:
        return []
    return [
        {
            "label": spec.label,
            "title": spec.description,
            "is_dangerous": spec.dangerous,
            "url": reverse("admin:chargepoints_chargepoint_command", args=[obj.pk, spec.action]),
        }
        for spec in specs
        if allowed(request, spec.permission, obj) and (spec is RAW or can_be_said(obj, spec.action))
    ]
