"""Abstract bases of all rows, the event outbox and the audit trail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.db import models
from django.db.models.functions import Upper

from csms_project.common.fields import FastJSONField

if TYPE_CHECKING:
    from accounts.models import Tenant


class TenantQuerySet(models.QuerySet[Any]):
    """Every read starts at `for_tenant`."""

    def for_tenant(self, tenant: Tenant | int | None) -> Self:
        """Only the rows of this tenant; None means all tenants (superusers, jobs)."""
        if tenant is None:
            return self.all()
        return self.filter(tenant=tenant)


class TenantOwned(models.Model):
    """A row that belongs to one CPO organisation."""

    tenant = models.ForeignKey("accounts.Tenant", models.PROTECT, related_name="+", db_index=False)

    objects = TenantQuerySet.as_manager()

    class Meta:
        abstract = True


class Timestamped(models.Model):
    """When we made and last changed the row."""

    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True


class Event(TenantOwned):
    """Outbox: something happened, written in the transaction in which it happened.

    Readers claim rows with `dispatched_at` NULL; never "id greater than my position", because ids commit out of order.
    """

    # Every batch of the gateway writes events: a constraint would lock the tenant's row, which all share.
    tenant = models.ForeignKey(
        "accounts.Tenant", models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    kind = models.CharField(max_length=64)
    object_type = models.CharField(max_length=64, blank=True)
    object_id = models.CharField(max_length=64, blank=True)
    charge_point = models.CharField(
        max_length=48, blank=True, help_text="Identity of the charge point concerned."
    )
    data = FastJSONField(default=dict, blank=True)
    created_at = models.DateTimeField()
    dispatched_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["tenant", "created_at", "id"], name="event_tenant"),
            # For what is rare; what is common is found on the way through the newest. So they need no order, and few
            # keys are cheap to write.
            models.Index(fields=["tenant", "kind"], name="event_kind"),
            models.Index(Upper("charge_point"), name="event_charge_point"),
            models.Index(fields=["object_id"], name="event_object"),
            models.Index(fields=["id"], name="event_undispatched", condition=models.Q(dispatched_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.object_type} {self.object_id}".strip()


class AuditEntry(models.Model):
    """Who did what to which object; append only, written by services."""

    tenant = models.ForeignKey("accounts.Tenant", models.PROTECT, null=True, related_name="+", db_index=False)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", db_index=False
    )
    actor_name = models.CharField(
        max_length=150, help_text="User name, API key name or the automatic action."
    )
    via = models.CharField(max_length=16, help_text="admin, api, cli, gateway or job")
    action = models.CharField(max_length=64)
    object_type = models.CharField(max_length=64, blank=True)
    object_id = models.CharField(max_length=64, blank=True)
    object_name = models.CharField(max_length=200, blank=True)
    changes = FastJSONField(default=dict, blank=True)
    source_address = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["tenant", "created_at", "id"], name="audit_tenant"),
            models.Index(fields=["object_type", "object_id", "-id"], name="audit_object"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_name} {self.action} {self.object_name}"


class IdempotencyRecord(models.Model):
    """The answer to a POST with an Idempotency-Key, kept for a day so that a repeat has no second effect."""

    digest = models.CharField(max_length=64, unique=True, help_text="Of caller, path and key.")
    body_digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(default=0)
    response = models.TextField(
        blank=True, editable=False, help_text="Encrypted: it may hold a key shown once."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["created_at"], name="idempotency_created")]

    def __str__(self) -> str:
        return self.digest
