"""Is this a VAT number?  Asked by chargers before they settle a payment (OCPP 2.1 C18.FR.08 to .10)."""

from __future__ import annotations

from dataclasses import dataclass

from chargepoints.services.batch import Act, FromCharger, StationBatch
from transactions.vat_numbers import Checked, check_form


@dataclass(frozen=True, slots=True, kw_only=True)
class AskVatNumber(FromCharger):
    """A number, the EVSE that is meant, and what a register has said of it meanwhile."""

    number: str
    evse: int | None
    known: Checked | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VatAnswer:
    """The answer repeats number and EVSE (C18.FR.10)."""

    number: str
    evse: int | None
    checked: Checked


def decide_vat_number(request: AskVatNumber, batch: StationBatch) -> VatAnswer:
    """What the register said; without one the form decides."""
    checked = request.known if isinstance(request.known, Checked) else check_form(request.number)
    return VatAnswer(number=request.number, evse=request.evse, checked=checked)


VAT_NUMBER: Act[AskVatNumber, StationBatch] = Act(decide_vat_number)
