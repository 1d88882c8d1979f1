"""What the page of one session shows."""

from __future__ import annotations

import re
from datetime import tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from accounts.admin_base import allowed
from csms_project.common.admin import duration
from csms_project.common.charts import LineChart, line_chart
from transactions.admin.limits import limit_buttons, limit_facts
from transactions.admin.session_costs import (
    cost_buttons,
    local_cost_of,
    session_limit_facts,
    settlements_of,
)
from transactions.admin.shared import cost_of, flag_text, kwh, length, local, money, state_chip
from transactions.choices import EndKind, LedgerKind
from transactions.energy import Sample, power_w
from transactions.models import MeterValue, Transaction, TransactionEvent
from transactions.selectors import expand_meter_values, ledger_of, running_costs

#: Points of a chart; a session of a week with a sample each second has a thousand times as many.
MAX_POINTS = 400
SHOWN_SAMPLES = 100
SHOWN_EVENTS = 100
_SIGNED = "Signed"


def context(request: HttpRequest, obj: Transaction) -> dict[str, Any]:
    """The whole page."""
    keys = _sample_keys(obj)
    samples = _samples(obj, keys)
    ledger = list(ledger_of(obj))
    return {
        **live_context(obj, samples),
        "facts": [*_facts(obj), *limit_facts(obj), *session_limit_facts(obj)],
        "local_cost": local_cost_of(obj),
        "settlements": settlements_of(request, obj),
        "cost_lines": [_line(line, obj.currency) for line in obj.cost_lines],
        "totals": _totals(obj),
        "samples": _table(samples[-SHOWN_SAMPLES:]),
        "sample_count": len(keys),
        "shown_samples": SHOWN_SAMPLES,
        "ledger": ledger,
        "events": _events(obj) if obj.event_count else [],
        "flags": [{"text": flag_text(value), "name": value} for value in obj.flags],
        "explanations": [entry for entry in ledger if entry.kind == LedgerKind.ANOMALY],
        "buttons": [*_buttons(request, obj), *limit_buttons(request, obj), *cost_buttons(request, obj)],
        "meter_values_url": f"{reverse('admin:transactions_metervalue_changelist')}?transaction__id__exact={obj.pk}",
    }


