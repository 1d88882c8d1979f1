"""Users, drivers, tokens and events."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.db.transaction import atomic
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins
from rest_framework.serializers import BaseSerializer

from accounts.api import filters, serializers
from accounts.api.base import TenantViewSet
from accounts.choices import Role
from accounts.models import Driver, IdToken, Tenant, TokenGroup, User
from accounts.selectors import members_of
from accounts.services import people, rows, tokens
from csms_project.common.models import Event


class EditableViewSet(
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    mixins.CreateModelMixin,
    mixins.UpdateModelMixin,
    mixins.DestroyModelMixin,
    TenantViewSet,
):
    """List, read, make, change and delete; the services decide."""


@extend_schema_view(
    create=extend_schema(description="Make a user and a member of the tenant."),
    destroy=extend_schema(description="End the membership; the user stays, because the books name it."),
)
class UserViewSet(EditableViewSet):
    """Members of the tenant and their roles."""

    queryset = User.objects.all()
    serializer_class = serializers.UserSerializer
    filterset_class = filters.UserFilter
    permission_area = "users"
    ordering_fields = ["id", "username", "email", "last_login", "date_joined"]
    ordering = ["username", "pk"]

    def get_queryset(self) -> QuerySet[User]:
        if getattr(self, "swagger_fake_view", False):
            return User.objects.none()
        return members_of(self.actor.tenant).prefetch_related("memberships")

    def get_serializer_context(self) -> dict[str, Any]:
        context = dict(super().get_serializer_context())
        if not getattr(self, "swagger_fake_view", False):
            context["tenant_id"] = self.tenant.pk
        return context

    @atomic
    def perform_create(self, serializer: BaseSerializer[User]) -> None:
        given = dict(serializer.validated_data)
        active = given.pop("is_active", True)
        user = people.create_user(actor=self.actor, tenant=self.tenant, **given)
        if not active:
            people.update_user(actor=self.actor, tenant=self.tenant, user=user, is_active=False)
        serializer.instance = user

    @atomic
    def perform_update(self, serializer: BaseSerializer[User]) -> None:
        given, user = dict(serializer.validated_data), serializer.instance
        assert user is not None
        role = given.pop("role", None)
        given.pop("username", None)
        if role is not None:
            people.set_role(actor=self.actor, tenant=self.tenant, user=user, role=Role(role))
        if given:
            people.update_user(actor=self.actor, tenant=self.tenant, user=user, **given)
        serializer.instance = self.get_queryset().get(pk=user.pk)

    def perform_destroy(self, instance: User) -> None:
        people.remove_member(actor=self.actor, tenant=self.tenant, user=instance)


class DriverViewSet(EditableViewSet):
    """Customers."""

    queryset = Driver.objects.all()
    serializer_class = serializers.DriverSerializer
    filterset_class = filters.DriverFilter
    permission_area = "drivers"
    ordering_fields = ["id", "name", "email", "external_id", "created_at"]
    ordering = ["name", "pk"]

    def perform_create(self, serializer: BaseSerializer[Driver]) -> None:
        serializer.instance = people.create_driver(
            actor=self.actor, tenant=self.tenant, **serializer.validated_data
        )

    def perform_update(self, serializer: BaseSerializer[Driver]) -> None:
        assert serializer.instance is not None
        people.update_driver(actor=self.actor, driver=serializer.instance, **serializer.validated_data)

    def perform_destroy(self, instance: Driver) -> None:
        rows.delete_row(actor=self.actor, row=instance, permission="drivers.change")


class TokenGroupViewSet(EditableViewSet):
    """Groups of tokens that may stop each other's sessions (parentIdTag)."""

    queryset = TokenGroup.objects.all()
    serializer_class = serializers.TokenGroupSerializer
    filterset_class = filters.TokenGroupFilter
    permission_area = "id_tokens"
    schema_tag = "token-groups"
    ordering_fields = ["id", "name", "created_at"]
    ordering = ["name", "pk"]

    def perform_create(self, serializer: BaseSerializer[TokenGroup]) -> None:
        group = TokenGroup(tenant=self.tenant, **serializer.validated_data)
        serializer.instance = rows.create_row(actor=self.actor, row=group, permission="id_tokens.change")

    @atomic
    def perform_update(self, serializer: BaseSerializer[TokenGroup]) -> None:
        given, group = dict(serializer.validated_data), serializer.instance
        assert group is not None
        status = given.pop("status", None)
        if given:
            rows.update_row(actor=self.actor, row=group, permission="id_tokens.change", changes=given)
        if status is not None:
            tokens.set_group_status(actor=self.actor, group=group, status=status)

    def perform_destroy(self, instance: TokenGroup) -> None:
        rows.delete_row(actor=self.actor, row=instance, permission="id_tokens.change")


class IdTokenViewSet(EditableViewSet):
    """RFID cards and other tokens."""

    queryset = IdToken.objects.select_related("group")
    serializer_class = serializers.IdTokenSerializer
    filterset_class = filters.IdTokenFilter
    permission_area = "id_tokens"
    ordering_fields = ["id", "value", "type", "status", "expires_at", "created_at"]
    ordering = ["value", "pk"]

    @atomic
    def perform_create(self, serializer: BaseSerializer[IdToken]) -> None:
        given = self._with_group(self.tenant, serializer.validated_data)
        serializer.instance = tokens.create_token(actor=self.actor, tenant=self.tenant, **given)

    @atomic
    def perform_update(self, serializer: BaseSerializer[IdToken]) -> None:
        token = serializer.instance
        assert token is not None
        given = self._with_group(token.tenant, serializer.validated_data)
        tokens.update_token(actor=self.actor, token=token, **given)

    def perform_destroy(self, instance: IdToken) -> None:
        rows.delete_row(actor=self.actor, row=instance, permission="id_tokens.change")

    def _with_group(self, tenant: Tenant, validated: dict[str, Any]) -> dict[str, Any]:
        given = dict(validated)
        if name := given.get("group"):
            given["group"] = tokens.get_or_create_group(actor=self.actor, tenant=tenant, name=name)
        return given


class EventViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, TenantViewSet):
    """What happened, the newest first."""

    queryset = Event.objects.all()
    serializer_class = serializers.EventSerializer
    filterset_class = filters.EventFilter
    permission_area = "events"
    is_big = True
    anchors = ("charge_point",)
    ordering_fields = ["id", "created_at"]
    ordering = ["-created_at", "-id"]
