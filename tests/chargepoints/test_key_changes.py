"""A new authorization key on its way to a charger."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.permissions import Actor
from chargepoints import commands, errors, keys
from chargepoints.choices import CommandStatus
from chargepoints.models import ChargePoint, Connection
from tests.chargepoints.sending import send
from tests.factories import CHARGER_KEY

NEW_KEY = "ffffffffffffffffffffffffffffffffffffffff"
SET_KEY = {"key": "AuthorizationKey", "value": NEW_KEY}


def working_keys(charge_point: ChargePoint) -> set[str]:
    charge_point.refresh_from_db()
    hashes = (charge_point.key_hash, charge_point.pending_key_hash)
    return {
        key for key in (CHARGER_KEY, NEW_KEY) for stored in hashes if keys.verify_key(key.encode(), stored)
    }


@pytest.mark.parametrize(
    ("status", "response", "expected"),
    [
        (CommandStatus.ACCEPTED, {"status": "Accepted"}, {NEW_KEY}),
        (CommandStatus.ACCEPTED, {"status": "RebootRequired"}, {CHARGER_KEY, NEW_KEY}),
        (CommandStatus.REJECTED, {"status": "Rejected"}, {CHARGER_KEY}),
        (CommandStatus.NOT_SUPPORTED, {"status": "NotSupported"}, {CHARGER_KEY}),
        (CommandStatus.TIMED_OUT, None, {CHARGER_KEY, NEW_KEY}),
        (CommandStatus.FAILED, None, {CHARGER_KEY, NEW_KEY}),
    ],
)
def test_new_key_works_as_the_answer_says(
    technician: Actor, connection: Connection, status: CommandStatus, response: Any, expected: set[str]
) -> None:
    charge_point = connection.charge_point
    command = commands.queue(
        actor=technician, charge_point=charge_point, action="change_configuration", payload=SET_KEY
    )
    assert working_keys(charge_point) == {CHARGER_KEY}
    send(command, connection, **SET_KEY)
    assert working_keys(charge_point) == {CHARGER_KEY, NEW_KEY}

    commands.complete(command.pk, status=status, response=response)

    assert working_keys(charge_point) == expected


def test_new_key_that_was_never_sent_never_works(technician: Actor, connection: Connection) -> None:
    command = commands.queue(
        actor=technician, charge_point=connection.charge_point, action="change_configuration", payload=SET_KEY
    )

    commands.cancel(actor=technician, command=command)

    assert working_keys(connection.charge_point) == {CHARGER_KEY}


def test_queue_second_key_while_the_first_is_open_is_refused(
    technician: Actor, connection: Connection
) -> None:
    charge_point = connection.charge_point
    charge_point.pending_key_hash = keys.hash_key(NEW_KEY)

    with pytest.raises(errors.InvalidPayload) as caught:
        commands.queue(
            actor=technician, charge_point=charge_point, action="change_configuration", payload=SET_KEY
        )

    assert "key" in caught.value.errors


@pytest.mark.parametrize("value", ["", "short", "x" * 65])
def test_queue_unusable_key_is_refused(technician: Actor, connection: Connection, value: str) -> None:
    with pytest.raises(errors.InvalidPayload) as caught:
        commands.queue(
            actor=technician,
            charge_point=connection.charge_point,
            action="change_configuration",
            payload={"key": "authorizationkey", "value": value},
        )

    assert "value" in caught.value.errors