def live_context(obj: Transaction, samples: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """What changes while the session runs."""
    running_costs([obj])
    rows = _samples(obj, _sample_keys(obj)) if samples is None else samples
    return {
        "session": obj,
        "state": state_chip(obj),
        "energy": kwh(obj.energy_wh),
        "cost": money(cost_of(obj), obj.currency),
        "is_free": obj.is_free,
        "length": duration(length(obj)),
        "power": f"{Decimal(obj.power_w) / 1000:.1f}" if obj.power_w is not None else None,
        "soc": obj.soc_percent,
        "charts": [chart for chart in (_power_chart(rows), _energy_chart(obj, rows)) if chart is not None],
        "now": timezone.now(),
    }


#: What a line of the export is made of.
CSV_FIELDS = (
    "ocpp_id",
    "state",
    "charge_point__identity",
    "connector_number",
    "id_token_value",
    "id_token_type",
    "started_at",
    "ended_at",
    "energy_wh",
    "cost",
    "currency",
    "stop_reason",
    "flags",
)


def csv_values(obj: Transaction, zone: tzinfo) -> list[Any]:
    """One line of the export; its times in this zone."""
    return [
        obj.pk,
        obj.ocpp_id,
        obj.state,
        obj.charge_point.identity,
        obj.connector_number,
        obj.shown_token,
        obj.started_at.astimezone(zone).isoformat(timespec="seconds"),
        obj.ended_at.astimezone(zone).isoformat(timespec="seconds") if obj.ended_at else "",
        f"{obj.energy_wh / 1000:f}",
        "" if obj.cost is None else f"{obj.cost:f}",
        obj.currency,
        obj.stop_reason,
        " ".join(obj.flags),
    ]


# --- parts ---


def _sample_keys(obj: Transaction) -> list[int]:
    rows = MeterValue.objects.filter(transaction=obj).order_by("sampled_at", "id")
    return list(rows.values_list("pk", flat=True))


def _samples(obj: Transaction, keys: list[int]) -> list[dict[str, Any]]:
    """As many samples as a chart can show, evenly spread, and the newest; of a short session all."""
    shown = {*_thinned(keys[:-SHOWN_SAMPLES]), *keys[-SHOWN_SAMPLES:]}
    rows = list(MeterValue.objects.filter(transaction=obj, pk__in=shown).order_by("sampled_at", "id"))
    expanded = expand_meter_values(rows)
    for row, values in zip(rows, expanded, strict=True):
        values["register_wh"] = row.register_wh
        values["power_w"] = power_w([_sample(sample) for sample in values["samples"]])
    return expanded


def _sample(values: dict[str, Any]) -> Sample:
    return Sample(
        **{
            name: values[name]
            for name in ("value", "measurand", "unit", "phase", "context", "location", "format")
        }
    )


def _power_chart(rows: list[dict[str, Any]]) -> LineChart | None:
    points = [
        (timezone.localtime(row["sampled_at"]), row["power_w"] / 1000)
        for row in rows
        if row["power_w"] is not None
    ]
    return line_chart("Power", _thinned(points), unit="kW")


def _energy_chart(obj: Transaction, rows: list[dict[str, Any]]) -> LineChart | None:
    known = [(row["sampled_at"], row["register_wh"]) for row in rows if row["register_wh"] is not None]
    if obj.meter_start_wh is not None and (not known or known[0][0] > obj.started_at):
        known.insert(0, (obj.started_at, obj.meter_start_wh))
    if obj.meter_stop_wh is not None and obj.ended_at is not None and known and known[-1][0] < obj.ended_at:
        known.append((obj.ended_at, obj.meter_stop_wh))
    if not known:
        return None
    base = obj.meter_start_wh if obj.meter_start_wh is not None else known[0][1]
    points = [(timezone.localtime(at), max((wh - base) / 1000, Decimal(0))) for at, wh in known]
    return line_chart("Energy", _thinned(points), unit="kWh")


def _thinned(points: list[Any]) -> list[Any]:
    step = -(-len(points) // MAX_POINTS) or 1
    return [*points[::step], *([points[-1]] if points and (len(points) - 1) % step else [])]


def _table(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A column for each kind of value that occurs, in order of first sight."""
    heads: list[str] = []
    lines = []
    for row in rows:
        cells: dict[str, str] = {}
        for sample in row["samples"]:
            if sample["format"] == "SignedData":
                # A kilobyte of characters that no person reads; the API has them.
                cells[_SIGNED] = f"{len(sample['value'])} characters"
                continue
            head = _head(sample)
            if head not in heads:
                heads.append(head)
            cells[head] = sample["value"]
        lines.append((local_seconds(row["sampled_at"]), _context(row["samples"]), cells))
    if any(_SIGNED in cells for _, _, cells in lines):
        heads.append(_SIGNED)
    body = [(at, when, [cells.get(head, "") for head in heads]) for at, when, cells in reversed(lines)]
    return {"heads": heads, "rows": body}


def local_seconds(moment: Any) -> str:
    """Date and time to the second."""
    return timezone.localtime(moment).strftime("%d %b %H:%M:%S")


def _head(sample: dict[str, Any]) -> str:
    name = str(sample["measurand"]).replace(".", " ")
    parts = [name, sample["phase"], None if sample["location"] == "Outlet" else sample["location"]]
    unit = f" ({sample['unit']})" if sample["unit"] else ""
    return " ".join(str(part) for part in parts if part) + unit


def _context(samples: list[dict[str, Any]]) -> str:
    contexts = {str(sample["context"]) for sample in samples} - {"Sample.Periodic"}
    return ", ".join(sorted(contexts))


def _facts(obj: Transaction) -> list[tuple[str, Any]]:
    snapshot = obj.tariff_snapshot or {}
    facts = [
        ("Charge point", f"{obj.charge_point} / {obj.connector_number}"),
        ("Tag", obj.shown_token or "–"),
        ("Answer to the tag", obj.get_authorization_status_display() or "–"),
        ("Started", local(obj.started_at)),
        ("Ended", local(obj.ended_at)),
        ("Ended by", obj.get_end_kind_display() if obj.end_kind else "–"),
        ("Stop reason", obj.stop_reason or "–"),
        ("Meter start", f"{kwh(obj.meter_start_wh)} kWh"),
        ("Meter stop", f"{kwh(obj.meter_stop_wh)} kWh"),
        ("Tariff", "Free of charge" if obj.is_free else snapshot.get("name") or "–"),
        ("Transaction id", obj.ocpp_id or "–"),
        ("OCPP version", obj.ocpp_version),
    ]
    if obj.charging_state:
        facts.insert(1, ("Charging state", _words(obj.charging_state)))
    if obj.event_count:
        facts.append(("Events", _numbers(obj)))
    if obj.end_kind in (EndKind.OPERATOR, EndKind.RULE):
        facts.append(("Closed because", obj.end_note))
    return facts


def _events(obj: Transaction) -> list[dict[str, Any]]:
    """What the charger reported event by event (2.x), the newest first; a long session has thousands of updates."""
    rows = TransactionEvent.objects.filter(transaction=obj).order_by("-at", "-seq_no", "-id")[:SHOWN_EVENTS]
    return [
        {
            "at": local_seconds(row.at),
            "kind": row.get_kind_display(),
            "seq_no": row.seq_no,
            "trigger": _words(row.trigger),
            "state": _words(str(row.details.get("charging_state", ""))),
            "is_offline": row.is_offline,
        }
        for row in rows
    ]


def _numbers(obj: Transaction) -> str:
    """How many events came, and whether numbers are missing among them."""
    first, last = obj.first_seq_no or 0, obj.last_seq_no or 0
    missing = last - first + 1 - obj.event_count
    return f"{obj.event_count}" + (f", {missing} missing" if missing > 0 else "")


def _words(name: str) -> str:
    """ChargingStateChanged → Charging state changed; abbreviations stay."""
    first, *rest = re.findall(r"EVSE|EV|SoC|[A-Z]?[^A-Z]+|[A-Z]+", name) or [""]
    return " ".join([first, *(word if word.isupper() or word == "SoC" else word.lower() for word in rest)])


def _line(line: dict[str, Any], currency: str) -> dict[str, Any]:
    vat = line.get("vat_percent")
    return {
        "description": line.get("description", ""),
        "quantity": f"{line.get('quantity', '')} {line.get('unit', '')}".strip(),
        "unit_price": line.get("unit_price", ""),
        "vat": "–" if vat is None else f"{vat} %",
        "net": _amount(line.get("amount_excl_vat"), currency),
        "amount": _amount(line.get("amount"), currency),
    }


def _amount(text: Any, currency: str) -> str:
    try:
        return money(Decimal(str(text)), currency)
    except InvalidOperation:
        return str(text or "–")


def _totals(obj: Transaction) -> list[tuple[str, str]]:
    if obj.cost is None:
        return []
    return [
        ("Net", money(obj.cost_excl_vat, obj.currency)),
        ("VAT", money(obj.cost_vat, obj.currency)),
        ("Total", money(obj.cost, obj.currency)),
    ]


def _buttons(request: HttpRequest, obj: Transaction) -> list[dict[str, Any]]:
    offered = [
        ("stop", "Stop charging", obj.is_active and bool(obj.ocpp_id), True),
        ("close", "Close by hand", obj.is_active, True),
        ("recompute", "Recompute", True, False),
    ]
    return [
        {
            "label": label,
            "url": reverse(f"admin:transactions_transaction_{act}", args=[obj.pk]),
            "is_dangerous": is_dangerous,
        }
        for act, label, fits, is_dangerous in offered
        if fits and allowed(request, f"transactions.{act}", obj)
    ]
