"""Smart charging of OCPP 2.x over the REST API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from accounts.permissions import Actor
from chargepoints import commands
from chargepoints.choices import CommandStatus
from chargepoints.models import ChargePoint, ChargingProfile, ChargingProfileAssignment, Command, Connection
from csms_project.common.models import AuditEntry
from tests import factories
from tests.api import V1, client_of, names, problem_of

PROFILES = f"{V1}charging-profiles/"
STATION = f"{V1}charge-points/CP-A/"
PERIODS = [
    {
        "start_period": 0,
        "operation_mode": "CentralSetpoint",
        "setpoint": -5000.5,
        "number_phases": 3,
    }
]
BODY: dict[str, Any] = {
    "name": "Feed back",
    "purpose": "TxDefaultProfile",
    "charging_rate_unit": "W",
    "periods": PERIODS,
    "details": {"max_offline_duration": 3600, "limit_at_soc": {"soc": 80, "limit": 5500}},
}


@pytest.fixture
def later(connection: Connection) -> ChargePoint:
    """The charger speaks 2.1."""
    ChargePoint.objects.filter(pk=connection.charge_point_id).update(ocpp_version="ocpp2.1")
    row: ChargePoint = ChargePoint.objects.get(pk=connection.charge_point_id)
    return row


def dynamic_on(charge_point: ChargePoint, **fields: Any) -> ChargingProfileAssignment:
    content = {
        "purpose": "TxDefaultProfile",
        "kind": "Dynamic",
        "charging_rate_unit": "W",
        "periods": [{"start_period": 0, "limit": "11000"}],
    }
    row: ChargingProfileAssignment = factories.ChargingProfileAssignmentFactory(
        charge_point=charge_point, profile_number=7, content=content, **fields
    )
    return row


def test_profile_of_2_1_is_kept_as_it_was_given(technician: Actor) -> None:
    client = client_of(technician)

    response = client.post(PROFILES, BODY)

    assert response.status_code == 201, response.content
    shown = response.json()
    assert shown["details"] == BODY["details"]
    [period] = shown["periods"]
    assert {name: value for name, value in period.items() if value is not None} == PERIODS[0]
    assert ChargingProfile.objects.get().periods[0]["setpoint"] == "-5000.5"
    changed = client.patch(f"{PROFILES}{shown['id']}/", {"details": {"randomized_delay": 60}}).json()
    assert changed["details"] == {"randomized_delay": 60}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"periods": [{"start_period": 0, "operation_mode": "Idle", "limit": 1}]}, "periods"),
        ({"periods": [{"start_period": 0, "operation_mode": "Sleep"}]}, "periods"),
        ({"periods": [{"start_period": 0}]}, "periods"),
        ({"details": {"dyn_update_interval": 5}}, "dyn_update_interval"),
        ({"details": {"max_offline_duration": -1}}, "details"),
        ({"kind": "Dynamic", "start_schedule": "2026-03-02T10:00:00Z"}, "start_schedule"),
    ],
)
def test_what_does_not_go_together_is_refused(technician: Actor, change: dict[str, Any], field: str) -> None:
    response = client_of(technician).post(PROFILES, {**BODY, **change})

    assert field in str(problem_of(response, 400))


def test_profile_that_1_6_cannot_say_is_refused_for_such_a_charger(
    technician: Actor, connection: Connection
) -> None:
    client = client_of(technician)
    ChargePoint.objects.update(ocpp_version="ocpp1.6")
    shown = client.post(PROFILES, BODY).json()

    response = client.post(f"{PROFILES}{shown['id']}/assign/", {"charge_point": "CP-A", "connector": 1})

    assert "OCPP 1.6 cannot say" in str(problem_of(response, 400))


def test_profile_of_2_1_is_set(technician: Actor, later: ChargePoint) -> None:
    client = client_of(technician)
    shown = client.post(PROFILES, BODY).json()

    assigned = client.post(f"{PROFILES}{shown['id']}/assign/", {"charge_point": "CP-A", "connector": 1})

    assert assigned.status_code == 201, assigned.content
    command = Command.objects.get()
    assert command.payload["periods"][0]["setpoint"] == -5000.5
    assert command.payload["max_offline_duration"] == 3600


# --- dynamic profiles ---


def test_dynamic_profile_is_updated(technician: Actor, later: ChargePoint) -> None:
    row = dynamic_on(later)
    url = f"{STATION}charging-profiles/{row.pk}/dynamic/"

    response = client_of(technician).post(url, {"values": {"limit": 7400.5}})

    assert response.status_code == 200, response.content
    command = Command.objects.get()
    assert (command.action, command.payload) == (
        "update_dynamic_schedule",
        {"profile_id": 7, "limit": 7400.5},
    )
    assert response.json()["dynamic"] is None  # until the charger has taken it
    commands.complete(command.pk, status=CommandStatus.ACCEPTED)


def test_values_wait_until_the_charger_asks(technician: Actor, later: ChargePoint) -> None:
    row = dynamic_on(later)
    url = f"{STATION}charging-profiles/{row.pk}/dynamic/"

    shown = client_of(technician).post(url, {"values": {"limit": 4000}, "push": False}).json()

    assert shown["dynamic"] == {"limit": 4000}
    assert not Command.objects.exists()
    assert AuditEntry.objects.filter(action="commands.send_dangerous").count() == 1


@pytest.mark.parametrize(
    ("values", "said"),
    [({}, "at least one"), ({"setpoint": 5}, "ChargingOnly"), ({"limit": "much"}, "number")],
)
def test_update_that_makes_no_sense_is_refused(
    technician: Actor, later: ChargePoint, values: dict[str, Any], said: str
) -> None:
    row = dynamic_on(later)

    response = client_of(technician).post(
        f"{STATION}charging-profiles/{row.pk}/dynamic/", {"values": values, "push": False}
    )

    assert said in str(problem_of(response, 400))


def test_profile_that_is_not_dynamic_is_not_updated(technician: Actor, later: ChargePoint) -> None:
    row = factories.ChargingProfileAssignmentFactory(charge_point=later)

    response = client_of(technician).post(
        f"{STATION}charging-profiles/{row.pk}/dynamic/", {"values": {"limit": 1}}
    )

    assert response.status_code == 400


def test_viewer_and_stranger_cannot_update(viewer: Actor, stranger: Actor, later: ChargePoint) -> None:
    url = f"{STATION}charging-profiles/{dynamic_on(later).pk}/dynamic/"

    assert client_of(viewer).post(url, {"values": {"limit": 1}}).status_code == 403
    assert client_of(stranger).post(url, {"values": {"limit": 1}}).status_code == 404


# --- what chargers tell ---


def test_reported_profiles_are_listed_with_a_verdict(viewer: Actor, charge_point: ChargePoint) -> None:
    report = factories.ProfileReportFactory(charge_point=charge_point, state="complete")
    factories.ReportedProfileFactory(report=report, profile_number=7)
    factories.ReportedProfileFactory(
        report=report,
        profile_number=-1,
        source="EMS",
        purpose="ChargingStationExternalConstraints",
        content={
            "kind": "Absolute",
            "charging_rate_unit": "W",
            "periods": [{"start_period": 0, "limit": "4.5"}],
        },
    )
    factories.ReportedProfileFactory(profile_number=9)  # of another charger
    client, url = client_of(viewer), f"{STATION}reported-charging-profiles/"

    assert names(client.get(url), "profile_number") == [-1, 7]
    [external] = client.get(url, {"source": "EMS"}).json()["results"]
    assert external["periods"][0]["limit"] == 4.5
    assert external["report_state"] == "complete"
    [ours] = client.get(url, {"profile_number": 7}).json()["results"]
    assert ours["verdict"] == "Not known here."


def test_limits_of_others_are_listed_and_counted(viewer: Actor, charge_point: ChargePoint) -> None:
    factories.ExternalLimitFactory(charge_point=charge_point)
    factories.ExternalLimitFactory(
        charge_point=charge_point, source="SO", content=None, cleared_at=factories.T0
    )
    client, url = client_of(viewer), f"{STATION}charging-limits/"

    assert names(client.get(url), "source") == ["EMS", "SO"]
    assert names(client.get(url, {"active": True}), "source") == ["EMS"]
    expected = client.get(f"{STATION}composite-schedule/", {"connector": "1", "unit": "W"}).json()
    assert [(one["limit"], one["profile"]) for one in expected["periods"]] == [(4000, "Limit of EMS")]


def test_vehicles_and_priority_are_listed(viewer: Actor, charge_point: ChargePoint) -> None:
    factories.VehicleNeedsFactory(
        charge_point=charge_point, energy_wh=20_000, schedule=[{"start_period": 0, "limit": "16"}]
    )
    factories.PriorityChargingFactory(charge_point=charge_point, transaction_number="tx-1")
    factories.PriorityChargingFactory(
        charge_point=charge_point,
        transaction_number="tx-0",
        is_active=False,
        changed_at=factories.T0 - timedelta(days=1),
    )
    client = client_of(viewer)

    [vehicle] = client.get(f"{STATION}vehicle-needs/").json()["results"]
    assert (vehicle["energy_wh"], vehicle["answer"]) == (20_000, "Accepted")
    assert vehicle["schedule"][0]["limit"] == 16
    [first] = client.get(f"{STATION}priority-charging/", {"active": True}).json()["results"]
    assert (first["transaction_id"], first["is_active"]) == ("tx-1", True)
