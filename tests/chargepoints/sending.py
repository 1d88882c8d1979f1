"""A gateway that takes a command and sends it."""

from __future__ import annotations

import uuid
from typing import Any

from chargepoints import commands
from chargepoints.models import Command, Connection


def send(command: Command, connection: Connection, **request: Any) -> Command:
    claimed = commands.claim(
        command.pk,
        connection_token=connection.token,
        message_id=uuid.uuid4(),
        ocpp_action="Any",
        request=request,
    )
    assert claimed is not None
    return claimed
