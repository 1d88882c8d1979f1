"""Messages on displays: kept, and how they stand on chargers."""

from __future__ import annotations

from typing import Any

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.api.views import EditableViewSet
from chargepoints.api.base import ChargePointPartViewSet
from chargepoints.choices import DisplayFormat, DisplayPriority, DisplayState, ShownState
from chargepoints.displaying import MAX_CONTENT
from chargepoints.models import DisplayMessage, ShownMessage
from chargepoints.services import display_messages
from csms_project.common.api.filters import TextFilter


class ContentSerializer(serializers.Serializer[Any]):
    content = serializers.CharField(max_length=MAX_CONTENT)
    format = serializers.ChoiceField(choices=DisplayFormat.choices, default=DisplayFormat.UTF8)
    language = serializers.CharField(max_length=8, help_text="As de or en-US (RFC 5646).")


class DisplayMessageSerializer(serializers.ModelSerializer[DisplayMessage]):
    """`id` is the number of the message on the wire."""

    extra = ContentSerializer(
        many=True,
        required=False,
        help_text="The message in up to four other languages, for chargers of OCPP 2.1.",
    )

    class Meta:
        model = DisplayMessage
        fields = [
            "id",
            "name",
            "content",
            "format",
            "language",
            "extra",
            "priority",
            "state",
            "starts_at",
            "ends_at",
            "charge_point",
            "location",
            "vendor",
            "model",
            "transaction_id",
            "is_active",
            "created_at",
            "updated_at",
        ]


class ShownMessageSerializer(serializers.ModelSerializer[ShownMessage]):
    """A message on one charger, as far as we know."""

    charge_point = serializers.CharField(source="charge_point.identity", read_only=True)
    sent = serializers.DictField(help_text="What was last sent: the arguments of `set_display_message`.")
    reported = serializers.DictField(
        allow_null=True, help_text="What the charger told in the same form; null: it has not told it."
    )

    class Meta:
        model = ShownMessage
        fields = [
            "id",
            "charge_point",
            "message",
            "number",
            "status",
            "sent",
            "reported",
            "reported_at",
            "accepted_at",
            "problem",
            "command",
        ]
        read_only_fields = fields


class DisplayMessageFilter(filters.FilterSet):
    name = TextFilter(lookup_expr="icontains")
    state = filters.ChoiceFilter(choices=DisplayState.choices)
    priority = filters.ChoiceFilter(choices=DisplayPriority.choices)


class ShownMessageFilter(filters.FilterSet):
    status = filters.ChoiceFilter(choices=ShownState.choices)


class DisplayMessageViewSet(EditableViewSet):
    """Messages that displays should show; chargers follow within seconds, or when they are online."""

    queryset = DisplayMessage.objects.all()
    serializer_class = DisplayMessageSerializer
    filterset_class = DisplayMessageFilter
    permission_area = "display_messages"
    ordering_fields = ["id", "name", "created_at", "updated_at"]
    ordering = ["-id"]

    def perform_create(self, serializer: BaseSerializer[DisplayMessage]) -> None:
        serializer.instance = display_messages.create_message(
            actor=self.actor, tenant=self.tenant, **serializer.validated_data
        )

    def perform_update(self, serializer: BaseSerializer[DisplayMessage]) -> None:
        assert serializer.instance is not None
        display_messages.update_message(
            actor=self.actor, message=serializer.instance, **serializer.validated_data
        )

    def perform_destroy(self, instance: DisplayMessage) -> None:
        display_messages.delete_message(actor=self.actor, message=instance)

    @extend_schema(responses=ShownMessageSerializer(many=True))
    @action(detail=True, methods=["get"], filterset_class=None)
    def chargers(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """How it stands on each charger that it is for."""
        rows = self.get_object().shown.select_related("charge_point").order_by("pk")
        page = self.paginate_queryset(rows)
        shown = ShownMessageSerializer(page, many=True, context=self.get_serializer_context())
        return self.get_paginated_response(shown.data)

    @extend_schema(
        request=None, responses={200: {"type": "object", "properties": {"count": {"type": "integer"}}}}
    )
    @action(detail=True, methods=["post"])
    def resend(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Send it again to the chargers that have refused or lost it; says to how many."""
        count = display_messages.send_again(actor=self.actor, message=self.get_object())
        return Response({"count": count})


@extend_schema(tags=["charge-points"])
class ShownMessageViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ChargePointPartViewSet):
    """Messages on the display of one charger, on their way to it, and those it told of that are not from here."""

    queryset = ShownMessage.objects.select_related("charge_point")
    serializer_class = ShownMessageSerializer
    filterset_class = ShownMessageFilter
    permission_area = "display_messages"
    ordering_fields = ["id", "number", "status", "reported_at"]
    ordering = ["number"]
