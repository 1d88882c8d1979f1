"""Room on each page for new versions of its rows (PostgreSQL)."""

from django.db import migrations

from csms_project.common.storage import leave_room


class Migration(migrations.Migration):
    dependencies = [("transactions", "0002_partition_meter_values")]
    operations = [leave_room("transactions_transaction", fillfactor=50)]
