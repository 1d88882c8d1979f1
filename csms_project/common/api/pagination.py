"""Pages of lists: by number, or by cursor where counting and skipping would be slow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination, PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param

from csms_project.common.api.problems import BadParameter
from csms_project.common.big_tables import count_or_estimate, read_page, value_at

MAX_PAGE_SIZE = 500
_PARAMETER = "page_size"


def _page_size(request: Request, default: int) -> int:
    given = request.query_params.get(_PARAMETER)
    if given is None:
        return default
    if not (given.isascii() and given.isdigit() and len(given) <= 9 and int(given) > 0):
        raise BadParameter(_PARAMETER, f"Must be a whole number from 1 to {MAX_PAGE_SIZE}.")
    return min(int(given), MAX_PAGE_SIZE)


class PagePagination(PageNumberPagination):
    """{count, next, previous, results}; `page_size` up to 500.

    A page reads one row more than it shows, and `count` is exact up to 10,000: the cost does not grow with the table.
    """

    page_size_query_param = _PARAMETER
    max_page_size = MAX_PAGE_SIZE
    count = 0
    number = 1
    has_more = False

    def get_page_size(self, request: Request) -> int:
        return _page_size(request, self.page_size or MAX_PAGE_SIZE)

    def paginate_queryset(
        self, queryset: QuerySet[Any] | Sequence[Any], request: Request, view: Any = None
    ) -> list[Any] | None:
        assert isinstance(queryset, QuerySet)
        self.request = request
        size = self.get_page_size(request)
        self.number = self._number(request)
        all_tenants = bool(getattr(view, "merges_tenants", False))
        start = (self.number - 1) * size
        rows = read_page(queryset, start, start + size + 1, all_tenants=all_tenants)
        if not rows and self.number > 1:
            raise NotFound("There is no such page.")
        self.has_more = len(rows) > size
        seen = start + len(rows)
        # The last page knows the number by itself; the planner may believe less than was seen.
        self.count = (
            max(seen, count_or_estimate(queryset, all_tenants=all_tenants)) if self.has_more else seen
        )
        return rows[:size]

    def _number(self, request: Request) -> int:
        given = request.query_params.get(self.page_query_param) or "1"
        if not (given.isascii() and given.isdigit() and len(given) <= 9 and int(given) > 0):
            raise NotFound("There is no such page.")
        return int(given)

    def get_paginated_response(self, data: Any) -> Response:
        links = {"next": self.get_next_link(), "previous": self.get_previous_link()}
        return Response({"count": self.count, **links, "results": data})

    def get_next_link(self) -> str | None:
        return self._link(self.number + 1) if self.has_more else None

    def get_previous_link(self) -> str | None:
        return self._link(self.number - 1) if self.number > 1 else None

    def _link(self, number: int) -> str:
        assert self.request is not None
        url = self.request.build_absolute_uri()
        if number == 1:
            return remove_query_param(url, self.page_query_param)
        return replace_query_param(url, self.page_query_param, number)


class CursorPages(CursorPagination):
    """{next, previous, results} without a count; subclasses say by which moment."""

    page_size = 100
    page_size_query_param = _PARAMETER
    max_page_size = MAX_PAGE_SIZE
    # All rows of one batch of the gateway may carry the same moment.
    offset_cutoff = 10_000

    def get_page_size(self, request: Request) -> int:
        return _page_size(request, self.page_size)

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: Any) -> tuple[str, ...]:
        assert self.ordering is not None
        return (self.ordering,) if isinstance(self.ordering, str) else tuple(self.ordering)

    def paginate_queryset(
        self, queryset: QuerySet[Any] | Sequence[Any], request: Request, view: Any = None
    ) -> list[Any] | None:
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValidationError, ValueError) as error:  # a cursor that somebody made up
            raise NotFound("There is no such page.") from error


class ReceivedPages(CursorPages):
    """Newest arrival first.

    Where a filter has no index (all but the view's `quick_filters`), a page looks through so many rows and no more:
    it may hold fewer than asked for, or none, and still lead on.
    """

    ordering = ("-received_at", "-id")
    look_back = 20_000
    _looked_back_to: datetime | None = None

    def paginate_queryset(
        self, queryset: QuerySet[Any] | Sequence[Any], request: Request, view: Any = None
    ) -> list[Any] | None:
        if isinstance(queryset, QuerySet) and (limit := self._limit(request, view)) is not None:
            self._looked_back_to = limit
            queryset = queryset.filter(received_at__gte=limit)
        return super().paginate_queryset(queryset, request, view)

    def get_next_link(self) -> str | None:
        if self.has_next or self._looked_back_to is None:
            return super().get_next_link()
        position: Any = str(self._looked_back_to)
        return self.encode_cursor(Cursor(offset=0, reverse=False, position=position))

    def _limit(self, request: Request, view: Any) -> datetime | None:
        """When the oldest row arrived that this page looks at; None: it looks at all."""
        used = {name for name in view.filterset_class.base_filters if request.query_params.get(name)}
        cursor = self.decode_cursor(request)
        # Backwards lie rows that were looked through before.
        if not used - {*view.quick_filters} or (cursor is not None and cursor.reverse):
            return None
        quick = {name: request.query_params[name] for name in used & {*view.quick_filters}}
        rows = view.filterset_class(quick, queryset=view.get_queryset(), request=request).qs
        if cursor is not None and cursor.position is not None:
            rows = rows.filter(received_at__lt=cursor.position)
        limit: datetime | None = value_at(rows.order_by(*self.ordering), self.look_back, "received_at")
        return limit


class SampledPages(CursorPages):
    """In the order of the charger's clock."""

    ordering = ("sampled_at", "id")
