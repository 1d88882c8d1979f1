"""Lists that follow the tags, at chargers of OCPP 2.x (block D)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from accounts.models import IdToken, Tenant
from accounts.services import token_changes
from chargepoints.choices import LocalListState
from chargepoints.models import ChargePoint, LocalList, Variable
from chargepoints.services import list_sync
from tests import factories
from tests.ocpp_gateway.v201.helpers import Csms


class Charger:
    """A charging station with a list of its own, by (value, type)."""

    def __init__(self, csms: Csms, charge_point: ChargePoint) -> None:
        self.csms, self.charge_point = csms, charge_point
        self.version, self.tags = 0, dict[tuple[str, str], dict[str, Any]]()
        self.sent: list[dict[str, Any]] = []
        self.items = ""
        csms.connect(charge_point)

    def serve(self) -> list[str]:
        """Let job and charger talk until nothing more is said; the actions."""
        actions: list[str] = []
        for _ in range(20):
            list_sync.run(self.csms.now)
            calls = self.csms.due(self.charge_point)
            if not calls:
                break
            ((message_id, action, payload),) = calls
            actions.append(action)
            answer = self.answer(action, payload)
            self.csms.text(self.charge_point, f'[3,"{message_id}",{answer}]')
        return actions

    def variable(self, item: dict[str, Any]) -> dict[str, Any]:
        """It says how many tags it takes in a message, or that it knows nothing of that."""
        if self.items and item["variable"]["name"] == "ItemsPerMessage":
            return {**item, "attributeStatus": "Accepted", "attributeValue": self.items}
        return {**item, "attributeStatus": "UnknownVariable"}

    def answer(self, action: str, payload: dict[str, Any]) -> str:
        if action == "GetLocalListVersion":
            return f'{{"versionNumber":{self.version}}}'
        if action == "GetVariables":
            return json.dumps(
                {"getVariableResult": [self.variable(item) for item in payload["getVariableData"]]}
            )
        assert action == "SendLocalList"
        self.sent.append(payload)
        entries = payload.get("localAuthorizationList", [])
        if payload["updateType"] == "Full":
            assert all("idTokenInfo" in entry for entry in entries)
            self.tags = {}
        else:
            assert payload["versionNumber"] > self.version
        for entry in entries:
            key = entry["idToken"]["idToken"], entry["idToken"]["type"]
            if "idTokenInfo" in entry:
                self.tags[key] = entry["idTokenInfo"]
            else:
                del self.tags[key]
        self.version = payload["versionNumber"]
        return '{"status":"Accepted"}'


@pytest.fixture
def charger(csms: Csms, charge_point: ChargePoint) -> Charger:
    factories.LocalListFactory(charge_point=charge_point)
    return Charger(csms, charge_point)


def told(tenant: Tenant) -> None:
    token_changes.note(tenant.pk)


def test_tags_arrive_with_their_types_and_changes_follow(
    charger: Charger, tenant: Tenant, other_tenant: Tenant
) -> None:
    """D01.FR.02, .06, .17; a key code is in no list (C04.FR.04)"""
    group = factories.TokenGroupFactory(tenant=tenant, name="FLEET", type="Central")
    card = factories.IdTokenFactory(tenant=tenant, value="04A1", group=group)
    factories.IdTokenFactory(tenant=tenant, value="04A1", type="Local")
    factories.IdTokenFactory(tenant=tenant, value="1234", type="KeyCode")
    factories.IdTokenFactory(tenant=other_tenant, value="04FF")
    others = [factories.IdTokenFactory(tenant=tenant, value=f"06C{number}").value for number in range(4)]

    assert charger.serve()[-2:] == ["GetLocalListVersion", "SendLocalList"]

    assert charger.tags == {
        ("04A1", "ISO14443"): {
            "status": "Accepted",
            "groupIdToken": {"idToken": "FLEET", "type": "Central"},
        },
        ("04A1", "Local"): {"status": "Accepted"},
        **{(value, "ISO14443"): {"status": "Accepted"} for value in others},
    }
    assert LocalList.objects.get().state == LocalListState.IN_STEP
    for number in range(3):
        factories.IdTokenFactory(tenant=tenant, value=f"05B{number}")
    IdToken.objects.filter(pk=card.pk).delete()
    told(tenant)
    assert charger.serve() == ["SendLocalList"]
    assert charger.sent[-1]["updateType"] == "Differential"
    assert charger.sent[-1]["localAuthorizationList"][0] == {
        "idToken": {"idToken": "04A1", "type": "ISO14443"}
    }
    assert sorted(value for value, _ in charger.tags) == ["04A1", "05B0", "05B1", "05B2", *others]
    assert LocalList.objects.get().state == LocalListState.IN_STEP


@pytest.mark.parametrize(
    ("name", "value", "messages"), [("ItemsPerMessage", "2", 3), ("BytesPerMessage", "600", 3)]
)
def test_list_comes_in_messages_that_the_charger_takes(
    charger: Charger, tenant: Tenant, name: str, value: str, messages: int
) -> None:
    """D01.FR.11: the variables ItemsPerMessage and BytesPerMessage"""
    Variable.objects.create(
        tenant=tenant,
        charge_point=charger.charge_point,
        component="LocalAuthListCtrlr",
        name=name,
        name_key=name.lower(),
        value=value,
        updated_at=charger.csms.now,
    )
    for number in range(6):
        factories.IdTokenFactory(tenant=tenant, value=f"04A{number}")

    charger.serve()

    assert [payload["updateType"] for payload in charger.sent] == ["Full"] + ["Differential"] * (messages - 1)
    assert len(charger.tags) == 6


def test_charger_is_asked_how_much_it_takes(charger: Charger, tenant: Tenant) -> None:
    """In the words of its version, before it gets the first list."""
    for number in range(7):
        factories.IdTokenFactory(tenant=tenant, value=f"04A{number}")
    charger.items = "3"

    actions = charger.serve()

    assert actions[:2] == ["GetVariables", "GetLocalListVersion"]
    assert [len(payload["localAuthorizationList"]) for payload in charger.sent] == [3, 3, 1]


def test_list_that_the_charger_has_lost_comes_again(charger: Charger, tenant: Tenant) -> None:
    """D02: a charger whose version is not ours gets the whole list"""
    factories.IdTokenFactory(tenant=tenant, value="04A1")
    charger.serve()
    charger.tags, charger.version = {}, 0
    LocalList.objects.update(must_check=True, look_at=charger.csms.now)

    assert charger.serve() == ["GetLocalListVersion", "SendLocalList"]

    assert charger.tags == {("04A1", "ISO14443"): {"status": "Accepted"}}


def test_list_is_no_longer_than_the_charger_said(charger: Charger, tenant: Tenant) -> None:
    """D01.FR.12: the limit of the variable Entries"""
    Variable.objects.create(
        tenant=tenant,
        charge_point=charger.charge_point,
        component="LocalAuthListCtrlr",
        name="Entries",
        name_key="entries",
        value="0",
        max_limit=2,
        updated_at=charger.csms.now,
    )
    for number in range(3):
        factories.IdTokenFactory(tenant=tenant, value=f"04A{number}")

    charger.serve()

    row = LocalList.objects.get()
    assert (row.state, charger.tags) == (LocalListState.FAILED, {})
    assert row.last_error == "There are 3 tags and the charger has room for 2: choose 1 fewer."
