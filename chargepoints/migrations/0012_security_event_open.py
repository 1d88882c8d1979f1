from django.db import migrations, models

from csms_project.common.operations import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("chargepoints", "0011_certificates"),
    ]

    operations = [
        AddIndexOnline(
            model_name="securityevent",
            index=models.Index(
                condition=models.Q(("acknowledged_at", None), ("is_alert", True)),
                fields=["tenant", "received_at", "id"],
                name="security_event_open",
            ),
        ),
    ]
