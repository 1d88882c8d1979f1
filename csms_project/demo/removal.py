"""Removing the demo: every row of its tenant, and no other."""

from __future__ import annotations

from django.apps import apps
from django.db import IntegrityError
from django.db.models import Model, ProtectedError, RestrictedError
from django.db.transaction import atomic

from accounts.models import Tenant
from csms_project.demo import catalog
from csms_project.demo.seeding import DemoError

_REFUSED = (ProtectedError, RestrictedError, IntegrityError)


def owned_models() -> list[type[Model]]:
    """Models whose rows belong to a tenant, those of the upper apps first."""
    found = [
        model
        for app in ("transactions", "chargepoints", "accounts", "common")
        for model in apps.get_app_config(app).get_models()
        if model is not Tenant and any(field.name == "tenant" for field in model._meta.fields)
    ]
    # Rows that nothing refers to first: deleted without being read.
    return sorted(found, key=lambda model: len(model._meta.related_objects))


def remove_demo() -> int | None:
    """Delete the demo tenant and all it owns; returns the number of rows, None when there is no demo.

    Raises  DemoError  something keeps a row, for example a charger that is being served
    """
    tenant = Tenant.objects.filter(slug=catalog.SLUG, is_demo=True).first()
    if tenant is None:
        return None
    with atomic():
        # Upward references that PROTECT nothing, but would be read one by one.
        Tenant.objects.filter(pk=tenant.pk).update(default_tariff=None)
        deleted = _delete_rows(tenant)
        try:
            tenant.delete()
        except _REFUSED as error:
            raise DemoError("The demo is in use: stop the server first.") from error
    return deleted + 1


def _delete_rows(tenant: Tenant) -> int:
    """Delete in rounds: what is protected goes once that which protects it has gone."""
    deleted, models = 0, owned_models()
    while models:
        kept: list[type[Model]] = []
        for model in models:
            try:
                with atomic():
                    deleted += model._base_manager.filter(tenant=tenant).delete()[0]
            except _REFUSED:
                kept.append(model)
        if len(kept) == len(models):
            names = ", ".join(str(model._meta.verbose_name_plural) for model in kept)
            raise DemoError(f"Something refers to the demo's {names}: stop the server first.")
        models = kept
    return deleted
