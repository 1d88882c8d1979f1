"""Every list and detail page of the admin and every list and detail of the REST API, with filters, search and order.

Walked from the registries of both, so that a page or filter of tomorrow is in it without being told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from django.contrib import admin
from django.db.models import Count, Model
from django.test import Client
from django.urls import NoReverseMatch, URLResolver, get_resolver, reverse
from django_filters import rest_framework as filters
from rest_framework.pagination import PageNumberPagination
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateTimeFilter

from accounts.models import IdToken, Tenant
from chargepoints.admin import tabs
from chargepoints.models import ChargePoint, Location
from csms_project.common.admin import LookAheadPaginator
from csms_project.common.api.filters import StrictOrderingFilter, TruthFilter
from csms_project.common.models import Event
from transactions.models import Transaction

#: What nobody has: the slowest search is the one that finds nothing.
NOTHING = "zz-not-there"
MAX_CHOICES = 25


@dataclass(frozen=True, slots=True)
class Examples:
    """Rows of a tenant that pages are about; the busiest charge point is the slowest to list."""

    now: datetime
    charge_point: ChargePoint
    quiet: ChargePoint
    session: Transaction
    running: Transaction | None
    tag: str
    location: Location
    object_id: str
    choices: int = MAX_CHOICES


def find_examples(tenant: Tenant | None, now: datetime, *, choices: int = MAX_CHOICES) -> Examples:
    """What a tenant has; None: the tenant with the most sessions.  `choices` of a filter are tried."""
    sessions = Transaction.objects.for_tenant(tenant)
    counted = list(
        sessions.order_by()
        .values("charge_point")
        .annotate(count=Count("pk"))
        .order_by("-count", "charge_point")
    )
    busiest = ChargePoint.objects.get(pk=counted[0]["charge_point"])
    of_busiest = sessions.filter(charge_point=busiest).order_by("-started_at", "-pk")
    session = of_busiest.filter(state="ended").exclude(id_token=None).first() or of_busiest.first()
    assert session is not None
    location = Location.objects.filter(charge_points=busiest).first()
    event = Event.objects.for_tenant(tenant).order_by("-pk").first()
    token = session.id_token or IdToken.objects.for_tenant(tenant).first()
    assert location is not None
    return Examples(
        now=now,
        charge_point=busiest,
        quiet=ChargePoint.objects.get(pk=counted[-1]["charge_point"]),
        session=session,
        running=sessions.filter(state="active").order_by("pk").last(),
        tag=token.value if token is not None else NOTHING,
        location=location,
        object_id=event.object_id if event is not None else NOTHING,
        choices=choices,
    )


# ---------------------------------------------------------------- admin


def admin_requests(client: Client, examples: Examples, only: str = "") -> Iterator[str]:
    """Pages of the admin that the client's user may open, and whose address contains `only`."""
    return (address for address in _admin_pages(client, examples, only) if only in address)


def _admin_pages(client: Client, examples: Examples, only: str) -> Iterator[str]:
    yield reverse("admin:index")
    yield reverse("admin:home_live")
    yield f"{reverse('admin:search')}?s={examples.charge_point.identity[:5]}"
    for model, model_admin in sorted(admin.site._registry.items(), key=lambda item: item[0]._meta.label):
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        is_wanted = only.partition("?")[0] in address or address in only
        answer = client.get(address) if is_wanted else None
        if answer is None or answer.status_code != 200:
            continue
        context: Any = answer.context_data
        changes = context["cl"]
        for query in _lists(changes, model_admin, examples):
            yield query if query.startswith("/") else address + query
        yield from _details(model, changes, examples)


