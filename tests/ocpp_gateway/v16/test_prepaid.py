"""Prepaid tags on chargers of OCPP 1.6, which can be told no limit."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from accounts.models import IdToken
from chargepoints.models import ChargePoint
from tests.factories import T0
from tests.ocpp_gateway.v16.helpers import Csms, session, start, stop
from transactions.services import prepaid

HOUR = timedelta(hours=1)


def with_balance(token: IdToken, balance: str) -> None:
    token.balance = Decimal(balance)
    token.save(update_fields=["balance"])


def test_session_is_limited_by_us_and_taken_from_the_balance(
    csms: Csms, charge_point: ChargePoint, token: IdToken
) -> None:
    with_balance(token, "9")
    started = csms.send(charge_point, "StartTransaction", start())["transactionId"]

    assert session(started).limits == {
        "wanted": {"maxCost": "9.0000"},
        "unknown": ["maxCost"],
        "prepaid": True,
    }
    csms.send(charge_point, "StopTransaction", stop(started), at=T0 + HOUR)
    cost = session(started).cost
    assert cost
    prepaid.debit_due(T0 + HOUR)
    token.refresh_from_db()
    assert token.balance == 9 - cost


def test_tag_without_credit_is_blocked(csms: Csms, charge_point: ChargePoint, token: IdToken) -> None:
    with_balance(token, "0")

    info = csms.send(charge_point, "Authorize", {"idTag": "04A1B2C3"})["idTagInfo"]

    assert info["status"] == "Blocked"


def test_other_tags_have_no_limits(csms: Csms, charge_point: ChargePoint, token: IdToken) -> None:
    started = csms.send(charge_point, "StartTransaction", start())["transactionId"]

    assert session(started).limits is None
