"""Tariffs on chargers that calculate costs themselves (OCPP 2.1 I07 to I11), and drivers' own ones (I08)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import IdToken, Tenant
from accounts.permissions import Actor
from chargepoints.choices import CommandStatus
from chargepoints.errors import InvalidPayload
from chargepoints.models import ChargePoint, Command
from tests import factories
from tests.factories import T0
from tests.ocpp_gateway.csms import Csms as AnyCsms
from tests.ocpp_gateway.v201.helpers import Csms, Csms21
from tests.ocpp_gateway.v201.helpers import token as wire_token
from transactions.models import ChargerTariff, Tariff
from transactions.services import charger_tariffs, cost_features

HOUR = timedelta(hours=1)


def energy(price: str, **more: Any) -> list[dict[str, Any]]:
    return [
        {"price_components": [{"type": "ENERGY", "price": price, "vat": "19", "step_size": None, **more}]}
    ]


@pytest.fixture
def able(charge_point: ChargePoint, tenant: Tenant) -> ChargePoint:
    """A charger that calculates costs itself; the organisation gives such chargers their tariffs: 0.50 EUR/kWh."""
    tariff = factories.TariffFactory(tenant=tenant, name="Day", elements=energy("0.50"))
    Tenant.objects.filter(pk=tenant.pk).update(local_tariffs=True, default_tariff=tariff)
    for name, instance in (("Available", "Tariff"), ("Available", "Cost")):
        say(charge_point, "TariffCostCtrlr", name, "true", instance=instance)
    ChargePoint.objects.filter(pk=charge_point.pk).update(ocpp_version="ocpp2.1")
    assert cost_features.resolve(T0) == 1
    charge_point.refresh_from_db()
    return charge_point


def say(charge_point: ChargePoint, component: str, name: str, value: str, **more: Any) -> None:
    factories.VariableFactory(charge_point=charge_point, component=component, name=name, value=value, **more)


def held(charge_point: ChargePoint) -> list[tuple[int, str, str]]:
    rows = ChargerTariff.objects.filter(charge_point=charge_point).order_by("evse_number", "tariff_id")
    return [(row.evse_number, row.tariff_id, row.kind) for row in rows]


def set_default(csms: AnyCsms, charge_point: ChargePoint, status: str = "Accepted", **more: Any) -> Command:
    payload = {"tariff": {"currency": "EUR", "elements": energy("0.30")}, "tariff_id": "t-1", **more}
    return csms.order(charge_point, "set_default_tariff", payload).answer(status=status)


# --- what the charger can ---


@pytest.mark.parametrize(
    ("said", "features"),
    [
        ([("TariffCostCtrlr", "Available", "Tariff", "true")], "display"),
        (
            [
                ("TariffCostCtrlr", "Available", "Tariff", "true"),
                ("TariffCostCtrlr", "Available", "Cost", "True"),
            ],
            "tariffs display",
        ),
        (
            [
                ("TariffCostCtrlr", "Available", "Tariff", "true"),
                ("TariffCostCtrlr", "Available", "Cost", "true"),
                ("TariffCostCtrlr", "Enabled", "Cost", "false"),
            ],
            "display",
        ),
        ([("TxCtrlr", "SupportedLimits", "", "maxEnergy, maxCost,other")], "maxCost maxEnergy"),
        ([], ""),
    ],
)
def test_device_model_says_what_a_charger_can(
    charge_point: ChargePoint, said: list[tuple[str, str, str, str]], features: str
) -> None:
    ChargePoint.objects.filter(pk=charge_point.pk).update(ocpp_version="ocpp2.1", cost_features="maxSoC")
    for component, name, instance, value in said:
        say(charge_point, component, name, value, instance=instance)

    assert cost_features.resolve(T0) == 1
    assert cost_features.resolve(T0) == 0

    charge_point.refresh_from_db()
    assert charge_point.cost_features == features


def test_many_chargers_are_looked_at_in_one_read(able: ChargePoint, tenant: Tenant) -> None:
    for _ in range(3):
        factories.ChargePointFactory(tenant=tenant, ocpp_version="ocpp2.1")
    with CaptureQueriesContext(connection) as queries:
        cost_features.resolve(T0)
    assert len([query for query in queries if "variable" in query["sql"]]) == 1


# --- default tariffs (I07) ---


def test_default_tariff_goes_out_in_the_words_of_2_1(csms: Csms21, able: ChargePoint) -> None:
    order = csms.order(
        able,
        "set_default_tariff",
        {
            "tariff": {"currency": "EUR", "elements": energy("0.30"), "name": "Night"},
            "connector": 2,
            "valid_from": "2026-03-02T11:00:00+01:00",
        },
    )

    assert (order.action, order.payload["evseId"]) == ("SetDefaultTariff", 2)
    tariff = order.payload["tariff"]
    assert tariff["energy"]["prices"] == [{"priceKwh": 0.3}]
    assert tariff["validFrom"].startswith("2026-03-02T10:00:00")
    assert tariff["description"][0]["content"] == "Night"


def test_other_contents_have_another_id(able: ChargePoint, tenant: Tenant) -> None:
    """I08.FR.08"""
    first = charger_tariffs.wanted_of(able)
    Tariff.objects.update(elements=energy("0.51"))
    able = ChargePoint.objects.get(pk=able.pk)
    second = charger_tariffs.wanted_of(able)
    Tariff.objects.update(elements=energy("0.50"))

    assert first is not None
    assert second is not None
    assert first.tariff_id != second.tariff_id
    assert charger_tariffs.wanted_of(ChargePoint.objects.get(pk=able.pk)) == first


def test_accepted_default_stands_on_every_evse_in_place_of_the_one_before(
    csms: Csms21, able: ChargePoint
) -> None:
    """I07.FR.12, .22"""
    set_default(csms, able)
    set_default(csms, able, tariff_id="t-2", connector=1)

    assert held(able) == [(1, "t-2", "DefaultTariff"), (2, "t-1", "DefaultTariff")]
    row = ChargerTariff.objects.get(evse_number=1)
    assert row.content["elements"][0]["price_components"][0]["price"] == "0.3"


def test_tariff_of_later_waits_beside_that_of_now(csms: Csms21, able: ChargePoint) -> None:
    """I07.FR.19, .20: which one holds follows from the time."""
    set_default(csms, able, connector=1)
    set_default(csms, able, tariff_id="t-2", connector=1, valid_from=(T0 + HOUR).isoformat())

    rows = list(ChargerTariff.objects.filter(evse_number=1))
    assert len(rows) == 2
    assert charger_tariffs.in_force(rows, T0)[1].tariff_id == "t-1"
    assert charger_tariffs.in_force(rows, T0 + 2 * HOUR)[1].tariff_id == "t-2"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("Rejected", "does not take this tariff"),
        ("TooManyElements", "fewer prices"),
        ("ConditionNotSupported", "no prices that depend"),
        ("DuplicateTariffId", "with this id already"),
    ],
)
def test_refused_default_is_told_in_words_and_kept_nowhere(
    csms: Csms21, able: ChargePoint, status: str, words: str
) -> None:
    """I07.FR.02 to .05"""
    command = set_default(csms, able, status)

    assert command.status == CommandStatus.REJECTED
    assert words in command.summary
    assert held(able) == []


def test_tariff_that_2_1_cannot_say_is_refused_in_words(csms: Csms21, able: ChargePoint) -> None:
    with pytest.raises(InvalidPayload, match="not in blocks of 500"):
        csms.order(
            able,
            "set_default_tariff",
            {"tariff": {"currency": "EUR", "elements": energy("0.30", step_size=500)}},
        )


def test_older_versions_have_no_message_for_tariffs(csms: Csms21, able: ChargePoint) -> None:
    from ocpp_gateway.dispatcher import neutral_problem

    for version, name in (("ocpp1.6", "OCPP 1.6"), ("ocpp2.0.1", "OCPP 2.0.1")):
        assert neutral_problem(version, "get_tariffs", {}) == f"{name} has no message for get_tariffs."


def test_raw_tariff_is_kept_as_far_as_ours_can_say_it(csms: Csms21, able: ChargePoint) -> None:
    wire = {
        "tariffId": "raw",
        "currency": "EUR",
        "energy": {"prices": [{"priceKwh": 1, "conditions": {"evseKind": "DC"}}]},
    }
    csms.order(able, "SetDefaultTariff", {"evseId": 1, "tariff": wire}).answer(status="Accepted")

    row = ChargerTariff.objects.get()
    assert (row.evse_number, row.tariff_id, row.content) == (1, "raw", None)


# --- reading and clearing (I09, I10) ---


def test_list_of_tariffs_replaces_what_was_known(csms: Csms21, able: ChargePoint) -> None:
    """I09.FR.01, .04 to .07"""
    set_default(csms, able)
    order = csms.order(able, "get_tariffs")
    assert (order.action, order.payload) == ("GetTariffs", {"evseId": 0})

    command = order.answer(
        status="Accepted",
        tariffAssignments=[
            {"tariffId": "t-1", "tariffKind": "DefaultTariff", "evseIds": [2]},
            {
                "tariffId": "d-1",
                "tariffKind": "DriverTariff",
                "evseIds": [1],
                "idTokens": ["04A1"],
                "validFrom": "2026-03-02T10:00:00Z",
            },
        ],
    )

    assert command.status == CommandStatus.ACCEPTED
    assert command.summary == "2 tariffs: t-1, d-1."
    assert held(able) == [(1, "d-1", "DriverTariff"), (2, "t-1", "DefaultTariff")]
    kept = ChargerTariff.objects.get(tariff_id="t-1")
    assert kept.content is not None
    assert kept.set_at is not None
    assert ChargerTariff.objects.get(tariff_id="d-1").id_tokens == ["04A1"]


def test_list_of_one_evse_leaves_the_others(csms: Csms21, able: ChargePoint) -> None:
    """I09.FR.02, .03"""
    set_default(csms, able)

    command = csms.order(able, "get_tariffs", {"connector": 1}).answer(status="NoTariff")

    assert (command.status, command.summary) == (CommandStatus.ACCEPTED, "The charger has no tariff.")
    assert held(able) == [(2, "t-1", "DefaultTariff")]


def test_charger_that_tells_no_tariffs_keeps_what_is_known(csms: Csms21, able: ChargePoint) -> None:
    set_default(csms, able)
    command = csms.order(able, "get_tariffs").answer(status="Rejected")

    assert command.status == CommandStatus.REJECTED
    assert len(held(able)) == 2


def test_cleared_tariffs_are_gone(csms: Csms21, able: ChargePoint) -> None:
    """I10.FR.02, .03, .05"""
    set_default(csms, able)
    order = csms.order(able, "clear_tariffs", {"tariff_ids": ["t-1", "x"], "connector": 1})
    assert order.payload == {"tariffIds": ["t-1", "x"], "evseId": 1}

    command = order.answer(
        clearTariffsResult=[
            {"tariffId": "t-1", "status": "Accepted"},
            {"tariffId": "x", "status": "Rejected"},
        ]
    )

    assert command.status == CommandStatus.REJECTED
    assert command.summary == "Removed: t-1. Not removed: x."
    assert held(able) == [(2, "t-1", "DefaultTariff")]


def test_clearing_where_there_is_nothing_is_no_failure(csms: Csms21, able: ChargePoint) -> None:
    """I10.FR.06"""
    set_default(csms, able)
    command = csms.order(able, "clear_tariffs").answer(clearTariffsResult=[{"status": "NoTariff"}])

    assert (command.status, command.summary) == (CommandStatus.ACCEPTED, "There was no such tariff.")
    assert held(able) == []


# --- in step with ours ---


def test_charger_gets_its_tariff_and_every_change_once(csms: Csms21, able: ChargePoint) -> None:
    assert charger_tariffs.sync(T0) == 1
    assert charger_tariffs.sync(T0) == 0
    (frame,) = csms.due(able)
    csms.text(able, f'[3, "{frame[0]}", {{"status": "Accepted"}}]')
    assert charger_tariffs.sync(T0 + timedelta(days=1)) == 0

    Tariff.objects.update(elements=energy("0.60"))

    assert charger_tariffs.sync(T0 + timedelta(days=1)) == 1
    command = Command.objects.order_by("-pk")[0]
    assert command.payload["tariff"]["elements"][0]["price_components"][0]["price"] == "0.60"


def test_refused_tariff_is_tried_again_after_hours_only(csms: Csms21, able: ChargePoint) -> None:
    charger_tariffs.sync(T0)
    (frame,) = csms.due(able)
    csms.text(able, f'[3, "{frame[0]}", {{"status": "Rejected"}}]')

    assert charger_tariffs.sync(T0 + HOUR) == 0
    assert charger_tariffs.sync(T0 + 7 * HOUR) == 1


@pytest.mark.parametrize(
    "change",
    [{"local_tariffs": False}, {"pricing_mode": "free"}],
)
def test_nobody_is_given_tariffs_unasked(able: ChargePoint, tenant: Tenant, change: dict[str, Any]) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(**change)

    assert charger_tariffs.sync(T0) == 0


def test_charger_that_calculates_nothing_gets_no_tariff(able: ChargePoint) -> None:
    ChargePoint.objects.update(cost_features="display")

    assert charger_tariffs.sync(T0) == 0


def test_difference_is_told_by_evse(csms: Csms21, able: ChargePoint) -> None:
    wanted = charger_tariffs.wanted_of(able)
    assert wanted is not None
    assert charger_tariffs.differs(able, wanted, T0) == [1, 2]
    set_default(csms, able, tariff_id=wanted.tariff_id, connector=2)

    assert charger_tariffs.differs(able, wanted, T0) == [1]


# --- a driver's own tariff (I08) ---


def authorized(csms: AnyCsms, charge_point: ChargePoint) -> dict[str, Any]:
    return csms.send(charge_point, "Authorize", {"idToken": wire_token()})


def test_driver_with_a_tariff_brings_it_along(
    csms: Csms21, able: ChargePoint, tenant: Tenant, token: IdToken
) -> None:
    """I08.FR.01, .09"""
    token.tariff = factories.TariffFactory(tenant=tenant, name="Fleet", elements=energy("0.20"))
    token.save()

    answer = authorized(csms, able)

    assert answer["tariff"]["energy"]["prices"] == [{"priceKwh": 0.2}]
    assert "validFrom" not in answer["tariff"]


def test_driver_without_a_tariff_uses_the_default(csms: Csms21, able: ChargePoint, token: IdToken) -> None:
    assert "tariff" not in authorized(csms, able)


def test_refused_driver_gets_no_tariff(
    csms: Csms21, able: ChargePoint, tenant: Tenant, token: IdToken
) -> None:
    token.tariff = factories.TariffFactory(tenant=tenant, elements=energy("0.20"))
    token.status = "Blocked"
    token.save()

    assert "tariff" not in authorized(csms, able)


def test_driver_tariff_that_2_1_cannot_say_is_left_to_us(
    csms: Csms21, able: ChargePoint, tenant: Tenant, token: IdToken
) -> None:
    """I08.FR.33, .34"""
    token.tariff = factories.TariffFactory(tenant=tenant, elements=energy("0.20", step_size=1000))
    token.save()

    answer = authorized(csms, able)

    assert answer["idTokenInfo"]["status"] == "Accepted"
    assert "tariff" not in answer


def test_version_without_tariffs_gets_none(
    csms: Csms21, monkeypatch: pytest.MonkeyPatch, able: ChargePoint, tenant: Tenant, token: IdToken
) -> None:
    token.tariff = factories.TariffFactory(tenant=tenant, elements=energy("0.20"))
    token.save()

    assert "tariff" not in authorized(Csms(monkeypatch), able)


# --- a session's tariff (I11) ---


def test_running_session_goes_on_by_another_tariff(csms: Csms21, able: ChargePoint, tenant: Tenant) -> None:
    """I11.FR.06"""
    row = factories.TransactionFactory(
        connector=able.connectors.get(ocpp_number=1), ocpp_id="tx-1", ocpp_version="ocpp2.1", currency="EUR"
    )
    tariff = factories.TariffFactory(tenant=tenant, elements=energy("0.10"))
    csms.connect(able)
    charger_tariffs.change_session(actor=Actor.system("test"), transaction=row, tariff=tariff)
    ((message, action, payload),) = csms.due(able)
    assert (action, payload["transactionId"]) == ("ChangeTransactionTariff", "tx-1")

    csms.text(able, f'[3, "{message}", {{"status": "Accepted"}}]')

    row.refresh_from_db()
    assert row.local_cost["tariff_id"] == payload["tariff"]["tariffId"]
    assert len(row.local_cost["changes"]) == 1
    assert row.ledger.filter(text__startswith="The charger goes on by the tariff").exists()


@pytest.mark.parametrize("status", ["Rejected", "TooManyElements", "TxNotFound", "NoCurrencyChange"])
def test_refused_change_leaves_the_session(csms: Csms21, able: ChargePoint, status: str) -> None:
    """I11.FR.02 to .05"""
    order = csms.order(
        able,
        "change_transaction_tariff",
        {"transaction_id": "tx-1", "tariff": {"currency": "EUR", "elements": energy("0.30")}},
    )
    command = order.answer(status=status)

    assert command.status == CommandStatus.REJECTED
    assert command.summary


def test_session_keeps_its_currency(able: ChargePoint, tenant: Tenant) -> None:
    row = factories.TransactionFactory(
        connector=able.connectors.get(ocpp_number=1), ocpp_id="tx-1", currency="EUR"
    )
    tariff = factories.TariffFactory(tenant=tenant, currency="USD")
    from transactions.errors import NothingToSend

    with pytest.raises(NothingToSend, match="EUR"):
        charger_tariffs.change_session(actor=Actor.system("test"), transaction=row, tariff=tariff)