def _lists(changes: Any, model_admin: Any, examples: Examples) -> Iterator[str]:
    yield ""
    pages = (2, 40) if isinstance(changes.paginator, LookAheadPaginator) else (2,)
    if changes.paginator.num_pages > pages[-1]:
        yield from (f"?p={page}" for page in pages)
    for number, name in enumerate(changes.list_display):
        if name in (changes.sortable_by or ()) and changes.get_ordering_field(name):
            yield from (f"?o={number}", f"?o=-{number}")
    found = [query for spec in changes.filter_specs for query in _filtered(spec, changes, examples)]
    yield from found
    if "charge_point__id__exact" in "".join(found):
        anchor = f"charge_point__id__exact={examples.charge_point.pk}"
        yield from (
            f"{query}&{anchor}" for query in found if query.startswith("?") and "charge_point" not in query
        )
    if changes.search_fields:
        known = (
            examples.tag,
            examples.charge_point.identity,
            examples.charge_point.identity[:5],
            examples.session.ocpp_id,
        )
        yield from (f"?{urlencode({'q': term})}" for term in (*known, "StatusNotification", NOTHING))


def _filtered(spec: Any, changes: Any, examples: Examples) -> Iterator[str]:
    if isinstance(spec, RangeDateTimeFilter):
        for start, end in _spans(examples.now):
            name = spec.parameter_name
            values = {
                f"{name}_from_0": f"{start:%Y-%m-%d}",
                f"{name}_from_1": f"{start:%H:%M}",
                f"{name}_to_0": f"{end:%Y-%m-%d}",
                f"{name}_to_1": f"{end:%H:%M}",
            }
            yield f"?{urlencode(values)}"
    elif isinstance(spec, AutocompleteSelectFilter):
        for value in _rows_for(spec.field.related_model, examples):
            yield f"?{spec.lookup_kwarg}={value}"
        model = changes.opts
        asked = {"app_label": model.app_label, "model_name": model.model_name, "field_name": spec.field.name}
        yield from (
            f"{reverse('admin:autocomplete')}?{urlencode({**asked, 'term': term})}"
            for term in ("", examples.charge_point.identity[:5], NOTHING)
        )
    else:
        for choice in list(spec.choices(changes))[: examples.choices + 1]:
            if (query := choice.get("query_string")) and not choice.get("selected"):
                yield query
            elif "form" in choice:
                yield from _of_form(choice["form"], examples.choices)


def _of_form(form: Any, limit: int) -> Iterator[str]:
    for name, shown in form.fields.items():
        for value, _ in list(getattr(shown, "choices", ()))[:limit]:
            if value:
                yield f"?{urlencode({name: value})}"


def _rows_for(model: type[Model], examples: Examples) -> Sequence[Any]:
    if model is ChargePoint:
        return [examples.charge_point.pk, examples.quiet.pk]
    if model is Transaction:
        return [examples.session.pk]
    first = model._default_manager.order_by("pk").first()
    return [first.pk] if first is not None else []


def _spans(now: datetime) -> list[tuple[datetime, datetime]]:
    """A day of now, a week of half a year ago, and all."""
    half, year = now - timedelta(days=180), now - timedelta(days=370)
    return [(now - timedelta(days=1), now), (half, half + timedelta(days=7)), (year, now)]


def _details(model: type[Model], changes: Any, examples: Examples) -> Iterator[str]:
    name = f"{model._meta.app_label}_{model._meta.model_name}"
    keys = [row.pk for row in list(changes.result_list)[:1]]
    if model is ChargePoint:
        keys += [examples.charge_point.pk, examples.quiet.pk]
    if model is Transaction:
        keys += [row.pk for row in (examples.session, examples.running) if row is not None]
    for key in dict.fromkeys(keys):
        page = reverse(f"admin:{name}_change", args=[key])
        yield page
        yield reverse(f"admin:{name}_history", args=[key])
        if (live := _reversed(f"admin:{name}_live", key)) is not None:
            yield live
        if model is ChargePoint:
            yield from (f"{page}?tab={tab}" for tab in tabs.names())
    if (export := _reversed(f"admin:{name}_export")) is not None:
        yield export


def _reversed(name: str, *args: Any) -> str | None:
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return None


# ---------------------------------------------------------------- REST


def api_requests(examples: Examples, only: str = "") -> Iterator[str]:
    """GET requests of the API whose address contains `only`: lists with each filter and order."""
    for address, view in _api_views(examples):
        yield from (address + query for query in _api_queries(view, examples) if only in address + query)


