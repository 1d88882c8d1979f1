"""`python -m tests.bench.plain.prepare CHARGERS PREFIX KEY`: tables, charge points and cards of the plain design."""

from __future__ import annotations

import os
import sys

import django
from django.core.management import call_command


def main(chargers: int, prefix: str, key: str) -> None:
    """Make everything in an empty database."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.bench.plain.settings"
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)

    from tests.bench.plain.models import ChargePoint, IdTag

    numbers = range(1, chargers + 1)
    ChargePoint.objects.bulk_create(
        ChargePoint(identity=f"{prefix}{number:05d}", password=key) for number in numbers
    )
    IdTag.objects.bulk_create(IdTag(value=f"{prefix[:10]}TAG{number:05d}") for number in numbers)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
