"""Room on each page for new versions of its rows (PostgreSQL)."""

from django.db import migrations

from csms_project.common.storage import leave_room


class Migration(migrations.Migration):
    dependencies = [("chargepoints", "0003_partition_messages")]
    operations = [
        leave_room("chargepoints_chargepoint", fillfactor=50),
        leave_room("chargepoints_connection", fillfactor=50),
        leave_room("chargepoints_connector", fillfactor=50),
    ]
