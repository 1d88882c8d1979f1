"""What a charger has calculated, in our form (pure; OCPP 2.1 I12)."""

from __future__ import annotations

from typing import Any

from ocpp_gateway.v21.cost_details import MAX_PERIODS, read_cost_details

USAGE = {"energy": 10.5, "chargingTime": 3600, "idleTime": 60, "reservationTime": 0}


def details(**more: Any) -> dict[str, Any]:
    price = {"exclTax": 10, "inclTax": 11.9, "taxRates": [{"type": "VAT", "tax": 19}]}
    cost = {
        "currency": "EUR",
        "typeOfCost": "NormalCost",
        "energy": price,
        "total": {"exclTax": 10, "inclTax": 11.9},
    }
    return {"totalCost": cost, "totalUsage": USAGE, **more}


def test_whole_calculation_is_read() -> None:
    periods = [
        {
            "startPeriod": "2026-03-02T10:00:00Z",
            "tariffId": "t-1",
            "dimensions": [{"type": "Energy", "volume": 10.5}, {"type": "IdleTIme", "volume": 60}],
        }
    ]

    read = read_cost_details(details(chargingPeriods=periods))

    assert read == {
        "currency": "EUR",
        "kind": "NormalCost",
        "total_excl": "10",
        "total_incl": "11.9",
        "parts": [{"name": "energy", "excl": "10", "incl": "11.9", "taxes": [{"type": "VAT", "tax": "19"}]}],
        "usage": {"energy": "10.5", "chargingTime": "3600", "idleTime": "60", "reservationTime": "0"},
        "periods": [
            {
                "start": "2026-03-02T10:00:00Z",
                "tariff_id": "t-1",
                "used": {"Energy": "10.5", "IdleTIme": "60"},
            }
        ],
    }


def test_failure_is_read_with_its_reason() -> None:
    """I12.FR.14"""
    read = read_cost_details(details(failureToCalculate=True, failureReason="no clock"))
    assert read is not None
    assert (read["failed"], read["reason"]) == (True, "no clock")


def test_long_lists_are_bounded_and_odd_numbers_left_out() -> None:
    period = {"startPeriod": "x", "dimensions": [{"type": "Energy", "volume": 1e300}]}
    read = read_cost_details(details(chargingPeriods=[period] * (MAX_PERIODS + 5)))
    assert read is not None
    assert len(read["periods"]) == MAX_PERIODS
    assert read["periods"][0]["used"] == {"Energy": None}


def test_no_details_are_none() -> None:
    assert read_cost_details(None) is None
