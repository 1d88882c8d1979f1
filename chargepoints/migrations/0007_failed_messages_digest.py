from django.db import migrations, models

from csms_project.common.operations import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("chargepoints", "0006_command_summary")]
    operations = [
        AddIndexOnline(
            model_name="frameanomaly",
            index=models.Index(
                condition=models.Q(("digest", ""), _negated=True),
                fields=["charge_point", "digest"],
                name="anomaly_digest",
            ),
        )
    ]
