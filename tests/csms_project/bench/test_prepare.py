"""Charge points for a load test."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command

from accounts.models import IdToken, Tenant
from chargepoints import keys
from chargepoints.models import ChargePoint, Connector
from csms_project.bench.prepare import prepare

KEY = "0123456789abcdef0123"


def test_prepare_makes_what_is_missing_and_leaves_the_rest(tenant: Tenant) -> None:
    identities = ["LOAD1", "LOAD2"]
    assert prepare(tenant=tenant, identities=identities[:1], tags=["T1"], key=KEY, connectors=2) == 1
    assert prepare(tenant=tenant, identities=identities, tags=["T1", "T2"], key=KEY, connectors=2) == 1
    rows = ChargePoint.objects.filter(tenant=tenant, identity__in=identities)
    assert [keys.verify_key(KEY.encode(), row.key_hash) for row in rows] == [True, True]
    assert Connector.objects.filter(evse__charge_point__in=rows).count() == 4
    assert IdToken.objects.filter(tenant=tenant).count() == 2


@pytest.mark.django_db
def test_bench_prepare_says_what_it_made() -> None:
    out = StringIO()
    call_command("bench", "prepare", "--chargers", "3", "--prefix", "L", "--key", KEY, stdout=out)
    assert out.getvalue() == "3 charge points made, 0 were there.\n"
    assert set(ChargePoint.objects.values_list("identity", flat=True)) == {"L00001", "L00002", "L00003"}
    assert IdToken.objects.filter(value="LTAG00003").exists()
