"""The versions that we speak."""

from __future__ import annotations

from ocpp_gateway.dialect import Dialect
from ocpp_gateway.v16.dialect import DIALECT as OCPP16
from ocpp_gateway.v21.actions import DIALECT as OCPP21
from ocpp_gateway.v201.actions import DIALECT as OCPP201

DIALECTS: dict[str, Dialect] = {dialect.version: dialect for dialect in (OCPP16, OCPP201, OCPP21)}


def dialect_for(version: str) -> Dialect:
    """The one that a charger speaks; 1.6 until it has connected."""
    return DIALECTS.get(version, OCPP16)
