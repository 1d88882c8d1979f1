"""Tariffs that chargers hold, by which they calculate costs themselves."""

from __future__ import annotations

from django.db import models

from chargepoints.models import ChargePoint
from csms_project.common.fields import FastJSONField
from csms_project.common.models import TenantOwned


class ChargerTariff(TenantOwned):
    """A tariff on one EVSE of a charger, as far as we know: told by it, or taken from us."""

    charge_point = models.ForeignKey(
        ChargePoint, models.CASCADE, related_name="charger_tariffs", db_index=False
    )
    evse_number = models.PositiveIntegerField(help_text="0: the charger names no EVSE.")
    tariff_id = models.CharField(max_length=60, help_text="The charger's name for it.")
    kind = models.CharField(max_length=20, help_text="DefaultTariff or DriverTariff.")
    valid_from = models.DateTimeField(null=True, blank=True)
    id_tokens = FastJSONField(default=list, blank=True, help_text="The tokens that a driver's tariff is for.")
    content = FastJSONField(
        null=True, blank=True, help_text="What was sent, in our form; empty: not known here."
    )
    set_at = models.DateTimeField(null=True, blank=True, help_text="When the charger took it from us.")
    read_at = models.DateTimeField(null=True, blank=True, help_text="When the charger last told it.")

    class Meta:
        ordering = ["charge_point", "evse_number", "kind", "tariff_id"]
        constraints = [
            models.UniqueConstraint(
                fields=["charge_point", "evse_number", "tariff_id"], name="charger_tariff_unique"
            )
        ]

    def __str__(self) -> str:
        return self.tariff_id