def detail_of(address: str, body: Any) -> str | None:
    """The address of the first row of a list, if its rows have addresses."""
    rows = body.get("results") if isinstance(body, dict) else None
    if not rows or "?" in address:
        return None
    key = rows[0].get("identity") if "charge-points/" in address else rows[0].get("id")
    return f"{address.rstrip('/')}/{quote(str(key))}/" if key is not None else None


def _api_views(examples: Examples) -> Iterator[tuple[str, Any]]:
    """Address and view of everything that answers a GET without naming a row."""
    known = {"identity": examples.charge_point.identity, "id": examples.session.pk}
    for pattern in _patterns(get_resolver()):
        view, acts = getattr(pattern.callback, "cls", None), getattr(pattern.callback, "actions", None)
        if (
            view is None
            or (acts is None and not hasattr(view, "get"))
            or (acts and acts.get("get") != "list")
        ):
            continue
        arguments = {name: known[name] for name in pattern.pattern.regex.groupindex if name in known}
        try:
            address = reverse(pattern.name, kwargs=arguments)
        except NoReverseMatch:
            continue
        if address.startswith("/api/v1/"):
            yield address, view


def _patterns(resolver: URLResolver) -> Iterator[Any]:
    for found in resolver.url_patterns:
        if isinstance(found, URLResolver):
            yield from _patterns(found)
        elif found.name:
            yield found


def _api_queries(view: Any, examples: Examples) -> Iterator[str]:
    yield ""
    pages = getattr(view, "pagination_class", None)
    if pages is None:
        return
    yield "?page_size=500"
    if issubclass(pages, PageNumberPagination):
        # Beyond the end of short lists that is a 404, which is a page as well.
        yield from ("?page=2", "?page=200")
    if StrictOrderingFilter in view.filter_backends:
        for name in getattr(view, "ordering_fields", ()):
            yield from (f"?ordering={name}", f"?ordering=-{name}")
    for name, spec in getattr(getattr(view, "filterset_class", None), "base_filters", {}).items():
        yield from (f"?{urlencode({name: value})}" for value in _values(name, spec, examples))


def _values(name: str, spec: Any, examples: Examples) -> list[Any]:
    if isinstance(spec, filters.ChoiceFilter):
        return [value for value, _ in spec.extra["choices"]][: examples.choices]
    if isinstance(spec, TruthFilter):
        return ["true", "false"]
    if isinstance(spec, filters.IsoDateTimeFilter):
        back = (timedelta(days=1), timedelta(days=180), timedelta(days=364))
        return [(examples.now - ago).isoformat() for ago in back]
    if isinstance(spec, filters.NumberFilter):
        return [examples.location.pk if name == "location" else 1, 2**31 - 1]
    example = _TEXTS.get(name)
    return [example(examples), NOTHING] if example is not None else [NOTHING]


#: Text filters: what somebody looks for.
_TEXTS: Mapping[str, Callable[[Examples], str]] = {
    "action": lambda found: "Heartbeat",
    "charge_point": lambda found: found.charge_point.identity,
    "city": lambda found: found.location.city,
    "component": lambda found: "",
    "country": lambda found: "DE",
    "currency": lambda found: "EUR",
    "email": lambda found: "d1@seed-1.example.com",
    "group": lambda found: "GROUP1",
    "id_token": lambda found: found.tag,
    "identity": lambda found: found.charge_point.identity,
    "kind": lambda found: "transaction.ended",
    "model": lambda found: found.charge_point.model,
    "name": lambda found: "1",
    "object_id": lambda found: found.object_id,
    "object_type": lambda found: "transaction",
    "ocpp_id": lambda found: found.session.ocpp_id,
    "ocpp_version": lambda found: "ocpp1.6",
    "serial_number": lambda found: found.charge_point.serial_number,
    "status": lambda found: "Available",
    "stop_reason": lambda found: "Local",
    "value": lambda found: found.tag,
    "vendor": lambda found: found.charge_point.vendor,
}
