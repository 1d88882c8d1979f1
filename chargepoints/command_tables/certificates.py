"""Certificates in the charger (OCPP 1.6 security whitepaper and 2.0.1, use cases A02, M03–M05)."""

from __future__ import annotations

from typing import Any

from chargepoints.command_fields import SEND_DANGEROUS, CommandSpec, FieldSpec
from chargepoints.plug_and_charge import ISO_ROOTS

_ROOTS = {
    "CentralSystemRootCertificate": "Ours: the charger knows this system by it",
    "ManufacturerRootCertificate": "The manufacturer's: the charger knows firmware by it",
    ISO_ROOTS[0]: "Plug & Charge, V2G root: vehicles know the charger by it",
    ISO_ROOTS[1]: "Plug & Charge, MO root: the charger knows contracts by it",
    "OEMRootCertificate": "Plug & Charge, OEM root: the charger knows vehicles by it (OCPP 2.1)",
}
_LISTED = {
    **_ROOTS,
    "V2GCertificateChain": "Plug & Charge, the charger's own chain for vehicles (OCPP 2.x)",
}
_USE = FieldSpec(
    name="certificate_type",
    type="enum",
    label="Certificate",
    required=True,
    choices=tuple(_ROOTS),
    choice_labels=tuple(_ROOTS.values()),
)
_ONE_USE = FieldSpec(
    name="certificate_type",
    type="enum",
    label="Certificate",
    choices=tuple(_LISTED),
    choice_labels=tuple(_LISTED.values()),
    help="Empty: all that it holds (OCPP 2.x).",
)
_USES = FieldSpec(
    name="certificate_types",
    type="strings",
    label="Several kinds",
    max_length=len(_LISTED),
    help=f"Instead of one, for OCPP 2.x: {', '.join(_LISTED)}.",
)
_SCOPE = FieldSpec(
    name="scope",
    type="enum",
    label="For",
    choices=("connection", "plug_and_charge"),
    choice_labels=("The connection and firmware", "Plug & Charge (ISO 15118)"),
    help="Empty: the connection and firmware. Only OCPP 1.6 tells them apart here.",
)
_PURPOSE = FieldSpec(
    name="scope",
    type="enum",
    label="For",
    choices=("connection", "plug_and_charge", "plug_and_charge_20"),
    choice_labels=(
        "The connection to this system",
        "Plug & Charge (ISO 15118-2)",
        "Plug & Charge (ISO 15118-20, OCPP 2.1)",
    ),
    help="As the charger has said in its request. Empty: it did not say.",
)


def _check_uses(given: dict[str, Any]) -> dict[str, str]:
    names = given.get("certificate_types", [])
    if names and "certificate_type" in given:
        return {"certificate_types": "Give either one kind or several."}
    if unknown := [name for name in names if name not in _LISTED]:
        return {"certificate_types": f"“{unknown[0]}” is none of {', '.join(_LISTED)}."}
    return {"certificate_types": "Each kind once."} if len(set(names)) < len(names) else {}


def _check_pem(field: str) -> Any:
    """A check that this field holds certificates and no key; whether they are good is for the charger to say."""

    def check(given: dict[str, Any]) -> dict[str, str]:
        text: str = given[field]
        if "PRIVATE KEY-----" in text:
            return {field: "This holds a private key, which must never be sent. Leave only the certificate."}
        if "-----BEGIN CERTIFICATE-----" not in text:
            return {field: "Must be a certificate in PEM: -----BEGIN CERTIFICATE----- and so on."}
        return {}

    return check


CERTIFICATES = (
    CommandSpec(
        action="get_installed_certificate_ids",
        label="List certificates",
        description="Which certificates the charger holds.",
        fields=(_ONE_USE, _USES),
        check=_check_uses,
    ),
    CommandSpec(
        action="install_certificate",
        label="Install a certificate",
        description="Give the charger a root certificate that it trusts.",
        fields=(
            _USE,
            FieldSpec(
                name="certificate",
                type="string",
                label="Root certificate",
                required=True,
                max_length=10_000,
                help="In PEM: -----BEGIN CERTIFICATE----- and so on. Before OCPP 2.1 at most 5500 characters.",
            ),
        ),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Let the charger trust this certificate?",
        check=_check_pem("certificate"),
    ),
    CommandSpec(
        action="delete_certificate",
        label="Delete a certificate",
        description="Remove a root certificate. “List certificates” shows what to enter here.",
        fields=(
            FieldSpec(
                name="hash_algorithm",
                type="enum",
                label="Hash",
                required=True,
                choices=("SHA256", "SHA384", "SHA512"),
                help="As the charger has reported it.",
            ),
            FieldSpec(
                name="issuer_name_hash", type="string", label="Issuer name", required=True, max_length=128
            ),
            FieldSpec(
                name="issuer_key_hash", type="string", label="Issuer key", required=True, max_length=128
            ),
            FieldSpec(
                name="serial_number",
                type="string",
                label="Serial number",
                required=True,
                max_length=40,
                help="Hexadecimal.",
            ),
            _SCOPE,
        ),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Delete this certificate? Without the right one the charger can no longer connect.",
    ),
    CommandSpec(
        action="certificate_signed",
        label="Deliver the charger's certificate",
        description="Give the charger the signed certificate that it has asked for.",
        fields=(
            FieldSpec(
                name="certificate_chain",
                type="string",
                label="Certificate",
                required=True,
                max_length=10_000,
                help="In PEM: the charger's own first, then those of the authorities that signed it.",
            ),
            _PURPOSE,
            FieldSpec(
                name="request_number",
                type="integer",
                label="Number of the request",
                help="Where the charger has given its request one (OCPP 2.1).",
            ),
        ),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Let the charger use this certificate?",
        check=_check_pem("certificate_chain"),
    ),
)
