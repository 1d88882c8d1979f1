import csms_project.common.fields
import django.core.validators
import django.db.models.deletion
from decimal import Decimal
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_initial"),
        ("chargepoints", "0008_accepted_vendor_ids"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="FleetTask",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("title", models.CharField(max_length=150)),
                (
                    "actions",
                    csms_project.common.fields.FastJSONField(
                        default=list, help_text="The commands in it, each once."
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("cancelled", "Cancelled"),
                            ("stopped", "Stopped"),
                        ],
                        default="waiting",
                        editable=False,
                        max_length=9,
                    ),
                ),
                (
                    "batch_size",
                    models.PositiveIntegerField(
                        blank=True, help_text="Chargers at a time; empty: all at once.", null=True
                    ),
                ),
                ("not_before", models.DateTimeField(blank=True, help_text="Empty: at once.", null=True)),
                (
                    "stop_failure_rate",
                    models.DecimalField(
                        blank=True,
                        decimal_places=3,
                        help_text="Stop when more than this share of the chargers asked has failed; empty: never.",
                        max_digits=4,
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(Decimal("0")),
                            django.core.validators.MaxValueValidator(Decimal("1")),
                        ],
                    ),
                ),
                (
                    "expires_in",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Empty: they fail at once.",
                        null=True,
                        verbose_name="wait for offline chargers (s)",
                    ),
                ),
                ("requested_by_name", models.CharField(blank=True, max_length=150)),
                (
                    "requested_via",
                    models.CharField(
                        choices=[
                            ("admin", "Admin"),
                            ("api", "API"),
                            ("cli", "Command line"),
                            ("gateway", "Charger"),
                            ("job", "Automatic"),
                        ],
                        default="api",
                        max_length=8,
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("end_reason", models.CharField(blank=True, max_length=200)),
                (
                    "requested_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.tenant",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="FleetTaskItem",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "action",
                    models.CharField(
                        help_text="snake_case: ours; PascalCase: OCPP, sent verbatim.", max_length=64
                    ),
                ),
                (
                    "payload",
                    csms_project.common.fields.FastJSONField(
                        default=dict, help_text="As given, secrets replaced by ***."
                    ),
                ),
                (
                    "secret_payload",
                    models.TextField(
                        blank=True, editable=False, help_text="Encrypted; wiped when it is no longer needed."
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("under_way", "Under way"),
                            ("accepted", "Accepted"),
                            ("rejected", "Rejected"),
                            ("not_supported", "Not supported"),
                            ("failed", "Failed"),
                            ("timed_out", "Timed out"),
                            ("expired", "Expired"),
                            ("offline", "Offline"),
                            ("refused", "Not sent"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="waiting",
                        max_length=13,
                    ),
                ),
                (
                    "outcome",
                    models.CharField(blank=True, help_text="What became of it, in words.", max_length=300),
                ),
                ("attempt", models.PositiveSmallIntegerField(default=1)),
                (
                    "wait_until",
                    models.DateTimeField(
                        blank=True, help_text="Until when an offline charger is waited for.", null=True
                    ),
                ),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "charge_point",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="fleet_items",
                        to="chargepoints.chargepoint",
                    ),
                ),
                (
                    "command",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="fleet_items",
                        to="chargepoints.command",
                    ),
                ),
                (
                    "task",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="items",
                        to="chargepoints.fleettask",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.tenant",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.AddIndex(
            model_name="fleettask",
            index=models.Index(fields=["tenant", "-id"], name="fleet_task_tenant"),
        ),
        migrations.AddIndex(
            model_name="fleettask",
            index=models.Index(
                condition=models.Q(("ended_at__isnull", True)), fields=["id"], name="fleet_task_open"
            ),
        ),
        migrations.AddIndex(
            model_name="fleettaskitem",
            index=models.Index(fields=["task", "charge_point", "id"], name="fleet_item_charger"),
        ),
        migrations.AddIndex(
            model_name="fleettaskitem",
            index=models.Index(fields=["task", "status", "id"], name="fleet_item_status"),
        ),
    ]
