"""Model profiles over REST: the tenant's own, what is built in, and files of both."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.api.views import EditableViewSet
from chargepoints.api.serializers import LinesField
from chargepoints.model_profiles import ModelProfile, built_in_profiles
from chargepoints.models import ChargePointModelProfile
from chargepoints.models.model_profiles import PROFILE_FIELDS
from chargepoints.services import model_profiles
from csms_project.common.api.filters import TextFilter, TruthFilter


class TextsField(serializers.DictField):
    """Names and texts."""

    child = serializers.CharField(allow_blank=True, trim_whitespace=False)


class ModelProfileSerializer(serializers.ModelSerializer[ChargePointModelProfile]):
    """What is known of a model. Patterns take `*` for anything and `?` for one character; empty fits all."""

    accepted_vendor_ids = LinesField(required=False)
    boot_configuration = TextsField(required=False, help_text="Configuration key → value.")
    error_texts = TextsField(required=False, help_text="Vendor's error code, or his text → meaning.")
    ignored_registers = serializers.ListField(child=serializers.FloatField(), required=False)
    charge_points = serializers.IntegerField(
        source="charge_point_count", read_only=True, help_text="How many charge points follow it."
    )

    class Meta:
        model = ChargePointModelProfile
        fields = [
            "id",
            *PROFILE_FIELDS,
            "is_active",
            "copied_from",
            "charge_points",
            "created_at",
            "updated_at",
        ]
        read_only_fields = ["copied_from"]


class BuiltInProfileSerializer(serializers.Serializer[Any]):
    """A profile that comes with the product."""

    key = serializers.CharField()
    name = serializers.CharField()
    vendor = serializers.CharField()
    model = serializers.CharField()
    firmware = serializers.CharField()
    strict_schema = serializers.BooleanField(allow_null=True)
    record_repairs = serializers.BooleanField()
    accepted_vendor_ids = serializers.ListField(child=serializers.CharField())
    boot_configuration = TextsField()
    rate_unit = serializers.CharField()
    register_unit = serializers.CharField()
    start_stop_unit = serializers.CharField()
    register_factor = serializers.DecimalField(max_digits=12, decimal_places=6)
    export_as_import = serializers.BooleanField()
    ignored_registers = serializers.ListField(child=serializers.FloatField())
    error_texts = TextsField()
    note = serializers.CharField()
    reference = serializers.CharField()


class CopySerializer(serializers.Serializer[Any]):
    key = serializers.CharField(max_length=64, help_text="Of a built-in profile.")


class ProfileFileSerializer(serializers.Serializer[Any]):
    """A file of profiles."""

    format = serializers.CharField(help_text=f"“{model_profiles.FORMAT}”")
    version = serializers.IntegerField()
    profiles = serializers.ListField(child=serializers.DictField())


class ImportedSerializer(serializers.Serializer[Any]):
    created = serializers.IntegerField()
    updated = serializers.IntegerField()


class ModelProfileFilter(filters.FilterSet):
    name = TextFilter(lookup_expr="icontains")
    vendor = TextFilter()
    model = TextFilter()
    is_active = TruthFilter()


class ModelProfileViewSet(EditableViewSet):
    """Model profiles of the tenant: how models of chargers deviate, and how they are to be set up."""

    queryset = ChargePointModelProfile.objects.all()
    serializer_class = ModelProfileSerializer
    filterset_class = ModelProfileFilter
    permission_area = "model_profiles"
    permission_overrides = {
        "built_in": "model_profiles.view",
        "export_file": "model_profiles.view",
        "copy": "model_profiles.change",
        "import_file": "model_profiles.change",
    }
    ordering_fields = ["id", "name", "vendor", "model", "created_at"]
    ordering = ["name", "pk"]

    def get_queryset(self) -> QuerySet[ChargePointModelProfile]:
        found: QuerySet[ChargePointModelProfile] = (
            super().get_queryset().annotate(charge_point_count=Count("charge_points"))
        )
        return found

    def perform_create(self, serializer: BaseSerializer[ChargePointModelProfile]) -> None:
        made = model_profiles.create_profile(
            actor=self.actor, tenant=self.tenant, **serializer.validated_data
        )
        serializer.instance = self.get_queryset().get(pk=made.pk)

    def perform_update(self, serializer: BaseSerializer[ChargePointModelProfile]) -> None:
        assert serializer.instance is not None
        model_profiles.update_profile(
            actor=self.actor, profile=serializer.instance, **serializer.validated_data
        )
        serializer.instance = self.get_queryset().get(pk=serializer.instance.pk)

    def perform_destroy(self, instance: ChargePointModelProfile) -> None:
        model_profiles.delete_profile(actor=self.actor, profile=instance)

    @extend_schema(responses=BuiltInProfileSerializer(many=True), filters=False)
    @action(detail=False, url_path="built-in", pagination_class=None, filterset_class=None)
    def built_in(self, request: Request) -> Response:
        """The profiles that come with the product; those of the tenant come before them."""
        return Response(BuiltInProfileSerializer(_plain(built_in_profiles()), many=True).data)

    @extend_schema(request=CopySerializer, responses={201: ModelProfileSerializer})
    @action(detail=False, methods=["post"])
    def copy(self, request: Request) -> Response:
        """Make a copy of a built-in profile, to be changed."""
        given = CopySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        made = model_profiles.copy_built_in(
            actor=self.actor, tenant=self.tenant, key=given.validated_data["key"]
        )
        row = self.get_queryset().get(pk=made.pk)
        return Response(self.get_serializer(row).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses=ProfileFileSerializer)
    @action(detail=False, url_path="export", pagination_class=None)
    def export_file(self, request: Request) -> Response:
        """The profiles of the filters as a file that `import` takes, here or elsewhere."""
        rows = self.filter_queryset(self.get_queryset())
        return Response(model_profiles.export_profiles(rows))

    @extend_schema(request=ProfileFileSerializer, responses=ImportedSerializer)
    @action(detail=False, methods=["post"], url_path="import")
    def import_file(self, request: Request) -> Response:
        """Take the profiles of a file over, all or none; one of the same name is replaced."""
        done = model_profiles.import_profiles(actor=self.actor, tenant=self.tenant, document=request.data)
        return Response(ImportedSerializer(done).data)


def _plain(profiles: tuple[ModelProfile, ...]) -> list[dict[str, Any]]:
    names = ["key", *PROFILE_FIELDS]
    return [{name: getattr(profile, name) for name in names} for profile in profiles]
