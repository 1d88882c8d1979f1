"""Chargers with a model profile: chosen at boot, lenient or strict, registers put right and explained."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import IdToken, Tenant
from accounts.permissions import Actor
from chargepoints.models import ChargePoint, FrameAnomaly
from chargepoints.selectors import profile_of
from chargepoints.services import model_profiles, ownership
from tests import factories
from tests.factories import T0
from tests.ocpp_gateway.v16.helpers import Csms, boot, meter, moment, session, start, stop
from transactions.models import LedgerEntry, Transaction
from transactions.services.recompute import recompute

HOUR = timedelta(hours=1)


def make_profile(tenant: Tenant, **fields: Any) -> Any:
    return factories.ModelProfileFactory(tenant=tenant, name="Odd one", **fields)


def test_boot_chooses_the_profile_and_a_new_firmware_another(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant
) -> None:
    make_profile(tenant)
    newer = factories.ModelProfileFactory(tenant=tenant, firmware="2.*", record_repairs=False)
    factories.ModelProfileFactory(tenant=tenant, firmware="2.*", model="Duo*", is_active=False)

    csms.send(charge_point, "BootNotification", boot(firmwareVersion="1.0"))
    first = profile_of(ChargePoint.objects.get(pk=charge_point.pk)).name
    csms.send(charge_point, "BootNotification", boot(firmwareVersion="2.0"))

    row = ChargePoint.objects.get(pk=charge_point.pk)
    assert (first, row.model_profile_id, row.profile_flags) == ("Odd one", newer.pk, "quiet")


def test_boot_of_another_model_leaves_the_profile(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant
) -> None:
    make_profile(tenant)
    csms.send(charge_point, "BootNotification", boot())

    csms.send(
        charge_point, "BootNotification", {"chargePointVendor": "Keba AG", "chargePointModel": "KC-P30"}
    )

    row = ChargePoint.objects.get(pk=charge_point.pk)
    assert (row.model_profile_id, row.built_in_profile) == (None, "keba-p30")


def test_boot_does_not_choose_another_tenants_profile(
    csms: Csms, charge_point: ChargePoint, other_tenant: Tenant
) -> None:
    make_profile(other_tenant)

    csms.send(charge_point, "BootNotification", boot())

    assert not profile_of(ChargePoint.objects.get(pk=charge_point.pk))


# --- leniency ---


@pytest.mark.parametrize(
    ("own", "flags", "strict"),
    [
        (None, "", False),
        (None, "strict", True),
        (None, "quiet,strict", True),
        (False, "strict", False),
        (True, "", True),
    ],
)
def test_own_setting_comes_before_the_profiles(
    charge_point: ChargePoint, own: bool | None, flags: str, strict: bool
) -> None:
    ChargePoint.objects.update(strict_schema=own, profile_flags=flags)

    standing = ownership.standings([charge_point.pk])[charge_point.pk]

    assert (standing.strict_schema, standing.keeps_repairs) == (strict, "quiet" not in flags)
    assert ChargePoint.objects.get().is_strict is strict


def test_known_deviations_are_repaired_without_an_anomaly(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant, token: IdToken
) -> None:
    csms.socket(charge_point).keeps_repairs = False

    csms.send(charge_point, "StartTransaction", start(meter="1000"))  # type: ignore[arg-type]

    assert not FrameAnomaly.objects.exists()
    assert "repaired" in Transaction.objects.get().flags


def test_vendor_messages_are_accepted_where_the_profile_says_so(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant
) -> None:
    profile = make_profile(tenant, accepted_vendor_ids="com.Example")
    ChargePoint.objects.update(model_profile=profile)

    assert csms.send(charge_point, "DataTransfer", {"vendorId": "com.example"}) == {"status": "Accepted"}


# --- registers ---


@pytest.fixture
def odd(tenant: Tenant, charge_point: ChargePoint) -> ChargePoint:
    """Its registers are kWh, in samples labelled Wh; -1 stands for nothing."""
    profile = make_profile(tenant, register_unit="kWh", start_stop_unit="kWh", ignored_registers=[-1])
    ChargePoint.objects.filter(pk=charge_point.pk).update(model_profile=profile)
    return charge_point


def samples(value: str) -> list[dict[str, str]]:
    return [{"value": value, "measurand": "Energy.Active.Import.Register", "unit": "Wh"}]


def notes(pk: int) -> list[str]:
    return list(LedgerEntry.objects.filter(transaction_id=pk, kind="note").values_list("text", flat=True))


def test_registers_are_corrected_live_and_at_the_end_and_the_ledger_says_so(
    csms: Csms, odd: ChargePoint, token: IdToken
) -> None:
    started = csms.send(odd, "StartTransaction", start(meter=100))["transactionId"]
    csms.send(odd, "MeterValues", meter(moment(samples("-1"), T0 + HOUR / 4), transaction=started))
    csms.send(odd, "MeterValues", meter(moment(samples("104.5"), T0 + HOUR / 2), transaction=started))
    live = session(started)
    assert (live.meter_start_wh, live.register_wh, live.energy_wh) == (100_000, 104_500, 4_500)

    csms.send(odd, "StopTransaction", stop(started, meter=110), at=T0 + HOUR)

    row = session(started)
    assert (row.meter_stop_wh, row.energy_wh, row.flags) == (110_000, Decimal(10_000), [])
    assert (row.meter_start_raw, row.meter_stop_raw) == ("100", "110")
    assert [text.partition(":")[0] for text in notes(row.pk)] == [
        "By the model profile “Odd one”",
        "Start register 100 as sent, corrected to 100000 Wh.",
        "Stop register 110 as sent, corrected to 110000 Wh.",
    ]
    assert row.cost is not None


def test_recompute_finds_the_same_figures_though_the_profile_has_changed(
    csms: Csms, odd: ChargePoint, token: IdToken, owner: Actor, tenant: Tenant
) -> None:
    started = csms.send(odd, "StartTransaction", start(meter=100))["transactionId"]
    csms.send(odd, "MeterValues", meter(moment(samples("104.5"), T0 + HOUR / 2), transaction=started))
    profile = ChargePoint.objects.get(pk=odd.pk).model_profile
    assert profile is not None
    model_profiles.delete_profile(actor=owner, profile=profile)
    csms.send(odd, "StopTransaction", stop(started, meter=110), at=T0 + HOUR)

    done = recompute(actor=owner, transaction=session(started))

    assert (done.changed, done.transaction.energy_wh) == ({}, Decimal(10_000))


def test_placeholder_at_the_start_counts_from_the_first_reading(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant, token: IdToken
) -> None:
    profile = make_profile(tenant, ignored_registers=[0])
    ChargePoint.objects.filter(pk=charge_point.pk).update(model_profile=profile)
    started = csms.send(charge_point, "StartTransaction", start(meter=0))["transactionId"]
    csms.send(
        charge_point, "MeterValues", meter(moment(samples("700000"), T0 + HOUR / 60), transaction=started)
    )
    csms.send(charge_point, "StopTransaction", stop(started, meter=705_000), at=T0 + HOUR)

    row = session(started)
    assert (row.meter_start_wh, row.energy_wh, row.flags) == (None, 5_000, ["meter_unreadable"])
    assert "Start register 0: a placeholder of this model, not used." in notes(row.pk)


def test_session_without_a_profile_has_no_note(csms: Csms, charge_point: ChargePoint, token: IdToken) -> None:
    started = csms.send(charge_point, "StartTransaction", start())["transactionId"]
    csms.send(charge_point, "StopTransaction", stop(started))

    assert notes(session(started).pk) == []


def test_repeated_start_of_a_corrected_session_is_still_a_repeat(
    csms: Csms, odd: ChargePoint, token: IdToken
) -> None:
    first = csms.send(odd, "StartTransaction", start(meter=100))
    assert csms.send(odd, "StartTransaction", start(meter=100)) == first
