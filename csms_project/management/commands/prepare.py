"""manage.py prepare: what has to be done once for each version before its processes start."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from csms_project import up


class Command(BaseCommand):
    help = "Migrate the database, make the default tenant and the first admin. `up` does this itself."

    def handle(self, *args: Any, **options: Any) -> None:
        settings.DEBUG = False
        try:
            if settings.SQLITE:
                up.prepare_directory(settings.DATA_DIR)
            up.prepare_database(say=self.stdout.write)
        except up.UpError as error:
            raise CommandError(str(error)) from error
