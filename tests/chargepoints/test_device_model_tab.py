"""The device model of a charger of OCPP 2.x in the admin, the API and on the command line."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from accounts.permissions import Actor
from chargepoints.models import ChargePoint, Command, Connection, Variable
from tests.api import V1, client_of
from tests.browsing import sign_in
from tests.factories import T0, DeviceReportFactory, VariableFactory


def told(charge_point: ChargePoint, component: str, name: str, value: str | None, **about: Any) -> Variable:
    row: Variable = VariableFactory(
        charge_point=charge_point, component=component, name=name, value=value, read_at=T0, **about
    )
    return row


@pytest.fixture(autouse=True)
def model(charge_point: ChargePoint, connection: Connection) -> dict[str, Variable]:
    ChargePoint.objects.filter(pk=charge_point.pk).update(ocpp_version="ocpp2.0.1")
    return {
        "interval": told(
            charge_point, "OCPPCommCtrlr", "HeartbeatInterval", "60",
            data_type="integer", unit="s", min_limit=10, max_limit=600,
        ),
        "mode": told(
            charge_point, "VendorCtrlr", "EcoMode", "Auto",
            data_type="OptionList", values_list="Auto,<b>On</b>,Off",
        ),
        "points": told(
            charge_point, "TxCtrlr", "TxStartPoint", "EVConnected",
            data_type="MemberList", values_list="EVConnected,Authorized,PowerPathClosed",
        ),
        "power": told(
            charge_point, "EVSE", "Power", "3600", evse_number=1, data_type="decimal", is_readonly=True,
            mutability="ReadOnly", supports_monitoring=True,
        ),
        "problem": told(
            charge_point, "Connector", "Problem", "true", evse_number=2, connector_number=1,
            data_type="boolean", is_readonly=True,
        ),
        "password": told(
            charge_point, "SecurityCtrlr", "BasicAuthPassword", "***", is_secret=True,
            mutability="WriteOnly", data_type="string", max_limit=40,
        ),
    }  # fmt: skip


def tab(client: Client, charge_point: ChargePoint, **query: str) -> str:
    path = reverse("admin:chargepoints_chargepoint_change", args=[charge_point.pk])
    return client.get(path, {"tab": "configuration", **query}).content.decode()


def shown(text: str) -> list[str]:
    return [
        part.partition("</span>")[0].split("<")[0].strip() for part in text.split('<span class="cs-key">')[1:]
    ]


def test_tab_begins_with_what_calls_for_attention(
    technician: Actor, charge_point: ChargePoint, client: Client
) -> None:
    text = tab(sign_in(client, technician), charge_point)
    assert shown(text) == ["Problem"]
    assert "What calls for attention: 1 value." in text
    assert "6 components, 6 values" in text
    assert "component=EVSE%281%29" in text
    assert "Never read as a whole" in text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"component": "OCPPCommCtrlr"}, ["HeartbeatInterval"]),
        ({"component": "evse(1)"}, ["Power"]),
        ({"component": "Nothing"}, []),
        ({"q": "inactivity"}, ["HeartbeatInterval"]),  # words of the appendix
        ({"q": "3600"}, ["Power"]),
        ({"show": "writable"}, ["HeartbeatInterval", "BasicAuthPassword", "TxStartPoint", "EcoMode"]),
        ({"show": "problems"}, ["Problem"]),
        ({"show": "monitored"}, ["Power"]),
        ({"show": "vendor"}, ["EcoMode"]),
        ({"show": "gone"}, []),
    ],
)
def test_tab_is_searched_and_filtered(
    query: dict[str, str], found: list[str], viewer: Actor, charge_point: ChargePoint, client: Client
) -> None:
    text = tab(sign_in(client, viewer), charge_point, **query)
    assert shown(text) == found
    assert ("No variable fits." in text) is not bool(found)


def test_tab_tells_what_the_charger_takes(
    technician: Actor, charge_point: ChargePoint, client: Client, model: dict[str, Variable]
) -> None:
    text = tab(sign_in(client, technician), charge_point, component="OCPPCommCtrlr")
    assert "integer, 10 to 600 s" in text
    assert _edit(charge_point, model["interval"]) in text
    text = tab(client, charge_point, component="VendorCtrlr")
    assert "&lt;b&gt;On&lt;/b&gt;" in text
    text = tab(client, charge_point, component="EVSE(1)")
    assert _edit(charge_point, model["power"]) not in text


def test_tab_offers_a_viewer_nothing_to_change(
    viewer: Actor, charge_point: ChargePoint, client: Client, model: dict[str, Variable]
) -> None:
    text = tab(sign_in(client, viewer), charge_point, component="OCPPCommCtrlr")
    assert _edit(charge_point, model["interval"]) not in text
    assert "Set several" not in text
    assert "Read all again" not in text


def test_tab_tells_of_reports_that_are_not_whole(
    viewer: Actor, charge_point: ChargePoint, client: Client
) -> None:
    DeviceReportFactory(charge_point=charge_point, status="partial", parts=[0, 2], variables=12)
    text = tab(sign_in(client, viewer), charge_point)
    assert "(all variables): parts are missing, 2 parts with 12 values; ask for it again." in text


# ---------------------------------------------------------------- changing a value
def _edit(charge_point: ChargePoint, row: Variable) -> str:
    return reverse("admin:chargepoints_chargepoint_variable", args=[charge_point.pk, row.pk])


def test_change_is_queued_as_a_neutral_command(
    technician: Actor, charge_point: ChargePoint, client: Client, model: dict[str, Variable]
) -> None:
    path = _edit(charge_point, model["interval"])
    page = sign_in(client, technician).get(path).content.decode()
    assert 'value="60"' in page
    assert "10 to 600 s" in page
    answer = client.post(path, {"value": "120", "confirm": "on"})
    assert answer.status_code == 302
    command = Command.objects.get()
    assert command.action == "change_configuration"
    assert command.payload == {"key": "OCPPCommCtrlr/HeartbeatInterval", "value": "120"}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("interval", "5", "Must not be below 10."),
        ("interval", "often", "Must be a number."),
        ("mode", "Maybe", "Select a valid choice."),
        ("password", "x" * 41, "Must not have more than 40 characters."),
    ],
)
def test_value_that_the_charger_would_refuse_is_refused_here(
    technician: Actor,
    charge_point: ChargePoint,
    client: Client,
    model: dict[str, Variable],
    name: str,
    value: str,
    words: str,
) -> None:
    path = _edit(charge_point, model[name])
    answer = sign_in(client, technician).post(path, {"value": value, "confirm": "on"})
    assert words in answer.content.decode()
    assert not Command.objects.exists()


def test_list_is_ticked_and_sent_with_commas(
    technician: Actor, charge_point: ChargePoint, client: Client, model: dict[str, Variable]
) -> None:
    path = _edit(charge_point, model["points"])
    given = {"value": ["EVConnected", "Authorized"], "confirm": "on"}
    assert sign_in(client, technician).post(path, given).status_code == 302
    assert Command.objects.get().payload["value"] == "EVConnected,Authorized"


def test_change_needs_the_box_ticked_and_a_variable_that_takes_values(
    technician: Actor,
    charge_point: ChargePoint,
    other_charge_point: ChargePoint,
    client: Client,
    model: dict[str, Variable],
) -> None:
    sign_in(client, technician)
    assert (
        "Tick the box"
        in client.post(_edit(charge_point, model["interval"]), {"value": "60"}).content.decode()
    )
    assert client.get(_edit(charge_point, model["power"])).status_code == 404
    foreign = told(other_charge_point, "A", "V", "1")
    assert client.get(_edit(charge_point, foreign)).status_code == 404
    assert client.get(_edit(other_charge_point, foreign)).status_code == 404


def test_change_is_not_for_viewers_or_strangers(
    viewer: Actor, charge_point: ChargePoint, client: Client, model: dict[str, Variable]
) -> None:
    path = _edit(charge_point, model["interval"])
    assert client.get(path).status_code == 302  # to the login
    assert sign_in(client, viewer).post(path, {"value": "60", "confirm": "on"}).status_code == 403
    assert not Command.objects.exists()


# ---------------------------------------------------------------- files
def test_file_holds_what_is_shown_and_no_secret(
    viewer: Actor, charge_point: ChargePoint, other_charge_point: ChargePoint, client: Client
) -> None:
    url = reverse("admin:chargepoints_chargepoint_variables_csv", args=[charge_point.pk])
    assert client.get(url).status_code == 302
    answer = sign_in(client, viewer).get(url, {"show": "writable"})
    lines = b"".join(answer).decode("utf-8-sig").splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "key",
        "OCPPCommCtrlr/HeartbeatInterval",
        "SecurityCtrlr/BasicAuthPassword",
        "TxCtrlr/TxStartPoint",
        "VendorCtrlr/EcoMode",
    ]
    assert "10,600" in lines[1]
    foreign = reverse("admin:chargepoints_chargepoint_variables_csv", args=[other_charge_point.pk])
    assert client.get(foreign).status_code == 404


# ---------------------------------------------------------------- API
def test_api_tells_all_of_a_variable(viewer: Actor, charge_point: ChargePoint) -> None:
    rows = client_of(viewer).get(f"{V1}charge-points/CP-A/variables/", {"component": "ocppcommctrlr"}).json()
    (row,) = rows["results"]
    assert row["key"] == "OCPPCommCtrlr/HeartbeatInterval"
    assert (row["data_type"], row["unit"], row["min_limit"], row["max_limit"]) == (
        "integer",
        "s",
        10.0,
        600.0,
    )
    assert row["may_change"] is True
    assert "inactivity" in row["description"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"key": "evse(1)/power"}, ["EVSE(1)/Power"]),
        ({"key": "HeartbeatInterval"}, ["OCPPCommCtrlr/HeartbeatInterval"]),
        ({"evse": "2"}, ["Connector(2.1)/Problem"]),
        ({"evse": "2", "connector": "1"}, ["Connector(2.1)/Problem"]),
        ({"supports_monitoring": "true"}, ["EVSE(1)/Power"]),
        ({"data_type": "OptionList"}, ["VendorCtrlr/EcoMode"]),
        ({"attribute": "Target"}, []),
        ({"writable": "true", "search": "ctrlr"}, [
            "OCPPCommCtrlr/HeartbeatInterval", "SecurityCtrlr/BasicAuthPassword", "TxCtrlr/TxStartPoint",
            "VendorCtrlr/EcoMode",
        ]),
        ({"writable": "false"}, ["Connector(2.1)/Problem", "EVSE(1)/Power"]),
        ({"set_status": "Rejected"}, []),
    ],
)  # fmt: skip
def test_api_filters_variables(viewer: Actor, query: dict[str, str], found: list[str]) -> None:
    rows = client_of(viewer).get(f"{V1}charge-points/CP-A/variables/", query).json()["results"]
    assert [row["key"] for row in rows] == found


def test_api_lists_reports(viewer: Actor, charge_point: ChargePoint, other_charge_point: ChargePoint) -> None:
    DeviceReportFactory(
        charge_point=charge_point, request_id=7, parts=[0, 1], variables=40, status="complete"
    )
    path = f"{V1}charge-points/CP-A/device-reports/"
    (row,) = client_of(viewer).get(path, {"status": "complete"}).json()["results"]
    assert (row["request_id"], row["base"], row["parts"], row["variables"]) == (
        7,
        "FullInventory",
        [0, 1],
        40,
    )
    assert client_of(viewer).get(path, {"status": "open"}).json()["results"] == []
    assert (
        client_of(viewer).get(f"{V1}charge-points/{other_charge_point.identity}/device-reports/").status_code
        == 404
    )


# ---------------------------------------------------------------- command line
def test_command_line_shows_variables() -> None:
    out = StringIO()
    call_command("configuration", "show", "cp-a", stdout=out)
    assert "OCPPCommCtrlr/HeartbeatInterval = 60 s\n" in out.getvalue()
    assert "EVSE(1)/Power = 3600  (read-only)\n" in out.getvalue()
    out = StringIO()
    call_command("configuration", "show", "cp-a", search="power", stdout=out)
    assert "HeartbeatInterval" not in out.getvalue()
    assert "EVSE(1)/Power" in out.getvalue()
