"""What admin pages of all apps share: pages without COUNT, filters, chips and safe exports."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.paginator import EmptyPage, Page, PageNotAnInteger, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.views import ChangeList

from csms_project.common.big_tables import read_page, value_at

#: Pages of a list that may be leafed through.
MAX_PAGE = 1000

#: What a spreadsheet would run as a formula (OWASP: CSV injection).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class LookAheadPage(Page[Any]):
    """A page that knows from one row more whether another follows."""

    def has_next(self) -> bool:
        return bool(self.paginator.has_more)  # type: ignore[attr-defined]


class LookAheadPaginator(Paginator):  # type: ignore[type-arg]
    """Pages of a big table without COUNT: each page reads one row more than it shows."""

    template_name = "admin/pagination_look_ahead.html"
    has_more = False
    #: The rows are of every tenant (see `common.big_tables`).
    all_tenants = False

    @cached_property
    def count(self) -> int:
        """Not known; large enough that every page may be asked for."""
        return 2**40

    def validate_number(self, number: Any) -> int:
        try:
            value = int(number)
        except (TypeError, ValueError) as error:
            raise PageNotAnInteger("That page number is not an integer") from error
        # Nobody leafs that far: older rows are found by their time.
        if not 1 <= value <= MAX_PAGE:
            raise EmptyPage("There is no such page")
        return value

    def page(self, number: int | str) -> LookAheadPage:
        number = self.validate_number(number)
        start = (number - 1) * self.per_page
        stop = start + self.per_page + 1
        if isinstance(self.object_list, QuerySet):
            rows = read_page(self.object_list, start, stop, all_tenants=self.all_tenants)
        else:
            rows = list(self.object_list[start:stop])
        self.has_more = len(rows) > self.per_page
        return LookAheadPage(rows[: self.per_page], number, self)


class BigList(ChangeList):
    """A list of a big table. Filters that no index serves look through its newest rows only, and say so."""

    #: How far was looked, and the query of a link that looks further back; or that only the newest rows were.
    looked_back_to: datetime | None = None
    look_further_query = ""
    looked_at_newest = ""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        page: BigTable = self.model_admin
        used = [spec for spec in self.filter_specs if spec.used_parameters]
        is_indexed = page.has_tenant_index or page.is_anchored(request)
        if is_indexed and all(map(page.is_quick, used)) and (page.has_quick_search or not self.query):
            return rows
        looked_at = self.root_queryset if is_indexed else self.model._default_manager.all()
        for spec in used if is_indexed else ():
            if page.is_quick(spec):
                looked_at = spec.queryset(request, looked_at)
        return self._newest(request, rows, looked_at)

    def _newest(self, request: HttpRequest, rows: QuerySet[Any], looked_at: QuerySet[Any]) -> QuerySet[Any]:
        """Of these rows those among the newest `look_back` (and one) that are looked at."""
        page: BigTable = self.model_admin
        ordering = self.get_ordering(request, looked_at)
        name = ordering[0].removeprefix("-")
        limit = value_at(
            looked_at.order_by(*ordering), page.look_back, name, all_tenants=page.merges_tenants(request)
        )
        if limit is None:
            return rows
        self._say(limit, page)
        return rows.filter(**{f"{name}__gte": limit})

    def _say(self, limit: Any, page: BigTable) -> None:
        if not isinstance(limit, datetime):
            self.looked_at_newest = page.unanchored_note.format(rows=page.look_back)
            return
        self.looked_back_to = timezone.localtime(limit)
        # From the second above, so that nothing falls between.
        end = self.looked_back_to + timedelta(seconds=1)
        times = {f"{page.time_field}_to_0": f"{end:%Y-%m-%d}", f"{page.time_field}_to_1": f"{end:%H:%M:%S}"}
        self.look_further_query = self.get_query_string(times, ["p"])


class BigTable:
    """Mixin of a ModelAdmin: the table is too big to count, to be sorted by any column, or to be read through.

    Its index begins with the tenant or with what anchors the list (a charge point), and goes on with the time.

    time_field        what the list is sorted by, the newest first, and its time filter is about
    anchors           parameters that choose what an index begins with
    quick_filters     filters that an index serves: names of fields or parameters, or parameter=value
    has_quick_search  the search is served by indexes
    look_back         rows that are looked through otherwise
    has_tenant_index  false: without an anchor there is no index, and only the newest rows of all are looked at
    unanchored_note   said then, with {rows}
    """

    paginator = LookAheadPaginator
    show_full_result_count = False
    list_disable_select_all = True
    sortable_by: tuple[str, ...] = ()
    list_before_template = "admin/looked_back.html"
    time_field = "received_at"
    anchors: tuple[str, ...] = ("charge_point__id__exact",)
    quick_filters: tuple[str, ...] = ("charge_point", "received_at")
    has_quick_search = False
    look_back = 20_000
    has_tenant_index = True
    unanchored_note = ""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return BigList

    def get_paginator(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        paginator = super().get_paginator(request, *args, **kwargs)  # type: ignore[misc]
        paginator.all_tenants = self.merges_tenants(request)
        return paginator

    if TYPE_CHECKING:

        def sees_all_tenants(self, request: HttpRequest) -> bool: ...  # of TenantModelAdmin

    def is_anchored(self, request: HttpRequest) -> bool:
        """Whether the list is of one charge point, or of what else an index begins with."""
        return any(name in request.GET for name in self.anchors)

    def merges_tenants(self, request: HttpRequest) -> bool:
        """Whether the newest rows of each tenant have to be merged (see `common.big_tables`)."""
        return self.has_tenant_index and self.sees_all_tenants(request) and not self.is_anchored(request)

    def is_quick(self, spec: Any) -> bool:
        """Whether an index serves a filter that is in use."""
        name = getattr(spec, "field_path", None) or spec.parameter_name
        return name in self.quick_filters or f"{name}={spec.used_parameters.get(name)}" in self.quick_filters


class TimeFilter(RangeDateTimeFilter):
    """Between two moments in the tenant's time zone."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        bounds = {"gte": self._moment("from", "00:00"), "lte": self._moment("to", "23:59:59")}
        return queryset.filter(**{f"{self.parameter_name}__{name}": at for name, at in bounds.items() if at})

    def _moment(self, end: str, default: str) -> datetime | None:
        day = self.used_parameters.get(f"{self.parameter_name}_{end}_0") or ""
        clock = self.used_parameters.get(f"{self.parameter_name}_{end}_1") or default
        try:
            return timezone.make_aware(datetime.fromisoformat(f"{day}T{clock}"))
        except (ValueError, OverflowError):
            return None


