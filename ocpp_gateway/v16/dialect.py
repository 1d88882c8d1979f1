"""OCPP 1.6 as a whole."""

from __future__ import annotations

from functools import partial

from ocpp_gateway.dialect import Dialect
from ocpp_gateway.v16.actions import ACTIONS
from ocpp_gateway.v16.answers import read_answer
from ocpp_gateway.v16.commands import CALLS, TAG_LENGTH, asked_message, to_call
from ocpp_gateway.wire.errors import V16

DIALECT = Dialect(
    version=V16,
    actions=ACTIONS,
    to_call=to_call,
    read_answer=read_answer,
    asked_message=asked_message,
    tag_length=TAG_LENGTH,
    text_passwords=False,
    replaces_level=True,
    calls={action: partial(to_call, action) for action in CALLS},
)
