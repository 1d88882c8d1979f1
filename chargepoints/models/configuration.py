"""How the configuration of chargers should be."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from chargepoints.configuration_keys import refusal_in_template
from chargepoints.models.sites import Location
from chargepoints.redaction import MASK
from chargepoints.variable_names import MAX_KEY, canonical
from csms_project.common.models import TenantOwned, Timestamped

MAX_VALUE = 2500


class ConfigurationTemplate(TenantOwned, Timestamped):
    """Values that chargers of some kind, or of a site, should have."""

    name = models.CharField(max_length=100)
    note = models.TextField(blank=True)
    vendor = models.CharField(
        max_length=50,
        blank=True,
        help_text="As the charger reports it; * and ? stand for any text. Empty: any.",
    )
    model = models.CharField(max_length=50, blank=True, help_text="Likewise, for example Wall*.")
    firmware = models.CharField(
        "firmware version", max_length=50, blank=True, help_text="Likewise, as 2.3.*."
    )
    location = models.ForeignKey(
        Location, models.PROTECT, null=True, blank=True, related_name="+", help_text="Empty: every site."
    )
    priority = models.SmallIntegerField(
        default=0,
        help_text="Where two templates want the same key, the higher one wins; at the same priority the one that "
        "says more exactly which chargers it is for.",
    )
    apply_at_boot = models.BooleanField(
        default=False,
        help_text="After each boot send the values that differ, without being asked. From the next boot on.",
    )
    is_active = models.BooleanField("in use", default=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "name"],
                name="configuration_template_unique",
                violation_error_message="A template with this name exists already.",
            )
        ]

    def __str__(self) -> str:
        return self.name


class ConfigurationEntry(TenantOwned):
    """One key of a template and the value that it should have."""

    template = models.ForeignKey(ConfigurationTemplate, models.CASCADE, related_name="entries")
    key = models.CharField(max_length=MAX_KEY)
    name_key = models.CharField(max_length=MAX_KEY, editable=False)
    value = models.CharField(max_length=MAX_VALUE, blank=True)
    is_secret = models.BooleanField(
        "secret", default=False, help_text="Stored encrypted and never shown again."
    )
    secret_value = models.TextField(blank=True, editable=False, help_text="Encrypted.")

    class Meta:
        ordering = ["key", "pk"]
        verbose_name = "value"
        verbose_name_plural = "values"
        constraints = [
            models.UniqueConstraint(
                fields=["template", "name_key"],
                name="configuration_entry_unique",
                violation_error_message="This key is in the template already.",
            )
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def shown_value(self) -> str:
        """The value, or the mask of a secret one."""
        return MASK if self.is_secret else self.value

    def clean(self) -> None:
        problem = refusal_in_template(self.key)
        if problem:
            raise ValidationError({"key": problem})
        self.name_key = canonical(self.key)[:MAX_KEY]

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.name_key = canonical(self.key)[:MAX_KEY]
        super().save(*args, **kwargs)
