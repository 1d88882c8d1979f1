"""The messages of “OCPP & California Pricing Requirements”, field by field (pure)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from transactions import cost_messages
from transactions.price_now import PriceNow

AT = datetime(2026, 3, 2, 13, tzinfo=timezone(timedelta(hours=1)))
DAY = PriceNow(
    currency="EUR", kwh=Decimal("0.123"), hour=Decimal(2), flat=Decimal("42.42"), idle_hour=Decimal(1)
)
NIGHT = PriceNow(currency="EUR", kwh=Decimal("0.100"), idle_hour=Decimal("0.5"))


def test_user_price() -> None:
    assert cost_messages.user_price(id_token="04A1", text="0.12 EUR/kWh") == {
        "idToken": "04A1",
        "priceText": "0.12 EUR/kWh",
    }


def test_running_cost_with_all_that_it_may_hold() -> None:
    message = cost_messages.running_cost(
        at=AT,
        meter_wh=Decimal("1234000.900"),
        is_charging=True,
        now=DAY,
        then=(datetime(2026, 3, 2, 21, tzinfo=UTC), NIGHT),
        step_kwh=Decimal(5),
    )

    assert message == {
        "timestamp": "2026-03-02T12:00:00Z",
        "meterValue": 1234000,
        "state": "Charging",
        "chargingPrice": {"kWhPrice": 0.123, "hourPrice": 2.0, "flatFee": 42.42},
        "idlePrice": {"hourPrice": 1.0},
        "nextPeriod": {
            "atTime": "2026-03-02T21:00:00Z",
            "chargingPrice": {"kWhPrice": 0.1},
            "idlePrice": {"hourPrice": 0.5},
        },
        "triggerMeterValue": {
            "atTime": "2026-03-02T21:00:00Z",
            "atEnergykWh": 5.0,
            "atCPStatus": ["Charging", "SuspendedEV", "SuspendedEVSE", "Finishing"],
        },
    }


def test_running_cost_with_the_least() -> None:
    message = cost_messages.running_cost(
        at=AT,
        meter_wh=Decimal(0),
        is_charging=False,
        now=PriceNow(currency="EUR"),
        then=None,
        step_kwh=None,
    )

    assert (message["state"], message["chargingPrice"]) == ("Idle", {})
    assert not {"idlePrice", "nextPeriod"} & message.keys()
    assert list(message["triggerMeterValue"]) == ["atCPStatus"]


def test_final_cost_with_and_without_a_link() -> None:
    plain = cost_messages.final_cost(transaction_id=7, cost=Decimal("3.31"), text="total 3.31 EUR")

    assert plain == {"transactionId": 7, "cost": 3.31, "priceText": "total 3.31 EUR"}
    linked = cost_messages.final_cost(transaction_id=7, cost=Decimal(3), text="t", url="https://x.example/1")
    assert linked["qrCodeText"] == "https://x.example/1"


def test_default_price() -> None:
    assert cost_messages.default_price(DAY, text="a", offline_text="b") == {
        "priceText": "a",
        "priceTextOffline": "b",
        "chargingPrice": {"kWhPrice": 0.123, "hourPrice": 2.0, "flatFee": 42.42},
    }
