"""Shapes of people, tokens and events."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.api.base import OwnTenantField
from accounts.choices import AuthorizationStatus, Role
from accounts.models import Driver, IdToken, TokenGroup, User
from csms_project.common.api.fields import AnyField
from csms_project.common.models import Event


class UserSerializer(serializers.ModelSerializer[User]):
    """A member of the tenant; `role` is its role there."""

    role = serializers.ChoiceField(choices=Role.choices, required=False, allow_null=False)
    password = serializers.CharField(write_only=True, required=False, max_length=1000, trim_whitespace=False)

    class Meta:
        model = User
        fields = [
            "id",
            "username",
            "email",
            "first_name",
            "last_name",
            "is_active",
            "role",
            "password",
            "last_login",
            "date_joined",
        ]
        read_only_fields = ["last_login", "date_joined"]
        extra_kwargs: dict[str, Any] = {"username": {"validators": []}}

    def to_representation(self, instance: User) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(instance)
        shown["role"] = role_in(instance, self.context.get("tenant_id"))
        return shown

    def validate_username(self, value: str) -> str:
        if self.instance is not None and value != self.instance.username:
            raise serializers.ValidationError("A user name cannot be changed.")
        return value


def role_in(user: User, tenant_id: int | None) -> str | None:
    """The role of a user in a tenant, from its prefetched memberships; None where it is no member."""
    roles = (item.role for item in user.memberships.all() if item.tenant_id == tenant_id)
    return next(roles, None)


class DriverSerializer(serializers.ModelSerializer[Driver]):
    class Meta:
        model = Driver
        fields = [
            "id",
            "name",
            "email",
            "phone",
            "external_id",
            "is_active",
            "note",
            "created_at",
            "updated_at",
        ]


class TokenGroupSerializer(serializers.ModelSerializer[TokenGroup]):
    class Meta:
        model = TokenGroup
        fields = ["id", "name", "status", "type", "is_master_pass", "created_at", "updated_at"]


class IdTokenSerializer(serializers.ModelSerializer[IdToken]):
    """`group` is a name, an unknown one is created; `authorization_status` is what a charger would hear now.

    The value of a key code (type KeyCode) is never shown again: it is ***.
    """

    group = serializers.CharField(max_length=36, allow_null=True, required=False)
    driver = OwnTenantField()
    tariff = OwnTenantField()
    authorization_status = serializers.SerializerMethodField()

    class Meta:
        model = IdToken
        fields = [
            "id",
            "value",
            "type",
            "status",
            "authorization_status",
            "expires_at",
            "group",
            "driver",
            "tariff",
            "max_active_sessions",
            "balance",
            "language1",
            "language2",
            "personal_message",
            "charging_priority",
            "note",
            "created_at",
            "updated_at",
        ]
        validators: list[Any] = []

    @extend_schema_field(serializers.ChoiceField(choices=AuthorizationStatus.choices))
    def get_authorization_status(self, token: IdToken) -> str:
        return token.status_at(timezone.now()).value

    def to_representation(self, instance: IdToken) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(instance)
        shown["group"] = instance.group.name if instance.group is not None else None
        if instance.is_secret:
            shown["value"] = "***"
        return shown


class EventSerializer(serializers.ModelSerializer[Event]):
    data: Any = AnyField()

    class Meta:
        model = Event
        fields = ["id", "kind", "object_type", "object_id", "charge_point", "data", "created_at"]
        read_only_fields = fields
