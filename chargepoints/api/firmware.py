"""Firmware files, campaigns, a charger's updates and logs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

from django.db.transaction import atomic
from django.http import Http404
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.api.base import TenantViewSet
from accounts.api.views import EditableViewSet
from chargepoints import errors
from chargepoints.api import firmware_serializers as shapes
from chargepoints.api.base import ChargePointPartViewSet
from chargepoints.api.filters import (
    FirmwareCampaignFilter,
    FirmwareFileFilter,
    FirmwareUpdateFilter,
    LogRequestFilter,
)
from chargepoints.models import (
    FirmwareCampaign,
    FirmwareFile,
    FirmwareUpdate,
    LogRequest,
    PublishedFirmware,
)
from chargepoints.services import firmware_campaigns as campaigns
from chargepoints.services import firmware_files, log_requests
from chargepoints.services.firmware_campaigns import Choice, Plan
from csms_project.common import file_store
from csms_project.common.file_responses import BINARY, PIECE, file_response

_BYTES = {BINARY: {"type": "string", "format": "binary"}}


class BinaryParser(BaseParser):
    """The body as it comes, read by the view piece by piece."""

    media_type = BINARY

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return stream


class BinaryRenderer(BaseRenderer):
    """Lets a client ask for the bytes of a file; problems are JSON all the same."""

    media_type = BINARY
    format = "binary"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return JSONRenderer().render(data)


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    while piece := stream.read(PIECE):
        yield piece


class FirmwareFileViewSet(EditableViewSet):
    """Firmware of manufacturers: uploaded here, or at an address outside."""

    queryset = FirmwareFile.objects.all()
    serializer_class = shapes.FirmwareFileSerializer
    filterset_class = FirmwareFileFilter
    permission_area = "firmware"
    own_idempotency = frozenset({"content"})
    ordering_fields = ["id", "name", "version", "size", "created_at"]
    ordering = ["name", "pk"]

    def perform_create(self, serializer: BaseSerializer[FirmwareFile]) -> None:
        serializer.instance = firmware_files.create_file(
            actor=self.actor, tenant=self.tenant, **serializer.validated_data
        )

    def perform_update(self, serializer: BaseSerializer[FirmwareFile]) -> None:
        assert serializer.instance is not None
        firmware_files.update_file(actor=self.actor, file=serializer.instance, **serializer.validated_data)

    def perform_destroy(self, instance: FirmwareFile) -> None:
        firmware_files.delete_file(actor=self.actor, file=instance)

    @extend_schema(
        request=_BYTES,
        responses=shapes.FirmwareFileSerializer,
        parameters=[
            OpenApiParameter(
                "name", str, OpenApiParameter.QUERY, description="Name of the file for chargers."
            )
        ],
    )
    @action(detail=True, methods=["post"], parser_classes=[BinaryParser])
    def content(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Upload the firmware itself as the body (application/octet-stream); it replaces what was there."""
        body: Any = request.data
        file = firmware_files.set_content(
            actor=self.actor,
            file=self.get_object(),
            # An empty body is not parsed.
            pieces=_pieces(body) if hasattr(body, "read") else (),
            file_name=request.query_params.get("file_name", ""),
        )
        return Response(self.get_serializer(file).data)


class FirmwareCampaignViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, TenantViewSet):
    """Firmware brought to chargers, so many at a time."""

    queryset = FirmwareCampaign.objects.all()
    serializer_class = shapes.FirmwareCampaignSerializer
    filterset_class = FirmwareCampaignFilter
    permission_area = "firmware"
    ordering_fields = ["id", "name", "state", "created_at", "finished_at"]
    ordering = ["-id"]

    @extend_schema(
        request=shapes.CampaignRequestSerializer, responses={201: shapes.FirmwareCampaignSerializer}
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Plan a campaign; the updates begin within seconds of its start."""
        serializer = shapes.CampaignRequestSerializer(
            data=request.data, context=self.get_serializer_context()
        )
        serializer.is_valid(raise_exception=True)
        given = dict(serializer.validated_data)
        choice = Choice(
            charge_points=given.pop("charge_points", ()),
            location_id=given.pop("location", None),
            vendor=given.pop("vendor", ""),
            model=given.pop("model", ""),
        )
        common = {name: given.pop(name) for name in ("file", "name", "ignore_model") if name in given}
        made = campaigns.create_campaign(actor=self.actor, choice=choice, plan=Plan(**given), **common)
        return Response(self._shown(made), status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=shapes.FirmwareCampaignSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Begin no further updates; those under way go on."""
        return self._do(campaigns.pause)

    @extend_schema(request=None, responses=shapes.FirmwareCampaignSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Go on with a paused campaign."""
        return self._do(campaigns.resume)

    @extend_schema(request=None, responses=shapes.FirmwareCampaignSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Give up what has not ended; chargers that were asked already may go on."""
        return self._do(campaigns.cancel)

    @extend_schema(request=None, responses=shapes.FirmwareCampaignSerializer)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Let the failed ones wait for another attempt."""
        return self._do(campaigns.retry_failed)

    @extend_schema(responses=shapes.FirmwareUpdateSerializer(many=True))
    @action(detail=True, methods=["get"], filterset_class=FirmwareUpdateFilter)
    def updates(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Each charger's state and outcome."""
        # The filter is about the updates, not about the campaign.
        campaign = get_object_or_404(self.get_queryset(), pk=self.kwargs["pk"])
        found = campaign.updates.select_related("charge_point", "campaign__file").order_by("pk")
        rows = DjangoFilterBackend().filter_queryset(request, found, self)
        page = self.paginate_queryset(rows)
        shown = shapes.FirmwareUpdateSerializer(page, many=True, context=self.get_serializer_context())
        return self.get_paginated_response(shown.data)

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """With the counts of the campaigns that are shown, read at once."""
        if args and not getattr(self, "swagger_fake_view", False):
            rows = args[0] if kwargs.get("many") else [args[0]]
            kwargs["context"] = {**self.get_serializer_context(), "counts": campaigns.count_states(rows)}
        return super().get_serializer(*args, **kwargs)

    def _do(self, act: Callable[..., FirmwareCampaign]) -> Response:
        return Response(self._shown(act(actor=self.actor, campaign=self.get_object())))

    def _shown(self, campaign: FirmwareCampaign) -> Any:
        return self.get_serializer(self.get_queryset().get(pk=campaign.pk)).data


@extend_schema(tags=["charge-points"])
class PublishedFirmwareViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ChargePointPartViewSet):
    """Firmware that a local controller publishes, the newest order first; ordered by the command publish_firmware."""

    queryset = PublishedFirmware.objects.select_related("charge_point")
    serializer_class = shapes.PublishedFirmwareSerializer
    permission_area = "firmware"
    ordering_fields = ["id", "status", "created_at", "reported_at"]
    ordering = ["-id"]


@extend_schema_view(
    create=extend_schema(
        request=shapes.UpdateRequestSerializer, responses={201: shapes.FirmwareUpdateSerializer}
    )
)
@extend_schema(tags=["charge-points"])
class FirmwareUpdateViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ChargePointPartViewSet):
    """Updates of one charger, the newest first."""

    queryset = FirmwareUpdate.objects.select_related("charge_point", "campaign__file")
    serializer_class = shapes.FirmwareUpdateSerializer
    filterset_class = FirmwareUpdateFilter
    permission_area = "firmware"
    ordering_fields = ["id", "state", "created_at", "started_at", "ended_at"]
    ordering = ["-id"]

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Update this charger: a campaign of one."""
        station = self.charge_point
        serializer = shapes.UpdateRequestSerializer(data=request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        plan = Plan(
            batch_size=1,
            only_idle=given["only_idle"],
            starts_at=given.get("starts_at"),
            download_retries=given.get("download_retries"),
        )
        made = campaigns.update_one(
            actor=self.actor,
            charge_point=station,
            file=given["file"],
            plan=plan,
            wait=given["wait"],
            ignore_model=given["ignore_model"],
        )
        return Response(self.get_serializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=shapes.FirmwareUpdateSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Give the update up; a charger that was asked already may go on."""
        update = self.get_object()
        campaigns.cancel_update(actor=self.actor, update=update)
        return Response(self.get_serializer(self.get_queryset().get(pk=update.pk)).data)


@extend_schema_view(
    create=extend_schema(request=shapes.AskForLogSerializer, responses={201: shapes.LogRequestSerializer})
)
@extend_schema(tags=["charge-points"])
class LogRequestViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ChargePointPartViewSet):
    """Diagnostics and logs of one charger, the newest first."""

    queryset = LogRequest.objects.select_related("charge_point")
    serializer_class = shapes.LogRequestSerializer
    filterset_class = LogRequestFilter
    permission_area = "logs"
    ordering_fields = ["id", "state", "created_at", "received_at", "size"]
    ordering = ["-id"]

    @atomic
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Ask the charger to upload its diagnostics or a log; 409 while it is offline, unless `expires_in` is given."""
        station = self.charge_point
        serializer = shapes.AskForLogSerializer(data=request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        made = log_requests.request_log(actor=self.actor, charge_point=station, **serializer.validated_data)
        return Response(self.get_serializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=shapes.LogRequestSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take no file for it any more."""
        made = log_requests.cancel(actor=self.actor, request=self.get_object())
        return Response(self.get_serializer(made).data)

    @extend_schema(methods=["get"], responses={(200, BINARY): OpenApiTypes.BINARY})
    @extend_schema(methods=["delete"], responses={204: None})
    @action(
        detail=True,
        methods=["get", "delete"],
        renderer_classes=[JSONRenderer, BinaryRenderer],
        pagination_class=None,
        filterset_class=None,
    )
    def file(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """The uploaded file, to save; DELETE throws it away."""
        row: LogRequest = self.get_object()
        if request.method == "DELETE":
            log_requests.delete_file(actor=self.actor, request=row)
            return Response(status=status.HTTP_204_NO_CONTENT)
        if not row.has_file:
            raise errors.FileMissing
        try:
            path = file_store.path_of(log_requests.FOLDER, row.stored_as)
            return file_response(request._request, path, name=row.download_name, etag=row.sha256)
        except FileNotFoundError:
            raise Http404 from None
