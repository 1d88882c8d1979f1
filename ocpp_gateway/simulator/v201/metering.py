"""Meter values in the words of 2.x (2.0.1 part 2, block J)."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime

import orjson

from ocpp_gateway.simulator.answers import Payload
from ocpp_gateway.simulator.meter import sampled_values
from ocpp_gateway.wire.timestamps import format_timestamp

ENERGY = "Energy.Active.Import.Register"
_PUBLIC_KEY = base64.b64encode(b"oca:base16:asn1:3059301306072a8648ce3d020106").decode()


def meter_value(
    *,
    at: datetime,
    register_wh: int,
    power_w: int,
    soc: int | None,
    measurands: list[str],
    context: str,
    serial: str = "",
) -> Payload | None:
    """A MeterValueType; None where no measurand is configured.

    serial   of a meter that signs its register
    """
    offered = f"{power_w / 690:.2f}"
    values = sampled_values(
        register_wh=register_wh, power_w=power_w, soc=soc, measurands=measurands, context=context
    )
    if "Current.Offered" in measurands:
        values.append({"measurand": "Current.Offered", "context": context, "value": offered, "unit": "A"})
    samples = [_sample(value) for value in values]
    if not samples:
        return None
    if serial:
        for sample in samples:
            if sample["measurand"] == ENERGY:
                sample["signedMeterValue"] = signed(at, register_wh, context, serial)
    return {"timestamp": format_timestamp(at), "sampledValue": samples}


def _sample(value: dict[str, str]) -> Payload:
    sample: Payload = {
        "value": float(value["value"]),
        "measurand": value["measurand"],
        "context": value["context"],
        "location": value.get("location", "Outlet"),
        "unitOfMeasure": {"unit": value["unit"]},
    }
    if "phase" in value:
        sample["phase"] = value["phase"]
    return sample


def signed(at: datetime, register_wh: int, context: str, serial: str) -> Payload:
    """A SignedMeterValueType in the form of OCMF; the signature is none that anybody could verify."""
    kind = {"Transaction.Begin": "B", "Transaction.End": "E"}.get(context, "C")
    reading = {
        "TM": f"{at:%Y-%m-%dT%H:%M:%S,000+0000} S",
        "TX": kind,
        "RV": round(register_wh / 1000, 3),
        "RI": "01-00:98.08.00.FF",
        "RU": "kWh",
        "ST": "G",
    }
    data = {
        "FV": "1.0",
        "GI": "SIMULATOR",
        "GS": serial,
        "PG": "T1",
        "MV": "SIM",
        "MS": serial,
        "RD": [reading],
    }
    text = orjson.dumps(data).decode()
    digest = hashlib.sha256(text.encode()).hexdigest()
    ocmf = f'OCMF|{text}|{{"SA":"ECDSA-secp256r1-SHA256","SD":"{digest}"}}'
    return {
        "signedMeterData": base64.b64encode(ocmf.encode()).decode(),
        "signingMethod": "ECDSA-secp256r1-SHA256",
        "encodingMethod": "OCMF",
        "publicKey": _PUBLIC_KEY,
    }
