"""Filters and orderings that refuse what they do not understand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.db.models import QuerySet
from django_filters import rest_framework as filters
from rest_framework.filters import OrderingFilter
from rest_framework.request import Request

from csms_project.common.api.problems import BadParameter
from csms_project.common.big_tables import COUNTED, count_or_estimate

if TYPE_CHECKING:
    from rest_framework.views import APIView


class StrictOrderingFilter(OrderingFilter):
    """`ordering=field,-field`; an unknown field is a 400, and the primary key settles ties.

    A view's `costly_ordering` names fields that no index sorts by: they sort up to COUNTED rows.
    """

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        costly: Mapping[str, str] = getattr(view, "costly_ordering", {})
        for term in self.get_ordering(request, queryset, view) or ():
            if (hint := costly.get(term.removeprefix("-"))) is not None:
                self._limit(queryset.order_by(*getattr(view, "ordering", ())), view, hint)
        rows: QuerySet[Any] = super().filter_queryset(request, queryset, view)
        return rows

    def _limit(self, rows: QuerySet[Any], view: APIView, hint: str) -> None:
        if count_or_estimate(rows, all_tenants=getattr(view, "merges_tenants", False)) > COUNTED:
            text = f"Sorts up to {COUNTED:,} rows by this: narrow them with {hint}."
            raise BadParameter(self.ordering_param, text)

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: APIView) -> Any:
        given = request.query_params.get(self.ordering_param, "")
        terms = [term.strip() for term in given.split(",") if term.strip()]
        if not terms:
            return self.get_default_ordering(view)
        valid = dict(self.get_valid_fields(queryset, view, {"request": request}))
        for term in terms:
            if term.removeprefix("-") not in valid:
                raise BadParameter(
                    self.ordering_param, f"Must be of {', '.join(sorted(valid)) or 'nothing'}."
                )
        return terms if {"pk", "-pk", "id", "-id"} & {*terms} else [*terms, "pk"]


class TruthField(forms.NullBooleanField):
    """true or false; Django's own field takes anything else for “not given” and so would list everything."""

    _VALUES = {"true": True, "1": True, "false": False, "0": False}

    def clean(self, value: Any) -> bool | None:
        if value in (None, ""):
            return None
        truth = self._VALUES.get(str(value).casefold())
        if truth is None:
            raise forms.ValidationError("Must be true or false.")
        return truth


class TruthFilter(filters.BooleanFilter):
    """A yes or no that refuses everything else."""

    field_class = TruthField

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["widget"] = forms.TextInput
        super().__init__(*args, **kwargs)


class TextFilter(filters.CharFilter):
    """Text compared without regard to case."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("lookup_expr", "iexact")
        super().__init__(*args, **kwargs)


class IntegerFilter(filters.NumberFilter):
    """A whole number that columns can hold."""

    field_class = forms.IntegerField

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("min_value", 0)
        kwargs.setdefault("max_value", 2**31 - 1)
        super().__init__(*args, **kwargs)


class IdFilter(IntegerFilter):
    """A primary key."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, min_value=1, max_value=2**63 - 1, **kwargs)


class AfterFilter(filters.IsoDateTimeFilter):
    """From this moment on."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("lookup_expr", "gte")
        super().__init__(*args, **kwargs)


class BeforeFilter(filters.IsoDateTimeFilter):
    """Before this moment."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("lookup_expr", "lt")
        super().__init__(*args, **kwargs)
