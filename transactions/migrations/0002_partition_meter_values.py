"""Meter values by month on PostgreSQL."""

from typing import Any

from django.db import migrations

from csms_project.common.partitions import partition


def forwards(apps: Any, schema_editor: Any) -> None:
    partition("transactions_metervalue", schema_editor)


class Migration(migrations.Migration):
    dependencies = [("transactions", "0001_initial")]
    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
