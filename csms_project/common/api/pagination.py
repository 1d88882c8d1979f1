"""Pages of lists: by number, or by cursor where counting and skipping would be slow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination, PageNumberPagination
from rest_framework.request import Request

from csms_project.common.api.problems import BadParameter

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
    """{count, next, previous, results}; `page_size` up to 500."""

    page_size_query_param = _PARAMETER
    max_page_size = MAX_PAGE_SIZE

    def get_page_size(self, request: Request) -> int:
        return _page_size(request, self.page_size or MAX_PAGE_SIZE)


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
    """Newest arrival first."""

    ordering = ("-received_at", "-id")


class SampledPages(CursorPages):
    """In the order of the charger's clock."""

    ordering = ("sampled_at", "id")