class OptionFilter(admin.SimpleListFilter):
    """A few named choices."""

    options: tuple[tuple[str, str], ...] = ()

    def lookups(self, request: HttpRequest, model_admin: Any) -> tuple[tuple[str, str], ...]:
        return self.options


def chip(text: object, tone: str = "neutral", *, title: str = "") -> SafeString:
    """A small coloured label; tones: ok, info, warn, bad, neutral."""
    return format_html('<span class="cs-chip cs-{}" title="{}">{}</span>', tone, title, text)


def duration(delta: timedelta | None) -> str:
    """For example 1 h 05 min."""
    if delta is None:
        return "–"
    minutes, seconds = divmod(max(int(delta.total_seconds()), 0), 60)
    if minutes == 0:
        return f"{seconds} s"
    days, minutes = divmod(minutes, 24 * 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{days} d"] if days else []
    parts += [f"{hours} h"] if hours or days else []
    return " ".join([*parts, f"{minutes:02d} min" if parts else f"{minutes} min"])


def without_formula(value: Any) -> Any:
    """Text that a spreadsheet shows instead of running it; undone by `with_formula`."""
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value


def with_formula(value: Any) -> Any:
    """Take back the quote that `without_formula` put in front."""
    if isinstance(value, str) and value.startswith("'") and value[1:].startswith(_FORMULA_STARTS):
        return value[1:]
    return value
