"""What admin pages of all apps share: pages without COUNT, filters, chips and safe exports."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.core.paginator import EmptyPage, Page, PageNotAnInteger, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter

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

    @cached_property
    def count(self) -> int:
        """Not known; large enough that every page may be asked for."""
        return 2**40

    def validate_number(self, number: Any) -> int:
        try:
            value = int(number)
        except (TypeError, ValueError) as error:
            raise PageNotAnInteger("That page number is not an integer") from error
        # Nobody leafs that far, and an OFFSET beyond it is an error of the database.
        if not 1 <= value <= 100_000:
            raise EmptyPage("There is no such page")
        return value

    def page(self, number: int | str) -> LookAheadPage:
        number = self.validate_number(number)
        start = (number - 1) * self.per_page
        rows = list(self.object_list[start : start + self.per_page + 1])
        self.has_more = len(rows) > self.per_page
        return LookAheadPage(rows[: self.per_page], number, self)


class BigTable:
    """Mixin of a ModelAdmin: the table is too big to count or to be sorted by any column."""

    paginator = LookAheadPaginator
    show_full_result_count = False
    list_disable_select_all = True
    sortable_by: tuple[str, ...] = ()


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
