"""Forms of the neutral commands: what a person types becomes the arguments of the service."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone

from chargepoints.admin.command_forms import CommandForm, read_rows
from chargepoints.command_fields import CommandSpec, FieldSpec
from chargepoints.command_specs import NEUTRAL, clean

PEM = "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n"


def payload_of(action: str, **data: str) -> dict[str, Any]:
    form = CommandForm(NEUTRAL[action], {"confirm": "on", **data})
    assert form.is_valid(), form.errors
    return form.payload()


def rows_of(action: str, field: str) -> FieldSpec:
    found = NEUTRAL[action].field(field)
    assert found is not None
    return found


def test_tags_of_a_local_list_are_read_one_on_each_line() -> None:
    text = "04A1, Accepted, 2099-12-31T23:59:00+01:00, GROUP\r\n\r\n 04A2 ,,\n04A3,Blocked\n"

    given = payload_of("send_local_list", update_type="Differential", version="4", entries=text)

    assert clean("send_local_list", given) == {
        "update_type": "Differential",
        "version": 4,
        "entries": [
            {
                "id_token": "04A1",
                "status": "Accepted",
                "expires_at": "2099-12-31T23:59:00+01:00",
                "parent_id_token": "GROUP",
            },
            {"id_token": "04A2"},
            {"id_token": "04A3", "status": "Blocked"},
        ],
    }


def test_time_without_an_offset_is_local() -> None:
    with timezone.override("Europe/Berlin"):
        rows = read_rows(rows_of("send_local_list", "entries"), "04A1, Accepted, 2099-12-31 23:59")

    assert datetime.fromisoformat(rows[0]["expires_at"]).utcoffset() is not None
    assert rows[0]["expires_at"] == "2099-12-31T23:59:00+01:00"


def test_limits_over_time_are_read_one_on_each_line() -> None:
    given = payload_of(
        "set_charging_profile",
        connector="1",
        profile_id="5",
        purpose="TxDefaultProfile",
        kind="Relative",
        charging_rate_unit="A",
        stack_level="0",
        periods="0, 16.1, 3\n3600, 8",
        min_charging_rate="6.5",
    )

    cleaned = clean("set_charging_profile", given)
    assert cleaned["periods"] == [
        {"start_period": 0, "limit": 16.1, "number_phases": 3},
        {"start_period": 3600, "limit": 8},
    ]
    assert cleaned["min_charging_rate"] == 6.5


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ("soon, much, all", {"start_period": "soon", "limit": "much", "number_phases": "all"}),
        (
            "0, 16, 1, 2, more",
            {"start_period": 0, "limit": "16", "number_phases": 1, "phase_to_use": 2, "more": "more"},
        ),
        (",16", {"limit": "16"}),
    ],
)
def test_line_that_is_wrong_is_left_to_the_service_to_name(line: str, row: dict[str, Any]) -> None:
    assert read_rows(rows_of("set_charging_profile", "periods"), line) == [row]


def test_certificate_from_a_browser_keeps_plain_line_ends() -> None:
    given = payload_of(
        "install_certificate",
        certificate_type="ManufacturerRootCertificate",
        certificate=PEM.replace("\n", "\r\n"),
    )

    assert given["certificate"] == PEM


def test_reservation_takes_date_and_time_and_leaves_the_number_to_us() -> None:
    given = payload_of(
        "reserve_now", id_token="04A1", connector="0", expires_at_0="2099-03-02", expires_at_1="10:00"
    )

    assert datetime.fromisoformat(given["expires_at"]).year == 2099
    assert "reservation_id" not in given


@pytest.mark.parametrize("spec", NEUTRAL.values(), ids=list(NEUTRAL))
def test_every_argument_has_words_for_people(spec: CommandSpec) -> None:
    form = CommandForm(spec)

    assert all(field.label for field in spec.fields)
    for field in spec.fields:
        if field.named_only:
            assert field.name not in form.fields
            continue
        assert form.fields[field.name].label == field.label
        assert len(field.choice_labels) in (0, len(field.choices))
    assert ("confirm" in form.fields) == bool(spec.confirm)


def test_argument_that_was_left_out_is_shown_empty() -> None:
    assert "null" not in str(CommandForm(NEUTRAL["remote_start"])["charging_profile"])
    bound = CommandForm(NEUTRAL["remote_start"], {"id_token": "04A1", "charging_profile": '{"a": 1}'})
    assert "{&quot;a&quot;: 1}" in str(bound["charging_profile"])
