"""The message log by month on PostgreSQL."""

from typing import Any

from django.db import migrations

from csms_project.common.partitions import partition


def forwards(apps: Any, schema_editor: Any) -> None:
    partition("chargepoints_ocppmessage", schema_editor)


class Migration(migrations.Migration):
    dependencies = [("chargepoints", "0002_initial")]
    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
