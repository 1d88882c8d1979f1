"""Templates of configurations, and how chargers differ from them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.api.base import TenantViewSet
from accounts.api.views import EditableViewSet
from chargepoints.api import filters
from chargepoints.api import template_shapes as shapes
from chargepoints.choices import DriftState
from chargepoints.models import ChargePoint, ConfigurationTemplate
from chargepoints.selectors import find_charge_point
from chargepoints.services import applying, drift, templates
from csms_project.common.api.pagination import PagePagination
from csms_project.common.api.problems import BadParameter


@extend_schema_view(
    create=extend_schema(description="Make a template; `entries` are its keys and values."),
    destroy=extend_schema(description="Delete a template; the chargers keep what they have."),
)
@extend_schema(tags=["configuration-templates"])
class ConfigurationTemplateViewSet(EditableViewSet):
    """Values that chargers of some kind, or of a site, should have."""

    queryset = ConfigurationTemplate.objects.select_related("location").prefetch_related("entries")
    serializer_class = shapes.ConfigurationTemplateSerializer
    filterset_class = filters.ConfigurationTemplateFilter
    permission_area = "configuration_templates"
    permission_overrides = {
        "import_document": "configuration_templates.change",
        "from_charge_point": "configuration_templates.change",
        "export": "configuration_templates.view",
    }
    ordering_fields = ["id", "name", "priority", "created_at", "updated_at"]
    ordering = ["name", "pk"]

    def perform_create(self, serializer: BaseSerializer[ConfigurationTemplate]) -> None:
        given = shapes.entries_given(dict(serializer.validated_data))
        serializer.instance = templates.create_template(actor=self.actor, tenant=self.tenant, **given)

    def perform_update(self, serializer: BaseSerializer[ConfigurationTemplate]) -> None:
        template = serializer.instance
        assert template is not None
        given = shapes.entries_given(dict(serializer.validated_data))
        templates.update_template(actor=self.actor, template=template, **given)
        serializer.instance = self.get_queryset().get(pk=template.pk)

    def perform_destroy(self, instance: ConfigurationTemplate) -> None:
        templates.delete_template(actor=self.actor, template=instance)

    @extend_schema(responses=OpenApiTypes.OBJECT, filters=False)
    @action(detail=True, pagination_class=None)
    def export(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The template as a document for `import/`, here or elsewhere; without secrets."""
        return Response(templates.to_document(self.get_object()))

    @extend_schema(request=OpenApiTypes.OBJECT, responses={201: shapes.ImportedTemplateSerializer})
    @action(detail=False, methods=["post"], url_path="import")
    def import_document(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make a template from a document that `export/` has given; it is not in use until you say so."""
        made = templates.import_document(actor=self.actor, tenant=self.tenant, document=request.data)
        return self._made(made.template, left_out=made.left_out)

    @extend_schema(
        request=shapes.FromChargePointSerializer, responses={201: shapes.ConfigurationTemplateSerializer}
    )
    @action(detail=False, methods=["post"], url_path="from-charge-point")
    def from_charge_point(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make a template with what a charge point has now; it is not in use until you say so."""
        serializer = shapes.FromChargePointSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        charge_point = find_charge_point(self.actor.tenant, given["charge_point"])
        if charge_point is None:
            raise ValidationError({"charge_point": "There is no such charge point."})
        entries = templates.entries_of(charge_point)
        if "keys" in given:
            entries = _only(entries, given["keys"])
        made = templates.create_template(
            actor=self.actor,
            tenant=charge_point.tenant,
            name=given["name"],
            is_active=False,
            entries=entries,
        )
        return self._made(made)

    def _made(self, template: ConfigurationTemplate, **more: Any) -> Response:
        shown = shapes.ConfigurationTemplateSerializer(template, context=self.get_serializer_context()).data
        return Response({**shown, **more}, status=status.HTTP_201_CREATED)


def _only(entries: Sequence[templates.Given], keys: Sequence[str]) -> list[templates.Given]:
    found = {entry.key.casefold(): entry for entry in entries}
    missing = [key for key in keys if key.casefold() not in found]
    if missing:
        text = f"The charge point has no {', '.join(missing[:10])} that could be in a template."
        raise ValidationError({"keys": text})
    return [found[key] for key in dict.fromkeys(key.casefold() for key in keys)]


class ListPages(PagePagination):
    """Pages of what was computed."""

    def paginate_queryset(
        self, queryset: QuerySet[Any] | Sequence[Any], request: Request, view: Any = None
    ) -> list[Any]:
        self.request = request
        size = self.get_page_size(request)
        self.number = self._number(request)
        start = (self.number - 1) * size
        rows = list(queryset[start : start + size])
        if not rows and self.number > 1:
            raise NotFound("There is no such page.")
        self.count = len(queryset)
        self.has_more = self.count > start + size
        return rows


_SCOPE = [
    OpenApiParameter("charge_point", str, description="Identity."),
    OpenApiParameter("location", int, description="Id of a site."),
    OpenApiParameter("model", str),
    OpenApiParameter("template", int, description="Only keys whose value comes from this template."),
    OpenApiParameter("state", {"type": "string", "enum": DriftState.values}),
]


@extend_schema(tags=["configuration-templates"])
class DriftViewSet(TenantViewSet):
    """How charge points differ from what their templates want."""

    queryset = ConfigurationTemplate.objects.all()
    serializer_class = shapes.DriftSerializer
    pagination_class = ListPages
    permission_area = "configuration_templates"
    permission_overrides = {"apply": "commands.send_dangerous", "sums": "configuration_templates.view"}

    @extend_schema(parameters=_SCOPE, responses=shapes.DriftSerializer(many=True), filters=False)
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Each key that is not, or not known to be, as it should be; by charge point and key."""
        rows = self.paginate_queryset(drift.report(self._scope()).rows)
        return self.get_paginated_response(shapes.DriftSerializer(rows, many=True).data)

    @extend_schema(parameters=_SCOPE, responses=shapes.DriftSumsSerializer, filters=False)
    @action(detail=False, pagination_class=None)
    def sums(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """How many charge points have a template, how many are in line, and what differs in the others."""
        report = drift.report(self._scope())
        by_state = {state.value: count for state, count in report.by_state.items()}
        return Response({"covered": report.covered, "in_line": report.in_line, "by_state": by_state})

    @extend_schema(request=shapes.ApplySerializer, responses={201: shapes.AppliedSerializer})
    @action(detail=False, methods=["post"])
    def apply(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Send what differs, as a fleet task of one command for each key; 409 where there is nothing to send."""
        serializer = shapes.ApplySerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = dict(serializer.validated_data)
        chosen = self._chosen(given.pop("charge_points", None))
        scope = drift.Scope(
            tenant=self.tenant,
            template_id=given.pop("template", None),
            location_id=given.pop("location", None),
        )
        planned = applying.plan(scope, charge_points=chosen, with_refused=given.pop("with_refused"))
        task = applying.apply(
            actor=self.actor, tenant=self.tenant, planned=planned, title="Set what templates want", **given
        )
        shown = shapes.AppliedSerializer({"fleet_task": task.pk, "sent": planned.sent, "left": planned.left})
        return Response(shown.data, status=status.HTTP_201_CREATED)

    def _chosen(self, identities: Sequence[str] | None) -> Collection[int] | None:
        if identities is None:
            return None
        keys = {identity.casefold(): identity for identity in identities if identity.isprintable()}
        rows = ChargePoint.objects.for_tenant(self.tenant).filter(identity_key__in=keys)
        found = dict(rows.values_list("identity_key", "pk"))
        unknown = [identity for identity in identities if identity.casefold() not in found]
        if unknown:
            raise ValidationError({"charge_points": f"There is no charge point {', '.join(unknown[:10])}."})
        return set(found.values())

    def _scope(self) -> drift.Scope:
        given = self.request.query_params
        state = given.get("state", "")
        if state and state not in DriftState.values:
            raise BadParameter("state", f"Must be one of {', '.join(DriftState.values)}.")
        chosen = None
        if identity := given.get("charge_point"):
            found = find_charge_point(self.actor.tenant, identity)
            chosen = [found.pk] if found is not None else []
        return drift.Scope(
            tenant=self.actor.tenant,
            charge_points=chosen,
            location_id=self._number("location"),
            model=given.get("model", "").replace("\0", ""),
            template_id=self._number("template"),
            states=frozenset({DriftState(state)}) if state else frozenset(),
        )

    def _number(self, name: str) -> int | None:
        text = self.request.query_params.get(name, "")
        if not text:
            return None
        if not (text.isascii() and text.isdecimal() and len(text) < 19):
            raise BadParameter(name, "Must be an id.")
        return int(text)
