"""Official test cases of functional block J (meter values), as a charging station plays them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chargepoints.models import ChargePoint
from tests.factories import T0
from tests.ocpp_gateway.v201.helpers import Csms, Payload, event, meter, moment, session, token
from transactions.models import MeterValue

pytestmark = pytest.mark.usefixtures("token")
case = pytest.mark.testcase
QUARTER = timedelta(minutes=15)
SIGNED = {
    "signedMeterData": "T0NNRnx7IkZWIjoiMS4wIn18",
    "signingMethod": "ECDSA-secp256r1-SHA256",
    "encodingMethod": "OCMF",
    "publicKey": "MFkwEwYHKoZIzj0CAQ",
}


def start(csms: Csms, row: ChargePoint, *moments: Payload, evse: int | None = 1) -> None:
    payload = event("Started", 0, *moments, evse=evse, idToken=token(), trigger="Authorized")
    csms.send(row, "TransactionEvent", payload)


def end(csms: Csms, row: ChargePoint, *moments: Payload, seq: int = 1) -> None:
    at = T0 + 4 * QUARTER
    payload = event("Ended", seq, *moments, at=at, info={"stoppedReason": "EVDisconnected"})
    csms.send(row, "TransactionEvent", payload, at=at)


@case("TC_J_01_CSMS")
def test_clock_aligned_values_without_a_session(csms: Csms, charge_point: ChargePoint) -> None:
    """TC_J_01: J01.FR.18; EVSE 0 is the main meter"""
    for number in range(3):
        at = T0 + number * QUARTER
        for evse in (0, 1, 2):
            values = moment(1000 + number, at=at, context="Sample.Clock")
            assert csms.send(charge_point, "MeterValues", meter(values, evse=evse), at=at) == {}
    kept = MeterValue.objects.filter(charge_point=charge_point, transaction=None)
    assert sorted(kept.values_list("connector_number", flat=True)) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


@case("TC_J_02_CSMS", "TC_J_09_CSMS")
@pytest.mark.parametrize(
    ("context", "trigger"),
    [
        pytest.param("Sample.Clock", "MeterValueClock", id="TC_J_02_CSMS"),
        pytest.param("Sample.Periodic", "MeterValuePeriodic", id="TC_J_09_CSMS"),
    ],
)
def test_values_within_a_session(csms: Csms, charge_point: ChargePoint, context: str, trigger: str) -> None:
    """J01.FR.18, J02.FR.11"""
    start(csms, charge_point, moment(1000, context="Transaction.Begin"))
    for number in (1, 2, 3):
        at = T0 + number * QUARTER
        values = moment(1000 + number * 500, at=at, context=context)
        payload = event("Updated", number, values, at=at, trigger=trigger)
        assert csms.send(charge_point, "TransactionEvent", payload, at=at) == {}
    assert session().energy_wh == 1500
    assert session().meter_values.count() == 4


@case("TC_J_03_CSMS", "TC_J_10_CSMS")
@pytest.mark.parametrize(
    "context",
    [pytest.param("Sample.Clock", id="TC_J_03_CSMS"), pytest.param("Transaction.End", id="TC_J_10_CSMS")],
)
def test_values_in_the_end_of_a_session(csms: Csms, charge_point: ChargePoint, context: str) -> None:
    """J01.FR.18, J02.FR.10: the samples of the whole session may come with its end"""
    start(csms, charge_point)
    taken = [moment(1000 + number * 500, at=T0 + number * QUARTER, context=context) for number in range(5)]
    end(csms, charge_point, *taken)
    assert (session().energy_wh, session().meter_values.count()) == (2000, 5)


@case("TC_J_04_CSMS", "TC_J_11_CSMS")
@pytest.mark.parametrize(
    "context",
    [pytest.param("Sample.Clock", id="TC_J_04_CSMS"), pytest.param("Transaction.End", id="TC_J_11_CSMS")],
)
def test_signed_values_are_kept_as_they_are(csms: Csms, charge_point: ChargePoint, context: str) -> None:
    """J01.FR.21, J02.FR.21"""
    start(csms, charge_point, moment({"value": 1000, "signedMeterValue": SIGNED}))
    last = moment({"value": 3000, "context": context, "signedMeterValue": SIGNED}, at=T0 + 4 * QUARTER)
    end(csms, charge_point, last)
    assert session().energy_wh == 2000
    for row in session().meter_values.all():
        assert row.layout.columns[1][-1] == "SignedData"
        assert SIGNED["signedMeterData"] in row.values[1]


@case("TC_J_07_CSMS")
def test_register_at_the_start_with_a_known_evse(csms: Csms, charge_point: ChargePoint) -> None:
    """TC_J_07: J02.FR.19"""
    start(csms, charge_point, moment(1234, context="Transaction.Begin"))
    assert (session().meter_start_wh, session().connector_number) == (1234, 1)


@case("TC_J_08_CSMS")
def test_register_at_the_start_before_the_evse_is_known(csms: Csms, charge_point: ChargePoint) -> None:
    """TC_J_08: J02.FR.19; the register comes with the cable"""
    start(csms, charge_point, evse=None)
    values = moment(1234, context="Transaction.Begin")
    payload = event("Updated", 1, values, evse=1, trigger="CablePluggedIn")
    csms.send(charge_point, "TransactionEvent", payload)
    end(csms, charge_point, moment(2234, at=T0 + 4 * QUARTER, context="Transaction.End"), seq=2)
    assert (session().energy_wh, session().connector_number) == (1000, 1)
