"""`python -m tests.faults.seed COUNT`: chargers FAULT-00001 … with a tag each, in a migrated database."""

from __future__ import annotations

import sys

import django

KEY = "0123456789abcdef0123456789abcdef01234567"
ADMIN = ("admin", "only for the tests")


def identity(number: int) -> str:
    """The name of a charger."""
    return f"FAULT-{number:05d}"


def tag(number: int) -> str:
    """The tag that is used at a charger only."""
    return f"TAG-{number:05d}"


def seed(count: int) -> None:
    """Make tenant, administrator, chargers and tags."""
    from accounts.models import IdToken
    from accounts.services.tenants import ensure_default_tenant, ensure_first_admin
    from chargepoints.keys import hash_key
    from chargepoints.models import ChargePoint

    tenant = ensure_default_tenant()
    ensure_first_admin(*ADMIN)
    key = hash_key(KEY)
    names = [identity(number) for number in range(1, count + 1)]
    ChargePoint.objects.bulk_create(
        ChargePoint(tenant=tenant, identity=name, identity_key=name.casefold(), key_hash=key)
        for name in names
    )
    values = [tag(number) for number in range(1, count + 1)]
    IdToken.objects.bulk_create(
        IdToken(tenant=tenant, value=value, value_key=value.casefold()) for value in values
    )


if __name__ == "__main__":
    django.setup()
    seed(int(sys.argv[1]))
