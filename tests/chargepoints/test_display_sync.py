"""Bringing messages to displays, over the whole way to the charger and back."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from accounts.models import Tenant
from chargepoints.choices import ReadingState, ShownState
from chargepoints.models import ChargePoint, Command, DisplayMessage, DisplayReading, ShownMessage, Variable
from chargepoints.services import display_sync
from csms_project.common.models import Event
from tests.factories import T0, ChargePointFactory, ConnectionFactory
from tests.ocpp_gateway.csms import Csms as AnyCsms
from tests.ocpp_gateway.v201.helpers import Csms, Csms21, Payload, boot


@pytest.fixture
def csms(monkeypatch: pytest.MonkeyPatch, db: None) -> Csms:
    return Csms(monkeypatch)


def message_of(tenant: Tenant, **fields: Any) -> DisplayMessage:
    row: DisplayMessage = DisplayMessage.objects.create(
        tenant=tenant, **{"name": "Welcome", "content": "Welcome", "look_at": T0, **fields}
    )
    return row


def run(csms: AnyCsms, cp: ChargePoint, **later: float) -> list[tuple[str, str, Payload]]:
    """One run of the job; what the charger gets for it."""
    csms.now += timedelta(**later)
    display_sync.run(csms.now)
    return csms.due(cp)


def reply(csms: AnyCsms, cp: ChargePoint, call: tuple[str, str, Payload], **payload: Any) -> None:
    csms.text(cp, json.dumps([3, call[0], payload]))


def sent(csms: AnyCsms, cp: ChargePoint, **later: float) -> None:
    """A run whose only message the charger accepts."""
    (call,) = run(csms, cp, **later)
    reply(csms, cp, call, status="Accepted")


def row(cp: ChargePoint) -> ShownMessage:
    return ShownMessage.objects.get(charge_point=cp)


def test_message_is_sent_to_chargers_that_fit_and_accepted(
    csms: Csms, tenant: Tenant, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    csms.connect(charge_point)
    ChargePoint.objects.filter(pk=charge_point.pk).update(vendor="Amperia", model="Duo 22")
    other = ChargePointFactory(tenant=tenant, vendor="Amperia", model="Solo 11")
    message = message_of(tenant, vendor="amperia", model="duo*", state="Idle")

    (call,) = run(csms, charge_point)
    reply(csms, charge_point, call, status="Accepted")

    assert call[1:] == (
        "SetDisplayMessage",
        {
            "message": {
                "id": message.pk,
                "priority": "NormalCycle",
                "state": "Idle",
                "message": {"format": "UTF8", "content": "Welcome"},
            }
        },
    )
    assert row(charge_point).status == ShownState.HELD
    assert not ShownMessage.objects.filter(charge_point__in=(other, other_charge_point)).exists()
    assert run(csms, charge_point, hours=1) == []


def test_charger_of_ocpp16_is_said_to_have_no_such_message(tenant: Tenant, charge_point: ChargePoint) -> None:
    ConnectionFactory(charge_point=charge_point)
    ChargePoint.objects.filter(pk=charge_point.pk).update(ocpp_version="ocpp1.6")
    message_of(tenant)

    display_sync.run(T0)

    assert row(charge_point).status == ShownState.REFUSED
    assert row(charge_point).problem == "The charger speaks OCPP 1.6, which has no messages for displays."
    assert not Command.objects.exists()


def test_charger_that_speaks_another_version_after_a_boot_gets_it(
    csms: Csms, tenant: Tenant, charge_point: ChargePoint
) -> None:
    csms.connect(charge_point)
    ChargePoint.objects.filter(pk=charge_point.pk).update(ocpp_version="ocpp1.6")
    message_of(tenant)
    display_sync.run(csms.now)
    csms.now += timedelta(hours=1)
    display_sync.run(csms.now)
    assert row(charge_point).status == ShownState.REFUSED
    assert Event.objects.filter(kind="display_message.refused").count() == 1

    csms.connect(charge_point)
    csms.send(charge_point, "BootNotification", boot())
    csms.now += timedelta(hours=1)
    sent(csms, charge_point)

    assert row(charge_point).status == ShownState.HELD


def test_what_the_charger_cannot_show_is_not_sent(
    csms: Csms, tenant: Tenant, charge_point: ChargePoint
) -> None:
    Variable.objects.create(
        tenant=tenant,
        charge_point=charge_point,
        component="DisplayMessageCtrlr",
        name="SupportedFormats",
        name_key="supportedformats",
        value="UTF8",
        updated_at=T0,
    )
    message_of(tenant, format="HTML")
    csms.connect(charge_point)

    assert run(csms, charge_point) == []
    assert row(charge_point).problem == "The charger does not know the format HTML; it knows UTF8."


def test_refusal_stands_until_the_message_is_changed(
    csms: Csms, tenant: Tenant, charge_point: ChargePoint
) -> None:
    csms.connect(charge_point)
    message = message_of(tenant)
    (call,) = run(csms, charge_point)
    reply(csms, charge_point, call, status="NotSupportedPriority")

    assert row(charge_point).problem == "The charger does not know this priority."
    assert run(csms, charge_point, hours=1) == []
    DisplayMessage.objects.filter(pk=message.pk).update(priority="InFront", look_at=csms.now)
    sent(csms, charge_point)
    assert row(charge_point).status == ShownState.HELD


def test_changed_message_replaces_the_old_one(csms: Csms, tenant: Tenant, charge_point: ChargePoint) -> None:
    csms.connect(charge_point)
    message = message_of(tenant)
    sent(csms, charge_point)
    DisplayMessage.objects.filter(pk=message.pk).update(content="Closed", look_at=csms.now)

    (call,) = run(csms, charge_point)

    assert call[2]["message"]["id"] == message.pk
    assert call[2]["message"]["message"]["content"] == "Closed"


def test_message_that_is_no_longer_shown_is_removed(
    csms: Csms, tenant: Tenant, charge_point: ChargePoint
) -> None:
    csms.connect(charge_point)
    message = message_of(tenant)
    sent(csms, charge_point)
    DisplayMessage.objects.filter(pk=message.pk).update(is_active=False, look_at=csms.now)

    (call,) = run(csms, charge_point)
    reply(csms, charge_point, call, status="Unknown")

    assert call[1:] == ("ClearDisplayMessage", {"id": message.pk})
    assert not ShownMessage.objects.exists()


def test_message_whose_time_is_over_is_left_to_the_charger(
    csms: Csms, tenant: Tenant, charge_point: ChargePoint
) -> None:
    """O01.FR.07"""
    csms.connect(charge_point)
    message_of(tenant, ends_at=T0 + timedelta(hours=1))
    sent(csms, charge_point)

    assert run(csms, charge_point, hours=1) == []
    assert row(charge_point).status == ShownState.ENDED


def test_offline_charger_gets_it_when_it_is_back(
    csms: Csms, tenant: Tenant, charge_point: ChargePoint
) -> None:
    message_of(tenant)
    display_sync.run(T0)
    assert row(charge_point).status == ShownState.DUE

    csms.connect(charge_point)
    assert len(run(csms, charge_point, minutes=1)) == 1


def test_failure_is_tried_again_later_and_given_up_at_last(
    csms: Csms, tenant: Tenant, charge_point: ChargePoint
) -> None:
    csms.connect(charge_point)
    message_of(tenant)
    for _ in range(6):
        (call,) = run(csms, charge_point, days=1)
        csms.text(charge_point, json.dumps([4, call[0], "InternalError", "busy", {}]))
        display_sync.run(csms.now)
        assert csms.due(charge_point) == []

    assert row(charge_point).status == ShownState.REFUSED
    assert run(csms, charge_point, days=1) == []


def test_charger_without_displays_is_not_asked_again(
    csms: Csms, tenant: Tenant, charge_point: ChargePoint
) -> None:
    csms.connect(charge_point)
    message_of(tenant)
    (call,) = run(csms, charge_point)
    csms.text(charge_point, json.dumps([4, call[0], "NotImplemented", "", {}]))

    assert run(csms, charge_point, hours=1) == []
    assert row(charge_point).problem.startswith("The charger knows no messages on its display.")


def _booted(csms: AnyCsms, cp: ChargePoint) -> tuple[str, str, Payload]:
    """A charger that boots, and the question that follows."""
    csms.now += timedelta(hours=1)
    csms.send(cp, "BootNotification", boot())
    (call,) = run(csms, cp, seconds=10)
    assert call[1] == "GetDisplayMessages"
    return call


def test_charger_that_has_lost_it_at_a_boot_gets_it_again(
    csms: Csms, tenant: Tenant, charge_point: ChargePoint
) -> None:
    """O01.FR.10: a charger should keep it."""
    csms.connect(charge_point)
    message_of(tenant)
    sent(csms, charge_point)
    call = _booted(csms, charge_point)
    reply(csms, charge_point, call, status="Unknown")

    assert row(charge_point).problem == "The charger had lost it; it is sent again."
    sent(csms, charge_point, seconds=10)
    assert row(charge_point).status == ShownState.HELD
    assert run(csms, charge_point, hours=1) == []


def test_charger_that_still_has_it_gets_nothing(
    csms: Csms, tenant: Tenant, charge_point: ChargePoint
) -> None:
    csms.connect(charge_point)
    message = message_of(tenant)
    sent(csms, charge_point)
    call = _booted(csms, charge_point)
    reply(csms, charge_point, call, status="Accepted")
    told = {
        "id": message.pk,
        "priority": "NormalCycle",
        "message": {"format": "UTF8", "content": "Welcome"},
    }
    csms.send(
        charge_point, "NotifyDisplayMessages", {"requestId": call[2]["requestId"], "messageInfo": [told]}
    )

    assert (row(charge_point).status, row(charge_point).reported_at) == (ShownState.HELD, csms.now)
    assert run(csms, charge_point, hours=1) == []


def test_message_that_the_charger_shows_differently_is_sent_again(
    csms: Csms, tenant: Tenant, charge_point: ChargePoint
) -> None:
    csms.connect(charge_point)
    message = message_of(tenant)
    sent(csms, charge_point)
    told = {"id": message.pk, "priority": "InFront", "message": {"format": "UTF8", "content": "Welcome"}}
    csms.send(charge_point, "NotifyDisplayMessages", {"requestId": 99, "messageInfo": [told]})

    assert row(charge_point).problem == "The charger shows it differently: priority."
    assert len(run(csms, charge_point, seconds=10)) == 1


def test_message_of_a_session_that_has_ended_is_not_sent_again(
    csms: Csms, tenant: Tenant, charge_point: ChargePoint
) -> None:
    """O02.FR.02"""
    csms.connect(charge_point)
    message_of(tenant, charge_point=charge_point, transaction_id="tx-1")
    sent(csms, charge_point)
    reply(csms, charge_point, _booted(csms, charge_point), status="Unknown")

    assert row(charge_point).status == ShownState.ENDED
    assert run(csms, charge_point, hours=1) == []


def test_list_that_never_comes_to_its_end_says_nothing(
    csms: Csms, tenant: Tenant, charge_point: ChargePoint
) -> None:
    csms.connect(charge_point)
    message_of(tenant)
    sent(csms, charge_point)
    reply(csms, charge_point, _booted(csms, charge_point), status="Accepted")

    assert run(csms, charge_point, minutes=3) == []
    assert DisplayReading.objects.get().status == ReadingState.INCOMPLETE
    assert row(charge_point).status == ShownState.HELD


def test_repeated_and_unknown_lists_are_harmless(csms: Csms, charge_point: ChargePoint) -> None:
    told = {"id": 5, "priority": "InFront", "message": {"format": "UTF8", "content": "Hi"}}
    for _ in range(2):
        payload = {"requestId": 12, "messageInfo": [told]}
        assert csms.send(charge_point, "NotifyDisplayMessages", payload) == {}

    assert row(charge_point).status == ShownState.FOREIGN
    assert not DisplayReading.objects.exists()


def test_new_message_in_front_of_all_ends_the_one_before(csms: Csms, charge_point: ChargePoint) -> None:
    """O01.FR.16, O02.FR.18"""
    for number in (1, 2):
        payload = {"content": "Stop", "priority": "AlwaysFront", "message_id": number}
        csms.order(charge_point, "set_display_message", payload).answer(status="Accepted")

    states = dict(ShownMessage.objects.values_list("number", "status"))
    assert states == {1: ShownState.ENDED, 2: ShownState.HELD}


def test_message_removed_by_hand_stays_away(csms: Csms, tenant: Tenant, charge_point: ChargePoint) -> None:
    csms.connect(charge_point)
    message = message_of(tenant)
    sent(csms, charge_point)
    csms.order(charge_point, "clear_display_message", {"message_id": message.pk}).answer(status="Accepted")

    assert row(charge_point).status == ShownState.ENDED
    assert run(csms, charge_point, hours=1) == []


def test_message_in_several_languages_is_for_ocpp21(
    monkeypatch: pytest.MonkeyPatch, tenant: Tenant, charge_point: ChargePoint
) -> None:
    csms = Csms21(monkeypatch)
    csms.connect(charge_point)
    extra = [{"content": "Willkommen", "format": "UTF8", "language": "de"}]
    message_of(tenant, language="en", extra=extra, format="QRCODE", state="Suspended")

    (call,) = run(csms, charge_point)

    assert call[2]["message"]["messageExtra"] == [
        {"format": "UTF8", "language": "de", "content": "Willkommen"}
    ]
    reply(csms, charge_point, call, status="LanguageNotSupported")
    assert row(charge_point).problem == "The charger does not know a language of this message."


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"extra": [{"content": "Hallo"}]}, "one language"),
        ({"format": "QRCODE"}, "QR codes"),
        ({"state": "Discharging"}, "Discharging"),
        ({"content": "x" * 513}, "512 characters"),
    ],
)
def test_what_only_ocpp21_knows_is_said_plainly(
    csms: Csms, tenant: Tenant, charge_point: ChargePoint, fields: dict[str, Any], words: str
) -> None:
    csms.connect(charge_point)
    message_of(tenant, **fields)

    assert run(csms, charge_point) == []
    assert words in row(charge_point).problem
